"""What a directory looks like over HTTP: contents, validators, ranges, listings, and no way out."""

import http.client
import os
import re
import subprocess
import time
import urllib.parse
import urllib.request
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import pytest
from conftest import SECRET, Server, read_answer, regular_files


@pytest.fixture(scope="module")
def server(spork: str, site: Path):
    server = Server([spork, "serve", str(site), "-w", "2", "-b", "127.0.0.1:0"])
    yield server
    server.stop()


def ask(server: Server, path: str, method: str = "GET", **fields: str):
    """One request on a connection of its own; field names are written with underscores."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    with server.connect() as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        with connection.makefile("rb") as stream:
            answer = read_answer(stream, method)
            assert stream.read() == b"", "bytes behind the answer"
    return answer


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_every_file_by_curl(server: Server, site: Path, version: str, tmp_path: Path):
    """Every file arrives byte for byte, in both versions of HTTP."""
    for index, (path, content) in enumerate(regular_files(site)):
        out = tmp_path / str(index)
        url = f"{server.url}/{urllib.parse.quote(path)}"
        subprocess.run(["curl", "-sSf", version, "-o", out, url], check=True, timeout=30)
        assert (out.read_bytes() if content else b"") == content, path


def test_every_file_by_urllib_and_head(server: Server, site: Path):
    """Python's client gets the same, and HEAD says the same as GET."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for path, content in regular_files(site):
        url = "/" + urllib.parse.quote(path)
        with urllib.request.urlopen(server.url + url, timeout=10) as answer:
            assert answer.read() == content
        heads = []
        for method in ("GET", "HEAD"):
            connection.request(method, url)
            response = connection.getresponse()
            assert len(response.read()) == (len(content) if method == "GET" else 0)
            heads.append([field for field in response.getheaders() if field[0] != "Date"])
        assert heads[0] == heads[1]


