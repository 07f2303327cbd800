"""The process model from outside: workers that share sockets, die, come back, and end well."""

import http.client
import os
import pty
import random
import resource
import signal
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import Server, alive, children, read_answer, wait_until


class Load:
    """Threads that ask for a file over keep-alive connections until told to stop; every failure is kept."""

    def __init__(self, server: Server, threads: int = 8, path: str = "/64k.bin", size: int = 65536):
        self.server, self.path, self.size = server, path, size
        self.stopped = threading.Event()
        self.answers = 0
        self.failures: list[tuple[int, str, bool]] = []
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]

    def _run(self, number: int) -> None:
        connection, asked = None, 0
        while not self.stopped.is_set():
            try:
                if connection is None:
                    connection, asked = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10), 0
                connection.request("GET", self.path)
                answer = connection.getresponse()
                assert answer.status == 200 and len(answer.read()) == self.size
                self.answers += 1
                asked += 1
                if asked == 200 or answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append((number, repr(error), asked == 0))
                connection.close()
                connection = None

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        self.wait_for(20)
        return self

    def wait_for(self, more: int) -> None:
        """Waits until so many more answers have come."""
        goal = self.answers + more
        wait_until(lambda: self.answers >= goal, 20, f"{more} more answers")

    def __exit__(self, *_) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(20)


def threads_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def test_one_thread_each(start, site: Path):
    """Master and workers have one thread each, idle and under load."""
    server = start(site, "-w", "3")
    wait_until(lambda: len(server.workers()) == 3)
    assert server.count == 3
    with Load(server) as load:
        for _ in range(10):
            load.wait_for(20)
            assert [threads_of(pid) for pid in [server.master, *server.workers()]] == [1, 1, 1, 1]
    assert load.failures == []
    server.stop()


def test_default_workers(start, site: Path):
    """As many workers as the affinity mask allows."""
    allowed = sorted(os.sched_getaffinity(0))
    assert start(site).count == len(allowed)
    one = start(site, preexec_fn=lambda: os.sched_setaffinity(0, allowed[:1]))
    assert one.count == 1
    assert start(site, "--workers", "auto").count == len(allowed)


def test_workers_share_the_socket(start, site: Path):
    """Two workers accept from one socket, and both serve."""
    server = start(site, "-w", "2")
    wait_until(lambda: len(server.workers()) == 2)
    inodes = set()
    for pid in [server.master, *server.workers()]:
        links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        listening = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"}
        inodes.add(frozenset(link for link in links if link.startswith("socket:[") and link[8:-1] in listening))
    assert len(inodes) == 1 and len(inodes.pop()) == 1

    def processor_milliseconds(pid: int) -> float:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6

    before = {pid: processor_milliseconds(pid) for pid in server.workers()}
    with Load(server, threads=16) as load:
        load.wait_for(2000)
    worked = [processor_milliseconds(pid) - spent for pid, spent in before.items()]
    assert load.failures == []
    assert min(worked) > 10
    server.stop()


def test_killed_worker(start, site: Path):
    """kill -9 of a worker under load loses at most the requests it was answering; it is replaced at once."""
    server = start(site, "-w", "2")
    with Load(server) as load:
        for _ in range(5):
            victim = random.choice(wait_until(lambda: len(server.workers()) == 2 and server.workers()))
            before = len(load.failures)
            killed = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: len(server.workers()) == 2 and victim not in server.workers())
            assert time.monotonic() - killed < 1
            load.wait_for(200)
            lost = load.failures[before:]
            assert len(lost) == len({number for number, _, _ in lost}), f"more than its own requests: {lost}"
    server.stop()
    errors = server.process.stderr.read().decode()
    assert errors.count("was ended by signal 9; it is replaced") == 5, errors


