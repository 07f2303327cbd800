"""The load generator's engine from outside: a test for each flag that decides what is sent, what is looked at and what is judged."""

import base64
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest

from conftest import alive, wait_until
from test_bench import CountingServer, RecordingServer, bench, requests_of, result_of


class Listener(threading.Thread):
    """A TCP server, a thread for each connection, as many as there are; `serve` is what it does with one."""

    def __init__(self, serve):
        super().__init__(daemon=True)
        self.serve, self.connections = serve, 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.url = f"http://{self.address}/"
        self.start()

    def run(self) -> None:
        while True:
            connection = self.socket.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.talk, args=(connection, self.connections), daemon=True).start()

    def talk(self, connection: socket.socket, number: int) -> None:
        with connection:
            try:
                self.serve(connection, number)
            except OSError:
                pass


def requests(connection: socket.socket):
    """Each request of a connection, without content, as text."""
    held = b""
    while True:
        while b"\r\n\r\n" in held:
            head, held = held.split(b"\r\n\r\n", 1)
            yield head.decode()
        part = connection.recv(65536)
        if not part:
            return
        held += part


def answer(content: bytes = b"ok", status: str = "200 OK", fields: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{fields}\r\n".encode() + content


def json_of(spork: str, *arguments: str, code: int | None = None) -> dict:
    """The result; the exit code is `code`, or else 3 when an answer was not what was asked for, and 0 when all were."""
    result = bench(spork, *arguments, "--format", "json")
    assert code is None or result.returncode == code, result.stderr + result.stdout
    found = json.loads(result.stdout)
    if code is None:
        ledger = found.get("ledger", {"numbers": 0, "right": 0})
        is_right = found["errors"]["mismatch"] == 0 and ledger["right"] == ledger["numbers"] if "errors" in found else True
        assert result.returncode == (0 if is_right else 3), result.stderr + result.stdout
    assert found.get("accounted", True), found
    return found


@pytest.mark.parametrize("arguments", [[], ["-R1000"], ["-R1000", "--arrivals", "poisson"]])
def test_warmup(spork: str, arguments: list[str]):
    """What is sent before is not counted, on the same connections."""
    server = RecordingServer()
    found = json_of(spork, server.url(), "-c4", "-t2", "-d500ms", "--warmup", "700ms", *arguments)
    assert found["warm_up_seconds"] == pytest.approx(0.7) and found["duration_seconds"] == pytest.approx(0.5)
    assert server.connections == 4 and len(server.seen) > found["requests"] + 100
    if arguments == ["-R1000"]:
        assert found["scheduled"] == found["requests"] == 500 and len(server.seen) == pytest.approx(1200, abs=8)
    assert found["requests_per_second"] == pytest.approx(found["requests"] / 0.5, rel=0.05)
    text = bench(spork, server.url(), "-c1", "-t1", "-d100ms", "--warmup", "100ms").stdout
    assert ", after 100ms of warm-up\n" in text


def test_warmup_with_a_number(spork: str):
    """-n counts what comes after it."""
    server = RecordingServer()
    found = json_of(spork, server.url(), "-c2", "-t1", "-n50", "--warmup", "300ms")
    assert found["requests"] == found["sent"] == 50 and len(server.seen) > 60


def test_slow_beginnings_are_left_out(spork: str):
    """A server that is slow at first: its first answers are not in the percentiles."""
    begin = time.monotonic()

    def serve(connection: socket.socket, _: int) -> None:
        for _ in requests(connection):
            if time.monotonic() - begin < 0.8:
                time.sleep(0.05)
            connection.sendall(answer())

    found = json_of(spork, Listener(serve).url, "-c2", "-t1", "-d500ms", "--warmup", "1200ms")
    assert found["latency_microseconds"]["max"] < 50_000


def echo(connection: socket.socket, _: int) -> None:
    while part := connection.recv(65536):
        connection.sendall(part)


def test_tcp_echo(spork: str, start):
    """tcp:// sends bytes and wants them back, from spork echo at full speed; the length is -b's."""
    server = start("-w", "1", command="echo")
    url = f"tcp://127.0.0.1:{server.port}"
    for arguments, length in [([], 64), (["-b", "hello"], 5), (["-b", "x" * 5000], 5000), (["-p", "16"], 64), (["--no-keepalive"], 64)]:
        found = json_of(spork, url, "-c4", "-t2", "-n480", *arguments)
        assert found["requests"] == 480 and found["errors"]["total"] == 0 and found["bytes_read"] == 480 * length
    found = json_of(spork, url, "-c4", "-t1", "-d500ms", "-R500")
    assert found["requests"] == found["scheduled"] == 250
    assert "  All 20 answers are what was expected\n" in bench(spork, url, "-c2", "-n20").stdout
    server.stop()


def test_tcp_echo_that_lies(spork: str):
    """A byte that came back as another one is shown, with its place; one that never came is a timeout."""

    def serve(connection: socket.socket, _: int) -> None:
        for count in range(1000):
            data = bytearray(connection.recv(65536))
            if count == 3:
                data[10] = ord("!")
            connection.sendall(data[:-1] if count == 5 else data)

    found = json_of(spork, "tcp://" + Listener(serve).address, "-c1", "-t1", "-n6", "-T300ms")
    assert found["errors"]["mismatch"] == 1 and found["errors"]["timeout"] == 1 and found["requests"] == 5
    assert found["mismatches"][0]["offset"] == 10 and found["verdict"] == "ERRORS"
    assert 'byte 10: "cdefghij!lmnopqrstuvwxyz" instead of "cdefghijklmnopqrstuvwxyz"' in found["mismatches"][0]["text"]


def test_several_urls(spork: str, tmp_path: Path):
    """Several URLs of one server take turns, those of a file, too, with counts of their own."""
    server = RecordingServer()
    base = server.url().removesuffix("/a?b")
    file = tmp_path / "urls"
    file.write_text(f"# two more\n{base}/two\n\n{base}/three\n")
    found = json_of(spork, f"{base}/one", "--urls", str(file), "-c4", "-t2", "-n300")
    assert [(row["url"], row["answers"], row["errors"]) for row in found["urls"]] == [(f"{base}/{name}", 100, 0) for name in ("one", "two", "three")]
    paths = [path for _, path, _, _ in server.seen]
    assert all(paths.count(f"/{name}") == 100 for name in ("one", "two", "three"))
    only = json_of(spork, "--urls", str(file), "-c1", "-n10")
    assert [row["answers"] for row in only["urls"]] == [5, 5]
    assert f"  {base}/two: 4 answers, 0 errors\n" in bench(spork, f"{base}/one", f"{base}/two", "-c1", "-t1", "-n8").stdout
    batches = json_of(spork, f"{base}/one", f"{base}/two", "-c1", "-t1", "-n80", "-p10")
    assert [row["answers"] for row in batches["urls"]] == [40, 40]


@pytest.mark.parametrize("arguments", [["-n400"], ["-R400", "-d1s"]])
def test_several_origins(spork: str, arguments: list[str]):
    """Each connection belongs to one server; they are divided between them, and each gets its share of the schedule."""
    servers = [RecordingServer(), RecordingServer()]
    urls = [server.url() for server in servers]
    found = json_of(spork, *urls, "-c6", "-t2", *arguments)
    assert found["requests"] == 400 and [server.connections for server in servers] == [3, 3]
    assert [row["answers"] for row in found["urls"]] == [len(server.seen) for server in servers]
    if "-R400" in arguments:
        assert [len(server.seen) for server in servers] == [200, 200]
    few = json_of(spork, *urls, "-c2", "-t2", "-n20")
    assert few["processes"] == 1 and few["requests"] == 20


def test_one_of_several_fails(spork: str):
    """Errors are counted by URL."""
    server = RecordingServer()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nowhere = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    found = json_of(spork, server.url(), nowhere, "-c2", "-t1", "-d500ms")
    good, bad = found["urls"]
    assert good["answers"] == len(server.seen) > 50 and good["errors"] == 0 and bad["answers"] == 0 and bad["errors"] > 0


def test_schedule(spork: str, tmp_path: Path):
    """Requests are sent when a file says."""
    arrived: list[float] = []

    def serve(connection: socket.socket, _: int) -> None:
        for _ in requests(connection):
            arrived.append(time.monotonic())
            connection.sendall(answer())

    file = tmp_path / "times"
    times = [0.05, 0.05, 0.1, 0.35, 0.351, 0.6, 0.9]
    file.write_text("# when\n" + "".join(f"{moment}\n" for moment in times))
    found = json_of(spork, Listener(serve).url, "-c8", "-t2", "--schedule", str(file))
    assert found["scheduled"] == found["sent"] == found["requests"] == 7 == len(arrived)
    assert found["duration_seconds"] == pytest.approx(0.9 + 0.15)
    assert [moment - arrived[0] for moment in sorted(arrived)] == pytest.approx([moment - 0.05 for moment in times], abs=0.04)
    short = json_of(spork, RecordingServer().url(), "-c2", "--schedule", str(file), "-d500ms")
    assert short["scheduled"] == 5
    assert "7 requests when they are listed" in bench(spork, RecordingServer().url(), "-c2", "--schedule", str(file)).stdout
    file.write_text("0\n1\nx\n")
    wrong = bench(spork, "http://127.0.0.1:1/", "--schedule", str(file))
    assert wrong.returncode == 1 and wrong.stderr == f"spork: {file}: line 3: x is not a time in seconds\n"


def test_three_clocks(spork: str):
    """The server takes 20 ms, and there is one connection for requests 10 ms apart: service time stays, response time grows, and
    the generator itself is not late."""

    def serve(connection: socket.socket, _: int) -> None:
        for _ in requests(connection):
            time.sleep(0.02)
            connection.sendall(answer())

    found = json_of(spork, Listener(serve).url, "-c1", "-t1", "-R100", "-d1s")
    assert 19_000 < found["service_microseconds"]["p50"] < 30_000
    assert found["latency_microseconds"]["p50"] > 150_000 and found["latency_microseconds"]["max"] > 400_000
    assert found["generator"]["lag_microseconds"]["p50"] < 5_000
    assert found["scheduled"] == found["sent"] + found["unsent"] == 100 and found["verdict"] == "STARVED"


def test_spin(spork: str):
    """Spinning costs processor time, which is said, and is no load: the verdict does not hold it against the generator."""
    url = CountingServer().url
    found = json_of(spork, url, "-c4", "-t1", "-d1s", "-R500", "--spin", "3ms")
    assert found["generator"]["spinning_seconds"] > 0.4 and found["generator"]["cpu_seconds"] > 0.3
    assert found["generator"]["demand"] < 0.9 and found["requests"] == 500
    assert re.search(r"s of it spinning$", bench(spork, url, "-c4", "-t1", "-d300ms", "-R500", "--spin", "200us").stdout, re.M)
    assert json_of(spork, url, "-c4", "-t1", "-d300ms", "-R500")["generator"]["spinning_seconds"] == 0


def changing(contents: list[bytes], statuses: list[str]):
    """A server whose answers take turns."""
    lock, count = threading.Lock(), [0]

    def serve(connection: socket.socket, _: int) -> None:
        for _ in requests(connection):
            with lock:
                number = count[0]
                count[0] += 1
            connection.sendall(answer(contents[number % len(contents)], statuses[number % len(statuses)]))

    return Listener(serve).url


def test_statuses_are_counted(spork: str):
    """By class, always."""
    found = json_of(spork, changing([b""], ["200 OK", "204 No", "302 Found", "404 No", "503 No"]), "-c1", "-t1", "-n50")
    assert found["status_classes"] == {"1xx": 0, "2xx": 20, "3xx": 10, "4xx": 10, "5xx": 10, "other": 0}
    assert found["errors"]["status"] == found["errors"]["total"] == 20


def test_expect_status(spork: str):
    """Other statuses are mismatches; those that are expected are no errors, whatever they are."""
    found = json_of(spork, changing([b""], ["200 OK", "404 No"]), "-c1", "-t1", "-n20", "--expect-status", "2xx")
    assert found["errors"]["mismatch"] == found["errors"]["total"] == 10 and found["mismatches"][0]["text"] == "status 404 instead of 2xx"
    good = json_of(spork, changing([b""], ["404 No"]), "-c1", "-t1", "-n20", "--expect-status", "404")
    assert good["errors"]["total"] == 0 and good["status_classes"]["4xx"] == 20


def test_expect_body(spork: str, tmp_path: Path):
    """The content is compared, with a text or a file, wherever it is cut, in chunks too; the first difference is shown."""
    content = bytes(range(256)) * 300
    file = tmp_path / "content"
    file.write_bytes(content)
    wrong = bytearray(content)
    wrong[70_000] ^= 1

    def chunked(connection: socket.socket, _: int) -> None:
        for number, _ in enumerate(requests(connection)):
            data = bytes(wrong) if number == 7 else content
            parts = [data[start : start + 997] for start in range(0, len(data), 997)] + [b""]
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts))

    for url in [changing([content] * 7 + [bytes(wrong)] + [content] * 100, ["200 OK"]), Listener(chunked).url]:
        found = json_of(spork, url, "-c1", "-t1", "-n20", "--expect-body", f"@{file}")
        assert found["errors"]["mismatch"] == found["errors"]["total"] == 1 and found["mismatches"][0]["offset"] == 70_000
        assert found["requests"] == 20 and found["verdict"] == "ERRORS"
    text = bench(spork, changing([b"hello", b"Hello", b"hello!"], ["200 OK"]), "-c1", "-t1", "-n3", "--expect-body", "hello").stdout
    assert "  Answers that are not what was expected: 2\n" in text and 'byte 0: "Hello" instead of "hello"' in text
    assert json_of(spork, changing([b"hello"], ["200 OK"]), "-c2", "-t2", "-n40", "--expect-body", "hello")["errors"]["total"] == 0


