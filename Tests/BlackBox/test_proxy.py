"""example-proxy between curl and servers: http and https through it, bodies both ways, fields, targets that are not there."""

import os
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import Server, read_all, read_answer


@pytest.fixture(scope="module")
def proxy(start_example):
    server = start_example("example-proxy", "-w", "2")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def service(start_example):
    server = start_example("example-http", "-w", "1", "--body-limit", "64M")
    yield server
    server.stop()


def curl(proxy: Server, *arguments: str | Path, input: bytes | None = None) -> bytes:
    command = ["curl", "-sS", "-x", proxy.url, "--noproxy", "", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=60, input=input).stdout


def test_files_come_whole(proxy, start, site: Path):
    server = start(site, "-w", "1")
    for name in ("0.bin", "1k.bin", "64k+1.bin", "20m.bin"):
        assert curl(proxy, f"{server.url}/{name}") == (site / name).read_bytes()
    assert curl(proxy, "-r", "5-9", f"{server.url}/1k.bin") == (site / "1k.bin").read_bytes()[5:10]
    head = curl(proxy, "-I", f"{server.url}/3m.bin")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\nContent-Length: 3145728\r\n" in head
    missing = curl(proxy, "-o", "/dev/null", "-w", "%{http_code}", f"{server.url}/missing")
    assert missing == b"404"
    assert curl(proxy, *["-o", "/dev/null", "-w", "%{num_connects}\n", f"{server.url}/1.bin"] * 3) == b"1\n0\n0\n"
    server.stop()


def test_bodies_go_both_ways(proxy, service, tmp_path: Path):
    noise = os.urandom(5_000_000)
    (tmp_path / "noise").write_bytes(noise)
    url = f"{service.url}/echo"
    assert curl(proxy, "-T", tmp_path / "noise", url) == noise
    assert curl(proxy, "-H", "Expect:", "-T", "-", url, input=noise) == noise, "in chunks"
    assert curl(proxy, "-H", "Expect: 100-continue", "--data-binary", f"@{tmp_path / 'noise'}", url) == noise
    assert curl(proxy, "--data-binary", "", url) == b""
    assert curl(proxy, f"{service.url}/stream?chunks=200&bytes=10000") == b"x" * 2_000_000


