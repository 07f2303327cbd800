"""example-http as its clients see it: the routes it has, bodies both ways, real clients, and what happens when a handler misbehaves."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx
import pytest
import requests
from conftest import Server, read_all, read_answer

NOISE = os.urandom(300_000)


@pytest.fixture(scope="module")
def server(start_example):
    server = start_example("example-http", "-w", "2")
    yield server
    server.stop()


def exchange(server: Server, text: str, body: bytes = b"") -> bytes:
    return server.exchange(text.replace("\n", "\r\n").encode() + body)


# Clients


def test_requests(server):
    with requests.Session() as session:
        assert session.get(f"{server.url}/hello").text == "Hello, world!"
        assert session.get(f"{server.url}/hello/Jörg").text.startswith("Hello, Jörg! Visit ")
        assert session.post(f"{server.url}/", data={"name": "<Ü&>"}).text.count("Hello, &lt;Ü&amp;&gt;!") == 1
        assert session.put(f"{server.url}/echo", data=NOISE).content == NOISE
        assert session.put(f"{server.url}/echo", data=iter([NOISE[:1000], NOISE[1000:]])).content == NOISE
        assert session.delete(f"{server.url}/echo").content == b""
        assert session.head(f"{server.url}/hello").headers["Content-Length"] == "13"
        assert session.get(f"{server.url}/stream?chunks=100&bytes=10000").text == "x" * 1_000_000
        assert session.options(f"{server.url}/hello").headers["Allow"] == "GET, HEAD, OPTIONS"
        assert session.post(f"{server.url}/hello").status_code == 405
        assert session.get(f"{server.url}/nothing").status_code == 404
        assert "X-One: 1\n" in session.get(f"{server.url}/headers", headers={"X-One": "1"}).text


def test_httpx(server):
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/hello").text == "Hello, world!"
        assert client.post("/echo", content=NOISE).content == NOISE
        assert client.post("/echo", content=(bytes([byte]) for byte in b"chunks")).content == b"chunks"
        assert client.get("/stream?chunks=3&bytes=5").text == "x" * 15
        assert client.head("/stream?chunks=3&bytes=5").content == b""


def test_aiohttp(server):
    async def run():
        async def pieces():
            for start in range(0, len(NOISE), 7000):
                yield NOISE[start : start + 7000]

        async with aiohttp.ClientSession(server.url) as session:
            async with session.post("/echo", data=pieces()) as answer:
                assert await answer.read() == NOISE
            async with session.post("/echo", data=NOISE, expect100=True) as answer:
                assert await answer.read() == NOISE
            answers = await asyncio.gather(*(session.get(f"/sleep?ms={number}") for number in range(0, 200, 2)))
            assert {answer.status for answer in answers} == {200}

    asyncio.run(run())


def test_curl(server, tmp_path):
    noise = tmp_path / "noise"
    noise.write_bytes(NOISE)

    def curl(*arguments: str) -> bytes:
        done = subprocess.run(["curl", "-sS", "--fail", "--max-time", "20", *arguments], capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert curl(f"{server.url}/hello") == b"Hello, world!"
    assert curl("--http1.0", f"{server.url}/stream?chunks=3&bytes=5") == b"x" * 15
    assert curl("-T", str(noise), f"{server.url}/echo") == NOISE
    assert curl("-T", str(noise), "-H", "Transfer-Encoding: chunked", f"{server.url}/echo") == NOISE
    assert curl("-H", "Expect: 100-continue", "--data-binary", f"@{noise}", f"{server.url}/echo") == NOISE
    assert curl("--head", f"{server.url}/hello").startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Hello, nobody!" in curl("-d", "", f"{server.url}/")


def test_node(server):
    script = """
    const url = process.argv[1];
    const text = async (path, options) => (await fetch(url + path, options)).text();
    (async () => {
      const body = "x".repeat(200000);
      console.log(JSON.stringify([
        await text("/hello"), (await text("/echo", { method: "POST", body })) === body,
        (await text("/stream?chunks=10&bytes=1000")).length, (await fetch(url + "/hello", { method: "HEAD" })).status,
        await text("/", { method: "POST", body: new URLSearchParams({ name: "n&de" }) }).then(page => page.includes("n&amp;de")),
      ]));
    })();
    """
    done = subprocess.run(["node", "-e", script, server.url], capture_output=True, timeout=30)
    assert json.loads(done.stdout) == ["Hello, world!", True, 10000, 200, True], done.stderr


def test_chromium(server, tmp_path):
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom", f"{server.url}/"]
    page = subprocess.run(command, capture_output=True, timeout=60).stdout.decode()
    assert "<p>This is worker " in page and '<form method="post">' in page


# Bodies


def test_continue_is_said_when_a_handler_reads(server):
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n" and stream.readline() == b"\r\n"
        connection.sendall(b"hello")
        assert read_answer(stream).body == b"hello"
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(stream).body == b"Hello, world!"


@pytest.mark.parametrize("target, status", [("POST /hello", 405), ("GET /hello", 200), ("POST /nothing", 404)])
def test_continue_is_not_said_when_nobody_reads(server, target: str, status: int):
    """The answer comes without it, and the connection is closed: the client may send the body or not."""
    received = exchange(server, f"{target} HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 5\n\n")
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\nConnection: close\r\n" in received


def test_too_long_is_refused_before_it_is_sent(server):
    """A form may have 64 KiB, an echo a megabyte."""
    expect = "Expect: 100-continue\nContent-Type: application/x-www-form-urlencoded"
    for path, length in (("/", 65537), ("/echo", 1048577)):
        received = exchange(server, f"POST {path} HTTP/1.1\nHost: a\n{expect}\nContent-Length: {length}\n\n")
        assert received.startswith(b"HTTP/1.1 413 ") and b"\r\nConnection: close\r\n" in received


def test_too_long_in_chunks_is_refused_while_it_comes(server):
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3)
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_ends_early(server):
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nname=")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def test_unread_body_in_pieces_is_not_the_next_request(server):
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n")
        assert read_answer(stream).body == b"Hello, world!"
        connection.sendall(b"GET /crash HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.sendall(b"GET /hello/b HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(stream).body.startswith(b"Hello, b!")


def test_backpressure_both_ways(server):
    """A client that sends without end and reads nothing stops being read; the server's memory stays as it is."""

    def resident() -> int:
        return sum(int(open(f"/proc/{pid}/statm").read().split()[1]) for pid in server.workers()) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    with server.connect() as connection:
        connection.setblocking(False)
        connection.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        sent, end = 0, time.monotonic() + 1
        while time.monotonic() < end and sent < 1_000_000:
            try:
                sent += connection.send(bytes(min(65536, 1_000_000 - sent)))
            except BlockingIOError:
                time.sleep(0.01)
        with server.connect() as other, other.makefile("rb") as stream:
            other.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_answer(stream).status == 200
        assert resident() - before < 4 << 20
        connection.setblocking(True)
        connection.settimeout(10)
        received = b""
        while len(received) < 1_000_000:
            if sent < 1_000_000:
                try:
                    sent += connection.send(bytes(1_000_000 - sent), socket.MSG_DONTWAIT)
                except BlockingIOError:
                    pass
            received += connection.recv(1 << 16)


