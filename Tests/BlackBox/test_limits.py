"""What limits a server, and what happens at each: users, memory, age, descriptors, processes; and masters that meet with trouble."""

import contextlib
import grp
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import Server, alive, children, read_answer, wait_until
from ledger import Clients, Control
from test_crashes import busy
from test_operations import REQUEST, ask, listening, title
from test_systemd import can_unshare

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
with_namespaces = pytest.mark.skipif(not can_unshare(), reason="namespaces are needed")


class Probe:
    """master-probe, by its binary's path, running: a server whose configuration is a file of words, see Tests/MasterProbe."""

    def __init__(self, path: Path, folder: Path, words: str = "first", **settings):
        self.file = folder / "configuration"
        self.file.write_text(words)
        self.control = Control(str(folder / "control"))
        options = [f"{key}={value}" for key, value in settings.items()]
        self.errors = open(folder / "errors", "w+b")
        self.process = subprocess.Popen(
            [path, f"file={self.file}", f"control={self.control.path}", *options],
            stdout=subprocess.PIPE, stderr=self.errors, stdin=subprocess.DEVNULL,
        )
        line = self.process.stdout.readline().decode()
        assert line, self.said
        self.port = int(re.search(r":(\d+) ", line)[1])
        self.master = self.process.pid

    @property
    def said(self) -> str:
        return Path(self.errors.name).read_text()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def ask(self, path: str = "/") -> list[str]:
        """What it answers: a name and a number of a process."""
        with self.connect() as connection, connection.makefile("rb") as stream:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            return read_answer(stream).body.decode().split()

    def workers(self) -> list[int]:
        return children(self.master)

    def end(self) -> None:
        for pid in [*self.workers(), self.master]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(5)
        self.process.stdout.close()
        self.errors.close()


@pytest.fixture
def probe(spork: str, tmp_path: Path):
    path = Path(spork).resolve().parent / "master-probe"
    if not os.access(path, os.X_OK):
        pytest.fail(f"no binary at {path}: scripts/test builds it")
    probes: list[Probe] = []

    def begin(words: str = "first", **settings) -> Probe:
        folder = tmp_path / f"probe{len(probes)}"
        folder.mkdir()
        probes.append(Probe(path, folder, words, **settings))
        return probes[-1]

    yield begin
    for one in probes:
        one.end()


def ticks(pid: int) -> int:
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))


# MARK: users


@as_root
def test_user_and_group(start, site: Path, tmp_path: Path):
    """Workers are another user in every way there is; what belongs to the master goes on working, and the master stays root."""
    name, other = "daemon", grp.getgrnam("games")
    user = pwd.getpwnam(name)
    pid_file, path, control = tmp_path / "pid", tmp_path / "http", Control(str(tmp_path / "control"))
    server = start(
        site, "-w", "2", "--user", name, "--group", "games", "--pid-file", pid_file, "--control", control.path, "--max-memory", "1G",
        bind=f"unix:{path}",
    )
    expected = {str(group) for group in os.getgrouplist(name, other.gr_gid)}
    old = server.workers()

    def check() -> None:
        for pid in server.workers():
            status = Path(f"/proc/{pid}/status").read_text()
            assert re.search(rf"Uid:((\t{user.pw_uid}){{4}})\n", status) and re.search(rf"Gid:((\t{other.gr_gid}){{4}})\n", status)
            assert set(re.search(r"Groups:(.*)", status)[1].split()) == expected
            assert "NoNewPrivs:\t1" in status and re.search(r"CapEff:\t0+\n", status) and re.search(r"CapPrm:\t0+\n", status)
        status = Path(f"/proc/{server.master}/status").read_text()
        assert "Uid:\t0\t0\t0\t0" in status and "Gid:\t0\t0\t0\t0" in status

    check()
    assert control.ask("reload")[0].startswith("ok") and control.ask("upgrade")[0].startswith("ok")
    assert control.ask("workers 3")[0].startswith("ok")
    control.wait(lambda now: now["workers_serving"] == 3 == len(now["workers"]), "three workers")
    assert not set(old) & set(server.workers())
    check()
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as stream:
        connection.connect(str(path))
        connection.sendall(REQUEST)
        assert read_answer(stream).status == 200
    assert pid_file.read_text() == f"{server.master}\n"
    server.stop()
    assert not pid_file.exists() and not path.exists() and not os.path.exists(control.path)


