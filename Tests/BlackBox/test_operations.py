"""What an operator does to a server, and what must not happen then: reloads and upgrades that fail, workers that hang or crash."""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
import reloads
from conftest import alive, children, read_answer, wait_until
from ledger import Control

REQUEST = b"GET /1.bin HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def served(start, site: Path, tmp_path: Path):
    """Starts a server with a control socket; gives it and the socket."""

    def begin(*arguments: str, directory: Path = site, **options):
        path = tmp_path / f"control{len(os.listdir(tmp_path))}"
        server = start(directory, "--control", path, *arguments, **options)
        return server, Control(str(path))

    return begin


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()


def ask(server, connection: socket.socket | None = None):
    """One request, on a connection or on a new one."""
    with connection or server.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(REQUEST)
        return read_answer(stream)


def test_titles_and_status(served):
    """ps shows role, slot, generation and state; the status says the same and counts."""
    server, control = served("-w", "2")
    assert title(server.master) == "spork: master, generation 1, 2 of 2 workers serve"
    assert [title(pid) for pid in server.workers()] == [f"spork: worker {slot}, generation 1, ready" for slot in (1, 2)]
    for _ in range(3):
        ask(server)
    status = control.wait(lambda now: now["totals"]["bytes_sent"] > 300, "three answers")
    assert status["totals"]["accepted"] == status["totals"]["requests"] == 3
    assert [worker["state"] for worker in status["workers"]] == ["ready", "ready"]
    _, text = control.ask("status")
    assert text.startswith(f"master {server.master}, generation 1, 2 of 2 workers serve")
    server.stop()


