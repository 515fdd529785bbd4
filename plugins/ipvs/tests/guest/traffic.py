"""Traffic for a director.

serve PORT...        TCP and UDP servers on the ports, all addresses: whoever sends a line gets its name back
talk KIND ADDR PORT COUNT HOLD    COUNT exchanges (tcp or udp); TCP connections stay open for HOLD seconds
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
            done += bool(sock.recv(2000))
            open_.append(sock)
        except OSError as error:
            print(kind, address, port, error)
    print(f"{kind} {address} {port}: {done} of {count}", flush=True)
    time.sleep(hold)


if sys.argv[1] == "serve":
    serve([int(port) for port in sys.argv[2:]])
else:
    talk(sys.argv[2], sys.argv[3], *[int(n) for n in sys.argv[4:]])