def test_fields(proxy, service):
    """Hop-by-hop fields end here, whatever they are called; the rest goes on, and so does who has passed it on."""
    request = (
        f"GET {service.url}/headers?a=b HTTP/1.1\r\nHost: elsewhere\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n"
        "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nUpgrade: x\r\nVia: 1.0 other\r\n\r\n"
    )
    answer = proxy.exchange(request.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and b"\r\nVia: 1.1 spork" in head
    fields = body.decode().splitlines()
    assert fields[0] == "GET /headers?a=b"
    assert sorted(fields[1:]) == sorted([f"Host: 127.0.0.1:{service.port}", "X-End: 2", "Via: 1.0 other", "Via: 1.1 spork"])


def test_what_cannot_be_reached_is_502(proxy):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        code = ["-o", "/dev/null", "-w", "%{http_code} %{http_connect}"]
        assert curl(proxy, *code, f"http://127.0.0.1:{port}/") == b"502 000"
        assert f"GET http://127.0.0.1:{port}/: connect 127.0.0.1:{port}: connection refused".encode() in curl(proxy, f"http://127.0.0.1:{port}/")
        assert curl(proxy, *code, "http://no..name/") == b"502 000"
        assert curl(proxy, *code, "http://nowhere.invalid/") == b"502 000"
        for target in (f"127.0.0.1:{port}", "nowhere.invalid:443"):
            answer = proxy.exchange(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 502 "), answer
    for target in ("/relative", "ftp://127.0.0.1/"):
        answer = proxy.exchange(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400 "), answer


def test_a_server_that_breaks_off(proxy):
    """Half an answer is passed on as half an answer: the client sees that it is not whole."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for text in (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", b"HTTP/1.1 200 OK\r\n\r\nall", b"", b"nonsense\r\n\r\n"):
                connection, _ = server.accept()
                with connection:
                    while b"\r\n\r\n" not in connection.recv(65536):
                        pass
                    connection.sendall(text)

        thread = threading.Thread(target=serve)
        thread.start()
        request = f"GET http://127.0.0.1:{server.getsockname()[1]}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        answer = proxy.exchange(request)
        assert b"\r\nContent-Length: 9\r\n" in answer and answer.endswith(b"\r\n\r\nhello")
        with proxy.connect() as client:
            client.sendall(request)
            stream = client.makefile("rb")
            head = b"".join(iter(stream.readline, b"\r\n"))
            assert b"Transfer-Encoding: chunked\r\n" in head and stream.read(13) == b"3\r\nall\r\n0\r\n\r\n"
            for _ in range(2):
                client.sendall(request)
                assert read_answer(stream).status == 502
        thread.join(10)


def test_https_through_a_tunnel(proxy, start, site: Path, tmp_path: Path):
    certificate, key = tmp_path / "c.pem", tmp_path / "c.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-subj", "/CN=x"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    server = start(site, "-w", "1", "--tls-certificate", certificate, "--tls-key", key)
    for name in ("1k.bin", "20m.bin"):
        assert curl(proxy, "--cacert", certificate, f"{server.url}/{name}") == (site / name).read_bytes()
    code = ["-o", "/dev/null", "-w", "%{http_code} %{http_connect}", "--cacert", certificate]
    assert curl(proxy, *code, f"{server.url}/") == b"200 200"
    server.stop()


def test_a_tunnel_keeps_its_halves(proxy, start):
    """The end of one direction is passed on, and the other goes on; large transfers are whole both ways."""
    noise = os.urandom(8_000_000)
    with socket.create_server(("127.0.0.1", 0)) as server, proxy.connect() as client:
        target = "127.0.0.1:%d" % server.getsockname()[1]
        # What is sent behind the request already belongs to the tunnel.
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\nfirst ".encode())
        upstream, _ = server.accept()
        with upstream:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            assert head.startswith(b"HTTP/1.1 200 ") and b"Content-Length" not in head and b"Transfer-Encoding" not in head

            def send() -> None:
                client.sendall(noise)
                client.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            upstream.settimeout(20)
            assert read_all(upstream) == b"first " + noise
            sender.join(10)


            # No buffers between here and there have to take all of it.
            def answer() -> None:
                upstream.sendall(noise)
                upstream.shutdown(socket.SHUT_WR)

            answerer = threading.Thread(target=answer)
            answerer.start()
            client.settimeout(20)
            assert read_all(client) == noise
            answerer.join(10)


class Upstream:
    """A server that answers each connection's first request with these bytes, and keeps what it was asked."""

    def __init__(self, answer: bytes, then: float = 0):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked: list[bytes] = []
        self.answer, self.then = answer, then
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                asked = b""
                while b"\r\n\r\n" not in asked and (more := connection.recv(65536)):
                    asked += more
                self.asked.append(asked)
                connection.sendall(self.answer)
                time.sleep(self.then)

    def __enter__(self) -> "Upstream":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_an_answer_before_the_end_of_its_request_hurts_nobody(start_example, answer: bytes):
    """A coroutine still reads the request's body when the answer is complete: the worker goes on, and so do its other clients."""
    proxy = start_example("example-proxy", "-w", "1")
    workers = proxy.workers()
    with Upstream(answer, then=0.5) as upstream, proxy.connect() as client:
        head = f"POST http://127.0.0.1:{upstream.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n"
        client.sendall(head.encode() + b"x" * 1000)
        assert client.recv(12) == answer[:12]
        client.settimeout(1)
        try:
            client.recv(1000)
        except TimeoutError:
            pass
    assert proxy.workers() == workers
    proxy.stop()


def test_what_fails_behind_the_head_is_502_as_well(proxy):
    for text in (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"):
        with Upstream(text) as upstream:
            request = f"GET http://127.0.0.1:{upstream.port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            assert proxy.exchange(request.encode()).startswith(b"HTTP/1.1 502 ")


def test_a_server_that_cannot_be_reached_in_time_is_504(proxy):
    # A queue that is full: the kernel does not answer.
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        time.sleep(0.2)
        request = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
        assert proxy.exchange(request, timeout=30).startswith(b"HTTP/1.1 504 ")
        request = f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        assert proxy.exchange(request, timeout=30).startswith(b"HTTP/1.1 504 ")
        for one in waiting:
            one.close()


def test_a_tunnel_ends_when_its_client_resets(proxy):
    with socket.create_server(("127.0.0.1", 0)) as server, proxy.connect() as client:
        target = "127.0.0.1:%d" % server.getsockname()[1]
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        upstream, _ = server.accept()
        with upstream:
            assert client.recv(12) == b"HTTP/1.1 200"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            upstream.settimeout(10)
            assert upstream.recv(1) == b""


def test_a_tunnel_in_which_nothing_moves_ends(start_example):
    """What moves in one direction keeps both open; then silence closes both."""
    proxy = start_example("example-proxy", "-w", "1", env={**os.environ, "TUNNEL_IDLE_SECONDS": "1"})
    with socket.create_server(("127.0.0.1", 0)) as server, proxy.connect() as client:
        target = "127.0.0.1:%d" % server.getsockname()[1]
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        upstream, _ = server.accept()
        with upstream:
            upstream.settimeout(10)
            client.settimeout(10)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            for _ in range(25):
                client.sendall(b"x")
                assert upstream.recv(1) == b"x"
                time.sleep(0.1)
            upstream.sendall(b"y")
            assert client.recv(1) == b"y"
            before = time.monotonic()
            assert upstream.recv(1) == b"" and client.recv(1) == b""
            assert 0.9 < time.monotonic() - before < 5
    proxy.stop()


def test_a_proxy_changes_neither_date_nor_server(proxy):
    date = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    with Upstream(b"HTTP/1.1 200 OK\r\n" + date + b"Server: up\r\nContent-Length: 2\r\n\r\nok") as upstream:
        answer = proxy.exchange(f"GET http://127.0.0.1:{upstream.port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.count(b"Date: ") == 1 and date in answer
    assert answer.count(b"Server: ") == 1 and b"Server: up\r\n" in answer


def test_how_far_a_request_goes(proxy):
    """Max-Forwards (RFC 9110, 7.6.2), and OPTIONS for a server (RFC 9112, 3.2.4)."""
    with Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as upstream:

        def ask(method: str, path: str, field: str = "") -> bytes:
            target = f"http://127.0.0.1:{upstream.port}{path}"
            return proxy.exchange(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{field}Connection: close\r\n\r\n".encode())

        assert ask("OPTIONS", "/a", "Max-Forwards: 0\r\n").startswith(b"HTTP/1.1 204 ")
        assert ask("TRACE", "/a", "Max-Forwards: 0\r\n").startswith(b"HTTP/1.1 501 ")
        assert not upstream.asked
        assert ask("OPTIONS", "/a", "Max-Forwards: 3\r\n").startswith(b"HTTP/1.1 200 ")
        assert upstream.asked[-1].startswith(b"OPTIONS /a HTTP/1.1\r\n") and b"\r\nMax-Forwards: 2\r\n" in upstream.asked[-1]
        assert ask("GET", "/a", "Max-Forwards: 0\r\n").startswith(b"HTTP/1.1 200 "), "it means nothing there"
        ask("OPTIONS", "")
        assert upstream.asked[-1].startswith(b"OPTIONS * HTTP/1.1\r\n")
        ask("OPTIONS", "?a")
        assert upstream.asked[-1].startswith(b"OPTIONS /?a HTTP/1.1\r\n")
    assert proxy.exchange(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 204 ")


def test_bytes_beyond_utf8_in_a_target_arrive(proxy):
    with Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as upstream:
        start = f"GET http://127.0.0.1:{upstream.port}/".encode()
        proxy.exchange(start + b"a\xe9?b\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert upstream.asked[-1].startswith(b"GET /a%E9?b%FF HTTP/1.1\r\n")
