"""gevent's side of benchmarks/echo: a greenlet a connection, as its StreamServer has it written: with_gevent.py PORT"""

import sys

from gevent.server import StreamServer


def echo(connection, address):
    while received := connection.recv(64 * 1024):
        connection.sendall(received)


StreamServer(("127.0.0.1", int(sys.argv[1])), echo).serve_forever()