def test_verify(spork: str, start, site: Path):
    """Every answer is compared with the first one to the same URL; without it, pages may change."""
    server = start(site, "-w", "1")
    urls = [f"{server.url}/1k.bin", f"{server.url}/64k+1.bin", f"{server.url}/missing"]
    found = json_of(spork, *urls, "-c6", "-t2", "-n300", "--verify")
    assert found["errors"]["mismatch"] == 0 and found["errors"]["status"] == found["errors"]["total"] == 100
    server.stop()
    url = changing([b"one", b"one", b"two", b"longer"], ["200 OK"])
    found = json_of(spork, url, "-c1", "-t1", "-n40", "--verify")
    assert found["errors"]["mismatch"] == 20 and found["mismatches"][0]["offset"] == 0
    assert json_of(spork, url, "-c1", "-t1", "-n40")["errors"]["total"] == 0
    limited = json_of(spork, changing([b"first one", b"first 0ne", b"fIrst one"], ["200 OK"]), "-c1", "-t1", "-n3", "--verify", "--verify-limit", "4")
    assert limited["errors"]["mismatch"] == 2 and limited["mismatches"][0]["offset"] == 1
    assert json_of(spork, changing([b"x"], ["200 OK", "500 No"]), "-c1", "-t1", "-n10", "--verify")["errors"]["mismatch"] == 5
    assert json_of(spork, RecordingServer().url(), "-m", "HEAD", "-c1", "-n10", "--verify")["errors"]["total"] == 0


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_errors_by_phase(spork: str):
    """Each failure with its phase, the error's name, and when."""

    def phases(serve, *arguments: str) -> dict:
        result = bench(spork, serve if isinstance(serve, str) else Listener(serve).url, "-c1", "-t1", *(arguments or ["-n2"]), "-T300ms", "--format", "json")
        found = json.loads(result.stdout)
        assert found["accounted"] and sum(row["count"] for row in found["errors_by_phase"]) == sum(
            found["errors"][name] for name in ("connect", "tls", "read", "write", "timeout", "malformed")
        )
        for row in found["errors_by_phase"]:
            assert 0 <= row["first_seconds"] <= row["last_seconds"] < 3 and row["meaning"]
        return {(row["phase"], row["error"]): row["count"] for row in found["errors_by_phase"]}

    with socket.create_server(("127.0.0.1", 0)) as listener:
        nowhere = f"127.0.0.1:{listener.getsockname()[1]}"
    assert phases(f"http://{nowhere}/") == {("connect", "ECONNREFUSED"): 2}
    assert phases(f"tcp://{nowhere}") == {("connect", "ECONNREFUSED"): 2}
    plain = Listener(lambda connection, _: connection.sendall(b"no TLS here\r\n") or connection.recv(9))
    assert phases(f"https://{plain.address}/", "-n1", "-k") == {("tls", "tls"): 1}
    text = bench(spork, f"https://{plain.address}/", "-n1", "-k", "-c1", "-t1").stdout
    assert "tls: tls (TLS refused to go on: the peer does not speak TLS) 1, at " in text, text
    ending = Listener(lambda connection, _: connection.recv(999))
    assert phases(f"https://{ending.address}/", "-n1", "-k") == {("tls", "closed"): 1}
    silent = Listener(lambda connection, _: (connection.recv(999), time.sleep(1)))
    assert phases(f"https://{silent.address}/", "-n1", "-k") == {("tls", "timeout"): 1}
    assert phases(lambda connection, _: (connection.recv(999), reset(connection))) == {("head", "ECONNRESET"): 2}
    assert phases(lambda connection, _: connection.recv(999)) == {("head", "closed"): 2}
    assert phases(lambda connection, _: (connection.recv(999), connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))) == {("body", "closed"): 2}
    assert phases(lambda connection, _: (connection.recv(999), connection.sendall(b"HTTP/1.1 200 OK\r\n"), time.sleep(1))) == {("head", "timeout"): 2}
    assert phases(lambda connection, _: (connection.recv(999), connection.sendall(answer(b"half", fields="")[:-1]), time.sleep(1))) == {("body", "timeout"): 2}
    assert phases(lambda connection, _: (connection.recv(999), connection.sendall(b"SSH-2.0\r\n\r\n"))) == {("head", "malformed"): 2}

    def once(connection: socket.socket, _: int) -> None:
        next(requests(connection))
        connection.sendall(answer())
        # Closes when the next request has come, without a word: it crossed the close.
        connection.recv(999)

    assert phases(once, "-n4") == {("idle close", "closed"): 2}
    text = bench(spork, f"http://{nowhere}/", "-c1", "-t1", "-n3").stdout
    assert re.search(r"^    connect: ECONNREFUSED \(connection refused\) 3, first at 0\.\d+ s, last at 0\.\d+ s$", text, re.M)


