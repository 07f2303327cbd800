"""Real clients that do more than one request: a mirror, a browser."""

import os
import re
import subprocess
import urllib.request
from pathlib import Path

from conftest import regular_files


def test_wget_mirror(start, site: Path, tmp_path: Path):
    """wget -r follows index and listings, and what it brings home is the site, byte for byte."""
    server = start(site, "-w", "2")
    command = ["wget", "-r", "-nH", "-q", "-e", "robots=off", "--restrict-file-names=nocontrol", "-P", str(tmp_path)]
    subprocess.run([*command, f"{server.url}/list/", f"{server.url}/"], check=True, timeout=60)
    mirrored = dict(regular_files(tmp_path))
    linked = [b"index.html", b"style.css", b"scripts/main.js", b"images/one.svg", "images/two ü.svg".encode(), b"deep/er/page.html", b"1k.bin"]
    expected = {path: content for path, content in regular_files(site) if path in linked or path.startswith(b"list/")}
    for path, content in expected.items():
        assert mirrored.get(path) == content, path
    server.stop()


def test_chromium(start, site: Path, tmp_path: Path):
    """A browser loads the page with its style, images and script."""
    server = start(site, "-w", "2")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=10000", "--dump-dom", server.url]
    page = subprocess.run(command, capture_output=True, timeout=90, env={**os.environ, "HOME": str(tmp_path)}).stdout.decode()
    assert re.search(r"images loaded: 2 color: rgb\(1, 2, 3\)", page), page
    server.stop()


def test_curl_ranges_and_versions(start, site: Path):
    """curl: a range, HEAD, HTTP/1.0, several files over one connection, a Unix socket."""
    server = start(site, "-w", "1")
    content = (site / "64k.bin").read_bytes()

    def curl(*arguments: str) -> bytes:
        return subprocess.run(["curl", "-sSf", *arguments], check=True, capture_output=True, timeout=20).stdout

    url = f"{server.url}/64k.bin"
    assert curl("-r", "100-199", url) == content[100:200]
    assert curl("-r", "-5", url) == content[-5:]
    assert b"Content-Length: 65536\r\n" in curl("-I", url)
    assert curl("--http1.0", url) == content
    out = curl("-w", "%{num_connects}\n", "-o", "/dev/null", url, "-o", "/dev/null", url)
    assert out == b"1\n0\n"
    assert curl("--compressed", url) == content
    server.stop()


def test_unix_socket(start, site: Path, tmp_path: Path):
    """A Unix socket serves the same."""
    path = tmp_path / "spork.sock"
    server = start(site, "-w", "2", bind=f"unix:{path}")
    assert server.url == f"unix:{path}"
    command = ["curl", "-sSf", "--unix-socket", str(path), "http://any/3m.bin"]
    out = subprocess.run(command, check=True, capture_output=True, timeout=20).stdout
    assert out == (site / "3m.bin").read_bytes()
    server.stop()
    assert not path.exists()


def test_every_address(start, site: Path, tmp_path: Path):
    """Several addresses at once: IPv4, IPv6, Unix."""
    path = tmp_path / "s"
    server = start(site, "-b", "[::1]:0", "--bind", f"unix:{path}", "-b", "127.0.0.1:0", "-w1", bind="127.0.0.1:0")
    assert len(server.urls) == 4
    for url in server.urls:
        if url.startswith("http"):
            with urllib.request.urlopen(f"{url}/1.bin", timeout=5) as answer:
                assert answer.read() == b"x"
    server.stop()