@pytest.mark.parametrize(
    "path,expected",
    [
        ("/index.html", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/scripts/main.js", "text/javascript; charset=utf-8"),
        ("/data.json", "application/json; charset=utf-8"),
        ("/images/one.svg", "image/svg+xml; charset=utf-8"),
        ("/no%20extension", "application/octet-stream"),
        ("/list/", "text/html; charset=utf-8"),
    ],
)
def test_types(server: Server, path: str, expected: str):
    """Content types come with a charset where it matters."""
    assert ask(server, path)["Content-Type"] == expected


def test_index(server: Server, site: Path):
    """A directory with an index is its index."""
    assert ask(server, "/").body == (site / "index.html").read_bytes()


def test_validators(server: Server):
    """A client that has the file is told so, and nothing else."""
    first = ask(server, "/1k.bin")
    tag, modified = first["ETag"], first["Last-Modified"]
    assert re.fullmatch(r'"[^"]+"', tag)
    date = parsedate_to_datetime(first["Date"]).timestamp()
    assert abs(date - time.time()) < 2
    for fields in [{"If_None_Match": tag}, {"If_None_Match": f'"x", W/{tag}'}, {"If_None_Match": "*"}, {"If_Modified_Since": modified}]:
        answer = ask(server, "/1k.bin", **fields)
        assert (answer.status, answer["ETag"], answer["Content-Length"]) == (304, tag, None)
        assert answer["Date"] and answer["Last-Modified"] == modified
    assert ask(server, "/1k.bin", If_None_Match='"x"', If_Modified_Since=modified).status == 200
    assert ask(server, "/1k.bin", If_Modified_Since=formatdate(0, usegmt=True)).status == 200
    assert ask(server, "/1k.bin", If_Match='"x"').status == 412
    assert ask(server, "/1k.bin", If_Match=tag).status == 200
    assert ask(server, "/1k.bin", If_Unmodified_Since=formatdate(0, usegmt=True)).status == 412
    assert ask(server, "/1k.bin", "HEAD", If_None_Match=tag).status == 304


@pytest.mark.parametrize("name", ["1k.bin", "64k.bin", "20m.bin"])
def test_ranges(server: Server, site: Path, name: str):
    """Single ranges, from memory and from the file."""
    content = (site / name).read_bytes()
    size = len(content)
    for value, start, end in [
        ("bytes=0-0", 0, 1), ("bytes=-1", size - 1, size), (f"bytes={size - 1}-", size - 1, size), ("bytes=0-", 0, size),
        ("bytes=10-19", 10, 20), (f"bytes=500-{size + 99}", 500, size), (f"bytes=-{size + 5}", 0, size),
    ]:
        answer = ask(server, f"/{name}", Range=value)
        assert answer.status == 206
        assert answer["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
        assert answer.body == content[start:end]
        assert answer["ETag"] and answer["Last-Modified"]
    for value in ["bytes=0-1,x", "bytes=x-y", "lines=1-2", "bytes=5-4", "bytes=0-,0-", "bytes=" + "0-0," * 17]:
        answer = ask(server, f"/{name}", Range=value)
        assert (answer.status, answer["Content-Range"], answer.body) == (200, None, content)
    for value in [f"bytes={size}-", "bytes=-0", "bytes=99999999999999999999-"]:
        answer = ask(server, f"/{name}", Range=value)
        assert (answer.status, answer["Content-Range"]) == (416, f"bytes */{size}")
    tag = ask(server, f"/{name}")["ETag"]
    assert ask(server, f"/{name}", Range="bytes=0-0", If_Range=tag).status == 206
    assert ask(server, f"/{name}", Range="bytes=0-0", If_Range='"x"').status == 200
    assert ask(server, f"/{name}", "HEAD", Range="bytes=0-0").status == 200


@pytest.mark.parametrize("name", ["1k.bin", "64k.bin", "20m.bin"])
def test_several_ranges(server: Server, site: Path, name: str):
    """Several ranges come as the parts of one body, read with Python's reader of mail."""
    content = (site / name).read_bytes()
    size = len(content)
    for value, wanted in [
        ("bytes=0-9,100-199", [(0, 10), (100, 200)]), ("bytes=-5, 0-0", [(size - 5, size), (0, 1)]),
        (f"bytes=0-0,{size - 300}-{size + 9},7-7", [(0, 1), (size - 300, size), (7, 8)]),
        ("bytes=0-9,5-19,500-510", [(0, 20), (500, 511)]),
        ("bytes=" + ",".join(f"{start}-{start + 19}" for start in range(0, 800, 50)), [(start, start + 20) for start in range(0, 800, 50)]),
    ]:
        answer = ask(server, f"/{name}", Range=value)
        assert (answer.status, answer["Content-Range"]) == (206, None)
        assert answer["ETag"] and answer["Last-Modified"] and answer["Content-Type"].startswith("multipart/byteranges; boundary=")
        boundary = answer["Content-Type"].split("boundary=")[1].encode()
        assert answer.body.endswith(b"\r\n--" + boundary + b"--\r\n")
        parts = answer.body.split(b"\r\n--" + boundary)[1:-1]
        assert len(parts) == len(wanted)
        for part, (start, end) in zip(parts, wanted):
            head, body = part.split(b"\r\n\r\n", 1)
            assert head == f"\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {start}-{end - 1}/{size}".encode()
            assert body == content[start:end]
    # What was asked for is little: what is sent is, too. And a connection goes on behind it.
    with server.connect() as connection:
        request = f"GET /{name} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0,9-9\r\n\r\n".encode()
        connection.sendall(request * 3)
        stream = connection.makefile("rb")
        assert [read_answer(stream).status for _ in range(3)] == [206] * 3
    assert ask(server, f"/{name}", "HEAD", Range="bytes=0-0,9-9").status == 200
    # Together they are one range.
    answer = ask(server, f"/{name}", Range="bytes=0-9,10-19")
    assert (answer.status, answer["Content-Range"], answer.body) == (206, f"bytes 0-19/{size}", content[:20])
    done = subprocess.run(["curl", "-sSf", "-r", "0-1,5-6", f"{server.url}/{name}"], capture_output=True, check=True, timeout=30)
    assert content[:2] in done.stdout and b"Content-Range: bytes 5-6/" in done.stdout


def test_resume(server: Server, site: Path, tmp_path: Path):
    """curl resumes a download that was cut off."""
    out = tmp_path / "20m.bin"
    content = (site / "20m.bin").read_bytes()
    out.write_bytes(content[:7_000_001])
    subprocess.run(["curl", "-sSf", "-C", "-", "-o", out, f"{server.url}/20m.bin"], check=True, timeout=30)
    assert out.read_bytes() == content


def test_changes_are_seen_at_once(start, tmp_path: Path):
    """What is on disk when a request is sent is what is answered: rewritten, replaced, deleted, made anew."""
    server = start(tmp_path, "-w", "1")
    file = tmp_path / "page.txt"
    for size in (10, 100_000):
        for number in range(50):
            content = f"{number:04}".encode() * (size // 4)
            if number % 2:
                file.write_bytes(content)
            else:
                (tmp_path / "new").write_bytes(content)
                os.replace(tmp_path / "new", file)
            assert ask(server, "/page.txt").body == content
        file.unlink()
        assert ask(server, "/page.txt").status == 404
    file.write_bytes(b"old content")
    os.utime(file, (1e9, 1e9))
    time.sleep(0.2)  # Long enough for the file to be kept in memory.
    assert ask(server, "/page.txt").body == b"old content"
    file.write_bytes(b"new content")
    os.utime(file, (1e9, 1e9))
    assert ask(server, "/page.txt").body == b"new content"
    (tmp_path / "directory").mkdir()
    assert ask(server, "/directory/").status == 200
    (tmp_path / "directory/index.html").write_text("index")
    assert ask(server, "/directory/").body == b"index"


def test_file_truncated_while_sent(start, tmp_path: Path):
    """A file that becomes shorter while it is sent ends the connection; nothing is made up."""
    server = start(tmp_path, "-w", "1")
    file = tmp_path / "large.bin"
    file.write_bytes(b"a" * (64 << 20))
    with server.connect() as connection:
        connection.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        received = len(connection.recv(1 << 16))
        os.truncate(file, 32 << 20)
        while part := connection.recv(1 << 20):
            assert part.strip(b"a") == b""
            received += len(part)
    assert received < (64 << 20)
    assert ask(server, "/large.bin")["Content-Length"] == str(32 << 20)


def test_directory_redirect(server: Server):
    """A directory without its slash is redirected to itself, never elsewhere."""
    for path, location in [
        ("/list", "/list/"), ("/list/sub?a=b&c", "/list/sub/?a=b&c"), ("//list", "/list/"), ("/list/../list", "/list/"),
        ("http://test/list", "/list/"),
    ]:
        answer = ask(server, path)
        assert (answer.status, answer["Location"]) == (301, location)
    for path in ["//evil.example/..", "//evil.example/%2e%2e", "/\\evil.example", "//list"]:
        assert not (ask(server, path)["Location"] or "/").startswith(("//", "http", "/\\"))


def test_listing(server: Server, site: Path):
    """Every name is listed, safely, and every link leads to its file."""
    answer = ask(server, "/list/")
    page = answer.body.decode()
    assert "<script>" not in page
    links = re.findall(r'href="([^"]*)"', page)
    assert "../" in links and "./sub/" in links
    names = {urllib.parse.unquote_to_bytes(link[2:].rstrip("/")) for link in links if link != "../"}
    assert names == set(os.listdir(os.fsencode(site / "list")))
    for link in links:
        with urllib.request.urlopen(urllib.parse.urljoin(f"{server.url}/list/", link), timeout=10) as found:
            name = urllib.parse.unquote_to_bytes(link)
            if not link.endswith("/"):
                with open(os.path.join(os.fsencode(site / "list"), name), "rb") as file:
                    assert found.read() == file.read()
    assert ask(server, "/list/", "HEAD")["Content-Length"] == str(len(answer.body))


def test_methods(server: Server):
    """GET and HEAD; others are refused by name, with what is allowed."""
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"]:
        answer = ask(server, "/1k.bin", method)
        assert (answer.status, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert ask(server, "/1k.bin", "BREW").status == 501
    for path in ["*", "/1k.bin"]:
        answer = ask(server, path, "OPTIONS")
        assert (answer.status, answer["Allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    "path,status",
    [
        ("/missing", 404), ("/1k.bin/", 404), ("/1k.bin/x", 404), ("/odd/nowhere", 404), ("/" + "x" * 300, 404),
        ("/%00", 400), ("/%zz", 400), ("/a%2fb", 404), ("/odd/fifo", 403), ("/odd/circle", 403),
    ],
)
def test_errors(server: Server, path: str, status: int):
    """What cannot be served is said by status."""
    answer = ask(server, path)
    assert answer.status == status
    assert str(status) in answer.body.decode()


WAYS_OUT = [
    "/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/%2e%2e%2fsecret.txt", "/.%2e/secret.txt", "/list/../../secret.txt",
    "/list/%2e%2e/%2e%2e/secret.txt", "/..\\secret.txt", "/..%5csecret.txt", "/%252e%252e/secret.txt", "/%c0%ae%c0%ae/secret.txt",
    "/%c0%af../secret.txt", "/....//secret.txt", "//../secret.txt", "/./../secret.txt", "/odd/outside.txt", "/odd/absolute.txt",
    "/odd/out/secret.txt", "/odd/out/", "/odd/proc/", "/odd/proc/etc/passwd", "/..;/secret.txt", "/%2e%2e%00/secret.txt",
    "/list/..%00/../secret.txt", "http://test/../secret.txt", "/" + "../" * 40 + "etc/passwd", "/" + "%2e%2e/" * 40 + "etc/passwd",
]


@pytest.mark.parametrize("path", WAYS_OUT)
def test_no_way_out(server: Server, path: str):
    """Nothing outside the directory is served, however the path is written."""
    answer = ask(server, path)
    assert answer.status in (400, 403, 404)
    assert SECRET not in answer.body and b"root:" not in answer.body


def test_no_way_out_by_curl(server: Server):
    """The same with a real client that leaves paths as they are."""
    for path in WAYS_OUT:
        if path.startswith("/"):
            command = ["curl", "-s", "--path-as-is", server.url + path]
            out = subprocess.run(command, capture_output=True, timeout=10).stdout
            assert SECRET not in out and b"root:" not in out


def test_links_inside(server: Server, site: Path):
    """A link that stays inside is followed."""
    assert ask(server, "/odd/inside.txt").body == (site / "1k.bin").read_bytes()
