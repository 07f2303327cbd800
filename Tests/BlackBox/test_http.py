"""HTTP/1 on the wire: connections that stay or close, requests in pieces and in bulk, and those that are refused."""

import socket
import threading
import time
from pathlib import Path

import pytest
from conftest import Server, read_answer, read_all

HOST = b"Host: a\r\n"


@pytest.fixture(scope="module")
def server(spork: str, site: Path):
    server = Server([spork, "serve", str(site), "-w", "2", "-b", "127.0.0.1:0"])
    yield server
    server.stop()


def canary(server: Server) -> None:
    """The server still serves."""
    answer = server.exchange(b"GET /1.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\nx")


@pytest.mark.parametrize(
    "version,field,stays,announced",
    [
        ("1.1", b"", True, None), ("1.1", b"Connection: close\r\n", False, "close"),
        ("1.1", b"Connection: foo, Close\r\n", False, "close"), ("1.0", b"", False, "close"),
        ("1.0", b"Connection: keep-alive\r\n", True, "keep-alive"),
    ],
)
def test_persistence(server: Server, version: str, field: bytes, stays: bool, announced: str | None):
    """1.1 stays, 1.0 closes, unless the client says otherwise."""
    with server.connect() as connection, connection.makefile("rb") as stream:
        for number in range(3 if stays else 1):
            connection.sendall(b"GET /1k.bin HTTP/" + version.encode() + b"\r\n" + HOST + field + b"\r\n")
            answer = read_answer(stream)
            assert (answer.status, len(answer.body), answer["Connection"]) == (200, 1024, announced)
        if not stays:
            assert stream.read() == b""


def test_pipelining(server: Server, site: Path):
    """A hundred requests in one write are answered in order."""
    names = ["1k.bin", "0.bin", "64k.bin", "1.bin", "missing", "style.css", "64k+1.bin", "list/", "3m.bin", "data.json"] * 10
    requests = [b"%s /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"HEAD" if i % 7 == 0 else b"GET", n.encode()) for i, n in enumerate(names)]
    with server.connect() as connection, connection.makefile("rb") as stream:
        threading.Thread(target=connection.sendall, args=(b"".join(requests),)).start()
        for index, name in enumerate(names):
            answer = read_answer(stream, "HEAD" if index % 7 == 0 else "GET")
            assert answer.status == (404 if name == "missing" else 200)
            if index % 7 and name not in ("missing", "list/"):
                assert answer.body == (site / name).read_bytes()
            elif name not in ("missing", "list/"):
                assert answer["Content-Length"] == str((site / name).stat().st_size)


def test_answers_to_one_write_leave_together(server: Server):
    """Replies to pipelined requests are gathered: far fewer packets than answers."""
    with server.connect() as connection:
        connection.sendall(b"GET /1.bin HTTP/1.1\r\nHost: a\r\n\r\n" * 16)
        received, reads = b"", 0
        while received.count(b"HTTP/1.1 200 OK") < 16 or not received.endswith(b"\r\n\r\nx"):
            received += connection.recv(1 << 16)
            reads += 1
        assert reads <= 4


def test_byte_by_byte(server: Server):
    """A request may come in as many pieces as it has bytes, and a line before it."""
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            for byte in b"\r\nGET /1k.bin HTTP/1.1\r\nHost: a\r\nUser-Agent: slow\r\n\r\n":
                connection.sendall(bytes([byte]))
            assert len(read_answer(stream).body) == 1024


LONG = b"x" * 9000
REFUSED = [
    (b"\r\n\r\n\r\n\r\n\r\n\r\n", 400), (b"GET / HTTP/1.1\n\n", 400), (b"GET / HTTP/1.1\r\nHost: a\n\n", 400), (b"GET /\r\n\r\n", 400),
    (b"GET\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400), (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400), (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 505),
    (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505), (b"GET / http/1.1\r\n" + HOST + b"\r\n", 400),
    (b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n", 400), (b"GET x HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400), (b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /\x7f HTTP/1.1\r\n" + HOST + b"\r\n", 400), (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400), (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b" folded\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X(): a\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400), (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1x\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1, 1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501), (b"GET / HTTP/1.1\r\n" + HOST + b"Expect: x\r\n\r\n", 417),
    (b"GET /" + LONG + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414), (b"GET /" + LONG, 414), (LONG, 414),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + LONG + b"\r\n\r\n", 431), (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + LONG, 431),
    (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101 + b"\r\n", 431), (b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 7000 + b"\r\n") * 6, 431),
]


@pytest.mark.parametrize("request_bytes,status", REFUSED)
def test_refused(server: Server, request_bytes: bytes, status: int):
    """A request that is not HTTP gets its status and a closed connection, and what follows it is not read as one."""
    answer = server.exchange(request_bytes + b"GET /1k.bin HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer
    canary(server)


def test_truncated(server: Server):
    """A request that never ends is dropped without an answer when its client is gone."""
    for cut in range(1, 40, 5):
        with server.connect() as connection:
            connection.sendall(b"GET /1k.bin HTTP/1.1\r\nHost: a\r\nX: yz\r\n"[:cut])
            connection.shutdown(socket.SHUT_WR)
            assert read_all(connection) == b""
    canary(server)


def test_disappearing_client(server: Server):
    """A client that goes away in the middle of a large answer costs nothing."""
    for _ in range(20):
        connection = server.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.sendall(b"GET /20m.bin HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        connection.recv(1000)
        connection.close()
    canary(server)


def test_refused_content(server: Server):
    """A client that sends much content reads the refusal, although nobody read the content: no reset."""
    for expect in [b"", b"Expect: 100-continue\r\n"]:
        with server.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall(b"POST /1k.bin HTTP/1.1\r\n" + HOST + expect + b"Content-Length: 200000\r\n\r\n" + b"x" * 200000)
            answer = read_answer(stream)
            assert (answer.status, answer["Allow"], answer["Connection"]) == (405, "GET, HEAD, OPTIONS", "close")
            assert stream.read() == b""


def test_dropped_content(server: Server):
    """A little content that nobody wants is dropped, and the next request is found behind it."""
    for method, framing, status in [
        (b"POST", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 405),
        (b"GET", b"Content-Length: 36\r\n\r\nGET /secret HTTP/1.1\r\nHost: a\r\n\r\nxxx", 200),
    ]:
        with server.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall(method + b" /1k.bin HTTP/1.1\r\n" + HOST + framing + b"GET /1.bin HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (answer := read_answer(stream)).status == status and answer["Connection"] is None
            assert read_answer(stream).body == b"x"


def test_absolute_target(server: Server):
    """A proxy's form of the target names the same file."""
    answer = server.exchange(b"GET http://b.example/1.bin?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nx")


def test_slow_head(server: Server):
    """A head that does not end in 10 s is given up, although a byte comes now and then; others are served meanwhile."""
    begin = time.monotonic()
    with server.connect(20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        connection.settimeout(0.5)
        answer = b""
        while time.monotonic() - begin < 15:
            try:
                answer = read_all(connection)
                break
            except TimeoutError:
                connection.sendall(b"X: y\r\n")
                canary(server)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 9 < time.monotonic() - begin < 14
