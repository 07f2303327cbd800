"""What the tests from outside share: the binary, a site to serve, servers that are started, watched and ended.

Every wait is bounded, every port comes from the kernel, and whatever a test starts is ended by its pid.
"""

import os
import random
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

SECRET = b"this file lies outside of the served directory"


@pytest.fixture(scope="session")
def spork() -> str:
    """The path of the binary."""
    project = Path(__file__).resolve().parents[2]
    path = os.environ.get("SPORK", str(project / ".build/release/spork"))
    if not os.access(path, os.X_OK):
        pytest.fail(f"no binary at {path}: build it, or say where it is with SPORK=")
    return path


def wait_until(condition: Callable[[], object], seconds: float = 10, what: str = "the condition") -> object:
    """Asks until the answer is true; the test fails when that takes too long."""
    end = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The living children of a process."""
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return sorted(int(child) for child in pids if alive(int(child)))


class Server:
    """A running `spork serve` or `spork echo`."""

    def __init__(self, command: list[str], **options):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, **{"stderr": subprocess.PIPE, **options}
        )
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        assert ready, "the server said nothing within 20 s"
        self.line = self.process.stdout.readline().decode()
        if not self.line:
            self.process.wait(5)
            raise AssertionError(f"the server ended: {self.process.stderr.read().decode()}")
        match = re.search(r" at (.+?) · master (\d+) · (\d+) workers?", self.line)
        assert match, f"unexpected first line: {self.line!r}"
        self.urls = match[1].split(", ")
        self.url = self.urls[0]
        self.master = int(match[2])
        self.count = int(match[3])
        if "://127.0.0.1:" in self.url:
            self.port = int(self.url.rsplit(":", 1)[1])

    def workers(self) -> list[int]:
        return children(self.master)

    def connect(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def exchange(self, request: bytes, timeout: float = 10) -> bytes:
        """Sends bytes and returns all that comes back until the server closes."""
        with self.connect(timeout) as connection:
            connection.sendall(request)
            return read_all(connection)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 10) -> None:
        """Ends the server and asserts that it ends well and leaves nothing behind."""
        workers = self.workers()
        if self.process.poll() is None:
            os.kill(self.master, number)
        assert self.process.wait(seconds) == 0
        assert not [pid for pid in workers if alive(pid)]

    def kill(self) -> None:
        for pid in [*self.workers(), self.master]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(5)


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the peer closes."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


class Answer:
    """An answer, read strictly."""

    def __init__(self, status: int, fields: list[tuple[str, str]], body: bytes):
        self.status, self.fields, self.body = status, fields, body

    def __getitem__(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} is there twice"
        return values[0] if values else None


def read_answer(stream, method: str = "GET") -> Answer:
    """Reads one answer from a file-like object; fails on anything that is not exactly one."""
    line = stream.readline()
    match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) ([ -~]*)\r\n", line)
    assert match, f"not a status line: {line!r}"
    fields = []
    while (line := stream.readline()) != b"\r\n":
        match_field = re.fullmatch(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t -~\x80-\xff]*)\r\n", line)
        assert match_field, f"not a field: {line!r}"
        fields.append((match_field[1].decode(), match_field[2].decode("latin-1")))
    answer = Answer(int(match[1]), fields, b"")
    if method != "HEAD" and answer.status not in (204, 304):
        length = int(answer["Content-Length"])
        answer.body = stream.read(length)
        assert len(answer.body) == length, "the body ended early"
    return answer


@pytest.fixture
def start(spork: str) -> Iterator[Callable[..., Server]]:
    """Starts servers; ends those that the test has not."""
    servers: list[Server] = []

    def start_server(*arguments: str | Path, bind: str | None = "127.0.0.1:0", command: str = "serve", **options) -> Server:
        binding = ["--bind", bind] if bind else []
        servers.append(Server([spork, command, *map(str, arguments), *binding], **options))
        return servers[-1]

    yield start_server
    for server in servers:
        if server.process.poll() is None:
            server.kill()
        server.process.stdout.close()
        if server.process.stderr:
            server.process.stderr.close()


@pytest.fixture(scope="session")
def example(spork: str) -> Callable[[str], str]:
    """The path of an example's binary, by the name of its product."""

    def find(name: str) -> str:
        path = Path(spork).resolve().parent / name
        if not os.access(path, os.X_OK):
            pytest.fail(f"no binary at {path}: scripts/test builds it")
        return str(path)

    return find


