/* Reads 100 kB of a stream with libmms, which checks what the server says on the way. */
#include <libmms/mms.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char buffer[4096];
    int total = 0, n;
    mms_t *mms = argc > 1 ? mms_connect(NULL, NULL, argv[1], 1 << 20) : NULL;
    if (!mms)
        return 1;
    while (total < 100000 && (n = mms_read(NULL, mms, buffer, sizeof buffer)) > 0)
        total += n;
    printf("header %u, played %d\n", mms_get_asf_header_len(mms), total);
    mms_close(mms);
    return total < 100000;
}