@as_root
def test_user_has_its_groups(start, spork: str, site: Path, tmp_path: Path):
    """Supplementary groups of the user are the worker's, those of root are not."""
    server = start(site, "-w", "1", "--user", "daemon", extra_groups=[0, 4, 27])
    status = Path(f"/proc/{server.workers()[0]}/status").read_text()
    expected = {str(group) for group in os.getgrouplist("daemon", pwd.getpwnam("daemon").pw_gid)}
    assert set(re.search(r"Groups:(.*)", status)[1].split()) == expected
    server.stop()


@as_root
def test_group_alone(start, spork: str, site: Path):
    """A group without a user is the only one that workers are in; one that is not there is said."""
    server = start(site, "-w", "1", "--group", "games", extra_groups=[4])
    status = Path(f"/proc/{server.workers()[0]}/status").read_text()
    number = grp.getgrnam("games").gr_gid
    assert re.search(rf"Gid:((\t{number}){{4}})\n", status) and re.search(rf"Groups:\t{number} ?\n", status)
    server.stop()
    result = subprocess.run(
        [spork, "serve", str(site), "-b", "127.0.0.1:0", "--group", "no-such-group"], capture_output=True, text=True, timeout=10
    )
    assert (result.returncode, result.stderr) == (1, "spork: find the group no-such-group: no such file or directory\n")


@as_root
def test_user_cannot_be_changed_by_others(spork: str, site: Path, tmp_path: Path):
    """Who is not root cannot become another user, and is told so before anything is served."""
    binary = shutil.copy(spork, "/tmp/spork-for-nobody")
    try:
        result = subprocess.run(
            [binary, "serve", "/", "-b", "127.0.0.1:0", "--user", "daemon"],
            user=65534, group=65534, extra_groups=[], capture_output=True, text=True, timeout=10,
        )
    finally:
        os.unlink(binary)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "spork: become daemon: operation not permitted\n")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_control_socket_under_any_umask(spork: str, site: Path, tmp_path: Path, umask: int):
    """The control socket is its owner's alone, whatever files otherwise are."""
    path = tmp_path / "control"
    server = Server(
        [spork, "serve", str(site), "-w", "1", "-b", "127.0.0.1:0", "--control", str(path)], preexec_fn=lambda: os.umask(umask)
    )
    try:
        assert path.stat().st_mode & 0o7777 == 0o600
        assert Control(str(path)).ask("status")[0] == "ok"
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


# MARK: memory, age


def test_memory(probe):
    """Workers that grow are replaced, the replacement first and one at a time, and no request is lost."""
    server = probe(workers=2, memory=60)
    old, least, stopped = server.workers(), [2], threading.Event()
    failures: list[str] = []

    def watch() -> None:
        while not stopped.is_set():
            least[0] = min(least[0], server.control.status()["workers_serving"])
            with contextlib.suppress(FileNotFoundError):
                assert len(server.workers()) <= 4

    def load() -> None:
        while not stopped.is_set():
            try:
                assert server.ask()[0] == "first"
            except (OSError, AssertionError) as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=target) for target in (watch, load, load)]
    for thread in threads:
        thread.start()
    try:
        end = time.monotonic() + 40
        while set(old) & set(server.workers()):
            assert time.monotonic() < end, server.said
            for _ in range(20):
                if set(old) & set(server.workers()) and max(map(anonymous, server.workers()), default=0) < 200 << 20:
                    server.ask("/grow")
            time.sleep(0.2)
    finally:
        stopped.set()
        for thread in threads:
            thread.join(20)
    assert not failures, failures[:5]
    assert least == [2]
    assert re.search(r"worker \d \(pid \d+\) has \d+ MiB of memory of its own; it is replaced", server.said)


