"""The configuration: a file, variables and flags, `spork check`, and what a reload makes of a file that has changed."""

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import Server, alive, children, read_answer, wait_until


def check(spork: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPORK_")}
    return subprocess.run(
        [spork, "check", *map(str, arguments)], capture_output=True, text=True, timeout=20, env=environment | variables
    )


def ctl(spork: str, path: Path, *request: str) -> subprocess.CompletedProcess:
    return subprocess.run([spork, "ctl", "--control", str(path), *request], capture_output=True, text=True, timeout=60)


def get(port: int, path: str = "/1.bin") -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return read_answer(connection.makefile("rb")).body


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 10).close()
    except ConnectionRefusedError:
        return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_check_shows_what_holds_and_where_it_comes_from(spork, tmp_path, site):
    file = tmp_path / "spork.conf"
    file.write_text(f"# ours\ndirectory = {site}\nworkers = 3   # as many as that\nhang-timeout = 5s\nbind = 127.0.0.1:8080\n")
    done = check(spork, "--config", file, "--max-age", "2h", SPORK_HANG_TIMEOUT="7s")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split(" = ")[0]: line for line in done.stdout.splitlines()}
    assert lines["workers"].split("# ")[1] == f"{file}:3" and " = 3 " in lines["workers"]
    assert lines["hang-timeout"].split(" = ")[1].split() == ["7s", "#", "SPORK_HANG_TIMEOUT"]
    assert lines["max-age"].split(" = ")[1].split() == ["7200s", "#", "command", "line"]
    assert lines["backlog"].split(" = ")[1].split() == ["2048", "#", "default"]
    # What it shows is a file that says the same.
    again = tmp_path / "again.conf"
    again.write_text(done.stdout)
    shown = check(spork, "--config", again).stdout
    assert [line.split("#")[0] for line in shown.splitlines()] == [line.split("#")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("max-memroy = 3G\n", ":1: there is no setting 'max-memroy'; is 'max-memory' meant?"),
        ("\nworkers = many\n", ":2: workers cannot be 'many': a number from 1 to 1024, or auto is wanted"),
        ("workers = 1\nworkers = 2\n", ":2: workers is there already, in line 1"),
        ("workers: 4\n", ":1: this is no 'name = value'"),
        ("directory = /nowhere/at/all\n", "serve /nowhere/at/all: no such file or directory"),
        ("user = nobody-of-that-name\n", "find the user nobody-of-that-name:"),
        ("boot-timeout = 0\n", ":1: boot-timeout cannot be '0': a time"),
    ],
)
def test_check_names_what_is_wrong(spork, tmp_path, text, complaint):
    file = tmp_path / "spork.conf"
    file.write_text(text)
    done = check(spork, "--config", file)
    assert done.returncode == 1 and done.stdout == ""
    assert complaint in done.stderr and done.stderr.count("\n") == 1
    # A server says the same, and does not start.
    served = subprocess.run([spork, "serve", "--config", file], capture_output=True, text=True, timeout=20)
    assert (served.returncode, served.stderr) == (1, done.stderr)


def test_check_finds_what_workers_would_fail_of(spork):
    done = check(spork, "--cpu-affinity", "1023")
    assert (done.returncode, done.stderr) == (1, "spork: run on processors [1023]: invalid argument\n")


def test_check_tells_misuse_from_mistakes(spork, tmp_path):
    assert check(spork, "--workers", "0").returncode == 2
    assert check(spork, "--wrokers", "1").returncode == 2
    unknown = check(spork, SPORK_WROKERS="3")
    assert (unknown.returncode, unknown.stderr) == (1, "spork: there is no variable SPORK_WROKERS; is 'SPORK_WORKERS' meant?\n")
    missing = check(spork, "--config", tmp_path / "missing.conf")
    assert missing.returncode == 1 and "open" in missing.stderr and "no such file" in missing.stderr


def test_a_server_goes_by_its_file_and_variables(start, tmp_path, site):
    file = tmp_path / "spork.conf"
    file.write_text(f"directory = {site}\nbind = 127.0.0.1:0\nworkers = 3\n")
    server = start(bind=None, env=os.environ | {"SPORK_CONFIG": str(file)})
    assert server.count == 3 and len(server.workers()) == 3
    assert get(server.port) == b"x"
    other = start("-w1", bind=None, env=os.environ | {"SPORK_CONFIG": str(file), "SPORK_WORKERS": "2"})
    assert other.count == 1