# Handlers that take their time, or more


def test_sleeping_holds_nobody_up(server):
    began = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: requests.get(f"{server.url}/sleep?ms=500", timeout=10).text, range(50)))
    assert answers == ["slept 500 ms\n"] * 50
    assert time.monotonic() - began < 5


def test_answers_leave_before_a_handler_that_waits(server):
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /sleep?ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
        began = time.monotonic()
        assert read_answer(stream).body == b"Hello, world!"
        assert time.monotonic() - began < 0.9
        assert read_answer(stream).body == b"slept 1000 ms\n"


def test_crash_costs_one_worker(start_example):
    server = start_example("example-http", "-w", "1")
    before = server.workers()
    with server.connect() as connection:
        connection.sendall(b"GET /crash HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            assert read_all(connection) == b""
        except ConnectionResetError:
            pass
    assert requests.get(f"{server.url}/hello", timeout=10).text == "Hello, world!"
    assert server.workers() != before
    server.stop()


def test_drain_finishes_what_has_begun(start_example):
    server = start_example("example-http", "-w", "1")
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        read_answer(stream)
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        time.sleep(0.1)
        os.kill(server.master, signal.SIGTERM)
        time.sleep(0.1)
        connection.sendall(b"hello")
        assert read_answer(stream).body == b"hellohello"
        assert stream.read() == b""
    assert server.process.wait(10) == 0


def test_wrong_command_lines(example):
    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run([example("example-http"), *arguments], capture_output=True, text=True, timeout=10)
        return done.returncode, done.stdout, done.stderr

    assert run("--nonsense") == (2, "", "example-http: there is no flag '--nonsense'; see 'example-http --help'\n")
    assert run("--workers") == (2, "", "example-http: --workers needs a value; see 'example-http --help'\n")
    code, output, errors = run("-w0")
    assert (code, output) == (2, "") and errors.startswith("example-http: --workers cannot be '0': a number from 1 to 1024")
    code, output, errors = run("--bind=nowhere")
    assert (code, output) == (2, "") and errors.startswith("example-http: --bind cannot be 'nowhere': an address such as")
    code, output, errors = run("--help")
    assert (code, errors) == (0, "") and output.startswith("Usage: example-http [options]\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run("-b", f"127.0.0.1:{port}") == (1, "", f"example-http: bind 127.0.0.1:{port}: address already in use\n")


def test_trace(start_example, server):
    request = "TRACE /hello HTTP/1.1\nHost: a\nX: y\nCookie: c\nAuthorization: d\nConnection: close\n\n"
    assert exchange(server, request).startswith(b"HTTP/1.1 405 ")
    tracing = start_example("example-http", "-w", "1", "--allow-trace")
    head, body = exchange(tracing, request).split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 ") and b"\r\nContent-Type: message/http\r\n" in head
    assert body == b"TRACE /hello HTTP/1.1\r\nHost: a\r\nX: y\r\nConnection: close\r\n\r\n"
    tracing.stop()
