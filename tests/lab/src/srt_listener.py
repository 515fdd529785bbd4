"""A listener of libsrt: many callers at once, rules by stream id, a clip in a loop.

tv1 is served; so are fast (at 20 Mbit/s), silent (nothing comes), stuffing (null packets only), bytes (no transport stream) and secret (with a
passphrase); rejected are forbidden (1403), full (1402) and own (2005), and whatever else there is (1404)."""
import ctypes
import socket
import struct
import sys
import threading
import time

port, clip, rate = int(sys.argv[1]), open(sys.argv[2], 'rb').read(), float(sys.argv[3])
srt = ctypes.CDLL('libsrt-gnutls.so.1.5')
PASSPHRASE, STREAM_ID = 26, 46
CHUNK = 1316
STUFFING = (b'\x47\x1f\xff\x10' + b'\xff' * 184) * 7
REJECTIONS = {'forbidden': 1403, 'full': 1402, 'own': 2005}
SERVED = {'tv1': clip, 'fast': clip, 'secret': clip, 'stuffing': STUFFING, 'bytes': bytes(range(256)) * 50, 'silent': b''}
ids = {}


def resource(stream_id):
    """The r= of an id in the form of access control, else the id."""
    if not stream_id.startswith('#!::'):
        return stream_id
    pairs = dict(pair.split('=', 1) for pair in stream_id[4:].split(','))
    return pairs.get('r', '')


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
def rules(_, caller, version, address, stream_id):
    name = resource((stream_id or b'').decode())
    print('caller wants', name, flush=True)
    if name not in SERVED:
        srt.srt_setrejectreason(caller, REJECTIONS.get(name, 1404))
        return -1
    ids[caller] = name
    if name == 'secret':
        srt.srt_setsockopt(caller, 0, PASSPHRASE, b'correct-horse', 13)
    return 0


def serve(caller):
    media, at, began, sent = SERVED[ids[caller]], 0, time.monotonic(), 0
    pace = 2.5e6 if ids[caller] == 'fast' else rate
    while True:
        if not media:
            time.sleep(0.1)
            if srt.srt_getsockstate(caller) != 5:
                break
            continue
        chunk = (media[at:at + CHUNK] + media)[:CHUNK]
        at = (at + CHUNK) % len(media)
        if srt.srt_send(caller, chunk, CHUNK) < 0:
            break
        sent += CHUNK
        time.sleep(max(0, began + sent / pace - time.monotonic()))
    srt.srt_close(caller)


srt.srt_startup()
listener = srt.srt_create_socket()
address = struct.pack('=HH4s8x', socket.AF_INET, socket.htons(port), b'\0\0\0\0')
srt.srt_listen_callback(listener, rules, None)
if srt.srt_bind(listener, address, 16) or srt.srt_listen(listener, 10):
    sys.exit('cannot listen')
print('ready', flush=True)
while True:
    caller = srt.srt_accept(listener, None, None)
    threading.Thread(target=serve, args=(caller,), daemon=True).start()