def test_resize(start, site: Path):
    """TTIN and TTOU add and remove a worker, never the last, without losing a request."""
    server = start(site, "-w", "1")
    with Load(server) as load:
        for number in (2, 3):
            os.kill(server.master, signal.SIGTTIN)
            wait_until(lambda: len(server.workers()) == number)
            load.wait_for(50)
        for number in (2, 1):
            os.kill(server.master, signal.SIGTTOU)
            wait_until(lambda: len(server.workers()) == number)
            load.wait_for(50)
        for _ in range(3):
            os.kill(server.master, signal.SIGTTOU)
        load.wait_for(200)
        assert len(server.workers()) == 1
    assert load.failures == []
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_ends_well(start, site: Path, tmp_path: Path, number: int):
    """A signal ends all processes with exit code 0, and the port can be bound again at once."""
    server = start(site, "-w", "2")
    with server.connect() as idle, server.connect() as begun:
        begun.sendall(b"GET / HT")
        server.stop(number, 5)
        try:
            assert idle.recv(1) == b""
        except ConnectionResetError:
            # INT waits for nothing: a connection that no worker has accepted yet goes down with the listener.
            assert number == signal.SIGINT
    again = start(site, "-w", "1", bind=f"127.0.0.1:{server.port}")
    again.stop()


def test_ctrl_c_in_a_terminal(spork: str, site: Path):
    """Ctrl-C in a terminal reaches all processes at once and still ends with exit code 0."""
    for _ in range(5):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(spork, [spork, "serve", str(site), "-b", "127.0.0.1:0", "-w", "4"])
        line = b""
        while b"\n" not in line:
            line += os.read(terminal, 1000)
        workers = wait_until(lambda: len(children(pid)) == 4 and children(pid))
        os.write(terminal, b"\x03")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert not [worker for worker in workers if alive(worker)]
        os.close(terminal)


