"""What spork bench measures around a run, from outside: the server's processes, comparisons, silent and hostile connections, files."""

import base64
import csv
import html.parser
import json
import os
import re
import signal
import struct
import subprocess
import time
import zlib
from pathlib import Path

import pytest
from conftest import alive, wait_until


def bench(spork: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess:
    return subprocess.run([spork, "bench", *map(str, arguments)], capture_output=True, timeout=timeout, text=True)


def result_of(spork: str, *arguments: str) -> dict:
    result = bench(spork, *arguments, "--format", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def left_behind(marker: object) -> list[str]:
    """Processes whose command line names something that only this test has."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if str(marker).encode() in Path(f"/proc/{pid}/cmdline").read_bytes() and alive(int(pid)):
                found.append(pid)
        except OSError:
            pass
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory to serve whose name is this test's alone."""
    (tmp_path / "1k.bin").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/1k.bin").write_bytes(bytes(1024))
    yield tmp_path
    assert not left_behind(tmp_path)


def serve(spork: str, place: Path, *arguments: str) -> str:
    return " ".join([f"'{spork}' serve '{place}' -b 127.0.0.1:{{port}}", *arguments])


@pytest.mark.parametrize("way", ["pid", "spawn"])
def test_server_is_watched(spork: str, start, place: Path, way: str):
    """Processor time, switches, memory and shares of a server's processes; requests by worker where its control socket tells."""
    control = place / "control"
    if way == "pid":
        server = start(place, "-w", "2", "--control", control)
        found = result_of(spork, f"{server.url}/1k.bin", "-c8", "-t1", "-d1s", "--pid", server.master)
        assert found["server"]["pid"] == server.master
        assert {row["pid"] for row in found["server"]["workers"]["each"]} == set(server.workers())
        server.stop()
    else:
        found = result_of(spork, "http://x/1k.bin", "-c8", "-t1", "-d1s", "--spawn", serve(spork, place, f"-w 2 --control {control}"))
    watched = found["server"]
    assert watched["processes"] == 3 and watched["cpu_source"] in ("schedstat", "stat")
    assert 0.5 < watched["cpu_microseconds_per_request"] < 5000
    assert watched["cpu_seconds"] == pytest.approx(watched["user_seconds"] + watched["system_seconds"], abs=0.002)
    assert watched["cpu_seconds"] * 1e6 / found["requests"] == pytest.approx(watched["cpu_microseconds_per_request"], rel=0.05)
    assert watched["voluntary_switches_per_request"] > 0
    memory = watched["pss_bytes"]
    assert 1e5 < watched["private_bytes"]["end"] <= memory["end"] <= memory["peak"] < 1e9
    assert watched["workers"]["source"] == "status" and 0.5 <= watched["workers"]["jain"] <= 1
    assert sum(row["amount"] for row in watched["workers"]["each"]) == found["requests"]
    assert watched["listen_overflows"] >= 0 and watched["listen_drops"] >= 0
    assert 0 < watched["watching_cpu_seconds"] < 0.5
    assert sum(row["requests"] for row in found["timeline"]) == found["requests"]


def test_server_in_text(spork: str, start, place: Path):
    """The same as lines; without a control socket the shares are those of processor time, and it says so."""
    server = start(place, "-w", "2")
    text = bench(spork, f"{server.url}/1k.bin", "-c8", "-t1", "-d1s", "--pid", server.master).stdout
    for pattern in [
        r"^Server CPU: [\d.]+ us a request \(user [\d.]+, system [\d.]+; (schedstat, split by ticks|ticks of 10 ms)\), [\d.]+ cores$",
        r"^Server switches: [\d.]+ voluntary, [\d.]+ involuntary a request$",
        r"^Server memory: PSS [\d.]+MB, [\d.]+MB, [\d.]+MB; private .* \(start, peak, end\)$", r"^Server processes: 3$",
        r"^Workers: 2, min [\d.]+ s, max [\d.]+ s, Jain [\d.]+ \(CPU, its requests are not known\)$",
        r"^Listen queues: \d+ overflows, \d+ drops \(of the whole machine\)$", r"^Watching the server: [\d.]+ ms of CPU",
    ]:
        assert re.search(pattern, text, re.M), f"{pattern}\n{text}"
    server.stop()


def test_workers_that_come_and_go(spork: str, start, place: Path):
    """A worker that is replaced during a run: what it used before it went is counted."""
    server = start(place, "-w", "1")
    command = [spork, "bench", f"{server.url}/1k.bin", "-c4", "-t1", "-d4s", "-R", "200", "--pid", str(server.master), "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(1.5)
        old = server.workers()
        os.kill(server.master, signal.SIGHUP)
        wait_until(lambda: server.workers() and not set(server.workers()) & set(old), what="the worker's replacement")
        found = json.loads(process.communicate(timeout=30)[0])["server"]
    assert found["processes_came"] >= 1 and found["processes_went"] >= 1 and found["processes"] == 2
    assert len(found["workers"]["each"]) == 2 and found["workers"]["source"] == "cpu"
    assert found["cpu_seconds"] >= sum(row["amount"] for row in found["workers"]["each"]) - 0.01
    server.stop()


def test_csv_and_html(spork: str, start, place: Path, tmp_path: Path):
    """A row for each second, and a page that needs nothing else."""
    server = start(place, "-w", "1")
    rows, page = tmp_path / "rows.csv", tmp_path / "page.html"
    text = bench(spork, f"{server.url}/1k.bin", "-c4", "-t2", "-d3s", "--pid", server.master, "--csv", rows, "--html", page).stdout
    table = list(csv.DictReader(rows.read_text().splitlines()))
    assert 3 <= len(table) <= 4 and sum(int(row["requests"]) for row in table) == int(re.search(r"(\d+) requests in", text)[1])
    for row in table[:3]:
        assert 0 < float(row["p50_us"]) <= float(row["p99_us"]) and float(row["server_cpu_s"]) > 0 and int(row["server_pss_bytes"]) > 1e5
    assert [round(float(row["time_s"])) for row in table[:3]] == [1, 2, 3]
    check_page(page)
    without = tmp_path / "without.csv"
    assert bench(spork, f"{server.url}/1k.bin", "-c2", "-t1", "-d1s", "--csv", without).returncode == 0
    assert next(csv.DictReader(without.read_text().splitlines()))["server_cpu_s"] == ""
    missing = bench(spork, f"{server.url}/1k.bin", "-c1", "-n1", "--csv", tmp_path / "no/such")
    assert missing.returncode == 1 and "no such file or directory" in missing.stderr
    server.stop()


def check_page(path: Path) -> None:
    """Whole, with plots, in both colour schemes, and nothing from elsewhere."""

    class Reader(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.seen = [], set()

        def handle_starttag(self, tag, attributes):
            self.seen.add(tag)
            assert not {"src", "href", "onload"} & {name for name, _ in attributes}
            if tag not in ("meta", "polyline", "line", "circle"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            if tag not in ("meta", "polyline", "line", "circle"):
                assert self.open.pop() == tag

    page, reader = path.read_text(), Reader()
    reader.feed(page)
    assert reader.open == [] and {"svg", "figure", "pre"} <= reader.seen and "script" not in reader.seen
    assert "prefers-color-scheme: dark" in page and "width=device-width" in page and "url(" not in page


def test_pages_fit_a_telephone(spork: str, place: Path, tmp_path_factory):
    """At 360 pixels nothing stands out at the side; Chromium measures it."""
    # Chromium's own processes may live a little longer than it does.
    tmp_path = tmp_path_factory.mktemp("pages")
    page = tmp_path / "page.html"
    result = bench(
        spork, "--sweep", "workers=1,2", "--spawn", serve(spork, place, "-w {workers}"), "-c4", "-t1", "-d300ms", "--html", page
    )
    assert result.returncode == 0, result.stderr
    check_page(page)
    frame = tmp_path / "frame.html"
    script = "document.title = f.contentDocument.documentElement.scrollWidth; document.body.textContent = document.title"
    frame.write_text(f'<iframe id="f" style="border:0;width:360px;height:900px" src="page.html" onload="{script}"></iframe>')
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += ["--hide-scrollbars", "--allow-file-access-from-files", f"--user-data-dir={tmp_path}/chromium", "--virtual-time-budget=5000", "--dump-dom", f"file://{frame}"]
    found = subprocess.run(command, capture_output=True, timeout=60, text=True).stdout
    assert "<title>360</title>" in found, found


def test_scaling(spork: str, place: Path):
    """A sweep says how efficient each number of workers is, what law that follows, and which rows have more processes than processors."""
    arguments = ["--sweep", "workers=1,2,64", "--spawn", serve(spork, place, "-w {workers}"), "-c64", "-t1", "-d300ms", "http://x/1k.bin"]
    found = result_of(spork, *arguments)
    assert [row["workers"] for row in found["rows"]] == [1, 2, 64] and found["rows"][0]["efficiency"] == 1
    last = found["rows"][2]
    assert last["oversubscribed"] == (65 > found["processors"]) and 0 < last["efficiency"] < 1 and 0 < last["generator_share"] < 1
    assert last["server"]["processes"] == 65
    assert found["scaling"]["contention"] >= 0 and found["scaling"]["coherency"] >= 0 and found["scaling"]["single_requests_per_second"] > 0
    text = bench(spork, *arguments).stdout
    assert re.search(r"^  with 64 workers: efficiency [\d.]+, generator had \d+% of the CPU used, OVERSUBSCRIBED: 64 \+ 1 on \d+$", text, re.M)
    assert re.search(r"^Scaling \(universal scalability law\): contention [\d.]+, coherency [\d.]+, one worker \d+ requests/s, R2 ", text, re.M)


def test_compare(spork: str, start, place: Path, tmp_path: Path):
    """Contenders that differ in content are said to; a server that runs takes part; the same seed gives the same orders."""
    running = start(place / "other", "-w", "1")
    page = tmp_path / "compared.html"
    contenders = [serve(spork, place, "-w 1"), serve(spork, place, "-w 1 --accept reuseport"), f"{running.url}/1k.bin"]
    arguments = ["compare", *contenders, "--path", "/1k.bin", "-c4", "-d200ms", "--rounds", "3", "--seed", "5", "-R", "200", "--html", page]
    found = json.loads(bench(spork, *arguments, "--format", "json").stdout)
    assert found["seed"] == "5" and found["rounds"] == found["rounds_wanted"] == 3 and found["fixed_rate"] == 200
    assert all(sorted(order) == [0, 1, 2, 3] for order in found["orders"]) and len(found["orders"]) == 3
    first, second, third = found["contenders"]
    assert first["content_bytes"] == second["content_bytes"] == third["content_bytes"] == 1024 < first["wire_bytes"]
    assert (second["same_content"], third["same_content"]) == (True, False)
    assert len(second["requests_per_second"]) == len(second["cpu_microseconds_per_request"]) == 3
    assert second["rate"]["low"] <= second["rate"]["ratio"] <= second["rate"]["high"]
    assert third["cpu"] is None and "not known" in third["cpu_verdict"] and "answers differ" in third["rate_verdict"]
    assert found["noise"]["rate"]["ratio"] > 0 and found["noise"]["cpu"]["low"] <= found["noise"]["cpu"]["high"]
    check_page(page)
    text = bench(spork, *arguments).stdout
    assert text.startswith("seed 5, 3 rounds of 200ms twice each\n") and ": the same content as A\n" in text and ": DIFFERENT from A" in text
    turns = re.findall(r"^round (\d) +(\S+): \d+ requests/s", text, re.M)
    letters = {"A": 0, "B": 1, "C": 2, "A'": 3}
    assert [letters[turn[1]] for turn in turns] == [index for order in found["orders"] for index in order]
    assert re.search(r"^A against itself, rate: x [\d.]+ \(95%: [\d.]+ to [\d.]+\): less than that is noise$", text, re.M)
    assert re.search(r"^B( is (faster|slower) than A| and A: no detectable difference), rate: x ", text, re.M)
    running.stop()


def test_compare_finds_a_difference(spork: str, place: Path):
    """A server that computes for 20 ms before each answer is slower, and costs more; both are said, not maybe."""
    slow = place / "slow.py"
    slow.write_text(
        "import http.server, sys, time\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def do_GET(self):\n"
        "        until = time.perf_counter() + 0.02\n"
        "        while time.perf_counter() < until: pass\n"
        "        self.send_response(200); self.send_header('Content-Length', '1024'); self.end_headers()\n"
        "        self.wfile.write(bytes(range(256)) * 4)\n"
        "    def log_message(self, *_): pass\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
    )
    contenders = [serve(spork, place, "-w 1"), f"python3 '{slow}' {{port}}"]
    arguments = ["compare", *contenders, "--path", "/1k.bin", "-c2", "-d300ms", "--rounds", "4", "-R", "20"]
    result = bench(spork, *arguments)
    assert result.returncode == 0 and "B is slower than A, rate: x 0." in result.stdout, result.stdout
    assert "the same content as A" in result.stdout
    assert re.search(r"^B needs more CPU than A, CPU: x [1-9]\d+", result.stdout, re.M), result.stdout


def test_compare_is_interrupted(spork: str, place: Path):
    """Ctrl-C in the middle: what there was until then, 130, and no server is left."""
    contenders = [serve(spork, place, "-w 1"), serve(spork, place, "-w 2")]
    command = [spork, "bench", "compare", *contenders, "-c2", "-d200ms", "--rounds", "1000", "-R", "100", "--path", "/1k.bin"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("round 2 "):
                break
        process.send_signal(signal.SIGINT)
        output = process.stdout.read()
        assert process.wait(20) == 130
    assert "\n1 of 1000 rounds\n" in output and "Interrupted" in output


def test_compare_without_answers(spork: str, place: Path):
    """A contender that does not serve is said; one that answers badly is not compared."""
    nothing = bench(spork, "compare", serve(spork, place, "-w 1"), "true {port}", "-d200ms", "--rounds", "1")
    assert nothing.returncode == 1 and "the server ended before it could be reached" in nothing.stderr
    bad = bench(spork, "compare", serve(spork, place, "-w 1"), serve(spork, place, "-w 1"), "-d200ms", "--rounds", "1", "-c2", "--path", "/missing")
    assert bad.returncode == 1 and "B and A are not compared: " in bad.stdout and "status 404" in bad.stdout


def test_merge_refuses_what_is_wrong(spork: str, tmp_path: Path):
    """Numbers that cannot be added, a rate that is missing and a file that is there twice: a line each, and no crash."""
    # One value, in HdrHistogram's V2 encoding.
    plain = struct.pack(">iiiiqqd", 0x1C849313, 2, 0, 3, 1, 3_600_000_000_000, 1.0) + b"\x01\x02"
    stream = zlib.compress(plain)
    histogram = base64.b64encode(struct.pack(">ii", 0x1C849314, len(stream)) + stream).decode()
    good = {"requests": 1, "requests_per_second": 1.5, "latency_microseconds": {}, "verdict": "VALID", "scheduled": 4, "unsent": 2}
    files = []
    for number, change in enumerate([{}, {}, {"sent": -1}, {"bytes_read": 2**62}, {"requests": 2**53}, {"requests_per_second": None}, {"errors": {"total": 2**63 - 1}}]):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(good | {"latency_histogram": histogram} | change))
    merged = bench(spork, "merge", files[0], files[1], "--format", "json")
    assert merged.returncode == 0, merged.stderr
    assert (json.loads(merged.stdout)["scheduled"], json.loads(merged.stdout)["unsent"]) == (8, 4)
    for pair in [(files[0], file) for file in [files[0], *files[2:]]] + [(files[6], files[6])]:
        refused = bench(spork, "merge", *pair)
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1, (pair, refused)


def test_compare_puts_chunks_together(spork: str, place: Path):
    """The same content in chunks, behind an interim answer, is the same."""
    page = place / "server.py"
    page.write_text(
        "import socket, sys, threading\n"
        "answer = b'HTTP/1.1 100 Continue\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n'\n"
        "data = bytes(range(256)) * 4\n"
        "for at in range(0, 1024, 100): answer += b'%x\\r\\n%s\\r\\n' % (len(data[at:at + 100]), data[at:at + 100])\n"
        "answer += b'0\\r\\n\\r\\n'\n"
        "def talk(c):\n"
        "    while c.recv(65536): c.sendall(answer)\n"
        "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True: threading.Thread(target=talk, args=[listener.accept()[0]], daemon=True).start()\n"
    )
    arguments = ["compare", serve(spork, place, "-w 1"), f"python3 '{page}' {{port}}", "--path", "/1k.bin", "-c1", "-d200ms", "--rounds", "1", "-R", "20"]
    found = json.loads(bench(spork, *arguments, "--format", "json").stdout)
    assert found["contenders"][1]["same_content"] is True and found["contenders"][1]["content_bytes"] == 1024


def test_compare_keeps_what_it_has(spork: str, place: Path):
    """A server that starts only so often: the rounds before are printed, with what went wrong, and the exit code is 1."""
    count = place / "count"
    often = f"echo x >> '{count}'; test $(wc -l < '{count}') -lt 4 || exit 1; " + serve(spork, place, "-w 1")
    result = bench(spork, "compare", serve(spork, place, "-w 1"), often, "-d200ms", "--rounds", "5", "-R50", "-c2", "--path", "/1k.bin", "--format", "json")
    found = json.loads(result.stdout)
    assert result.returncode == 1 and "the server ended before" in result.stderr and "the server ended before" in found["failure"]
    assert found["rounds"] >= 1 and len(found["contenders"][1]["requests_per_second"]) == found["rounds"]
    assert all(len(turn) == 2 for turn in found["contenders"][1]["verdicts"])
    assert "not decided" in found["contenders"][1]["rate_verdict"] or found["rounds"] >= 3


def test_sweep_keeps_what_it_has(spork: str, place: Path):
    """The rows that were measured are printed although a later server did not start."""
    command = "test {workers} -lt 2 || exit 1; " + serve(spork, place, "-w {workers}")
    result = bench(spork, "--sweep", "workers=1,2", "--spawn", command, "-c2", "-t1", "-d200ms", "--warmup", "100ms", "http://x/1k.bin", "--format", "json")
    assert result.returncode == 1 and "the server ended before" in result.stderr
    assert [(row["workers"], row["warm_up_seconds"]) for row in json.loads(result.stdout)["rows"]] == [(1, 0.1)]


def test_interrupt_while_a_server_starts(spork: str, tmp_path: Path):
    """A server that never listens is not waited for after Ctrl-C."""
    for arguments in (["--spawn"], ["--sweep", "workers=1", "--spawn"], ["compare", "--rounds", "1", "sleep 61 {port}"]):
        with subprocess.Popen([spork, "bench", *arguments, "sleep 61 {port}"], stdout=subprocess.PIPE) as process:
            time.sleep(0.5)
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(8) == 130 and time.monotonic() - begin < 3


def test_servers_end_with_their_parent(spork: str, place: Path):
    """A server that was started here does not outlive a bench that was killed."""
    command = [spork, "bench", "http://x/1k.bin", "-d60s", "-c2", "-t1", "--spawn", serve(spork, place, "-w 1")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        # The server, who keeps it, and a load process; the heading is printed when the server listens.
        wait_until(lambda: len(children.read_text().split()) == 3, what="the load process")
        pids = [int(pid) for pid in children.read_text().split()]
        process.kill()
        process.wait()
    wait_until(lambda: not any(alive(pid) for pid in pids), 15, what="the server's end")


def test_server_that_ends(spork: str):
    """Nobody knows what a server has used that is gone at the end: no number is said, and why."""
    code = (
        "import socket,sys,time; s=socket.create_server((\"127.0.0.1\",int(sys.argv[1]))); s.accept()[0].close(); c=s.accept()[0]\n"
        "c.recv(999); c.sendall(b\"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n\")"
    )
    arguments = ["http://x/", "-c1", "-t1", "-d500ms", "--spawn", f"exec python3 -c '{code}' {{port}}"]
    found = json.loads(bench(spork, *arguments, "--format", "json").stdout)["server"]
    assert found["ended"] is True and found["cpu_microseconds_per_request"] is None and found["workers"] is None
    text = bench(spork, *arguments).stdout
    assert "Server CPU: - us a request" in text and "the server ended during the run" in text


def test_commands_of_all_kinds(spork: str, place: Path):
    """A variable before the command, and several commands."""
    for command in ("A=1 " + serve(spork, place, "-w 1"), f"cd '{place}' && " + serve(spork, place, "-w 1")):
        assert result_of(spork, "http://x/1k.bin", "-c1", "-t1", "-n10", "--spawn", command)["requests"] == 10


def test_spawned_echo(spork: str):
    """A server of tcp:// is asked as one."""
    found = result_of(spork, "tcp://x:1", "-c1", "-t1", "-n10", "--spawn", f"'{spork}' echo -w 1 -b 127.0.0.1:{{port}}")
    assert found["requests"] == 10 and found["bytes_read"] == 640 and found["url"].startswith("tcp://127.0.0.1:")


def test_warmup_is_not_the_servers(spork: str, start, place: Path):
    """After a warm-up the server's numbers begin with the first request that counts."""
    server = start(place, "-w", "1", "--control", place / "control")
    found = result_of(spork, f"{server.url}/1k.bin", "-c4", "-t2", "-d1s", "--warmup", "330ms", "-R2000", "--pid", server.master)
    served = sum(row["amount"] for row in found["server"]["workers"]["each"])
    assert served == pytest.approx(found["requests"], rel=0.02)
    server.stop()


def test_idle_with_a_method(spork: str, place: Path):
    """Silent connections ask as others do; an error is an answer, and is said."""
    found = bench(spork, "http://x/missing", "--idle", "5", "-d100ms", "--spawn", serve(spork, place, "-w 1"))
    assert found.returncode == 1 and "5 of 5 answered again" in found.stdout and "5 of the last answers were errors" in found.stderr
    assert bench(spork, "http://x/1k.bin", "--idle", "5", "-d100ms", "-m", "HEAD", "--spawn", serve(spork, place, "-w 1")).returncode == 0


def test_idle_connections(spork: str, place: Path):
    """What a silent connection costs, by a line through six points; all of them answer at the end."""
    found = result_of(spork, "http://x/1k.bin", "--idle", "300", "-d500ms", "--spawn", serve(spork, place, "-w 1"))["idle"]
    assert found["wanted"] == found["opened"] == found["answered_at_end"] == 300 and found["failure"] is None
    assert [step["connections"] for step in found["steps"]] == [0, 60, 120, 180, 240, 300] and found["silence_seconds"] == 0.5
    assert 100 < found["server_private"]["bytes_per_connection"] < 100_000
    assert found["generator"]["bytes_per_connection"] < 4096
    text = bench(spork, "http://x/1k.bin", "--idle", "10", "-d100ms", "--spawn", serve(spork, place, "-w 1")).stdout
    assert "10 of 10 answered again after 0.1 s of silence" in text and "Server memory per idle connection: " in text


def test_idle_connections_that_are_closed(spork: str, start, example):
    """A server that ends silent connections is found out, and exit code 1 says so."""
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
            time.sleep(0.2)

    def run() -> None:
        while True:
            try:
                threading.Thread(target=answer, args=[listener.accept()[0]], daemon=True).start()
            except OSError:
                return

    threading.Thread(target=run, daemon=True).start()
    result = bench(spork, f"http://127.0.0.1:{listener.getsockname()[1]}/", "--idle", "20", "-d500ms", "--format", "json")
    found = json.loads(result.stdout)["idle"]
    assert result.returncode == 1 and found["opened"] == 20 and found["answered_at_end"] == 0 and found["server_pss"] is None
    assert "20 of 20 connections did not answer at the end" in result.stderr
    listener.close()


@pytest.mark.parametrize("kind", ["slow-headers", "slow-body", "slow-read", "reset", "churn"])
def test_hostile_clients(spork: str, place: Path, kind: str):
    """The same load before, beside and after bad clients; the server goes on."""
    arguments = ["http://x/1k.bin", "-c2", "-t1", "-d500ms", "--hostile", kind, "--hostile-connections", "20"]
    found = result_of(spork, *arguments, "--spawn", serve(spork, place, "-w 1"))
    assert found["hostile"] == kind and found["clients"] == 20 and found["clients_opened"] >= 20 and found["clients_refused"] == 0
    assert [phase["phase"] for phase in found["phases"]] == ["before", "during", "afterwards"]
    for phase in found["phases"]:
        assert phase["requests"] > 20 and phase["errors"]["total"] == 0 and phase["server"]["cpu_seconds"] > 0
    assert found["phases"][0]["rate_ratio"] == 1 and found["phases"][1]["p99_ratio"] > 0
    if kind in ("reset", "churn"):
        assert found["clients_opened"] > 100


def test_hostile_clients_in_text(spork: str, start, place: Path):
    """A table of three phases, on a server that runs already."""
    server = start(place, "-w", "1")
    text = bench(spork, f"{server.url}/1k.bin", "-c2", "-t1", "-d300ms", "--hostile", "slow-headers", "--hostile-connections", "5").stdout
    assert text.startswith("5 slow-headers clients beside the load\n")
    assert re.search(r"^During: rate x [\d.]+, p50 x [\d.]+, p99 x [\d.]+$", text, re.M) and re.search(r"^Afterwards: rate x ", text, re.M)
    assert "The clients made 5 connections; the server ended 0, 0 could not be made" in text
    server.stop()


def test_diff_and_merge(spork: str, start, place: Path, tmp_path: Path):
    """Results are compared and added up; a condition that holds is exit code 3."""
    server = start(place, "-w", "1")
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    runs = [result_of(spork, f"{server.url}/1k.bin", "-c2", "-t1", "-R", rate, "-d1s") for rate in ("200", "400")]
    for file, run in zip(files, runs):
        file.write_text(json.dumps(run))
    server.stop()
    same = bench(spork, "diff", files[0], files[0], "--fail-if", "p99>+0%,rate<-1%,errors>0%")
    assert same.returncode == 0 and "better" not in same.stdout and "worse" not in same.stdout
    more = bench(spork, "diff", files[0], files[1], "--fail-if", "rate>+50%")
    assert more.returncode == 3 and re.search(r"^ +rate +\d+\.\d\d +\d+\.\d\d +\+\d+\.\d%  better$", more.stdout, re.M)
    assert re.fullmatch(r"spork: rate>\+50%: it is \+\d+\.\d%\n", more.stderr)
    found = json.loads(bench(spork, "diff", *files, "--format", "json").stdout)
    assert next(row for row in found["rows"] if row["name"] == "rate")["change_percent"] == pytest.approx(100, abs=1)
    merged = json.loads(bench(spork, "merge", *files, "--format", "json").stdout)
    assert merged["requests"] == sum(run["requests"] for run in runs) == 600 and merged["connections"] == 4
    assert merged["requests_per_second"] == pytest.approx(600, rel=0.02)
    low, high = sorted(run["latency_microseconds"]["p50"] for run in runs)
    assert low * 0.99 <= merged["latency_microseconds"]["p50"] <= high * 1.01
    assert merged["latency_microseconds"]["max"] == pytest.approx(max(run["latency_microseconds"]["max"] for run in runs), rel=0.002)
    (tmp_path / "merged.json").write_text(json.dumps(merged))
    assert bench(spork, "merge", tmp_path / "merged.json", files[0]).stdout.startswith("2 runs, 800 requests, 0 errors\n")
    del runs[0]["latency_histogram"]
    files[0].write_text(json.dumps(runs[0]))
    assert bench(spork, "diff", *files).returncode == 0
    refused = bench(spork, "merge", *files)
    assert refused.returncode == 1 and "has no histogram" in refused.stderr
    files[0].write_text('{"a": 1,}')
    assert "no JSON: no name at byte 8" in bench(spork, "diff", *files).stderr
    assert bench(spork, "diff", files[0], tmp_path / "missing").returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["http://127.0.0.1/", "--pid", "0"], ["http://127.0.0.1/", "--pid", "1", "--spawn", "a {port}"], ["--spawn", "a"],
        ["http://127.0.0.1/", "--idle", "0"], ["http://127.0.0.1/", "--idle", "5", "--hostile", "churn"], ["http://127.0.0.1/", "--hostile", "rude"],
        ["http://127.0.0.1/", "--hostile", "churn", "--hostile-connections", "0"], ["http://127.0.0.1/", "--idle", "5", "--csv", "x"],
        ["https://127.0.0.1/", "--idle", "5"], ["http://127.0.0.1/", "--hostile", "churn", "-n5"], ["http://127.0.0.1/", "--idle", "5", "--html", "x"],
        ["--sweep", "workers=1", "--spawn", "a {port}", "--pid", "1"], ["--sweep", "workers=1", "--spawn", "a {port}", "--csv", "x"],
        ["http://a/", "--hostile-connections", "5"], ["--spawn", "a {port}", "http://a/", "http://b/"], ["tcp://a:1", "--idle", "5"], ["tcp://a:1", "--hostile", "churn"],
        ["tcp://a:1", "--sweep", "workers=1", "--spawn", "a {port}"], ["--sweep", "workers=1", "--spawn", "a {port}", "--slo", "p99<1s"],
        ["--sweep", "workers=1", "--spawn", "a {port}", "--hdr", "x"], ["http://a/", "--find", "p99<1s", "--html", "x"], ["http://a/", "--find", "p99<1s", "--csv", "x"],
        ["http://a/", "--hostile", "churn", "--slo", "p99<1s"], ["http://a/", "--hostile", "churn", "--find", "p99<1s"], ["http://a/", "http://b/", "--hostile", "churn"],
        ["http://a/", "--hostile", "churn", "--hdr", "x"], ["http://a/", "--idle", "5", "--slo", "p99<1s"], ["http://a/", "--idle", "5", "--verify"],
        ["http://a/", "--idle", "5", "-R5"], ["http://a/", "--idle", "5", "--find", "p99<1s"], ["http://a/", "--idle", "5", "--ledger"], ["http://a/", "http://b/", "--idle", "5"],
        ["compare"], ["compare", "a {port}"], ["compare", "a", "b {port}"], ["compare", "a {port}", "b {port}", "--rounds", "0"],
        ["compare", "a {port}", "b {port}", "-R1:2"], ["compare", "a {port}", "b {port}", "--path", "x"], ["compare", "a {port}", "b {port}", "-d0"],
        ["diff", "a"], ["diff", "a", "b", "--fail-if", "p99"], ["diff", "a", "b", "--fail-if", "p98>1%"], ["merge"],
    ],
)
def test_bad_usage(spork: str, arguments: list[str]):
    """A call that makes no sense: one line, exit code 2, before anything is done."""
    result = bench(spork, *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.stderr


def test_no_such_process(spork: str):
    """A number that is nobody's."""
    result = bench(spork, "http://127.0.0.1:1/", "--pid", "4194304", "-d1s")
    assert result.returncode == 1 and result.stderr == "spork: there is no process 4194304\n"


def test_help(spork: str):
    """bench alone is a run, and what else there is stands in its help."""
    text = subprocess.run([spork, "help", "bench"], capture_output=True, text=True).stdout
    assert all(word in text for word in ("run (default)", "compare", "diff", "merge"))
    text = subprocess.run([spork, "bench", "run", "--help"], capture_output=True, text=True).stdout
    assert all(word in text for word in ("--pid", "--spawn", "--idle", "--hostile", "--csv", "--html", "--sweep"))