def test_write_failures(spork: str, tmp_path: Path):
    """A server that ends the connection while a large request is being sent."""
    file = tmp_path / "large"
    file.write_bytes(bytes(8 << 20))

    def serve(connection: socket.socket, _: int) -> None:
        connection.recv(999)
        reset(connection)

    result = bench(spork, Listener(serve).url, "-c1", "-t1", "-n2", "-b", f"@{file}", "--format", "json")
    found = json.loads(result.stdout)
    assert found["accounted"] and found["errors"]["total"] == 2
    assert {(row["phase"], row["error"]) for row in found["errors_by_phase"]} <= {("write", "ECONNRESET"), ("write", "EPIPE"), ("head", "ECONNRESET")}


def test_idle_closes(spork: str):
    """Connections that the server closed while nothing was out are counted, as no errors."""

    class ImpatientServer(CountingServer):
        idle = 0.2

    found = json_of(spork, ImpatientServer().url, "-c1", "-t1", "-d3s", "-R2")
    assert found["requests"] == 6 and found["errors"]["total"] == 0 and 3 <= found["idle_closes"] <= 6


def test_slo(spork: str):
    """Exit code 3 when an objective is missed; each clause with what was measured."""

    def serve(connection: socket.socket, _: int) -> None:
        for _ in requests(connection):
            time.sleep(0.02)
            connection.sendall(answer())

    url = Listener(serve).url
    found = json_of(spork, url, "-c2", "-t1", "-n20", "--slo", "p50<1s,errors<0.1%,rate>1")
    assert found["slo"]["met"] and [clause["met"] for clause in found["slo"]["clauses"]] == [True] * 3
    missed = json_of(spork, url, "-c2", "-t1", "-n20", "--slo", "p99<5ms, errors<=0", code=3)
    first, second = missed["slo"]["clauses"]
    assert not missed["slo"]["met"] and not first["met"] and 20_000 < first["measured_microseconds"] < 100_000
    assert second == {"clause": "errors<=0", "met": True, "measured": 0}
    text = bench(spork, url, "-c2", "-t1", "-n20", "--slo", "p99<5ms,errors<0.1%")
    assert text.returncode == 3 and re.search(r"^SLO p99<5ms: MISSED, measured \d+\.\d\dms\nSLO errors<0\.1%: met, measured 0\.000%$", text.stdout, re.M)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nowhere = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    assert bench(spork, nowhere, "-c1", "-n2", "--slo", "p99<5ms").returncode == 1


