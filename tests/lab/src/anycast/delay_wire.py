"""A link between two network namespaces with delay, jitter and loss, for kernels without netem: two TUN devices joined by a heap.
usage: delay_wire.py NS_A IF_A NS_B IF_B CONTROL    CONTROL holds "one-way-ms jitter-ms loss", read again on SIGHUP.
A loss of 1 is a silent black hole: the link stays up."""
import ctypes, fcntl, heapq, os, random, select, signal, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
ns_a, if_a, ns_b, if_b, control = sys.argv[1:6]
CLONE_NEWNET, TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x40000000, 0x400454CA, 0x0001, 0x1000


def tun(namespace, name):
    door = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(door, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), namespace)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


state = [0.0, 0.0, 0.0]


def load(*_):
    try:
        with open(control) as file:
            state[:] = [float(word) for word in file.read().split()]
    except (OSError, ValueError):
        pass


load()
signal.signal(signal.SIGHUP, load)
a, b = tun(ns_a, if_a), tun(ns_b, if_b)
print("ready", flush=True)
waiting, number = [], 0
while True:
    now = time.monotonic()
    while waiting and waiting[0][0] <= now:
        _, _, device, packet = heapq.heappop(waiting)
        try:
            os.write(device, packet)
        except OSError:
            pass
    ready, _, _ = select.select([a, b], [], [], waiting[0][0] - now if waiting else None)
    now = time.monotonic()
    for device in ready:
        try:
            packet = os.read(device, 65536)
        except OSError:
            continue
        if random.random() >= state[2]:
            number += 1
            due = now + (state[0] + random.random() * state[1]) / 1000
            heapq.heappush(waiting, (due, number, b if device == a else a, packet))