@pytest.fixture(scope="module")
def start_example(example) -> Iterator[Callable[..., Server]]:
    """Starts examples that are servers; ends those that the tests have not."""
    servers: list[Server] = []

    def start(name: str, *arguments: str | Path, bind: str = "127.0.0.1:0", **options) -> Server:
        servers.append(Server([example(name), *map(str, arguments), "--bind", bind], **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()
        server.process.stdout.close()
        server.process.stderr.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of real files, with the names that people give to files."""
    parent = tmp_path_factory.mktemp("served")
    (parent / "secret.txt").write_bytes(SECRET)
    site = parent / "site"
    site.mkdir()
    noise = random.Random(5).randbytes
    pixel = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9"/></svg>\n'
    files: dict[str | bytes, bytes] = {
        "index.html": b"""<!doctype html><meta charset="utf-8"><title>Site</title><link rel="stylesheet" href="style.css">
<h1>Site</h1><img src="images/one.svg"><img src="images/two%20%C3%BC.svg"><p id="out">nothing yet</p>
<a href="deep/er/page.html">deeper</a><a href="1k.bin">data</a><script src="scripts/main.js"></script>\n""",
        "style.css": b"body { color: rgb(1, 2, 3) }\n",
        "scripts/main.js": b"""addEventListener("load", () => {
  const loaded = [...document.images].filter(image => image.complete && image.naturalWidth > 0).length;
  document.getElementById("out").textContent = `images loaded: ${loaded} color: ${getComputedStyle(document.body).color}`;
});\n""",
        "images/one.svg": pixel.encode(),
        "images/two ü.svg": pixel.encode(),
        "deep/er/page.html": b"<!doctype html><title>Deep</title><a href='../../index.html'>up</a>\n",
        "0.bin": b"",
        "1.bin": b"x",
        "1k.bin": noise(1024),
        "64k.bin": noise(65536),
        "64k+1.bin": noise(65537),
        "3m.bin": noise(3 << 20),
        "20m.bin": noise(20 << 20),
        "no extension": b"\x00\x01\x02",
        "data.json": b'{"a": 1}\n',
        "list/a b & c.txt": b"spaces\n",
        "list/100% #1?;+=.txt": b"delimiters\n",
        "list/<script>alert(1)<.txt": b"markup\n",
        'list/"quotes" and \'more\'.txt': b"quotes\n",
        "list/你好，世界.txt": "你好".encode(),
        "list/émoji 🍴.txt": b"fork\n",
        "list/e\u0301 combining.txt": b"combining\n",
        "list/back\\slash.txt": b"backslash\n",
        "list/a:b.txt": b"colon\n",
        "list/.hidden": b"dot\n",
        b"list/bytes \xff\xfe.txt": b"no Unicode\n",
        "list/sub/file.txt": b"below\n",
    }
    for name, content in files.items():
        path = os.path.join(os.fsencode(site), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    (site / "odd").mkdir()
    (site / "odd/inside.txt").symlink_to("../1k.bin")
    (site / "odd/outside.txt").symlink_to("../../secret.txt")
    (site / "odd/absolute.txt").symlink_to(parent / "secret.txt")
    (site / "odd/out").symlink_to("../..")
    (site / "odd/nowhere").symlink_to("missing")
    (site / "odd/circle").symlink_to("circle")
    (site / "odd/proc").symlink_to("/proc/self/root")
    os.mkfifo(site / "odd/fifo")
    return site


def regular_files(site: Path) -> list[tuple[bytes, bytes]]:
    """Paths below the site and their contents, links and pipes left out."""
    found = []
    for directory, _, names in os.walk(os.fsencode(site)):
        for name in names:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    found.append((os.path.relpath(path, os.fsencode(site)), file.read()))
    return sorted(found)