def test_term_finishes_what_has_begun(start, site: Path):
    """TERM lets a download end; new connections are refused when all is done."""
    server = start(site, "-w", "2")
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(b"GET /20m.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        stream.peek(1)
        os.kill(server.master, signal.SIGTERM)
        time.sleep(0.3)  # The server has every chance to do it wrong.
        assert alive(server.master)
        answer = read_answer(stream)
        assert answer.body == (site / "20m.bin").read_bytes()
        assert stream.read() == b""
    assert server.process.wait(5) == 0
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_second_term_ends_at_once(start, site: Path):
    """A second TERM does not wait for a client that takes nothing."""
    server = start(site, "-w", "1")
    with server.connect() as connection:
        connection.sendall(b"GET /20m.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.recv(1)
        os.kill(server.master, signal.SIGTERM)
        time.sleep(0.2)
        server.stop(signal.SIGTERM, 3)


def test_dead_master(start, site: Path):
    """When the master is killed its workers go, and nobody keeps the port."""
    server = start(site, "-w", "3")
    workers = wait_until(lambda: len(server.workers()) == 3 and server.workers())
    os.kill(server.master, signal.SIGKILL)
    server.process.wait(5)
    wait_until(lambda: not [pid for pid in workers if alive(pid)], 5, "the end of the workers")
    start(site, "-w", "1", bind=f"127.0.0.1:{server.port}").stop()


def test_no_leaks(start, site: Path):
    """Ten thousand connections and three hundred that disappear leave no descriptor and little memory behind."""
    server = start(site, "-w", "2")
    wait_until(lambda: len(server.workers()) == 2)

    def descriptors() -> list[int]:
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in server.workers()]

    def memory() -> int:
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4 for pid in server.workers())

    request = b"GET /1k.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    def connections(count: int) -> None:
        for _ in range(count):
            assert server.exchange(request).startswith(b"HTTP/1.1 200")

    connections(500)
    for _ in range(50):  # The large file stays open in the worker that has sent it; an idle box gives all connections to one.
        assert server.exchange(request.replace(b"1k.bin", b"20m.bin")).startswith(b"HTTP/1.1 200")
    before, memory_before = wait_until(lambda: descriptors()), memory()
    threads = [threading.Thread(target=connections, args=(2500,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for _ in range(300):
        with server.connect() as connection:
            connection.sendall(random.choice([b"GET", request * 5, b"GET /20m.bin HTTP/1.1\r\nHost: a\r\n\r\n"]))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    wait_until(lambda: sum(descriptors()) <= sum(before) + 1, 10, "the return of the descriptors")
    assert memory() - memory_before < 4000
    server.stop()


def test_many_idle_connections(start, site: Path):
    """A thousand idle connections cost little, are served when they ask, and are let go by a drain."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    server = start(site, "-w", "1")
    connections = [server.connect() for _ in range(1000)]
    for connection in connections:
        connection.sendall(b"GET /1.bin HTTP/1.1\r\nHost: a\r\n\r\n")
    for connection in connections:
        assert connection.recv(1000).endswith(b"\r\n\r\nx")
    server.stop()
    for connection in connections:
        assert connection.recv(1) == b""
        connection.close()


def test_out_of_descriptors(start, site: Path):
    """A worker that has no descriptor left waits without burning the processor, then goes on."""
    server = start(site, "-w", "1", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    worker = wait_until(lambda: server.workers())[0]
    connections = [server.connect() for _ in range(100)]
    wait_until(lambda: len(os.listdir(f"/proc/{worker}/fd")) == 64)

    def ticks() -> int:
        return sum(map(int, Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))

    before = ticks()
    time.sleep(1)  # A second of the state that is to cost nothing.
    assert ticks() - before < 20
    for connection in connections[:90]:
        connection.close()
    connections[99].sendall(b"GET /1.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert connections[99].recv(1000).startswith(b"HTTP/1.1 200")
    for connection in connections[90:]:
        connection.close()
    server.stop()


@pytest.mark.parametrize(
    "arguments,code,said",
    [
        (["missing-directory"], 1, "missing-directory: no such file or directory"), (["/dev/null"], 1, "not a directory"),
        ([".", "--no-such-flag"], 2, "no-such-flag"), ([".", "-b", "nowhere"], 2, "nowhere"), ([".", "-b", "127.0.0.1:99999"], 2, "99999"),
        ([".", "-w", "0"], 2, "'0'"), ([".", "-w", "many"], 2, "many"), ([".", "-b", "192.0.2.1:80"], 1, "bind 192.0.2.1:80"),
        ([".", "extra"], 2, "extra"),
    ],
)
def test_bad_usage(spork: str, site: Path, arguments: list[str], code: int, said: str):
    """What cannot be done is said in one line, with an exit code, and nothing is served."""
    result = subprocess.run([spork, "serve", *arguments], cwd=site, capture_output=True, timeout=10, text=True)
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr.count("\n") == 1 and said in result.stderr


def test_port_in_use(spork: str, start, site: Path, tmp_path: Path):
    """A port or a socket that somebody else has is left alone; a stale socket file is replaced."""
    server = start(site, "-w", "1")
    path = tmp_path / "socket"
    alive_one = start(site, "-w", "1", bind=f"unix:{path}")
    for address in [f"127.0.0.1:{server.port}", f"unix:{path}"]:
        result = subprocess.run([spork, "serve", str(site), "-b", address], capture_output=True, timeout=10, text=True)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == f"spork: bind {address}: address already in use\n"
    alive_one.kill()
    assert path.exists()
    start(site, "-w", "1", bind=f"unix:{path}").stop()


def test_start_to_first_byte(start, site: Path):
    """From the start of the program to the first byte of an answer; the budget is 50 ms, the bound is for slow machines."""
    times = []
    for _ in range(10):
        begin = time.monotonic()
        server = start(site, "-w", "2")
        assert server.exchange(b"GET /1.bin HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
        times.append((time.monotonic() - begin) * 1000)
        server.stop()
    print(f"start to first byte: median {statistics.median(times):.1f} ms, best {min(times):.1f} ms")
    assert statistics.median(times) < 500