def test_control_socket(served, spork: str, site: Path):
    """Only its owner can open it; nonsense is answered, floods are cut off, and nothing is left behind."""
    server, control = served("-w", "1")
    assert stat.S_IMODE(os.stat(control.path).st_mode) == 0o600
    assert control.ask("dance")[0].startswith("failed not understood: 'dance'")
    assert control.ask("workers none")[0].startswith("failed workers: a number")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(control.path)
        connection.settimeout(5)
        connection.sendall(b"x" * 2000)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for one in idle:
        one.connect(control.path)
    # More than there is room for are turned away.
    assert select.select(idle, [], [], 5)[0] and len(os.listdir(f"/proc/{server.master}/fd")) < 64
    for one in idle:
        one.close()
    wait_until(lambda: len(os.listdir(f"/proc/{server.master}/fd")) < 20)
    assert control.ask("status")[0] == "ok"
    result = subprocess.run(
        [spork, "serve", str(site), "-b", "127.0.0.1:0", "--control", control.path], capture_output=True, text=True, timeout=10
    )
    assert result.returncode == 1 and "address already in use" in result.stderr
    assert control.ask("stop")[0] == "ok"
    assert server.process.wait(10) == 0
    assert not os.path.exists(control.path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_ctl(served, spork: str, tmp_path: Path):
    """spork ctl waits for the verdict and says it, with an exit code of its own."""
    server, control = served("-w", "1")

    def ctl(*arguments: str, path: str = control.path) -> tuple[int, str, str]:
        done = subprocess.run([spork, "ctl", "--control", path, *arguments], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    code, out, error = ctl("status")
    assert (code, error) == (0, "") and out.startswith(f"master {server.master}, generation 1, 1 of 1 workers serve")
    assert len(json.loads(ctl("status", "json")[1])["workers"]) == 1
    before = server.workers()
    assert ctl("reload")[0] == 0
    # All workers that serve are new; the old one may still be on its way out.
    wait_until(lambda: not set(before) & set(server.workers()), 2, "the end of the old worker")
    assert ctl("workers", "2")[0] == 0
    wait_until(lambda: len(server.workers()) == 2)
    code, _, error = ctl("dance")
    assert code == 2 and error.startswith("spork: ") and error.count("\n") == 1
    assert ctl("status", path=str(tmp_path / "nobody")) == (
        1, "", f"spork: connect unix:{tmp_path}/nobody: no such file or directory\n",
    )
    assert ctl("stop")[0] == 0
    assert server.process.wait(10) == 0


def test_control_socket_is_for_its_user(served, tmp_path: Path):
    """Somebody else is turned away by the kernel's word, even where the file lets him in."""
    server, control = served("-w", "1")
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.owner() == "root" and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    os.chmod(control.path, 0o666)
    code = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'status\\n'); print(s.recv(9))"
    result = subprocess.run(
        ["python3", "-c", code, control.path], user=65534, group=65534, extra_groups=[], capture_output=True, text=True, timeout=10
    )
    assert "ok" not in result.stdout and (result.stdout == "b''\n" or "Error" in result.stderr), result


def test_reload(served, tmp_path: Path):
    """HUP and the control socket replace all workers; they serve what is at the directory's path by then."""
    first, second, link = tmp_path / "first", tmp_path / "second", tmp_path / "site"
    for folder in (first, second):
        folder.mkdir()
        (folder / "1.bin").write_text(folder.name)
    link.symlink_to(first)
    server, control = served("-w", "3", directory=link)
    old = server.workers()
    assert ask(server).body == b"first"
    link.unlink()
    link.symlink_to(second)
    # By themselves workers look at the path once a second; after a reload none of them is behind.
    assert control.ask("reload")[0] == "ok generation 2"
    for _ in range(20):
        assert ask(server).body == b"second"
    wait_until(lambda: not [pid for pid in old if alive(pid)])
    assert len(server.workers()) == 3
    os.kill(server.master, signal.SIGHUP)
    control.wait(lambda now: now["generation"] == 3 and not now["changing"], "the second reload")
    assert "generation 3" in title(server.workers()[-1])
    server.stop()


def test_broken_reload_changes_nothing(served, tmp_path: Path):
    """A reload of a configuration that cannot be had says why, and the same workers go on."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "1.bin").write_text("here")
    server, control = served("-w", "2", directory=folder)
    workers = server.workers()
    folder.rename(tmp_path / "elsewhere")
    verdict, _ = control.ask("reload")
    assert verdict == f"failed serve {folder}: no such file or directory"
    assert server.workers() == workers
    assert control.status()["generation"] == 1
    assert ask(server).body == b"here"
    (tmp_path / "elsewhere").rename(folder)
    assert control.ask("reload")[0].startswith("ok")
    server.stop()
    assert f"reload: nothing was changed: serve {folder}" in server.process.stderr.read().decode()


def copied(spork: str, tmp_path: Path) -> Path:
    binary = tmp_path / "bin" / "spork"
    binary.parent.mkdir()
    shutil.copy(spork, binary)
    return binary


def replace(binary: Path, content: bytes | None, mode: int = 0o755) -> None:
    """Puts another program in a program's place, as installers do."""
    if content is None:
        binary.unlink()
        return
    new = binary.with_suffix(".new")
    new.write_bytes(content)
    new.chmod(mode)
    new.rename(binary)


def test_upgrade(spork: str, site: Path, tmp_path: Path):
    """USR2 replaces the program in the same process, with nobody refused, and twice in a row."""
    from conftest import Server

    binary = copied(spork, tmp_path)
    control = Control(str(tmp_path / "control"))
    server = Server([str(binary), "serve", str(site), "-w", "2", "-b", "127.0.0.1:0", "--control", control.path])
    try:
        old, inode = server.workers(), os.stat(f"/proc/{server.master}/exe").st_ino
        with server.connect() as waiting:
            waiting.sendall(REQUEST[:-2])  # A head that is finished only after the upgrade.
            wait_until(lambda: control.status()["totals"]["accepted"] == 1)
            for number in range(2):
                replace(binary, binary.read_bytes())
                os.kill(server.master, signal.SIGUSR2)
                control.wait(lambda now: now["generation"] == number + 2 and not now["changing"], "the upgrade")
                new = os.stat(f"/proc/{server.master}/exe").st_ino
                assert new == binary.stat().st_ino != inode
                inode = new
                assert ask(server).status == 200
            with waiting.makefile("rb") as stream:
                waiting.sendall(b"\r\n")
                answer = read_answer(stream)
                assert answer.status == 200 and answer["Connection"] == "close"
        wait_until(lambda: not [pid for pid in old if alive(pid)])
        status = control.wait(lambda now: len(now["workers"]) == 2, "the end of the old workers")
        assert status["totals"]["requests"] == 3
        assert status["master"] == server.master == server.process.pid
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.mark.parametrize(
    "content,mode,said",
    [
        (b"#!/bin/sh\necho this one is broken >&2\nexit 3\n", 0o755, "this one is broken"),
        (b"#!/bin/sh\nexit 0\n", 0o644, "permission denied"),
        (b"#!/bin/sh\nexit 0\n", 0o755, "the program does not know how to take over"),
        (b"\x7fELF and nothing more", 0o755, "exec format error"),
        (b"#!/bin/sh\nkill -SEGV $$\n", 0o755, "signal 11"),
        (None, 0, "no such file or directory"),
    ],
    ids=["fails", "not executable", "another", "no program", "crashes", "missing"],
)
def test_broken_upgrade_changes_nothing(spork: str, site: Path, tmp_path: Path, content, mode, said):
    """An upgrade to a program that does not work says why, and the same processes go on."""
    from conftest import Server

    binary = copied(spork, tmp_path)
    control = Control(str(tmp_path / "control"))
    server = Server([str(binary), "serve", str(site), "-w", "2", "-b", "127.0.0.1:0", "--control", control.path])
    try:
        workers, program = server.workers(), binary.read_bytes()
        replace(binary, content, mode)
        verdict, _ = control.ask("upgrade")
        assert verdict.startswith("failed ") and said in verdict
        assert server.workers() == workers and control.status()["generation"] == 1
        assert ask(server).status == 200
        replace(binary, program) if content is not None else binary.write_bytes(program)
        binary.chmod(0o755)
        assert control.ask("upgrade")[0].startswith("ok")
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


def test_upgrade_that_fails_after_it_was_tried_goes_back(spork: str, site: Path, tmp_path: Path):
    """A new program whose workers only fail when they are to serve is left again, and what it has started is replaced."""
    from conftest import Server

    binary = copied(spork, tmp_path)
    control = Control(str(tmp_path / "control"))
    server = Server([str(binary), "serve", str(site), "-w", "2", "-b", "127.0.0.1:0", "--control", control.path])
    try:
        original = shutil.copy(binary, tmp_path / "original")
        # The same program; but when it is the master itself, not only tried, its workers are to run on a processor that is not there.
        script = (
            f"#!/bin/sh\nif [ $$ = {server.master} ]; then more='--cpu-affinity 1023'; fi\n"
            f"exec {original} serve {site} -w 2 -b 127.0.0.1:0 --control {control.path} $more\n"
        )
        workers = server.workers()
        replace(binary, script.encode())
        verdict, _ = control.ask("upgrade")
        assert verdict.startswith("failed worker")
        assert ask(server).status == 200
        status = control.wait(
            lambda now: now["workers_serving"] == 2 and not now["changing"] and len(now["workers"]) == 2, "two workers"
        )
        assert {worker["generation"] for worker in status["workers"]} == {1} and server.workers() == workers
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


def test_many_reloads(spork: str):
    """A hundred reloads leave no descriptor and no memory behind."""
    reloads.run(spork, reloads=100)


def test_long_lived_connections_are_shared(served):
    """Four hundred connections that are opened at once and stay are shared by eight workers, within a quarter of the mean."""
    server, control = served("-w", "8", "--nofile", "4096")
    connections = [socket.socket() for _ in range(400)]
    try:
        for connection in connections:
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", server.port))
        status = control.wait(lambda now: now["totals"]["accepted"] == 400, "four hundred connections")
        counts = [worker["connections"] for worker in status["workers"]]
        print(f"connections a worker: {counts}")
        assert sum(counts) == 400 and max(counts) / 50 <= 1.25, counts
    finally:
        for connection in connections:
            connection.close()
    server.stop()


def test_connections_one_after_the_other_are_shared(served):
    """An idle server does not give all connections that stay to one worker."""
    server, control = served("-w", "4")
    connections = []
    try:
        for _ in range(100):
            connections.append(server.connect())
            connections[-1].sendall(REQUEST)
            assert connections[-1].recv(4096).startswith(b"HTTP/1.1 200")
        status = control.wait(lambda now: now["totals"]["accepted"] == 100, "a hundred connections")
        counts = [worker["connections"] for worker in status["workers"]]
        assert sum(counts) == 100 and max(counts) <= 32, counts
    finally:
        for connection in connections:
            connection.close()
    server.stop()


def test_stopped_worker_keeps_nobody_waiting(served):
    """A worker that is stopped (SIGSTOP) is not taken for one that hangs, and the others take the connections."""
    server, control = served("-w", "2", "--hang-timeout", "1s")
    first = control.status()["workers"][0]["pid"]
    os.kill(first, signal.SIGSTOP)
    end, answers = time.monotonic() + 3, 0
    while time.monotonic() < end:
        ask(server) if answers else ask_until_answered(server)
        answers += 1
    assert first in server.workers() and answers > 100
    os.kill(first, signal.SIGCONT)
    server.stop()


def ask_until_answered(server) -> None:
    """The kernel may have given the first connection to the one that was stopped; the next is another's."""
    with server.connect() as connection:
        connection.sendall(REQUEST)
        for _ in range(5):
            ask_with_patience(server)


def ask_with_patience(server) -> None:
    with server.connect() as connection:
        connection.sendall(REQUEST)
        select.select([connection], [], [], 2)


def test_pause(served):
    """WINCH drains all workers and keeps the master and its port; TTIN and HUP start them again."""
    server, control = served("-w", "2")
    os.kill(server.master, signal.SIGWINCH)
    wait_until(lambda: server.workers() == [])
    assert alive(server.master)
    with server.connect() as waiting, waiting.makefile("rb") as stream:  # It waits in the kernel's queue.
        waiting.sendall(REQUEST)
        os.kill(server.master, signal.SIGHUP)
        assert read_answer(stream).status == 200
    control.wait(lambda now: now["workers_serving"] == 2, "two workers")
    server.stop()


def test_shutdown_delay(served):
    """With a delay a server goes on for a while after TERM, says that it is about to end, and then does."""
    server, control = served("-w", "1", "--shutdown-delay", "1500ms")
    begin = time.monotonic()
    os.kill(server.master, signal.SIGTERM)
    control.wait(lambda now: now["stopping"], "the announcement")
    while time.monotonic() - begin < 1:
        assert ask(server).status == 200
        time.sleep(0.05)
    assert server.process.wait(10) == 0
    assert time.monotonic() - begin >= 1.5


def test_graceful_timeout(start, site: Path):
    """A client that never takes its answer delays the end no longer than it may."""
    server = start(site, "-w", "1", "--graceful-timeout", "1s")
    with server.connect() as connection:
        connection.sendall(b"GET /20m.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.recv(1)
        begin = time.monotonic()
        server.stop(signal.SIGTERM, 5)
        assert 0.9 < time.monotonic() - begin < 3


def test_idle_connections_are_closed_gently(served):
    """In a drain a request that is under way is answered, with the announcement that it was the last; and all of a batch."""
    server, control = served("-w", "1")
    with server.connect() as idle, idle.makefile("rb") as stream, server.connect() as batch, batch.makefile("rb") as answers:
        for connection, replies in ((idle, stream), (batch, answers)):
            connection.sendall(REQUEST)
            read_answer(replies)
        os.kill(server.master, signal.SIGTERM)
        wait_until(lambda: "draining" in title(server.workers()[0]))
        idle.sendall(REQUEST)
        answer = read_answer(stream)
        assert answer.status == 200 and answer["Connection"] == "close" and stream.read() == b""
        batch.sendall(REQUEST * 10)
        for number in range(10):
            assert (read_answer(answers)["Connection"] == "close") == (number == 9)
    assert server.process.wait(5) == 0


def test_recycling(served):
    """Workers are replaced after so many requests, the replacement first; totals go on."""
    server, control = served("-w", "2", "--max-requests", "100")
    old = server.workers()
    sent = 0
    for _ in range(20):
        with server.connect() as connection, connection.makefile("rb") as stream:
            for _ in range(50):
                connection.sendall(REQUEST)
                closes = read_answer(stream)["Connection"] == "close"
                sent += 1
                if closes:
                    break
    wait_until(lambda: any(pid not in old for pid in server.workers()), 10, "a new worker")
    status = control.wait(lambda now: len(now["workers"]) == 2, "the end of the old")
    assert status["totals"]["requests"] == sent
    server.stop()
    assert "requests; it is replaced" in server.process.stderr.read().decode()


def test_processes_of_another_kind(start, site: Path, tmp_path: Path):
    """The pid file is there while the server is; workers run on their processors and have the descriptors they were given."""
    pid_file = tmp_path / "pid"
    allowed = sorted(os.sched_getaffinity(0))
    server = start(site, "-w", "2", "--pid-file", pid_file, "--cpu-affinity", "auto", "--nofile", "333")
    assert pid_file.read_text() == f"{server.master}\n"
    expected = [{allowed[index % len(allowed)]} for index in range(2)]
    assert [os.sched_getaffinity(pid) for pid in server.workers()] == expected
    for pid in [server.master, *server.workers()]:
        assert re.search(r"Max open files +333 ", Path(f"/proc/{pid}/limits").read_text())
    server.stop()
    assert not pid_file.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_user(start, spork: str, site: Path):
    """Workers become another user for good; the master stays who it is; an unknown user is said at once."""
    server = start(site, "-w", "1", "--user", "nobody")
    status = Path(f"/proc/{server.workers()[0]}/status").read_text()
    assert re.search(r"Uid:\t65534\t65534\t65534\t65534", status) and "NoNewPrivs:\t1" in status
    assert re.search(r"Groups:\t65534 ?\n", status)
    assert "Uid:\t0" in Path(f"/proc/{server.master}/status").read_text()
    server.stop()
    result = subprocess.run(
        [spork, "serve", str(site), "-b", "127.0.0.1:0", "--user", "no-such-user"], capture_output=True, text=True, timeout=10
    )
    assert (result.returncode, result.stderr) == (1, "spork: find the user no-such-user: no such file or directory\n")


def test_reuseport(served):
    """With a queue for each worker, workers have sockets of their own, which stay when workers are replaced, and when there are fewer."""
    server, control = served("-w", "3", "--accept", "reuseport")
    assert listening(server.port) == 3
    for _ in range(60):
        assert ask(server).status == 200
    status = control.status()
    assert sum(worker["accepted"] > 0 for worker in status["workers"]) >= 2
    for _ in range(5):
        assert control.ask("reload")[0].startswith("ok")
        assert ask(server).status == 200
    control.ask("workers 4")
    control.wait(lambda now: now["workers_serving"] == 4, "four workers")
    assert listening(server.port) == 4
    control.ask("workers 2")
    control.wait(lambda now: len(now["workers"]) == 2, "the end of two workers")
    for _ in range(40):
        assert ask(server).status == 200
    assert control.ask("upgrade")[0].startswith("ok")
    for _ in range(40):
        assert ask(server).status == 200
    control.ask("workers 4")
    control.wait(lambda now: now["workers_serving"] == 4, "four workers again")
    before = {worker["pid"]: worker["accepted"] for worker in control.status()["workers"]}
    for _ in range(100):
        assert ask(server).status == 200
    control.wait(
        lambda now: all(worker["accepted"] > before[worker["pid"]] for worker in now["workers"]), "all four taking their share"
    )
    assert listening(server.port) == 4
    server.stop()
    assert listening(server.port) == 0


def listening(port: int) -> int:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[3] == "0A" and line[1].endswith(f":{port:04X}") for line in lines)


def test_unix_socket_of_another(start, site: Path, tmp_path: Path):
    """A server that ends leaves the socket file alone that another has put in its place."""
    path = tmp_path / "socket"
    first = start(site, "-w", "1", bind=f"unix:{path}")
    path.unlink()
    second = start(site, "-w", "1", bind=f"unix:{path}")
    first.stop()
    assert path.exists()
    second.stop()
    assert not path.exists()