def interrupted(spork: str, *arguments: str, after: float = 0.7, signals: int = 1) -> tuple[str, float]:
    """What is printed after Ctrl-C, and how long that took."""
    with subprocess.Popen([spork, "bench", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(after)
        begin = time.monotonic()
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        output, errors = process.communicate(timeout=20)
        assert process.returncode == 130 and errors == "", (process.returncode, errors, output)
    return output, time.monotonic() - begin


SILENT = b""


@pytest.mark.parametrize(
    "arguments",
    [["-d60s"], ["-n100000000"], ["-d60s", "-R500"], ["-d60s", "-R100:900"], ["-d60s", "-R500", "--arrivals", "burst:20"], ["-d60s", "-R300", "--spin", "50us"],
     ["-d60s", "--warmup", "200ms"], ["-d60s", "-R500", "--warmup", "200ms"], ["-d60s", "--no-keepalive"], ["-d60s", "-p8"], ["-d60s", "--ledger"], ["-d60s", "-R500", "--ledger"]],
)
@pytest.mark.parametrize("kind", ["answers", "silent"])
def test_interrupt_in_every_mode(spork: str, arguments: list[str], kind: str):
    """Ctrl-C gives the whole report in every mode, with every request accounted for, and judges nothing."""
    if kind == "silent":
        url = CountingServerOfAnything(SILENT).url
    else:
        url = CountingServerOfAnything(answer()).url
    output, seconds = interrupted(spork, url, "-c4", "-t2", "-T60s", *arguments, "--slo", "max<1us", "--format", "json")
    found = json.loads(output)
    assert found["interrupted"] and found["accounted"] and "slo" not in found and seconds < 5
    assert found["generator"]["lost_processes"] == 0
    if kind == "silent":
        out = found["unanswered"]
        assert found["requests"] == 0 and (out > 0 or "--warmup" in arguments)
        if "scheduled" in found:
            assert found["scheduled"] == found["sent"] + found["unsent"]
            assert "--warmup" in arguments or found["unsent"] > 10
    else:
        assert found["requests"] > 10
    if "--ledger" in arguments:
        assert found["ledger"]["balanced"] and found["ledger"]["numbers"] == found["sent"]


class CountingServerOfAnything(Listener):
    """Answers every request with the same bytes, or with nothing."""

    def __init__(self, content: bytes):
        def serve(connection: socket.socket, _: int) -> None:
            for _ in requests(connection):
                connection.sendall(content)

        super().__init__(serve)


def test_interrupts_at_other_times(spork: str):
    """While it warms up, while nobody accepts, twice in a row, and in a search: a report each time."""
    url = CountingServerOfAnything(answer()).url
    output, _ = interrupted(spork, url, "-c2", "-t1", "-d60s", "--warmup", "60s", "--format", "json")
    assert json.loads(output)["requests"] == 0 and json.loads(output)["generator"]["lost_processes"] == 0
    output, seconds = interrupted(spork, CountingServerOfAnything(SILENT).url, "-c2", "-t1", "-d60s", "-T60s", "--format", "json", signals=2)
    assert json.loads(output)["unanswered"] == 2 and seconds < 1
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        # A queue without room: connecting takes for ever.
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        output, _ = interrupted(spork, f"http://127.0.0.1:{full.getsockname()[1]}/", "-c2", "-t1", "-d60s", "-T60s", "--format", "json")
        assert json.loads(output)["sent"] == 0 and json.loads(output)["accounted"]
        output, _ = interrupted(spork, f"http://127.0.0.1:{full.getsockname()[1]}/", "-c2", "-t1", "-d60s", "-T60s", "-R50", "--format", "json")
        assert json.loads(output)["sent"] == 0 and json.loads(output)["accounted"]
        for one in waiting:
            one.close()
    output, _ = interrupted(spork, url, "-c4", "-t1", "-d300ms", "--find", "p99<10s", "--format", "json", after=1.2)
    found = json.loads(output)
    assert found["interrupted"] and found["outcome"] is None and len(found["rows"]) >= 2
    output, _ = interrupted(spork, url, "-c4", "-t1", "-d60s", "--find", "p99<10s")
    assert "stopped" in output and output.endswith("Interrupted: this is what there was until then\n")


def test_find(spork: str):
    """The highest rate is found: this server does two hundred a second, one after the other, on each of two connections."""

    def serve(connection: socket.socket, _: int) -> None:
        for _ in requests(connection):
            time.sleep(0.005)
            connection.sendall(answer())

    found = json_of(spork, Listener(serve).url, "-c2", "-t1", "-d800ms", "-R50", "--find", "p90<30ms,errors<=0")
    rates = [row["rate"] for row in found["rows"]]
    assert rates[:3] == [50, 100, 200] and 150 < found["highest_rate"] < 410 and found["rows"][-1]["holds"]
    assert found["rows"][-1]["rate"] == pytest.approx(found["highest_rate"]) and rates.count(rates[-1]) == 2
    assert not found["interrupted"] and "measured twice" in found["outcome"]
    nothing = bench(spork, Listener(serve).url, "-c2", "-t1", "-d200ms", "-R4", "--find", "p50<1us")
    assert nothing.returncode == 3 and nothing.stdout.endswith("No rate holds, not even 1 a second\n")
    assert re.search(r"^ +rate +answered/s +p50 +p99 +max +errors +lag p99 *$", nothing.stdout, re.M)
    assert re.search(r"^ +4 .* missed$", nothing.stdout, re.M)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nowhere = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    assert bench(spork, nowhere, "-c1", "-t1", "-d200ms", "-R2", "--find", "p50<1s").returncode == 1


def test_find_does_not_hold_with_errors(spork: str):
    """Errors are fast: no rate holds at which the answers are errors, unless the objective says how many may be."""
    arguments = [CountingServerOfAnything(answer(status="404 No")).url, "-c2", "-t1", "-d200ms", "-R4"]
    wrong = json_of(spork, *arguments, "--find", "p99<5s", code=3)
    assert wrong["highest_rate"] is None and not any(row["holds"] for row in wrong["rows"])
    output, _ = interrupted(spork, *arguments, "--find", "p99<5s,errors<=100%", "--format", "json", after=1.5)
    assert json.loads(output)["rows"][0]["holds"]


def test_rates_do_not_measure_the_sampling(spork: str):
    """A thousand requests a second are a thousand in every part of a second."""
    text = bench(spork, CountingServerOfAnything(answer()).url, "-c8", "-t1", "-d2s", "-R1000").stdout
    mean, _, most = re.search(r"^ +Req/Sec +(\S+) +(\S+) +(\S+) ", text, re.M).groups()
    rates = [float(rate.removesuffix("k")) * (1000 if rate.endswith("k") else 1) for rate in (mean, most)]
    assert rates[0] == pytest.approx(1000, rel=0.03) and rates[1] < 1100, text


@pytest.mark.parametrize("numbers", [[signal.SIGHUP], [signal.SIGQUIT], [signal.SIGINT] * 6])
def test_other_interrupts(spork: str, numbers: list[int]):
    """The terminal's end and Ctrl-\\ are interrupts like others; many in a row do not lose the report."""
    # Under nohup the terminal's end is none of anybody's business.
    command = ["env", "--default-signal=HUP", spork, "bench", CountingServerOfAnything(answer()).url, "-c2", "-t1", "-d60s", "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(0.5)
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.01)
        output = process.communicate(timeout=20)[0]
        assert process.returncode == 130 and json.loads(output)["interrupted"]


def test_load_ends_with_its_parent(spork: str):
    """Nobody counts the load of a parent that was killed: it ends."""
    with subprocess.Popen([spork, "bench", CountingServerOfAnything(answer()).url, "-c2", "-t2", "-d60s"], stdout=subprocess.PIPE) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: len(children.read_text().split()) == 2, what="the load processes")
        pids = [int(pid) for pid in children.read_text().split()]
        process.kill()
        process.wait()
        wait_until(lambda: not any(alive(pid) for pid in pids), what="their end")


def test_no_descriptors(spork: str):
    """A limit on descriptors that is too low is raised; where it cannot be, nothing is measured, and it is named."""
    command = [spork, "bench", CountingServerOfAnything(answer()).url, "-c80", "-t1", "-n800", "--format", "json"]
    raised = subprocess.run(["sh", "-c", 'ulimit -Sn 70; exec "$@"', "sh", *command], capture_output=True, text=True, timeout=40)
    assert raised.returncode == 0 and json.loads(raised.stdout)["errors"]["total"] == 0


def test_output_that_cannot_be_written(spork: str):
    """A report that is lost is no success."""
    with open("/dev/full", "w") as full:
        command = [spork, "bench", CountingServerOfAnything(answer()).url, "-c1", "-n1", "--format", "json"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=40)
    assert result.returncode == 1 and "no space left on device" in result.stderr


def counts_of(encoded: str) -> dict[int, int]:
    """A V2 histogram by its specification, written here independently: counts by value's lowest equivalent."""
    outer = base64.b64decode(encoded)
    cookie, length = struct.unpack(">ii", outer[:8])
    assert cookie == 0x1C849314 and length == len(outer) - 8
    inner = zlib.decompress(outer[8:])
    cookie, length, offset, digits, lowest, highest, ratio = struct.unpack(">iiiiqqd", inner[:40])
    assert (cookie, length, offset, digits, lowest, highest, ratio) == (0x1C849313, len(inner) - 40, 0, 3, 1, 3_600_000_000_000, 1.0)
    counts, index, position = {}, 0, 40
    while position < len(inner):
        word = shift = 0
        while True:
            byte = inner[position]
            position += 1
            word |= (byte if shift == 56 else byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift == 63:
                break
        number = (word >> 1) ^ -(word & 1)
        if number < 0:
            index -= number
        else:
            bucket, sub = (index >> 10) - 1, (index & 1023) + 1024
            counts[index if index < 2048 else sub << bucket] = number
            index += 1
    return counts


def test_histograms(spork: str, tmp_path: Path):
    """--hdr, --hdr-log, and the histogram in the JSON: all processes' latencies, without loss."""
    hgrm, log = tmp_path / "a.hgrm", tmp_path / "a.hlog"
    found = json_of(spork, RecordingServer().url(), "-c4", "-t2", "-n200", "--hdr", str(hgrm), "--hdr-log", str(log))
    counts = counts_of(found["latency_histogram"])
    assert sum(counts.values()) == 200
    ordered = sorted(value for value, count in counts.items() for _ in range(count))
    assert ordered[99] == pytest.approx(found["latency_microseconds"]["p50"] * 1000, rel=0.002)
    lines = hgrm.read_text().splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    rows = [line.split() for line in lines[2:] if not line.startswith("#")]
    assert rows[-1][1] == "1.000000000000" and rows[-1][2] == "200" and float(rows[-1][0]) == pytest.approx(found["latency_microseconds"]["max"] / 1000, rel=0.002)
    assert any(line.startswith("#[Mean") for line in lines)
    first, second, third, fourth = log.read_text().splitlines()
    assert first == "#[Histogram log format version 1.3]" and second.startswith("#[StartTime: ")
    assert float(second.split()[1]) == pytest.approx(time.time(), abs=60) and third.startswith('"StartTimestamp"')
    assert fourth.split(",")[3] == found["latency_histogram"]
    nowhere = bench(spork, RecordingServer().url(), "-n2", "-c1", "--hdr", f"{tmp_path}/no/such")
    assert nowhere.returncode == 1 and nowhere.stderr == f"spork: open {tmp_path}/no/such: no such file or directory\n"


def test_histograms_are_read_by_others(spork: str, tmp_path: Path):
    """Python's HdrHistogram makes the same histogram of it."""
    histograms = pytest.importorskip("hdrh.histogram", reason="the Python package hdrhistogram is not installed")
    from hdrh.log import HistogramLogReader

    log = tmp_path / "a.hlog"
    found = json_of(spork, RecordingServer().url(), "-c4", "-t2", "-n300", "--hdr-log", str(log))
    histogram = histograms.HdrHistogram.decode(found["latency_histogram"])
    assert histogram.get_total_count() == 300
    for name, percentile in [("p50", 50), ("p90", 90), ("p99", 99), ("p99_9", 99.9), ("max", 100)]:
        assert histogram.get_value_at_percentile(percentile) == pytest.approx(found["latency_microseconds"][name] * 1000, rel=0.002)
    reference = histograms.HdrHistogram(1, 3_600_000_000_000, 3)
    reader = HistogramLogReader(str(log), reference)
    assert reader.get_next_interval_histogram().get_total_count() == 300


def numbered(request: str) -> str:
    return re.search(r"Spork-Request: (spork-\d{12})", request)[1]


@pytest.mark.parametrize("arguments", [["-n400"], ["-n400", "-p8"], ["-R400", "-d1s"], ["-n400", "--no-keepalive"]])
def test_ledger(spork: str, arguments: list[str]):
    """Every request has a number of its own, and every answer brings it back, in a field or in the content."""
    seen: list[str] = []

    def serve(connection: socket.socket, _: int) -> None:
        for request in requests(connection):
            number = numbered(request)
            assert f"?request={number} HTTP/1.1" in request.split("\r\n")[0]
            seen.append(number)
            in_field = int(number[-1]) % 2
            connection.sendall(answer(b"x" if in_field else number.encode(), fields=f"Spork-Request: {number}\r\n" if in_field else ""))

    found = json_of(spork, Listener(serve).url, "-c4", "-t2", *arguments, "--ledger")
    ledger = found["ledger"]
    assert ledger["numbers"] == ledger["right"] == 400 == len(set(seen)) == len(seen) and ledger["balanced"] and ledger["open"] == 0
    assert found["errors"]["total"] == 0
    text = bench(spork, Listener(serve).url, "-c2", "-t1", "-n20", "--ledger").stdout
    assert "  Ledger: 20 requests: 20 right; every number ended once\n" in text


def test_ledger_finds_what_went_wrong(spork: str):
    """An answer for somebody else, one without a number, one that breaks and one that never comes: each is told for what it is."""

    def serve(connection: socket.socket, number: int) -> None:
        for count, request in enumerate(requests(connection)):
            own = numbered(request).encode()
            if count == 3:
                own = b"spork-000000999999"
            if count == 5:
                own = b"nothing"
            if count == 7:
                connection.sendall(answer(own)[:-1])
                return
            if count == 2 and number == 2:
                time.sleep(1)
            connection.sendall(answer(own))

    found = json_of(spork, Listener(serve).url, "-c1", "-t1", "-n15", "-T300ms", "--ledger")
    ledger = found["ledger"]
    # Eight on the first connection, three on the second, four on the third.
    assert ledger["numbers"] == 15 and ledger["wrong"] == 3 == found["errors"]["mismatch"] and ledger["failed_body"] == 1 and ledger["failed_head"] == 1
    assert ledger["right"] == 10 and ledger["balanced"] and ledger["twice"] == 0
    assert re.fullmatch(r"spork-\d{12} was answered with spork-000000999999", found["mismatches"][0]["text"])


def test_ledger_and_tcp(spork: str, start):
    """The number travels in the bytes that are sent."""
    server = start("-w", "2", command="echo")
    for arguments in [[], ["-p4"], ["-b", "head {number} tail"], ["-R500"]]:
        ledger = json_of(spork, f"tcp://127.0.0.1:{server.port}", "-c4", "-t2", *(["-d1s"] if "-R500" in arguments else ["-n400"]), *arguments, "--ledger")["ledger"]
        assert ledger["right"] == ledger["numbers"] >= 400 and ledger["balanced"]
    server.stop()


def test_ledger_of_an_echo(spork: str, start_example):
    """An HTTP server that sends back what it is sent: {number} puts the number where it is wanted."""
    server = start_example("example-http", "-w", "2")
    for arguments in [["-b", "the number is {number}, really"], ["-m", "PUT", "-b", "{number}" * 3]]:
        found = json_of(spork, f"{server.url}/echo", "-c8", "-t2", "-n500", *arguments, "--ledger")
        assert found["ledger"]["right"] == 500 and found["ledger"]["balanced"]
    headers = json_of(spork, f"{server.url}/headers", "-c8", "-t2", "-n500", "--ledger")
    assert headers["ledger"]["right"] == 500
    page = json_of(spork, f"{server.url}/hello", "-c2", "-t1", "-n10", "--ledger")
    assert page["ledger"]["wrong"] == 10 and "was answered with no number" in page["mismatches"][0]["text"]


def test_verdicts(spork: str, start, site: Path):
    """Each word is reached, for its own reason."""
    server = start(site, "-w", "1")
    quiet = json_of(spork, f"{server.url}/1k.bin", "-c2", "-t1", "-R100", "-d1s")
    assert quiet["verdict"] in ("VALID", "GENERATOR-BOUND") and quiet["errors"]["total"] == 0
    assert json_of(spork, f"{server.url}/missing", "-c1", "-n5")["verdict"] == "ERRORS"
    # Four processes have one processor: they always want to run, unless others keep the server from its own.
    processor = min(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(processor), spork, "bench", f"{server.url}/1k.bin", f"{server.url}/0.bin", "-c64", "-t4", "-d1s", "--format", "json"]
    for _ in range(5):
        found = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=30).stdout)
        if found["verdict"] == "GENERATOR-BOUND":
            break
    assert found["verdict"] == "GENERATOR-BOUND" and re.search("ready to run|generator's own lag", found["verdict_reason"]), found["verdict_reason"]
    server.stop()

    def one_at_a_time(connection: socket.socket, number: int) -> None:
        if number > 2:
            time.sleep(3)
            return
        for _ in requests(connection):
            time.sleep(0.002)
            connection.sendall(answer())

    starved = json_of(spork, Listener(one_at_a_time).url, "-c4", "-t1", "-d1s", "-T10s")
    assert starved["verdict"] == "STARVED" or starved["verdict"] == "ERRORS"
    unsent = json_of(spork, Listener(one_at_a_time).url, "-c2", "-t1", "-d1s", "-R5000", "-T10s")
    assert unsent["verdict"] == "STARVED" and "were not sent in time" in unsent["verdict_reason"]


