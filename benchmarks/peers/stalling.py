"""A server that answers at once, but stands still for a second after every four, counted from its first request: PORT."""

import select
import socket
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world\n"


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=256)
    poll, connections, first = select.epoll(), {}, 0.0
    poll.register(listener, select.EPOLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == listener.fileno():
                connection = listener.accept()[0]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                poll.register(connection, select.EPOLLIN)
                continue
            connection = connections[descriptor]
            try:
                data = connection.recv(65536)
                if data:
                    now = time.monotonic()
                    first = first or now
                    if (position := (now - first) % 5) >= 4:
                        time.sleep(5 - position)
                    connection.sendall(ANSWER * data.count(b"\r\n\r\n"))
                    continue
            except ConnectionError:
                pass
            del connections[descriptor]
            connection.close()


main()
