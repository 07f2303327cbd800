"""The load generator from outside: its report, its exit codes, and whether its count is the server's."""

import http.server
import json
import os
import pty
import re
import select
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest


class CountingServer(threading.Thread):
    """Answers every request and counts it; can refuse to answer well."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world\n", closes: bool = False):
        super().__init__(daemon=True)
        self.answer, self.closes = answer, closes
        self.count = 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/x?y=z"
        self.start()

    idle = float("inf")  # How long a connection may be silent before it is closed.

    def answers(self, data: bytes) -> int:
        """How many answers there are to what has come."""
        return 1

    def before_answer(self) -> None:
        """Where a server takes its time."""

    def run(self) -> None:
        listener, open_connections, used = self.socket, {}, {}
        poll = select.epoll()
        poll.register(listener, select.EPOLLIN)
        while True:
            for descriptor, _ in poll.poll(0.05 if self.idle < 60 else None):
                if descriptor == listener.fileno():
                    connection = listener.accept()[0]
                    open_connections[connection.fileno()] = connection
                    used[connection.fileno()] = time.monotonic()
                    poll.register(connection, select.EPOLLIN)
                    continue
                connection = open_connections[descriptor]
                try:
                    data = connection.recv(65536)
                except ConnectionError:
                    data = b""
                if not data:
                    del open_connections[descriptor]
                    connection.close()
                    continue
                assert data.startswith(b"GET /x?y=z HTTP/1.1\r\nHost: 127.0.0.1:") and data.endswith(b"\r\n\r\n")
                count = self.answers(data)
                self.count += count
                self.before_answer()
                used[descriptor] = time.monotonic()
                connection.sendall(self.answer * count)
                if self.closes:
                    del open_connections[descriptor]
                    connection.close()
            for descriptor in [key for key in open_connections if time.monotonic() - used[key] > self.idle]:
                open_connections.pop(descriptor).close()


class RecordingServer(http.server.ThreadingHTTPServer):
    """Remembers what it was asked, and through how many connections."""

    daemon_threads, address_family, request_queue_size = True, socket.AF_INET, 256

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

        def setup(self) -> None:
            super().setup()
            self.server.connections += 1

        def answer(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.server.seen.append((self.command, self.path, dict(self.headers), content))
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"hello")

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *arguments) -> None:
            pass

    def __init__(self, address=("127.0.0.1", 0), context: ssl.SSLContext | None = None):
        self.seen, self.connections, self.context = [], 0, context
        super().__init__(address, type(self).Handler)
        self.scheme = "https" if context else "http"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # Without looking up the host's name.

    def finish_request(self, request: socket.socket, client_address) -> None:
        try:
            super().finish_request(self.context.wrap_socket(request, server_side=True) if self.context else request, client_address)
        except (OSError, ssl.SSLError):
            pass  # A client that does not believe the certificate.

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.server_address[1]}/a?b"


class RecordingServerOfIPv6(RecordingServer):
    address_family = socket.AF_INET6


class RecordingServerOfUnix(RecordingServer):
    address_family = socket.AF_UNIX

    class Handler(RecordingServer.Handler):
        disable_nagle_algorithm = False


def bench(spork: str, *arguments: str, timeout: float = 40) -> subprocess.CompletedProcess:
    return subprocess.run([spork, "bench", *arguments], capture_output=True, timeout=timeout, text=True)


def requests_of(output: str) -> int:
    return int(re.search(r"^  (\d+) requests in ", output, re.M)[1])


def test_report(spork: str, start, site: Path):
    """The lines that people and scripts know from wrk, and the generator's own processor time."""
    server = start(site, "-w", "1")
    result = bench(spork, f"{server.url}/1k.bin", "-c8", "-t2", "-d1s")
    assert (result.returncode, result.stderr) == (0, "")
    for pattern in [
        r"^Running 1s test @ http://127\.0\.0\.1:\d+/1k\.bin\n  2 processes and 8 connections\n",
        r"^    Latency +[\d.]+[mu]?s +[\d.]+[mu]?s +[\d.]+[mu]?s +[\d.]+%$", r"^    Req/Sec +[\d.]+k? +[\d.]+k? +[\d.]+k? +[\d.]+%$",
        r"^  Latency Distribution\n +50% +[\d.]+[mu]?s\n +75% .*\n +90% .*\n +99% .*\n +99\.9% .*\n +99\.99% ",
        r"^  \d+ requests in 1\.00s, [\d.]+[KMG]?B read$", r"^Requests/sec: +[\d.]+$", r"^Transfer/sec: +[\d.]+[KMG]?B$",
        r"^Verdict: [A-Z-]+",
        r"^Generator CPU: \d+% of 2 cores, [\d.]+ us a request \(user [\d.]+ s, system [\d.]+ s\)$",
    ]:
        assert re.search(pattern, result.stdout, re.M), f"{pattern}\n{result.stdout}"
    assert "errors" not in result.stdout and "Non-2xx" not in result.stdout
    rate = float(re.search(r"Requests/sec: +([\d.]+)", result.stdout)[1])
    assert requests_of(result.stdout) == pytest.approx(rate, rel=0.05)
    server.stop()