def anonymous(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return 0


def test_age(probe):
    """Workers are replaced when they are old, each slot a little later than the one before; at no time is one missing."""
    server = probe(workers=3, age=4)
    first = server.workers()
    births = {pid: time.monotonic() for pid in first}
    ends: dict[int, float] = {}
    end = time.monotonic() + 15
    while len(ends) < 3:
        assert time.monotonic() < end, server.said
        assert server.control.status()["workers_serving"] == 3
        for pid in first:
            if pid not in ends and not alive(pid):
                ends[pid] = time.monotonic() - births[pid]
        server.ask()
        time.sleep(0.02)
    print(f"ages at the end: {[round(age, 2) for age in ends.values()]}")
    # Looked at once a second; the third slot has two hundredths more.
    assert all(3.9 <= age <= 7 for age in ends.values()), ends
    assert len(re.findall(r"is [4-6] s old; it is replaced", server.said)) >= 3


# MARK: descriptors, processes, threads


def test_nofile(start, spork: str, site: Path):
    """Every process has as many descriptors as it is given, more than it was started with; fewer than it needs is said."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(hard, 5000) if hard != resource.RLIM_INFINITY else 5000
    server = start(site, "-w", "1", "--nofile", str(limit), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard)))
    for pid in [server.master, *server.workers()]:
        assert f"{limit} " in re.search(r"Max open files.*", Path(f"/proc/{pid}/limits").read_text())[0]
    server.stop()
    result = subprocess.run([spork, "serve", str(site), "--nofile", "3"], capture_output=True, text=True, timeout=10)
    assert result.returncode == 2 and "at least 16" in result.stderr


def test_master_out_of_descriptors(probe):
    """A master that has no descriptor left for a client of the control socket does not spin, and answers when there is one again."""
    server = probe(workers=2, nofile=24)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(30)]
    try:
        for client in clients:
            client.connect(server.control.path)
        wait_until(lambda: len(os.listdir(f"/proc/{server.master}/fd")) >= 24)
        before = ticks(server.master)
        time.sleep(1)  # A second of the state that is to cost nothing.
        assert ticks(server.master) - before < 20
        # Workers are replaced all the same.
        [first, _] = server.workers()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(server.workers()) == 2 and first not in server.workers())
        # What needs descriptors fails and says so, and nothing has changed.
        os.kill(server.master, signal.SIGHUP)
        wait_until(lambda: "reload: nothing was changed: pipe: too many open files" in server.said)
    finally:
        for client in clients:
            client.close()
    wait_until(lambda: server.control.ask("reload")[0] == "ok generation 2", 10, "a reload with descriptors to spare")


@as_root
def test_no_more_processes(spork: str, site: Path, tmp_path: Path):
    """A master that may fork no more says so, tries again ever later, keeps what it has, and goes on when it may."""
    binary = Path("/tmp/spork-of-a-user")
    shutil.copy(spork, binary)
    user, folder = 64321, tmp_path / "its"
    folder.mkdir()
    os.chown(folder, user, user)
    for parent in folder.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    control = Control(f"{folder}/control")
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    server = Server(
        [str(binary), "serve", "/usr/share", "-w", "2", "-b", "127.0.0.1:0", "--control", control.path],
        user=user, group=user, extra_groups=[], preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (3, hard)),
    )
    try:
        workers = server.workers()
        assert control.ask("workers 3")[0] == "ok 3 workers"
        time.sleep(1.5)
        # There may be a master and two workers.
        assert server.workers() == workers and control.status()["workers_serving"] == 2
        assert server.exchange(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert control.ask("reload")[0] == "failed fork: resource temporarily unavailable"
        assert control.status()["generation"] == 1 and server.workers() == workers
        assert ticks(server.master) < 50
        # As the user himself: root may be without the right to change limits of others.
        subprocess.run(["prlimit", "--pid", str(server.master), "--nproc=1000:"], user=user, group=user, extra_groups=[], check=True)
        control.wait(lambda now: now["workers_serving"] == 3, "the third worker", 35)
        assert control.ask("reload")[0].startswith("ok")
        server.stop()
        said = server.process.stderr.read().decode()
        assert 3 <= said.count("could not be started: fork: resource temporarily unavailable; trying again") <= 8, said
    finally:
        binary.unlink()
        if server.process.poll() is None:
            server.kill()


def test_second_thread(probe):
    """A configuration that leaves a thread behind is refused where it is tried; the master forks on."""
    server = probe(workers=2)
    server.file.write_text("threaded")
    assert server.control.ask("reload")[0] == "failed fork workers from a process with several threads: invalid argument"
    assert len(os.listdir(f"/proc/{server.master}/task")) == 1
    server.file.write_text("second")
    assert server.control.ask("reload")[0] == "ok generation 2"
    server.control.wait(lambda now: len(now["workers"]) == 2, "the end of the old workers")
    assert server.ask()[0] == "second"


def test_many_workers(probe):
    """So many workers as there can be slots at most: more are refused, and a hundred come and go."""
    server = probe(workers=2)
    assert server.control.ask("workers 1025")[0].startswith("failed workers: a number from 1 to 1024")
    assert server.control.ask("workers 100")[0] == "ok 100 workers"
    server.control.wait(lambda now: now["workers_serving"] == 100, "a hundred workers", 60)
    assert server.ask()[0] == "first"
    assert server.control.ask("workers 1")[0] == "ok 1 workers"
    server.control.wait(lambda now: len(now["workers"]) == 1, "the end of all but one", 60)
    assert len(server.workers()) == 1 and server.ask()[0] == "first"


# MARK: reloads


def test_failed_rollout_goes_back_to_the_old_configuration(probe):
    """Workers that are replaced after a reload that has failed in its workers run what ran before, not what has failed."""
    server = probe(workers=2)
    server.file.write_text("failing second")
    verdict, _ = server.control.ask("reload")
    assert verdict.startswith("failed worker 1 of generation 2 ended with exit code 1"), verdict
    for _ in range(2):
        old = server.workers()
        os.kill(old[0], signal.SIGKILL)
        server.control.wait(lambda now: now["workers_serving"] == 2 and old[0] not in server.workers(), "two workers")
    assert {server.ask()[0] for _ in range(20)} == {"first"}
    server.file.write_text("third")
    assert server.control.ask("reload")[0].startswith("ok")
    server.control.wait(lambda now: len(now["workers"]) == 2, "the end of the old workers")
    assert {server.ask()[0] for _ in range(20)} == {"third"}


@pytest.mark.parametrize("words", ["broken", "endless", "stuck second"])
def test_configuration_that_cannot_be_had(probe, words: str):
    """Whatever is wrong with a configuration, a reload says so and the same workers go on."""
    server = probe(workers=2, boot=1)
    workers = server.workers()
    server.file.write_text(words)
    verdict, _ = server.control.ask("reload")
    assert verdict.startswith("failed"), verdict
    assert server.workers() == workers or wait_until(lambda: server.workers() == workers)
    assert {server.ask()[0] for _ in range(10)} == {"first"}
    if words == "stuck second":
        assert "was not ready after 1.0 s; it is killed" in server.said


def test_check_that_talks(probe):
    """What a check says keeps neither the check nor the master busy."""
    server = probe(workers=1)
    server.file.write_text("talkative second")
    before = ticks(server.master)
    os.kill(server.master, signal.SIGHUP)
    wait_until(lambda: len(server.workers()) == 2)
    time.sleep(0.8)  # Most of the second that the check takes.
    spent = ticks(server.master) - before
    # The master reads it once more itself, asleep most of the time.
    server.control.wait(lambda now: now["generation"] == 2 and not now["changing"], "the reload", 10)
    server.control.wait(lambda now: len(now["workers"]) == 1, "the end of the old worker")
    assert spent < 20 and server.ask()[0] == "second"


def test_master_killed_while_a_check_runs(probe):
    """What tries a configuration dies with the master: it has its port."""
    server = probe(workers=1, boot=600)
    server.file.write_text("endless")
    os.kill(server.master, signal.SIGHUP)
    pids = wait_until(lambda: len(server.workers()) == 2 and server.workers())
    os.kill(server.master, signal.SIGKILL)
    server.process.wait(5)
    wait_until(lambda: not [pid for pid in pids if alive(pid)], 3, "the end of all processes")
    assert listening(server.port) == 0


def test_master_killed_while_workers_boot_and_spin(probe):
    """A worker that spins before it serves ends as well when the master is killed: after the hang timeout and a second."""
    server = probe(workers=1, hang=1, boot=600, graceful=600)
    server.file.write_text("stuck second")
    os.kill(server.master, signal.SIGHUP)
    wait_until(lambda: len(server.workers()) == 2 and any(busy(pid) for pid in server.workers()))
    # Only now: a child that checks the configuration came before the one that spins.
    pids = server.workers()
    os.kill(server.master, signal.SIGKILL)
    server.process.wait(5)
    # Two seconds by the clocks of the processes; the machine may have others to run.
    wait_until(lambda: not [pid for pid in pids if alive(pid)], 5, "the end of all processes")
    assert listening(server.port) == 0


def test_orphan_that_was_stopped_is_given_its_time_again(probe):
    """A worker that was stopped when the master died finishes what it has begun when it goes on."""
    server = probe(workers=1, hang=1, graceful=20)
    [worker] = server.workers()
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(REQUEST[:-2])
        server.control.wait(lambda now: now["totals"]["accepted"] == 1, "the connection")
        os.kill(worker, signal.SIGSTOP)
        os.kill(server.master, signal.SIGKILL)
        server.process.wait(5)
        time.sleep(2)
        os.kill(worker, signal.SIGCONT)
        connection.sendall(b"\r\n")
        assert read_answer(stream).status == 200
    wait_until(lambda: not alive(worker))


def test_reload_asked_for_during_an_upgrade(spork: str, site: Path, tmp_path: Path):
    """A client that asks for a reload while an upgrade is under way gets its answer from the program that has taken over."""
    binary = tmp_path / "spork"
    script = f"#!/bin/sh\nsleep 0.7\nexec {spork} \"$@\"\n"
    shutil.copy(spork, binary)
    control = Control(str(tmp_path / "control"))
    server = Server([str(binary), "serve", str(site), "-w", "1", "-b", "127.0.0.1:0", "--control", control.path])
    try:
        (tmp_path / "new").write_text(script)
        (tmp_path / "new").chmod(0o755)
        (tmp_path / "new").rename(binary)
        answers = {}
        upgrading = threading.Thread(target=lambda: answers.update(upgrade=control.ask("upgrade")[0]))
        upgrading.start()
        control.wait(lambda now: now["changing"], "the upgrade")
        answers["reload"] = control.ask("reload")[0]
        upgrading.join(20)
        assert answers == {"upgrade": "ok generation 2", "reload": "ok generation 3"}
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


def test_program_that_is_gone_back_to_runs_as_it_was_started(spork: str, site: Path, tmp_path: Path):
    """After an upgrade that has failed the old program has its own arguments and its own environment, not those of what has failed."""
    binary, original = tmp_path / "spork", tmp_path / "original"
    shutil.copy(spork, binary)
    shutil.copy(spork, original)
    control = Control(str(tmp_path / "control"))
    server = Server(
        [str(binary), "serve", str(site), "-w", "2", "-b", "127.0.0.1:0", "--control", control.path, "--nofile", "200"],
        env={**os.environ, "MARK": "old"},
    )
    try:
        descriptors = len(os.listdir(f"/proc/{server.master}/fd"))
        script = (
            f"#!/bin/sh\nexport MARK=new\nif [ $$ = {server.master} ]; then more='--cpu-affinity 1023'; fi\n"
            f"exec {original} serve {site} -w 2 -b 127.0.0.1:0 --control {control.path} --nofile 300 $more\n"
        )
        binary.unlink()
        binary.write_text(script)
        binary.chmod(0o755)
        assert control.ask("upgrade")[0].startswith("failed worker")
        control.wait(lambda now: now["workers_serving"] == 2 and not now["changing"] and len(now["workers"]) == 2, "two workers")
        wait_until(lambda: len(os.listdir(f"/proc/{server.master}/fd")) == descriptors, 2, "as many descriptors as before")
        # A worker that this program starts from here on: with the number of descriptors and the environment of the old one.
        [first, _] = server.workers()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(server.workers()) == 2 and first not in server.workers())
        for pid in [server.master, *server.workers()]:
            assert re.search(r"Max open files +200 ", Path(f"/proc/{pid}/limits").read_text())
        assert b"MARK=old" in environment(server.master) and b"MARK=new" not in environment(server.master)
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.mark.parametrize(
    "more,said",
    [("--user no-such-user", "find the user no-such-user"), ("--pid-file /no-such-directory/pid", "pid-file has changed, which needs a restart")],
)
def test_program_that_cannot_be_master_is_left_again(spork: str, site: Path, tmp_path: Path, more: str, said: str):
    """A new program that passes its trial but cannot do what a master has to gives its place back, and the same workers go on."""
    binary = tmp_path / "spork"
    shutil.copy(spork, binary)
    control = Control(str(tmp_path / "control"))
    server = Server([str(binary), "serve", str(site), "-w", "2", "-b", "127.0.0.1:0", "--control", control.path])
    try:
        workers, descriptors = server.workers(), set(os.listdir(f"/proc/{server.master}/fd"))
        script = f"#!/bin/sh\nif [ $$ = {server.master} ]; then exec {spork} \"$@\" {more}; fi\nexec {spork} \"$@\"\n"
        binary.unlink()
        binary.write_text(script)
        binary.chmod(0o755)
        verdict, _ = control.ask("upgrade")
        assert verdict.startswith("failed ") and said in verdict
        assert server.workers() == workers and control.status()["generation"] == 1
        assert ask(server).status == 200
        wait_until(lambda: len(os.listdir(f"/proc/{server.master}/fd")) == len(descriptors), 5, f"as many descriptors as before: {linked(server.master)}")
        # All is as it was: it can be upgraded to what works.
        binary.unlink()
        shutil.copy(spork, binary)
        assert control.ask("upgrade")[0].startswith("ok")
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


def linked(pid: int) -> list[str]:
    """What a process has open."""
    return [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]


def environment(pid: int) -> bytes:
    """The environment that a program was started with: what its title has left of it, and what the program has copied."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        found = b""
        for line in maps:
            if "[heap]" in line or "[stack]" in line:
                begin, end = (int(part, 16) for part in line.split()[0].split("-"))
                memory.seek(begin)
                found += memory.read(end - begin)
        return found


# MARK: crashes


def test_trap_names_what_was_in_flight(probe):
    """The report of a crash has all requests that were being answered, or says how many more there were."""
    server = probe(workers=1)
    with contextlib.suppress(ConnectionResetError, AssertionError):
        server.ask("/trap")
    wait_until(lambda: "it was answering GET /trap" in server.said)
    assert re.search(r"worker 1 \(pid \d+\) was ended by signal (4|5|6); it is replaced; it was answering GET /trap\n", server.said)
    wait_until(lambda: len(server.workers()) == 1)
    assert server.ask()[0] == "first"


def test_killed_after_its_time_is_reported(start, site: Path):
    """A worker that has not finished in time is killed, and the report says what it was answering."""
    server = start(site, "-w", "1", "--graceful-timeout", "1s")
    with server.connect() as connection:
        connection.sendall(b"GET /20m.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.recv(1)
        os.kill(server.master, signal.SIGHUP)
        begin = time.monotonic()
        old = server.workers()
        wait_until(lambda: title(server.master).startswith("spork: master, generation 2") and not set(old) & set(server.workers()), 5)
        assert time.monotonic() - begin >= 0.9
    server.stop()
    assert re.search(r"worker 1 \(pid \d+\) has not ended in time; it is killed; it was answering GET /20m.bin", server.process.stderr.read().decode())


def test_nobody_reads_what_the_master_says(start, site: Path):
    """A standard error that is full keeps no worker from being replaced; what was lost is counted."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    server = start(site, "-w", "2", stderr=writing)
    os.close(writing)
    for _ in range(5):
        [first, second] = wait_until(lambda: len(server.workers()) == 2 and server.workers())
        # Older than a second, so that its end is no failure that is waited after.
        time.sleep(1.05)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(server.workers()) == 2 and first not in server.workers(), 3, "a new worker")
        assert ask(server).status == 200
    text = os.read(reading, 1 << 20)
    assert text.strip(b"x") == b""
    os.kill(server.workers()[0], signal.SIGKILL)
    assert os.read(reading, 1000).startswith(b"spork: standard error was full; 5 messages were lost\n")
    os.close(reading)
    server.stop()


# MARK: a queue for each worker


@pytest.mark.parametrize("mode", ["shared", "reuseport"])
def test_resizing_loses_no_connection(probe, mode: str):
    """New connections while workers come and go, all the time: each has its answer."""
    server = probe(workers=4, accept=mode)
    stopped, failures, answers = threading.Event(), [], [0] * 8

    def load(number: int) -> None:
        while not stopped.is_set():
            try:
                assert server.ask()[0] == "first"
                answers[number] += 1
            except (OSError, AssertionError) as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        for number in [1, 4, 2, 5, 1, 6, 3, 1, 4, 2] * 2:
            assert server.control.ask(f"workers {number}")[0].startswith("ok")
            before = sum(answers)
            server.control.wait(lambda now: now["workers_serving"] == number, f"{number} workers")
            wait_until(lambda: sum(answers) > before + 50 or failures)
    finally:
        stopped.set()
        for thread in threads:
            thread.join(20)
    print(f"{mode}: {sum(answers)} answers, {len(failures)} failures")
    assert not failures, failures[:5]
    # Nobody was left in a queue that nobody looks at.
    status = server.control.wait(lambda now: not any(worker["in_flight"] for worker in now["workers"]), "quiet")
    assert status["totals"]["requests"] == sum(answers)


# MARK: the pid file


def test_pid_file(start, spork: str, site: Path, tmp_path: Path):
    """A file that was left behind is replaced, one of a server that runs is left alone, and it goes with its server."""
    path = tmp_path / "pid"
    path.write_text("4194000\n")
    server = start(site, "-w", "1", "--pid-file", path)
    assert path.read_text() == f"{server.master}\n" and path.stat().st_mode & 0o777 == 0o644
    for kind in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2):
        generation = title(server.master)
        os.kill(server.master, kind)
        if kind != signal.SIGUSR1:
            wait_until(lambda: title(server.master) != generation and "1 of 1" in title(server.master))
        second = subprocess.run(
            [spork, "serve", str(site), "-b", "127.0.0.1:0", "--pid-file", str(path)], capture_output=True, text=True, timeout=10
        )
        assert (second.returncode, second.stderr) == (1, f"spork: write {path}: device or resource busy\n")
        assert path.read_text() == f"{server.master}\n"
        assert os.listdir(tmp_path) == ["pid"]
    server.kill()
    # It was killed: what it has left is nobody's.
    assert path.exists()
    again = start(site, "-w", "1", "--pid-file", path)
    assert path.read_text() == f"{again.master}\n"
    # Somebody else's by now: it stays.
    (tmp_path / "other").write_text("1\n")
    (tmp_path / "other").rename(path)
    again.stop()
    assert path.read_text() == "1\n"


def test_pid_file_that_cannot_be_written(spork: str, site: Path, tmp_path: Path):
    """A pid file that cannot be had is said before anything is served."""
    result = subprocess.run(
        [spork, "serve", str(site), "-b", "127.0.0.1:0", "--pid-file", str(tmp_path / "missing/pid")],
        capture_output=True, text=True, timeout=10,
    )
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr == f"spork: write {tmp_path}/missing/pid: no such file or directory\n"


def test_reopening_logs_changes_nothing(start, site: Path):
    """USR1, to the master and to workers that boot, is answered by going on."""
    server = start(site, "-w", "2")
    workers = server.workers()
    for _ in range(50):
        os.kill(server.master, signal.SIGUSR1)
        assert ask(server).status == 200
    for pid in workers:
        os.kill(pid, signal.SIGUSR1)
    assert ask(server).status == 200 and server.workers() == workers
    server.stop()
    assert server.process.stderr.read() == b""


# MARK: containers


@with_namespaces
def test_workers_of_a_container(spork: str, site: Path, tmp_path: Path):
    """The number of workers follows the quota of the control group, of version 2."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two processors are needed")
    for quota, workers in [("50000 100000", 1), ("150000 100000", 2), ("max 100000", len(os.sched_getaffinity(0)))]:
        script = (
            "mount -t tmpfs none /sys/fs/cgroup && printf '%s\\n' \"$1\" >/sys/fs/cgroup/cpu.max && shift && exec \"$@\""
        )
        server = Server(["unshare", "--mount", "sh", "-c", script, "sh", quota, spork, "serve", str(site), "-b", "127.0.0.1:0"])
        try:
            assert server.count == min(workers, len(os.sched_getaffinity(0))), quota
            server.stop()
        finally:
            if server.process.poll() is None:
                server.kill()


@with_namespaces
def test_read_only_root_for_real(spork: str, site: Path, tmp_path: Path):
    """With nothing to write to, not even a temporary directory, everything works: serving, reloading, upgrading."""
    # Each file system is made read-only, as far as it can be: what is left is /proc and the like.
    script = (
        "mount --make-rprivate / && mount --rbind / /mnt && mount -o remount,bind,ro /mnt && "
        "for place in $(cut -d' ' -f2 /proc/mounts | grep '^/mnt/' | grep -v -e '^/mnt/proc' -e '^/mnt/sys'); do"
        " mount -o remount,bind,ro $place 2>/dev/null; done; "
        "exec chroot /mnt sh -c '! touch /tmp/x /x /dev/shm/x 2>/dev/null && exec \"$@\"' sh \"$@\""
    )
    server = Server(["unshare", "--mount", "sh", "-c", script, "sh", spork, "serve", str(site), "-w", "2", "-b", "127.0.0.1:0"])
    try:
        assert ask(server).status == 200
        for number, kind in ((2, signal.SIGHUP), (3, signal.SIGUSR2)):
            os.kill(server.master, kind)
            wait_until(lambda: title(server.master) == f"spork: master, generation {number}, 2 of 2 workers serve")
            wait_until(lambda: len(server.workers()) == 2)
            assert ask(server).status == 200
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


# MARK: budgets


def test_budgets(start, spork: str, site: Path):
    """The design's budgets, with slack for slow machines: 50 ms from the start to the first byte, and 15 MiB for a master and four workers."""
    if "release" not in str(Path(spork).resolve()):
        pytest.skip("budgets are those of the release build")
    times = []
    for _ in range(11):
        begin = time.monotonic()
        server = start(site, "-w", "4")
        with server.connect() as connection:
            connection.sendall(REQUEST)
            assert connection.recv(1)
        times.append((time.monotonic() - begin) * 1000)
        if len(times) < 11:
            server.stop()
    for _ in range(200):
        assert ask(server).status == 200
    sizes = []
    for pid in [server.master, *server.workers()]:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        sizes.append(int(re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)[1]))
    server.stop()
    print(f"first byte after {sorted(times)[5]:.1f} ms (median of 11), {sum(sizes) / 1024:.1f} MiB: {sizes} KiB")
    assert sorted(times)[5] <= 100
    assert sum(sizes) <= 18 << 10
