"""Clients, files and directories that mean harm, or only look like it."""

import http.client
import os
import resource
import signal
import socket
import tempfile
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from conftest import Server, alive, read_all, read_answer, wait_until


def get(server: Server, path: str, *fields: str, method: str = "GET"):
    with server.connect() as connection, connection.makefile("rb") as stream:
        lines = [f"{method} {path} HTTP/1.1", "Host: a", *fields]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return read_answer(stream, method)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "served"
    place.mkdir()
    return place


def test_many_expensive_requests_keep_nobody_waiting(start, directory: Path):
    """A client that asks for the listing of a large directory a thousand times at once does not stop the others."""
    (directory / "many").mkdir()
    for number in range(5000):
        (directory / "many" / f"{number:08}.txt").touch()
    (directory / "small").write_bytes(b"x")
    server = start(directory, "-w", "1")
    with server.connect() as greedy:
        greedy.sendall(b"HEAD /many/ HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
        began = time.monotonic()
        assert get(server, "/small").body == b"x"
        assert time.monotonic() - began < 2
    server.stop()


@pytest.mark.parametrize("when", [1e13, -1e9, 253402300800])
def test_times_that_have_no_text(start, when: float):
    """A file's time beyond the year 9999, or before 1970, is shown as the nearest that can be written."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        file = Path(name) / "odd"
        file.write_bytes(b"x")
        os.utime(file, (when, when))
        server = start(name, "-w", "1")
        assert get(server, "/odd").status == 200
        assert get(server, "/").status == 200
        server.stop()
        assert server.process.stderr.read() == b""


def test_last_modified_is_never_in_the_future(start, directory: Path):
    """A file from the future is sent with the present, and known again by it."""
    (directory / "file").write_bytes(b"x")
    os.utime(directory / "file", (4e9, 4e9))
    server = start(directory, "-w", "1")
    answer = get(server, "/file")
    assert parsedate_to_datetime(answer["Last-Modified"]) <= parsedate_to_datetime(answer["Date"])
    server.stop()


def test_few_descriptors(start, directory: Path):
    """With 64 descriptors all files are still served, and new connections accepted."""
    for number in range(100):
        (directory / str(number)).write_bytes(bytes(200_000))
        os.utime(directory / str(number), (1e9, 1e9))
    time.sleep(0.2)  # Files that have only just been written are not kept open.
    server = start(directory, "-w", "1", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    with server.connect():
        for number in range(100):
            assert get(server, f"/{number}").status == 200
    server.stop()


def test_answer_survives_late_input(start, site: Path):
    """What a client sends after its request, while it is still reading, does not cost it the rest of the answer."""
    server = start(site, "-w", "1")
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(b"GET /3m.bin HTTP/1.0\r\n\r\n")
        received = connection.recv(1000)
        connection.sendall(b"\r\n")
        while part := connection.recv(50_000):
            received += part
            time.sleep(0.002)
    assert received.endswith((site / "3m.bin").read_bytes()[-1000:])
    assert len(received) > 3 << 20
    server.stop()


def test_large_upload_is_refused_audibly(start, site: Path):
    """A client that sends ten megabytes where nothing is taken hears 405."""
    server = start(site, "-w", "1")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/1.bin", body=bytes(10 << 20))
    assert connection.getresponse().status == 405
    connection.close()
    server.stop()


def test_directory_moved_out_and_linked_back(start, directory: Path, tmp_path: Path):
    """A cached file is not served any more when its directory has become a link that leads outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (directory / "inner").mkdir()
    (directory / "inner/file").write_bytes(b"x")
    time.sleep(0.2)
    server = start(directory, "-w", "1")
    assert get(server, "/inner/file").status == 200
    os.rename(directory / "inner", outside / "inner")
    (directory / "inner").symlink_to("../outside/inner")
    wait_until(lambda: get(server, "/inner/file").status == 403, 5)
    server.stop()


def test_listing_tells_nothing_about_outside(start, directory: Path, tmp_path: Path):
    """Links that lead outside are listed by name only; those that stay inside with what they lead to."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(54321))
    (directory / "inside").write_bytes(bytes(1234))
    (directory / "to-secret").symlink_to(secret)
    (directory / "to-root").symlink_to("/")
    (directory / "to-inside").symlink_to("inside")
    server = start(directory, "-w", "1")
    page = get(server, "/").body.decode()
    assert "54321" not in page and "to-root/" not in page
    assert page.count("1234 B") == 2
    server.stop()


def test_conditions_in_several_lines(start, site: Path):
    """Lists may be spread over lines; they are one list."""
    server = start(site, "-w", "1")
    tag = get(server, "/1k.bin")["ETag"]
    assert get(server, "/1k.bin", 'If-Match: "x"', f"If-Match: {tag}").status == 200
    assert get(server, "/1k.bin", 'If-Match: "x"', 'If-Match: "y"').status == 412
    assert get(server, "/1k.bin", 'If-None-Match: "x"', f"If-None-Match: {tag}").status == 304
    server.stop()


def test_same_size_and_time_is_not_the_same_file(start, directory: Path):
    """Another file with the same size and modification time has another entity tag."""
    server = start(directory, "-w", "1")
    tags = set()
    for content in (b"old", b"new"):
        (directory / "new").write_bytes(content)
        os.utime(directory / "new", (1e9, 1e9))
        os.rename(directory / "new", directory / "file")
        answer = get(server, "/file")
        assert answer.body == content
        tags.add(answer["ETag"])
        time.sleep(0.05)
    assert len(tags) == 2
    server.stop()


def test_replaced_directory(start, tmp_path: Path):
    """When the served directory is removed and made again, or a link to it is switched, the new one is served."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    link = tmp_path / "current"
    link.symlink_to("one")
    server = start(link, "-w", "1")
    assert get(server, "/file").body == b"one"
    (tmp_path / "next").symlink_to("two")
    os.rename(tmp_path / "next", link)
    wait_until(lambda: get(server, "/file").body == b"two", 5)
    server.stop()


def test_pipe_is_left_alone(start, directory: Path):
    """A pipe in the directory is refused without waking who writes to it."""
    os.mkfifo(directory / "pipe")
    server = start(directory, "-w", "1")
    pid = os.fork()
    if pid == 0:
        os.open(directory / "pipe", os.O_WRONLY)
        os._exit(0)
    try:
        time.sleep(0.1)
        assert get(server, "/pipe").status == 403
        time.sleep(0.1)
        assert alive(pid), "the writer was woken"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    server.stop()


@pytest.mark.parametrize("host", ["[::::]", "[12:.:]", "[1::2::3]", "[::1"])
def test_no_address(start, site: Path, host: str):
    """A Host that looks like an address and is none is refused."""
    server = start(site, "-w", "1")
    assert server.exchange(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).startswith(b"HTTP/1.1 400")
    assert server.exchange(b"GET /1.bin HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
    server.stop()