def test_littles_law(spork: str):
    """Latency times rate is the number of requests that were out, whatever the server does; a few requests starve nobody."""

    def serve(connection: socket.socket, _: int) -> None:
        for _ in requests(connection):
            time.sleep(0.01)
            connection.sendall(answer())

    url = Listener(serve).url
    for connections in (1, 8):
        found = json_of(spork, url, f"-c{connections}", "-t1", "-d1s")
        out = found["generator"]["requests_out_on_average"]
        by_hand = found["latency_microseconds"]["mean"] * 1e-6 * found["requests"] / found["duration_seconds"]
        assert out == pytest.approx(connections, rel=0.1) and by_hand == pytest.approx(out, rel=0.1)
    assert json_of(spork, url, "-c10", "-t2", "-n5")["verdict"] in ("VALID", "GENERATOR-BOUND")
    assert json_of(spork, url, "-c10", "-t2", "-n30")["verdict"] in ("VALID", "GENERATOR-BOUND")


@pytest.mark.parametrize(
    "arguments",
    [["tcp://127.0.0.1"], ["tcp://127.0.0.1:1/x"]],
)
def test_bad_urls(spork: str, arguments: list[str]):
    """URLs that say too little or too much: one line, exit code 2."""
    result = bench(spork, *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1) and "is not a URL of the form" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--warmup", "x"], ["--schedule", "f", "-R5"], ["--schedule", "f", "-n5"], ["--schedule", "f", "-p2"], ["--spin", "100us"], ["--spin", "x", "-R5"],
        ["--verify", "--expect-body", "x"], ["--verify-limit", "5"], ["--verify", "--verify-limit", "0"], ["--expect-status", "600"], ["--expect-status", "x"], ["--slo", "p99"], ["--slo", "p99<5"], ["--find", "x"],
        ["--find", "p99<5ms", "--slo", "p99<5ms"], ["--find", "p99<5ms", "-n5"], ["--find", "p99<5ms", "-R5:9"], ["--find", "p99<5ms", "--hdr", "x"],
        ["--find", "p99<5ms", "--schedule", "x"], ["--ledger", "--verify"], ["--ledger", "--warmup", "1s"],
        ["--unix-socket", "/x", "http://127.0.0.1:2/"], ["--sweep", "workers=1", "--spawn", "a {port}", "--find", "p99<5ms"],
    ],
)
def test_bad_usage_of_the_engine(spork: str, arguments: list[str]):
    """Options that make no sense, alone or together: one line, exit code 2."""
    result = bench(spork, "http://127.0.0.1:1/", *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("arguments", [["-m", "PUT"], ["-H", "a: b"], ["--verify"], ["--expect-status", "200"], ["-b", ""], ["--ledger", "-b", "short"]])
def test_bad_usage_of_tcp(spork: str, arguments: list[str]):
    """What HTTP has and an echo has not."""
    result = bench(spork, "tcp://127.0.0.1:1", *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_why_an_objective_is_none(spork: str):
    """The line says what is wrong with it."""
    result = bench(spork, "http://127.0.0.1:1/", "--slo", "p99<5")
    assert result.returncode == 2 and "a latency is a number with us, ms or s" in result.stderr


def test_live_line_has_percentiles(spork: str):
    """A terminal shows rate, percentiles, errors and the time left; the summary follows."""
    url = CountingServerOfAnything(answer()).url
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(spork, [spork, "bench", url, "-c4", "-t2", "-d1500ms", "--warmup", "300ms"])
    output = b""
    try:
        while part := os.read(terminal, 4096):
            output += part
    except OSError:
        pass  # The terminal of a process that has ended.
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert b"\r\x1b[Kconnecting and warming up" in output
    assert re.search(rb"\r\x1b\[K[01]\.\d s  \d+ requests/s  p50 [\d.]+[mu]s  p99 [\d.]+[mu]s  0 errors  [012] s left", output)


def test_memory_of_connections(spork: str, start):
    """What 1,000 more connections add to the generator's private memory: each less than 2 KiB, idle between its requests or not."""
    server = start("-w", "1", command="echo")

    def private(count: int) -> int:
        command = [spork, "bench", f"tcp://127.0.0.1:{server.port}", f"-c{count}", "-t1", "-R500", "-d30s"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                time.sleep(4)
                child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
                text = Path(f"/proc/{child}/smaps_rollup").read_text()
                return sum(int(number) for number in re.findall(r"^Private_\w+: +(\d+) kB", text, re.M)) * 1024
            finally:
                process.send_signal(signal.SIGINT)

    assert (private(1200) - private(200)) / 1000 < 2048
