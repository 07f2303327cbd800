"""The load generator from outside: its report, its exit codes, and whether its count is the server's."""

import json
import os
import pty
import re
import select
import signal
import socket
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
                self.count += 1
                self.before_answer()
                used[descriptor] = time.monotonic()
                connection.sendall(self.answer)
                if self.closes:
                    del open_connections[descriptor]
                    connection.close()
            for descriptor in [key for key in open_connections if time.monotonic() - used[key] > self.idle]:
                open_connections.pop(descriptor).close()


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
     ["http://127.0.0.1/", "-R0"], ["http://127.0.0.1/", "-Rx"], ["http://127.0.0.1/", "-R1001k"], ["http://127.0.0.1/", "-R1:2:3"], ["http://127.0.0.1/", "--arrivals", "poisson"],
     ["http://127.0.0.1/", "-R5", "--arrivals", "burst:0"], ["http://127.0.0.1/", "-R5:9", "--arrivals", "poisson"],
     ["--sweep", "workers=1"], ["--sweep", "workers=x", "--spawn", "a {port}"], ["--sweep", "workers=1", "--spawn", "a"]],
)
def test_bad_usage(spork: str, arguments: list[str]):
    """A call that makes no sense: one line, exit code 2."""
    result = bench(spork, *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)


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
