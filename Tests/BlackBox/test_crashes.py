"""Workers that crash or spin, and masters that die: what is lost is what was being answered, and no more."""

import os
import re
import select
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import alive, children, read_answer, wait_until
import socket


class Crashing:
    """The example CrashingWorkers, by its product's name, running."""

    def __init__(self, path: Path, *arguments: str):
        # Without buffers: what has been read ahead could not be waited for.
        self.process = subprocess.Popen(
            [path, "127.0.0.1:0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, bufsize=0
        )
        line = self.process.stdout.readline().decode()
        self.port = int(re.search(r":(\d+), master", line)[1])

    def workers(self) -> list[int]:
        return children(self.process.pid)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def ask(self, path: bytes = b"/") -> bytes:
        """All that comes back; what is lost raises."""
        with self.connect() as connection:
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            received = b""
            while part := connection.recv(4096):
                received += part
            return received

    def said(self) -> str:
        """The next line on standard error."""
        ready, _, _ = select.select([self.process.stderr], [], [], 10)
        assert ready, "it said nothing within 10 s"
        return self.process.stderr.readline().decode()


@pytest.fixture
def crashing(spork: str):
    path = Path(spork).resolve().parent / "example-crashing-workers"
    if not os.access(path, os.X_OK):
        pytest.fail(f"no binary at {path}: scripts/test builds it")
    servers: list[Crashing] = []

    def begin(*arguments: str) -> Crashing:
        servers.append(Crashing(path, *arguments))
        return servers[-1]

    yield begin
    for server in servers:
        workers = server.workers()
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait(5)
        for pid in workers:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        server.process.stdout.close()
        server.process.stderr.close()


def test_trap(crashing):
    """A trap loses one worker's requests; the log says what it was answering, and it is replaced at once."""
    server = crashing("2")
    workers = server.workers()
    try:
        assert server.ask(b"/trap") == b""
    except ConnectionResetError:
        pass
    line = wait_for_line(server, "was ended by signal")
    assert re.search(r"worker \d \(pid \d+\) was ended by signal (4|5|6); it is replaced; it was answering GET /trap$", line.strip())
    wait_until(lambda: len(server.workers()) == 2 and server.workers() != workers)
    assert b"this is process" in server.ask()


def wait_for_line(server, text: str) -> str:
    while text not in (line := server.said()):
        pass
    return line


def test_endless_loop(crashing):
    """A worker in an endless loop is replaced within its limit and a second, while the others serve; the log says what it was doing."""
    server = crashing("2", "1.5")
    with server.connect() as spinning:
        begin = time.monotonic()
        spinning.sendall(b"GET /spin HTTP/1.1\r\nHost: a\r\n\r\n")
        old = server.workers()
        # What the worker has accepted before it spins is lost with it.
        wait_until(lambda: any(busy(pid) for pid in old))
        slowest = 0.0
        while server.workers() == old or len(server.workers()) < 2:
            asked = time.monotonic()
            assert asked - begin < 1.5 + 1, "it was not replaced"
            assert b"this is process" in server.ask()
            slowest = max(slowest, time.monotonic() - asked)
        taken = time.monotonic() - begin
        print(f"replaced after {taken:.2f} s; the slowest answer meanwhile took {slowest * 1000:.0f} ms")
        assert 1.4 < taken < 2.5
        line = wait_for_line(server, "has not got on")
        assert re.search(r"has not got on for 1\.5 s, answering GET /spin; state R, computes, \d+ s of processor time", line)
        wait_until(lambda: len([pid for pid in old if alive(pid)]) == 1)


def test_master_killed_while_a_worker_spins(crashing):
    """SIGKILL of the master leaves no process, not even one that never looks up, and no port: after its hang timeout and a second."""
    server = crashing("2", "1.5")
    with server.connect() as spinning:
        spinning.sendall(b"GET /spin HTTP/1.1\r\nHost: a\r\n\r\n")
        workers = server.workers()
        wait_until(lambda: any(busy(pid) for pid in workers))
        begin = time.monotonic()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(5)
        wait_until(lambda: not [pid for pid in workers if alive(pid)], 2.5, "the end of all workers")
        print(f"nothing left after {time.monotonic() - begin:.2f} s")
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", server.port))
            again.listen()


def busy(pid: int) -> bool:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11]) > 10


def test_kill_of_a_busy_worker(start, site: Path):
    """kill -9 of a worker loses only what it was answering: nobody else's request, and nothing that waits in the queue."""
    server = start(site, "-w", "3")
    failures: list[int] = []
    owners: dict[int, int] = {}
    stopped = threading.Event()

    def client(number: int) -> None:
        while not stopped.is_set():
            try:
                with server.connect() as connection, connection.makefile("rb") as stream:
                    owners[number] = connection.getsockname()[1]
                    for _ in range(100):
                        if stopped.is_set():
                            return
                        connection.sendall(b"GET /64k.bin HTTP/1.1\r\nHost: a\r\n\r\n")
                        assert read_answer(stream).status == 200
            except (OSError, AssertionError):
                failures.append(owners[number])

    threads = [threading.Thread(target=client, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            time.sleep(0.2)
            victim = wait_until(lambda: len(server.workers()) == 3 and server.workers()[0])
            os.kill(victim, signal.SIGSTOP)
            time.sleep(0.05)
            held = peers(victim, server.port)
            before = len(failures)
            os.kill(victim, signal.SIGKILL)
            time.sleep(0.2)
            lost = failures[before:]
            assert set(lost) <= held, f"lost {lost}, but it held {held}"
    finally:
        stopped.set()
        for thread in threads:
            thread.join(20)
    server.stop()


def peers(pid: int, port: int) -> set[int]:
    """The ports of the clients whose connections a process holds."""
    table = {
        line.split()[9]: int(line.split()[2].split(":")[1], 16) for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
    }
    found = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        if link.startswith("socket:[") and table.get(link[8:-1]):
            found.add(table[link[8:-1]])
    return found


def test_gives_up_when_nothing_starts(spork: str, site: Path):
    """A server none of whose workers can start says so and ends; it does not try for ever."""
    result = subprocess.run(
        [spork, "serve", str(site), "-b", "127.0.0.1:0", "-w", "2", "--cpu-affinity", "1023"],
        capture_output=True, text=True, timeout=20,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "the server could not be started: worker" in result.stderr and "run on processors [1023]: invalid argument" in result.stderr