def test_json(spork: str):
    """One object, with the names that are documented, and nothing else on either output."""
    server = CountingServer()
    result = bench(spork, server.url, "-c4", "-t2", "-d1s", "--format", "json")
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["requests"] == server.count > 500 and found["duration_seconds"] == 1 and found["interrupted"] is False
    assert found["requests_per_second"] == pytest.approx(found["requests"], rel=0.05)
    assert found["errors"] and not any(found["errors"].values()) and "total" in found["errors"]
    latency = [found["latency_microseconds"][name] for name in ("min", "p50", "p90", "p99", "p99_9", "max")]
    assert latency == sorted(latency) and 1 < latency[0] <= found["latency_microseconds"]["mean"] <= latency[-1] < 2e6
    generator = found["generator"]
    assert 0 < generator["cpu_seconds"] < 3 and 0 < generator["lag_p99_microseconds"] < 1e6 and generator["connections_served"] == 4
    # Four connections, always asking: Little's law finds them all.
    assert generator["requests_out_on_average"] == pytest.approx(4, rel=0.15)
    assert found["server"] is None and found["verdict"] in ("VALID", "GENERATOR-BOUND")


def test_json_of_failures(spork: str):
    """Errors by kind, and the verdict that goes with them; without an answer there are no latencies."""
    result = bench(spork, CountingServer(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").url, "-c2", "-t1", "-d300ms", "--format", "json")
    found = json.loads(result.stdout)
    assert result.returncode == 0 and found["verdict"] == "ERRORS"
    assert found["errors"]["total"] == found["errors"]["status"] == found["requests"] > 10
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    result = bench(spork, url, "-c2", "-t1", "-d300ms", "--format", "json")
    found = json.loads(result.stdout)
    assert result.returncode == 1 and found["verdict"] == "ERRORS" and found["requests"] == 0
    assert found["errors"]["connect"] == found["errors"]["total"] > 1 and found["latency_microseconds"]["p99"] is None


class StallingServer(CountingServer):
    """Answers at once, but stands still for a second after every four, counted from the first request."""

    def __init__(self):
        self.first = 0.0
        super().__init__()

    def before_answer(self) -> None:
        now = time.monotonic()
        self.first = self.first or now
        position = (now - self.first) % 5
        if position >= 4:
            time.sleep(5 - position)


def test_stalls_are_measured(spork: str):
    """A fifth of the requests fall into a stall and wait for its end, evenly up to a second, so that a hundredth waits longer than
    1 - 0.01 / (1 / 5) = 0.95 s. Measured from the sending it is nothing, because hardly any request is sent during a stall."""
    result = bench(spork, StallingServer().url, "-c4", "-t1", "-d10s", "-R200", "-T5s", "--format", "json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["scheduled"] == found["sent"] + found["unsent"] == 2000 and found["errors"]["total"] == 0
    # The last stall ends with the run: what it has held up is unsent, or answered just in time.
    assert found["latency_microseconds"]["p99"] == pytest.approx(950_000, rel=0.02)
    assert found["latency_microseconds"]["p90"] == pytest.approx(500_000, rel=0.04)
    assert found["latency_microseconds"]["p50"] < 50_000 and found["service_microseconds"]["p99"] < 100_000


def test_open_loop(spork: str):
    """The schedule is kept, every request that was due is sent and answered once, and the report says so."""
    server = CountingServer()
    result = bench(spork, server.url, "-c16", "-t2", "-d2s", "-R1000", "--format", "json")
    found = json.loads(result.stdout)
    assert found["scheduled"] == found["sent"] == found["requests"] == server.count == 2000 and found["rate"] == 1000
    assert found["unsent"] == found["unanswered"] == 0 and found["requests_per_second"] == pytest.approx(1000, rel=0.01)
    text = bench(spork, server.url, "-c16", "-t1", "-d300ms", "-R1k").stdout
    assert "1 process and 16 connections, 1000 requests/s\n" in text and "  300 due, 300 sent, 0 unsent, 0 unanswered\n" in text
    assert re.search(r"^  Service time   50% [\d.]+\w+  99% [\d.]+\w+  max [\d.]+\w+$", text, re.M)
    assert re.search(r"^  Generator lag  50% [\d.]+\w+  99% [\d.]+\w+  max [\d.]+\w+$", text, re.M)


@pytest.mark.parametrize(
    "arguments,counts,heading",
    [
        (["-R", "0:1000"], range(499, 502), "0 to 1000 requests/s"), (["-R1000", "--arrivals", "burst:50"], range(1000, 1001), "50 at once"),
        (["-R1000", "--arrivals", "poisson"], range(840, 1160), "(Poisson)"), (["-R0.5k", "--arrivals", "constant"], range(500, 501), "500 requests/s"),
    ],
)
def test_arrivals(spork: str, arguments: list[str], counts: range, heading: str):
    """The other shapes of schedules: all that is due is sent."""
    server = CountingServer()
    result = bench(spork, server.url, "-c16", "-t2", "-d1s", *arguments)
    due, sent = map(int, re.search(r"^  (\d+) due, (\d+) sent, 0 unsent, 0 unanswered$", result.stdout, re.M).groups())
    assert due == sent == server.count and due in counts and heading in result.stdout


def test_overload(spork: str):
    """More than the server does: what was not sent is counted, its waiting too, and the verdict says so."""

    class SlowServer(CountingServer):
        def before_answer(self) -> None:
            time.sleep(0.01)

    server = SlowServer()
    found = json.loads(bench(spork, server.url, "-c2", "-t1", "-d2s", "-R1000", "--format", "json").stdout)
    assert found["scheduled"] == 2000 and found["sent"] == found["requests"] == server.count <= 210
    assert found["unsent"] == 2000 - server.count and found["verdict"] == "STARVED"
    # The queue grows throughout; half of those that have waited did so for about a second, less than a tenth for less than 0.2.
    assert 0.8e6 < found["latency_microseconds"]["p50"] < 1.2e6 and found["latency_microseconds"]["max"] > 1.7e6


def test_servers_may_close_silent_connections(spork: str):
    """A connection that was closed while it was not used is made again: that is nobody's error."""

    class ImpatientServer(CountingServer):
        idle = 0.2

    found = json.loads(bench(spork, ImpatientServer().url, "-c2", "-t1", "-d3s", "-R2", "--format", "json").stdout)
    assert found["requests"] == 6 and found["errors"]["total"] == 0


def test_interrupt_of_unanswered(spork: str):
    """Ctrl-C does not wait for a server that never answers: what is out is counted as unanswered, with the time it has taken."""
    command = [spork, "bench", CountingServer(b"").url, "-c3", "-t1", "-d60s", "-T60s", "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=10)[0]
        assert process.returncode == 130
    found = json.loads(output)
    assert found["unanswered"] == found["sent"] == 3 and found["interrupted"] and found["errors"]["total"] == 0
    assert found["latency_microseconds"]["min"] > 0.9e6


@pytest.mark.parametrize("processes", ["1", "2"])
def test_count_is_the_servers(spork: str, processes: str):
    """Every request that the server has seen is counted, those at the end too."""
    server = CountingServer()
    result = bench(spork, server.url, "-c", "16", "-t", processes, "-d", "2s")
    assert result.returncode == 0 and requests_of(result.stdout) == server.count > 1000


@pytest.mark.parametrize(
    "answer,closes",
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", True), (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True),
        (b"HTTP/1.0 200 OK\r\n\r\nold", True), (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
    ],
)
def test_kinds_of_answers(spork: str, answer: bytes, closes: bool):
    """Answers that end in other ways are counted as well, without errors."""
    server = CountingServer(answer, closes)
    result = bench(spork, server.url, "-c4", "-t1", "-d500ms")
    assert result.returncode == 0 and requests_of(result.stdout) == server.count > 50
    assert "errors" not in result.stdout


def test_failures_are_named(spork: str, start, site: Path):
    """Statuses, answers that are none, connections that break, and silence, each by its name."""
    server = start(site, "-w", "1")
    missing = bench(spork, f"{server.url}/missing", "-c2", "-t1", "-d300ms")
    assert missing.returncode == 0
    assert int(re.search(r"Non-2xx or 3xx responses: (\d+)", missing.stdout)[1]) == requests_of(missing.stdout) > 0
    nonsense = bench(spork, CountingServer(b"nonsense\r\n\r\n").url, "-c2", "-t1", "-d300ms")
    assert nonsense.returncode == 1 and re.search(r"Socket errors: .* malformed [1-9]", nonsense.stdout)
    broken = bench(spork, CountingServer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", True).url, "-c2", "-t1", "-d300ms")
    assert broken.returncode == 1 and re.search(r"Socket errors: .* read [1-9]", broken.stdout)
    silent = bench(spork, CountingServer(b"").url, "-c2", "-t1", "-d300ms", "-T200ms")
    assert silent.returncode == 1 and re.search(r"Socket errors: .* timeout [1-9]", silent.stdout)


def test_unreachable(spork: str):
    """Nobody there: exit code 1, and the refusals are counted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    result = bench(spork, url, "-c2", "-t1", "-d300ms")
    assert result.returncode == 1 and re.search(r"Socket errors: connect [1-9]", result.stdout)
    assert result.stderr == f"spork: {url} gave no answer\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["http://127.0.0.1/", "-c0"], ["http://127.0.0.1/", "-dx"], ["http://127.0.0.1/", "-d0"], ["http://127.0.0.1/", "--nope"], ["http://127.0.0.1/", "--format", "yaml"],
     ["http://127.0.0.1/", "-n0"], ["http://127.0.0.1/", "-p0"], ["http://127.0.0.1/", "-m", "G T"], ["http://127.0.0.1/", "-n5", "-R5"],
     ["http://127.0.0.1/", "-p2", "-R5"], ["http://127.0.0.1/", "-p2", "--no-keepalive"], ["http://127.0.0.1/", "--unix-socket", ""],
     ["http://127.0.0.1/", "-R0"], ["http://127.0.0.1/", "-Rx"], ["http://127.0.0.1/", "-R1001k"], ["http://127.0.0.1/", "-R1:2:3"], ["http://127.0.0.1/", "--arrivals", "poisson"],
     ["http://127.0.0.1/", "-R5", "--arrivals", "burst:0"], ["http://127.0.0.1/", "-R5:9", "--arrivals", "poisson"],
     ["--sweep", "workers=1"], ["--sweep", "workers=x", "--spawn", "a {port}"], ["--sweep", "workers=1", "--spawn", "a"]],
)
def test_bad_usage(spork: str, arguments: list[str]):
    """A call that makes no sense: one line, exit code 2."""
    result = bench(spork, *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def result_of(spork: str, *arguments: str) -> dict:
    result = bench(spork, *arguments, "--format", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("arguments", [["-c1", "-t1"], ["-c7", "-t3"], ["-c3", "-t1", "-p4"], ["-c200", "-t2"]])
def test_number_of_requests(spork: str, arguments: list[str]):
    """-n sends exactly so many, and takes as long as they do."""
    server = RecordingServer()
    found = result_of(spork, server.url(), "-n103", *arguments)
    assert found["requests"] == found["sent"] == len(server.seen) == 103 and found["errors"]["total"] == 0
    assert 0 < found["duration_seconds"] < 9
    assert found["requests_per_second"] == pytest.approx(103 / found["duration_seconds"], rel=0.05)


def test_number_or_time(spork: str):
    """With both, what comes first ends the run; failures count as requests."""
    found = result_of(spork, RecordingServer().url(), "-n100000000", "-d500ms", "-t1")
    assert found["duration_seconds"] == pytest.approx(0.5, abs=0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    result = bench(spork, url, "-n7", "-c2", "-t1", "--format", "json")
    assert result.returncode == 1 and json.loads(result.stdout)["errors"]["connect"] == 7
    assert "Running 5 requests test @ " in bench(spork, RecordingServer().url(), "-n5", "-c1").stdout


def test_pipelining(spork: str):
    """-p sends so many at once; each has an answer of its own."""

    class PipeliningServer(CountingServer):
        def answers(self, data: bytes) -> int:
            assert data.count(b"\r\n\r\n") == 8
            return 8

    server = PipeliningServer()
    found = result_of(spork, server.url, "-c2", "-t1", "-p8", "-n800")
    assert found["requests"] == server.count == 800 and found["errors"]["total"] == 0 and found["pipelining"] == 8
    # A server that ends the connection behind each answer leaves the others without one.
    broken = result_of(spork, CountingServer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", True).url, "-c1", "-t1", "-p4", "-n40")
    assert broken["requests"] == 10 and broken["errors"]["read"] == broken["errors"]["total"] == 30


def test_method_and_content(spork: str, tmp_path: Path):
    """-m, -b and -H make the request that they say."""

    def seen(*arguments: str) -> tuple:
        server = RecordingServer()
        assert result_of(spork, server.url(), "-c1", "-n1", *arguments)["requests"] == 1
        return server.seen[0]

    file = tmp_path / "content"
    file.write_bytes(bytes(range(256)) * 300)
    assert seen()[:2] == ("GET", "/a?b") and seen()[3] == b""
    assert seen("-b", "some=text")[::3] == ("POST", b"some=text")
    assert seen("-m", "PUT", "-b", f"@{file}")[::3] == ("PUT", file.read_bytes())
    method, _, fields, content = seen("--data", "x", "-H", "Content-Type: a/b", "-HX: y")
    assert (method, content, fields["Content-Type"], fields["X"], fields["Content-Length"]) == ("POST", b"x", "a/b", "y", "1")
    assert seen("-mPOST")[2]["Content-Length"] == "0" and "Content-Length" not in seen("--method", "DELETE")[2]
    assert seen("-H", "Host: example.org")[2]["Host"] == "example.org"
    missing = bench(spork, "http://127.0.0.1:1/", "-b", f"@{file}.missing")
    assert missing.returncode == 1 and missing.stderr == f"spork: open {file}.missing: no such file or directory\n"


def test_head(spork: str):
    """Answers to HEAD have no content, whatever length they announce."""
    found = result_of(spork, RecordingServer().url(), "-m", "HEAD", "-c1", "-t1", "-n50")
    assert found["requests"] == 50 and found["errors"]["total"] == 0


def test_no_keepalive(spork: str):
    """A connection for each request."""
    server = RecordingServer()
    assert result_of(spork, server.url(), "-c2", "-t1", "-n20", "--no-keepalive")["errors"]["total"] == 0
    assert server.connections == 20 and all(fields["Connection"] == "close" for _, _, fields, _ in server.seen)


def test_unix_socket(spork: str, tmp_path: Path):
    """Through a socket file, or an abstract name; the URL names the host."""
    for name, address in [(f"{tmp_path}/socket", f"{tmp_path}/socket"), (f"@spork-{os.getpid()}", f"\0spork-{os.getpid()}")]:
        server = RecordingServerOfUnix(address)
        assert result_of(spork, "http://some.host/x", "--unix-socket", name, "-c2", "-n20")["requests"] == 20
        assert server.seen[0][1] == "/x" and server.seen[0][2]["Host"] == "some.host"


def test_addresses_and_names(spork: str):
    """IPv6, and names: of several addresses the one that answers is used. One that has none is said."""
    assert result_of(spork, RecordingServerOfIPv6(("::1", 0)).url("[::1]"), "-n5", "-c1")["requests"] == 5
    assert result_of(spork, RecordingServer().url("localhost"), "-n5", "-c1")["requests"] == 5
    assert result_of(spork, RecordingServerOfIPv6(("::1", 0)).url("localhost"), "-n5", "-c1")["requests"] == 5
    nowhere = bench(spork, "http://-no-name-/", "-n5")
    assert nowhere.returncode == 1 and nowhere.stdout == "" and "-no-name-" in nowhere.stderr and nowhere.stderr.count("\n") == 1


def test_https(spork: str, tmp_path: Path):
    """https with -k; without it the certificate has to be believed, and that it is not is an error of its own kind."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*new, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = RecordingServer(context=context)
    for arguments in [["-k"], ["--insecure", "--no-keepalive"], ["-k", "-R", "50", "-d1s"]]:
        found = result_of(spork, server.url("127.0.0.1"), "-c2", "-t1", *(arguments if "-R" in arguments else ["-n20", *arguments]))
        assert found["requests"] == (50 if "-R" in arguments else 20) and found["errors"]["total"] == 0
    refused = bench(spork, server.url("localhost"), "-c1", "-n2", "--format", "json")
    assert refused.returncode == 1 and json.loads(refused.stdout)["errors"]["tls"] == 2
    trusting = subprocess.run(
        [spork, "bench", server.url("localhost"), "-c1", "-n5"], env={**os.environ, "SSL_CERT_FILE": str(certificate)}, capture_output=True, text=True
    )
    assert trusting.returncode == 0 and requests_of(trusting.stdout) == 5


def test_interrupt(spork: str, start, site: Path):
    """Ctrl-C ends a run with its report."""
    server = start(site, "-w", "1")
    command = [spork, "bench", f"{server.url}/1k.bin", "-c4", "-t1", "-d60s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        output = process.stdout.read()
        assert process.wait(5) == 130
    assert requests_of(output) > 100 and "Interrupted" in output
    server.stop()


def test_live_line(spork: str, start, site: Path):
    """A terminal shows how it goes; a pipe does not."""
    server = start(site, "-w", "1")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(spork, [spork, "bench", f"{server.url}/1k.bin", "-c4", "-t1", "-d1s"])
    output = b""
    try:
        while part := os.read(terminal, 4096):
            output += part
    except OSError:
        pass  # The terminal of a process that has ended.
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert re.search(rb"\r\x1b\[K0\.\d s  \d+ requests/s  0 errors  [01] s left", output)
    assert b"Requests/sec:" in output
    server.stop()


def test_sweep(spork: str, site: Path):
    """A row for each number of workers, with the server's processor time; all servers are gone afterwards."""
    command = f"'{spork}' serve '{site}' -w {{workers}} -b 127.0.0.1:{{port}}"
    arguments = ["--sweep", "workers=1,2", "--spawn", command, "-c8", "-t1", "-d1s"]
    result = bench(spork, "http://127.0.0.1:{port}/1k.bin", *arguments)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines() if re.match(r" +\d", line)]
    assert [row[0] for row in rows] == ["1", "2"]
    for row in rows:
        assert float(row[1]) > 100 and 0.5 < float(row[4]) < 1000 and row[9] == "0"
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and str(site) in command_of(pid)]


def test_sweep_as_json(spork: str, site: Path):
    """The same as one object."""
    command = f"'{spork}' serve '{site}' -w {{workers}} -b 127.0.0.1:{{port}}"
    result = bench(spork, "--sweep", "workers=1,2", "--spawn", command, "-c8", "-t1", "-d500ms", "--format", "json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)["rows"]
    assert [row["workers"] for row in rows] == [1, 2] and all(row["requests"] > 50 and row["server"]["user_seconds"] >= 0 for row in rows)


def test_sweep_of_nothing(spork: str):
    """A command that ends, or does not listen, is said."""
    result = bench(spork, "--sweep", "workers=1", "--spawn", "true {port}", "-d1s")
    assert result.returncode == 1 and "the server ended before it could be reached" in result.stderr


def command_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
