"""Traffic for a director.

serve PORT...        TCP and UDP servers on the ports, all addresses: whoever sends a line gets its name back
talk KIND ADDR PORT COUNT HOLD    COUNT exchanges (tcp, udp, or one-way without answers); TCP connections stay open for HOLD seconds
feed ADDR PORT MOUNT FILE         an encoder of 64 kbit/s for an Icecast, from a file in a loop
"""
import select
import socket
import sys
import time

NAME = (socket.gethostname() + "\n").encode() * 20


def received(sock):
    try:
        return sock.recv(100)
    except OSError:  # reset
        return b""


def serve(ports):
    listeners, talkers = {}, {}
    poll = select.poll()
    for port in ports:
        tcp = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=100)
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.bind(("::", port))
        for sock in tcp, udp:
            listeners[sock.fileno()] = sock
            poll.register(sock, select.POLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in poll.poll():
            if fd in talkers:
                if not received(talkers[fd]):
                    poll.unregister(fd)
                    talkers.pop(fd).close()
            elif listeners[fd].type == socket.SOCK_DGRAM:
                data, peer = listeners[fd].recvfrom(2000)
                listeners[fd].sendto(data, peer)
            else:
                conn, _ = listeners[fd].accept()
                try:
                    conn.sendall(NAME)
                except OSError:  # a health check that has gone again
                    conn.close()
                    continue
                talkers[conn.fileno()] = conn
                poll.register(conn, select.POLLIN)


def talk(kind, address, port, count, hold):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    done, open_ = 0, []
    for _ in range(count):
        sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        sock.settimeout(3)
        try:
            sock.connect((address, port))
            sock.send(b"x" * 100)
            done += kind == "one-way" or bool(sock.recv(2000))
            open_.append(sock)
        except OSError as error:
            print(kind, address, port, error)
    print(f"{kind} {address} {port}: {done} of {count}", flush=True)
    time.sleep(hold)


def feed(address, port, mount, file):
    sock = socket.create_connection((address, port))
    sock.sendall(f"PUT {mount} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic c291cmNlOmhhY2ttZQ==\r\n"
                 "Content-Type: audio/mpeg\r\nExpect: 100-continue\r\n\r\n".encode())
    print(sock.recv(1000), flush=True)
    media = open(file, "rb").read()
    sock.sendall(media[:65536])
    print("ready", flush=True)
    begin, sent = time.time(), 0
    while True:
        due = int((time.time() - begin) * 8000)
        while sent < due:
            at = (65536 + sent) % (len(media) - 400)
            sock.sendall(media[at:at + 400])
            sent += 400
        time.sleep(0.05)


if sys.argv[1] == "serve":
    serve([int(port) for port in sys.argv[2:]])
elif sys.argv[1] == "feed":
    feed(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
else:
    talk(sys.argv[2], sys.argv[3], *[int(n) for n in sys.argv[4:]])
