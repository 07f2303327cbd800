"""TLS on every command that serves: real clients, what comes in the clear, drains and reloads, bad files."""

import os
import re
import select
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
import requests
from conftest import Server, read_all, read_answer, wait_until

GET = b"GET /1k.bin HTTP/1.1\r\nHost: a\r\n\r\n"


class Identity:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""

    def __init__(self, folder: Path, name: str):
        self.certificate, self.key, self.name = folder / f"{name}.pem", folder / f"{name}.key", name
        self.options = ["--tls-certificate", self.certificate, "--tls-key", self.key]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
        command += ["-keyout", self.key, "-out", self.certificate, "-subj", f"/CN={name}"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


@pytest.fixture(scope="module")
def identity(tmp_path_factory) -> Identity:
    return Identity(tmp_path_factory.mktemp("tls"), "one")


def connect(server: Server, context: ssl.SSLContext, **options) -> ssl.SSLSocket:
    # An end that nobody has announced is an error.
    return context.wrap_socket(server.connect(), server_hostname="127.0.0.1", suppress_ragged_eofs=False, **options)


def hears_nothing(server: Server, request: bytes) -> bool:
    """Whether the server closes without a word; what it has not read makes that a reset."""
    try:
        return server.exchange(request) == b""
    except ConnectionResetError:
        return True


def test_curl(start, site: Path, identity: Identity):
    """curl checks the certificate; large files are whole, and one connection carries several requests."""
    server = start(site, "-w", "2", *identity.options)
    assert re.search(r" at https://127\.0\.0\.1:\d+ · master", server.line)

    def curl(*arguments: str | Path) -> bytes:
        command = ["curl", "-sS", "--cacert", identity.certificate, *arguments]
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout

    for name in ("0.bin", "1.bin", "64k.bin", "64k+1.bin", "3m.bin", "20m.bin"):
        assert curl(f"{server.url}/{name}") == (site / name).read_bytes()
        assert curl("--tls-max", "1.2", f"{server.url}/{name}") == (site / name).read_bytes()
    assert curl("-r", "1000000-2999999", f"{server.url}/3m.bin") == (site / "3m.bin").read_bytes()[1000000:3000000]
    assert b"Content-Length: 1024\r\n" in curl("-I", f"{server.url}/1k.bin")
    many = ["-w", "%{num_connects} %{http_version}\n"] + ["-o", "/dev/null", f"{server.url}/1k.bin"] * 3
    assert curl(*many) == b"1 1.1\n0 1.1\n0 1.1\n"
    unknown = subprocess.run(["curl", "-sS", f"{server.url}/"], capture_output=True, timeout=20)
    assert unknown.returncode == 60, "nobody vouches for it but itself"
    server.stop()


def test_python_clients(start_example, identity: Identity):
    """requests and httpx with a service of a program's own: bodies both ways."""
    server = start_example("example-http", "-w", "2", *identity.options)
    assert server.url.startswith("https://")
    noise = os.urandom(700_000)
    with requests.Session() as session:
        # The environment would go before what is said here.
        session.trust_env = False
        session.verify = str(identity.certificate)
        assert session.get(f"{server.url}/hello").text == "Hello, world!"
        assert session.put(f"{server.url}/echo", data=noise).content == noise
        assert session.put(f"{server.url}/echo", data=iter([noise[:1000], noise[1000:]])).content == noise
        assert session.get(f"{server.url}/stream?chunks=100&bytes=10000").text == "x" * 1_000_000
    with httpx.Client(base_url=server.url, verify=identity.context()) as client:
        assert client.post("/echo", content=noise).content == noise
    server.stop()


def test_chromium(start, site: Path, identity: Identity, tmp_path: Path):
    """A browser loads the page with its style, images and script."""
    server = start(site, "-w", "2", *identity.options)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += ["--ignore-certificate-errors", f"--user-data-dir={tmp_path}", "--virtual-time-budget=10000", "--dump-dom"]
    done = subprocess.run([*command, server.url], capture_output=True, timeout=90, env={**os.environ, "HOME": str(tmp_path)})
    assert re.search(r"images loaded: 2 color: rgb\(1, 2, 3\)", done.stdout.decode()), done.stdout.decode()
    server.stop()


def test_sessions_are_taken_up_by_every_worker(start, site: Path, identity: Identity):
    server = start(site, "-w", "3", *identity.options)
    context = identity.context()
    with connect(server, context) as first:
        first.sendall(GET)
        read_answer(first.makefile("rb"))
        session = first.session
    before = set(server.workers())
    os.kill(server.master, signal.SIGHUP)
    wait_until(lambda: len(server.workers()) == 3 and not before & set(server.workers()), what="the reload")
    for _ in range(6):
        with connect(server, context, session=session) as again:
            assert again.session_reused
            again.sendall(GET)
            read_answer(again.makefile("rb"))
    server.stop()


def test_http_in_the_clear_is_told_so(start, site: Path, identity: Identity):
    """A browser that was given http:// gets an answer that says why; whoever speaks something else gets none."""
    server = start(site, "-w", "1", *identity.options)
    for request in (GET, GET + b"x" * 100_000, b"G"):
        answer = server.exchange(request)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") and answer.endswith(b"speaks https, and the request came without TLS.\n")
    out = subprocess.run(["curl", "-sS", f"http://127.0.0.1:{server.port}/"], capture_output=True, check=True, timeout=20)
    assert b"speaks https" in out.stdout
    assert hears_nothing(server, b"\x00\x01\x02")
    with server.connect() as broken:
        broken.sendall(b"\x16\x03\x01\x00\x05nonsense")
        assert broken.recv(100)[:1] in (b"", b"\x15"), "an alert, or nothing"
    with server.connect() as short:
        short.shutdown(socket.SHUT_WR)
        assert read_all(short) == b""
    with connect(server, identity.context()) as client:
        client.sendall(GET)
        assert read_answer(client.makefile("rb")).body == (site / "1k.bin").read_bytes()
    server.stop()


def test_a_client_that_offers_nothing_we_speak_is_refused(start, site: Path, identity: Identity):
    server = start(site, "-w", "1", *identity.options)
    context = identity.context()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        connect(server, context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(server, context) as client:
        assert client.selected_alpn_protocol() == "http/1.1"
    server.stop()


def test_drain_says_goodbye(start, site: Path, identity: Identity):
    """TERM: silent connections are closed with close_notify, what has begun is finished, who never began is not waited for long."""
    server = start(site, "-w", "2", *identity.options)
    silent = connect(server, identity.context())
    silent.sendall(GET)
    read_answer(silent.makefile("rb"))
    fresh = connect(server, identity.context())
    mute = server.connect()
    with connect(server, identity.context()) as begun:
        begun.sendall(GET[:20])
        begin = time.monotonic()
        os.kill(server.master, signal.SIGTERM)
        time.sleep(0.2)
        begun.sendall(GET[20:])
        answer = read_answer(begun.makefile("rb"))
        assert (answer.status, answer["Connection"], len(answer.body)) == (200, "close", 1024)
        assert begun.recv(1) == b"", "an end that was announced"
    assert silent.recv(1) == b"" and fresh.recv(1) == b""
    assert mute.recv(1) == b""
    assert server.process.wait(10) == 0
    assert time.monotonic() - begin < 6
    for client in (silent, fresh, mute):
        client.close()


def test_a_handshake_under_way_does_not_hold_up_a_drain(start, site: Path, identity: Identity):
    server = start(site, "-w", "1", *identity.options)
    with server.connect() as half:
        half.sendall(b"\x16")
        time.sleep(0.3)
        begin = time.monotonic()
        os.kill(server.master, signal.SIGTERM)
        # By the worker, and not by its master at the end of the grace.
        assert half.recv(1) == b""
        assert time.monotonic() - begin < 5
    assert server.process.wait(5) == 0


def test_reloads_under_load_lose_nothing(start, site: Path, identity: Identity):
    """HUP while clients ask on connections that last and on new ones: every request is answered, whole."""
    server = start(site, "-w", "2", *identity.options)
    content = (site / "64k.bin").read_bytes()
    request = b"GET /64k.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    stop, failures, answers = threading.Event(), [], []

    def load(most: int) -> None:
        context = identity.context()
        try:
            while not stop.is_set():
                with connect(server, context) as client:
                    stream = client.makefile("rb")
                    for _ in range(most):
                        client.sendall(request)
                        answer = read_answer(stream)
                        assert answer.status == 200 and answer.body == content
                        answers.append(1)
                        if answer["Connection"] == "close" or stop.is_set():
                            break
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=load, args=(most,)) for most in (1, 1, 1000, 1000)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            before = set(server.workers())
            count = len(answers)
            os.kill(server.master, signal.SIGHUP)
            wait_until(lambda: not before & set(server.workers()) and len(server.workers()) == 2, 30, "the reload")
            wait_until(lambda: len(answers) > count + 20 or failures, 30, "requests after it")
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert failures == []
    assert len(answers) > 80
    server.stop()


def test_a_reload_takes_up_a_renewed_certificate(start, site: Path, tmp_path: Path):
    """New files count from the next reload on; files that cannot be used change nothing."""
    old, new = Identity(tmp_path, "old"), Identity(tmp_path, "new")
    now = Identity(tmp_path, "now")

    def use(other: Identity, key: Identity | None = None) -> None:
        now.certificate.write_bytes(other.certificate.read_bytes())
        now.key.write_bytes((key or other).key.read_bytes())

    def shown() -> bytes:
        return ssl.get_server_certificate(("127.0.0.1", server.port)).strip().encode()

    use(old)
    server = start(site, "-w", "2", *now.options)
    assert shown() == old.certificate.read_bytes().strip()
    use(new, old)
    before = server.workers()
    os.kill(server.master, signal.SIGHUP)
    assert select.select([server.process.stderr], [], [], 20)[0], "nothing was said of the reload"
    assert b"reload: nothing was changed: read key" in server.process.stderr.readline()
    assert server.workers() == before and shown() == old.certificate.read_bytes().strip()
    use(new)
    os.kill(server.master, signal.SIGHUP)
    wait_until(lambda: shown() == new.certificate.read_bytes().strip(), 20, "the new certificate")
    server.stop()


def test_echo(start, identity: Identity):
    server = start("-w", "1", *identity.options, command="echo")
    assert server.url.startswith("tls://")
    noise = os.urandom(300_000)
    with connect(server, identity.context()) as client:
        sender = threading.Thread(target=client.sendall, args=(noise,))
        sender.start()
        back = b""
        while len(back) < len(noise):
            back += client.recv(1 << 16)
        sender.join(10)
        assert back == noise
    assert hears_nothing(server, b"in the clear")
    server.stop()


@pytest.mark.parametrize("command", ["serve", "echo", "example-http"])
def test_files_that_cannot_be_used(spork, example, tmp_path: Path, identity: Identity, command: str):
    """One line that names the file and exit code 1; one option without the other is misuse, exit code 2."""
    program = [example(command)] if command.startswith("example") else [spork, command]
    other = Identity(tmp_path, "other")
    (tmp_path / "text.pem").write_text("no certificate\n")
    subprocess.run(["openssl", "ec", "-in", other.key, "-aes128", "-passout", "pass:x", "-out", tmp_path / "locked.key"], check=True, capture_output=True)

    def run(*options: str | Path) -> tuple[int, str]:
        done = subprocess.run([*program, "-b", "127.0.0.1:0", *options], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
        assert done.stdout == "" and done.stderr.count("\n") == 1, done
        return done.returncode, done.stderr

    def pair(certificate: Path, key: Path) -> tuple[int, str]:
        return run("--tls-certificate", certificate, "--tls-key", key)

    for certificate, key, named in (
        (tmp_path / "missing.pem", other.key, "missing.pem"),
        (tmp_path / "text.pem", other.key, "text.pem"),
        (other.certificate, tmp_path / "missing.key", "missing.key"),
        (other.certificate, identity.key, identity.key.name),
        (other.certificate, tmp_path / "locked.key", "locked.key"),
    ):
        code, line = pair(certificate, key)
        assert code == 1 and named in line, line
    for option, file, needed in (("--tls-certificate", other.certificate, "--tls-key"), ("--tls-key", other.key, "--tls-certificate")):
        code, line = run(option, file)
        assert code == 2 and f"{option} needs {needed}" in line, line