def test_a_service_has_the_same_settings(example, start_example, tmp_path):
    file = tmp_path / "service.conf"
    file.write_text("workers = 2\nkeep-alive-timeout = 300ms\nallow-trace = yes\nrequest-line-limit = 100\n")
    server = start_example("example-http", "--config", file)
    assert server.count == 2
    with server.connect() as connection:
        stream = connection.makefile("rb")
        connection.sendall(b"TRACE /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(stream).status == 200
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(stream).status == 200
        begun = time.monotonic()
        assert stream.read() == b""
        assert 0.2 < time.monotonic() - begun < 5
    assert server.exchange(b"GET /" + b"x" * 100 + b" HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 414 ")
    done = subprocess.run([example("example-http"), "--check", "--config", file], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and f"keep-alive-timeout = 300ms" in done.stdout and f"# {file}:2" in done.stdout
    done = subprocess.run([example("example-http"), "--wrokers", "1"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "is '--workers' meant?" in done.stderr


def configured(start, tmp_path: Path, site: Path, text: str = "") -> tuple[Server, Path, Path]:
    """A server with a file that a test writes anew, and with a control socket."""
    file, control = tmp_path / "spork.conf", tmp_path / "ctl"
    file.write_text(f"directory = {site}\nbind = 127.0.0.1:0\nworkers = 2\ncontrol = {control}\n{text}")
    return start("--config", file, bind=None), file, control


def test_a_reload_takes_what_has_changed(spork, start, tmp_path, site):
    server, file, control = configured(start, tmp_path, site)
    other = tmp_path / "other"
    other.mkdir()
    (other / "1.bin").write_bytes(b"other")
    old = server.workers()
    file.write_text(file.read_text().replace(str(site), str(other)).replace("workers = 2", "workers = 3"))
    done = ctl(spork, control, "reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert get(server.port) == b"other"
    wait_until(lambda: len(server.workers()) == 3 and not set(old) & set(server.workers()), what="three new workers")
    server.stop()


def test_a_reload_keeps_the_number_of_workers_that_was_asked_for(spork, start, tmp_path, site):
    server, file, control = configured(start, tmp_path, site)
    assert ctl(spork, control, "workers", "4").returncode == 0
    wait_until(lambda: len(server.workers()) == 4, what="four workers")
    old = server.workers()
    assert ctl(spork, control, "reload").returncode == 0
    wait_until(lambda: len(server.workers()) == 4 and not set(old) & set(server.workers()), what="four new workers")
    # Until the file says another.
    file.write_text(file.read_text().replace("workers = 2", "workers = 1"))
    assert ctl(spork, control, "reload").returncode == 0
    wait_until(lambda: len(server.workers()) == 1, what="one worker")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("workers = 2", "wrokers = 2", "spork.conf:3: there is no setting 'wrokers'; is 'workers' meant?"),
        ("workers = 2", "workers = none", "spork.conf:3: workers cannot be 'none'"),
        ("directory = ", "directory = /nowhere", "no such file or directory"),
        ("workers = 2", "workers = 2\naccept = reuseport", "accept has changed, which needs a restart"),
        ("workers = 2", "workers = 2\nuser = nobody-of-that-name", "find the user nobody-of-that-name"),
        ("bind = 127.0.0.1:0", "bind = 127.0.0.1:0\nbind = 192.0.2.1:80", "bind 192.0.2.1:80: cannot assign requested address"),
    ],
)
def test_a_reload_that_cannot_be_done_changes_nothing(spork, start, tmp_path, site, old, new, complaint):
    server, file, control = configured(start, tmp_path, site)
    workers = server.workers()
    good = file.read_text()
    file.write_text(good.replace(old, new))
    done = ctl(spork, control, "reload")
    assert done.returncode == 1 and complaint in done.stderr
    assert server.workers() == workers
    assert get(server.port) == b"x"
    file.write_text(good)
    assert ctl(spork, control, "reload").returncode == 0
    assert get(server.port) == b"x"
    server.stop()


def test_a_reload_listens_elsewhere_and_loses_nothing(spork, start, tmp_path, site):
    server, file, control = configured(start, tmp_path, site)
    first, second, path = server.port, free_port(), tmp_path / "web.sock"
    failures: list[str] = []
    answered = [0, 0]
    ended = threading.Event()

    def load(index: int) -> None:
        """New connections to an address, from when it answers until it must not any more."""
        while not ended.is_set():
            try:
                assert get(first) == b"x"
                answered[index] += 1
            except Exception as error:
                failures.append(repr(error))
                return

    loads = [threading.Thread(target=load, args=(index,)) for index in range(2)]
    for thread in loads:
        thread.start()
    kept = file.read_text().replace("bind = 127.0.0.1:0", f"bind = 127.0.0.1:{first}")
    file.write_text(kept + f"bind = 127.0.0.1:{second}\nbind = unix:{path}\n")
    assert ctl(spork, control, "reload").returncode == 0
    assert get(second) == b"x" and path.exists()
    file.write_text(kept)
    assert ctl(spork, control, "reload").returncode == 0
    wait_until(lambda: refuses(second), what="the address that was given up")
    assert not path.exists()
    ended.set()
    for thread in loads:
        thread.join(20)
    assert failures == [] and min(answered) > 0
    # The first address goes, another comes: nobody holds the old one.
    file.write_text(kept.replace(f":{first}", f":{second}"))
    assert ctl(spork, control, "reload").returncode == 0
    assert get(second) == b"x"
    wait_until(lambda: refuses(first), what="the first address")
    server.stop()


def test_clients_of_an_address_that_goes_are_answered_or_refused(spork, start, tmp_path, site):
    """Nobody who has got into the queue of a listener is dropped when it is given up: the last worker that holds it empties it first."""
    server, file, control = configured(start, tmp_path, site)
    template = file.read_text().replace("bind = 127.0.0.1:0", "bind = 127.0.0.1:PORT")
    first, second = server.port, free_port()
    failures: list[str] = []

    def load(port: int, gone: threading.Event) -> None:
        while not gone.is_set():
            try:
                assert get(port) == b"x"
            except ConnectionRefusedError:
                return
            except Exception as error:
                failures.append(repr(error))
                return

    for _ in range(8):
        gone = threading.Event()
        loads = [threading.Thread(target=load, args=(first, gone)) for _ in range(8)]
        for thread in loads:
            thread.start()
        file.write_text(template.replace("PORT", str(second)))
        assert ctl(spork, control, "reload").returncode == 0
        gone.set()
        for thread in loads:
            thread.join(20)
        wait_until(lambda: refuses(first), what="the address that was given up")
        assert failures == []
        first, second = second, first
    server.stop()


@pytest.mark.parametrize(
    ("accept", "old", "new", "complaint"),
    [
        ("shared", "127.0.0.1:PORT", "0.0.0.0:PORT", "bind, from 127.0.0.1:PORT to 0.0.0.0:PORT, has changed, which needs a restart"),
        ("reuseport", "127.0.0.1:PORT", "127.0.0.1:0", None),
        ("reuseport", "127.0.0.1:PORT", "127.0.0.2:PORT", "bind, with accept = reuseport, has changed, which needs a restart"),
        ("reuseport", "bind = 127.0.0.1:PORT\n", "", "bind, with accept = reuseport, has changed, which needs a restart"),
    ],
)
def test_addresses_that_a_reload_cannot_change(spork, start, tmp_path, site, accept, old, new, complaint):
    server, file, control = configured(start, tmp_path, site, f"accept = {accept}\n")
    text = file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{server.port}")
    old, new = (part.replace("PORT", str(server.port)) for part in (old, new))
    file.write_text(text.replace(old, new))
    done = ctl(spork, control, "reload")
    if complaint is None:
        assert done.returncode == 0
    else:
        assert done.returncode == 1 and complaint.replace("PORT", str(server.port)) in done.stderr
    assert get(server.port) == b"x"
    server.stop()


def test_a_reload_that_fails_in_its_workers_is_gone_altogether(spork, start, tmp_path, site):
    """Limits, addresses and the queue's length are as before, also for workers that start later."""
    server, file, control = configured(start, tmp_path, site, "backlog = 100\n")
    path = tmp_path / "web.sock"
    good = file.read_text()
    # No worker finds that processor.
    file.write_text(good.replace("backlog = 100", f"backlog = 7\ncpu-affinity = 1023\nbind = unix:{path}"))
    done = ctl(spork, control, "reload")
    assert done.returncode == 1 and "run on processors [1023]: invalid argument" in done.stderr
    assert not path.exists()

    def queue() -> str:
        shown = subprocess.run(["ss", "-Hltn", f"sport = :{server.port}"], capture_output=True, text=True, check=True)
        return shown.stdout.split()[2]

    assert queue() == "100"
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: get(server.port)) == b"x"
    file.write_text(good.replace("backlog = 100", "backlog = 50"))
    assert ctl(spork, control, "reload").returncode == 0
    assert queue() == "50"
    server.stop()


def test_a_refused_upgrade_leaves_a_reload_alone(spork, start, tmp_path, site):
    server, file, control = configured(start, tmp_path, site)
    assert ctl(spork, control, "workers", "12").returncode == 0
    wait_until(lambda: len(server.workers()) == 12, what="twelve workers")
    port, path = free_port(), tmp_path / "web.sock"
    file.write_text(file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}\nbind = unix:{path}"))
    reload = subprocess.Popen([spork, "ctl", "--control", control, "reload"])
    refused = 0
    while reload.poll() is None:
        if "is under way" in ctl(spork, control, "upgrade").stderr:
            refused += 1
    assert reload.returncode == 0 and refused > 0
    assert path.exists() and get(port) == b"x"
    wait_until(lambda: refuses(server.port), what="the address that was given up")
    server.stop()


def test_a_reload_waits_for_workers_that_come_with_it(spork, start, tmp_path, site):
    server, file, control = configured(start, tmp_path, site)
    file.write_text(file.read_text().replace("workers = 2", "workers = 9"))
    assert ctl(spork, control, "reload").returncode == 0
    environment = os.environ | {"SPORK_CONTROL": str(control)}
    status = subprocess.run([spork, "ctl", "status"], capture_output=True, text=True, timeout=20, env=environment)
    assert "9 of 9 workers serve" in status.stdout
    server.stop()


def test_an_upgrade_follows_the_file(spork, start, tmp_path, site):
    server, file, control = configured(start, tmp_path, site)
    path = tmp_path / "web.sock"
    good = file.read_text()
    file.write_text(good.replace("workers = 2", "workers = 3") + f"bind = unix:{path}\n")
    assert ctl(spork, control, "upgrade").returncode == 0
    assert "3 of 3 workers serve" in ctl(spork, control, "status").stdout and path.exists()
    # What a running server cannot change, an upgrade cannot either.
    file.write_text(file.read_text().replace(str(control), str(tmp_path / "other")))
    done = ctl(spork, control, "upgrade")
    assert done.returncode == 1 and "control has changed, which needs a restart" in done.stderr
    assert get(server.port) == b"x"
    server.stop()
    assert not path.exists() and not control.exists()


def test_an_upgrade_that_fails_goes_back_to_what_was_configured(spork, start, tmp_path, site):
    """The program that comes back goes by the file as it was, whatever is in it now."""
    server, file, control = configured(start, tmp_path, site)
    good = file.read_text()
    file.write_text(good + "cpu-affinity = 1023\n")
    done = ctl(spork, control, "upgrade")
    assert done.returncode == 1 and "run on processors [1023]: invalid argument" in done.stderr
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: get(server.port)) == b"x"
    wait_until(lambda: len(server.workers()) == 2, what="both workers")
    file.write_text(good)
    assert ctl(spork, control, "reload").returncode == 0
    server.stop()


def test_a_paused_server_stays_so_when_a_reload_fails(spork, start, tmp_path, site):
    server, file, control = configured(start, tmp_path, site)
    os.kill(server.master, signal.SIGWINCH)
    wait_until(lambda: not server.workers(), what="no workers")
    good = file.read_text()
    file.write_text(good + "cpu-affinity = 1023\n")
    assert ctl(spork, control, "reload").returncode == 1
    wait_until(lambda: not server.workers(), what="no workers")
    assert "0 of 2 workers serve" in ctl(spork, control, "status").stdout
    file.write_text(good)
    assert ctl(spork, control, "reload").returncode == 0
    assert get(server.port) == b"x"
    server.stop()


def test_what_is_no_file_is_not_waited_for(spork, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in [tmp_path / "pipe", tmp_path, "/dev/zero"]:
        done = check(spork, "--config", path)
        assert (done.returncode, done.stderr) == (1, f"spork: read {path}: it is no regular file\n")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\n\nuser = a\x00b\n", ":3: this is no text in UTF-8"),
        (b"user = \xe9ric\n", ":1: this is no text in UTF-8"),
        (b"a" * (1 << 20) + b"\n", "file too large"),
    ],
)
def test_bytes_that_are_no_text(spork, tmp_path, content, complaint):
    file = tmp_path / "spork.conf"
    file.write_bytes(content)
    done = check(spork, "--config", file)
    assert done.returncode == 1 and complaint in done.stderr


def test_a_mark_of_the_encoding_and_windows_line_ends_do_no_harm(spork, tmp_path):
    file = tmp_path / "spork.conf"
    file.write_bytes(b"\xef\xbb\xbf# ours\r\nworkers = 3\r\n")
    done = check(spork, "--config", file)
    assert done.returncode == 0 and f"# {file}:2" in done.stdout


def test_variables_of_others_and_empty_ones(spork, tmp_path):
    file = tmp_path / "spork.conf"
    file.write_text("bind = 127.0.0.1:9999\n")
    others = {"SPORK_WEB_SERVICE_HOST": "10.0.0.1", "SPORK_WEB_PORT": "tcp://10.0.0.1:80", "SPORK_ALLOW_TRACE": "true"}
    done = check(spork, "--config", file, SPORK_BIND="", SPORK_WORKERS="", SPORK_CONFIG="", **others)
    assert done.returncode == 0 and "bind = 127.0.0.1:9999" in done.stdout
