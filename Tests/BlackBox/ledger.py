"""A ledger of requests: clients of four kinds at once, each request accounted for, while operations happen to the server.

Every request that was sent is reconciled with the answer that came, and all answers with what the server has counted. Used by
test_ledger.py, and by scripts/ledger for as many operations as one likes:

    ledger.py BINARY [--operations 200] [--seed 1] [--accept reuseport]
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

BODY = bytes(range(256)) * 4


class Control:
    """The control socket of a server."""

    def __init__(self, path: str):
        self.path = path

    def ask(self, request: str, seconds: float = 60) -> tuple[str, str]:
        """The last line of the answer, which begins with ok or failed, and what stands before."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(self.path)
            connection.sendall(request.encode() + b"\n")
            received = b""
            while not re.search(rb"(^|\n)(ok|failed)[^\n]*\n$", received):
                part = connection.recv(65536)
                assert part, f"{request}: the connection ended after {received!r}"
                received += part
        lines = received.decode().splitlines()
        return lines[-1], "\n".join(lines[:-1])

    def status(self) -> dict:
        verdict, text = self.ask("status json")
        assert verdict == "ok"
        return json.loads(text)

    def wait(self, condition, what: str, seconds: float = 30) -> dict:
        """The status, as soon as a condition on it holds."""
        end = time.monotonic() + seconds
        while True:
            status = self.status()
            if condition(status):
                return status
            assert time.monotonic() < end, f"{what} did not come true within {seconds} s: {status}"
            time.sleep(0.005)


class Book:
    """What one client has sent and got."""

    def __init__(self):
        self.sent = self.answered = self.connections = 0
        self.failures: list[str] = []


class Clients:
    """Threads of clients of all kinds, until they are told to stop."""

    def __init__(self, port: int, path: str, seed: int, each: int = 3):
        self.port, self.path = port, path
        self.stopped = threading.Event()
        self.books: list[Book] = []
        self.threads: list[threading.Thread] = []
        for number, kind in enumerate([self.keep_alive, self.new_connection, self.pipelined, self.unix] * each):
            book, chance = Book(), random.Random(seed * 1000 + number)
            self.books.append(book)
            self.threads.append(threading.Thread(target=self.run, args=(kind, book, chance)))

    def __enter__(self) -> "Clients":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads), "a client never got its answer"

    @property
    def sent(self) -> int:
        return sum(book.sent for book in self.books)

    @property
    def answered(self) -> int:
        return sum(book.answered for book in self.books)

    @property
    def connections(self) -> int:
        return sum(book.connections for book in self.books)

    @property
    def failures(self) -> list[str]:
        return [failure for book in self.books for failure in book.failures]

    def run(self, kind, book: Book, chance: random.Random) -> None:
        while not self.stopped.is_set():
            try:
                kind(book, chance)
            except (OSError, AssertionError) as error:
                book.failures.append(f"{kind.__name__}: {error!r}")

    # Each of these is one connection.

    def keep_alive(self, book: Book, chance: random.Random) -> None:
        with self.connect(book) as connection:
            self.talk(connection, book, chance, requests=chance.randint(1, 200))

    def new_connection(self, book: Book, chance: random.Random) -> None:
        with self.connect(book) as connection:
            self.talk(connection, book, chance, requests=1)

    def pipelined(self, book: Book, chance: random.Random) -> None:
        with self.connect(book) as connection:
            self.talk(connection, book, chance, requests=chance.randint(1, 20), batch=8)

    def unix(self, book: Book, chance: random.Random) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            # A Unix socket whose queue is full refuses at once, instead of having its client wait.
            connection.connect(self.path)
            book.connections += 1
            self.talk(connection, book, chance, requests=chance.randint(1, 50))

    def connect(self, book: Book) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), 30)
        book.connections += 1
        return connection

    def talk(self, connection, book: Book, chance: random.Random, requests: int, batch: int = 1) -> None:
        """Sends requests and takes the answers, until the server wants no more."""
        with connection.makefile("rb") as stream:
            for _ in range(requests):
                if self.stopped.is_set():
                    return
                if chance.random() < 0.1:
                    time.sleep(chance.random() * 0.05)
                text = b"".join(
                    b"GET /1k.bin?%d HTTP/1.1\r\nHost: ledger\r\n\r\n" % (book.sent + index) for index in range(batch)
                )
                connection.sendall(text)
                book.sent += batch
                for index in range(batch):
                    closes = read_answer(stream)
                    book.answered += 1
                    if closes:
                        # All that has arrived has to be answered before.
                        assert index == batch - 1, f"{batch - 1 - index} of {batch} requests were left unanswered"
                        assert stream.read() == b"", "more came after the last answer"
                        return


def read_answer(stream) -> bool:
    """Reads one answer, exactly as it has to be; whether it is the last."""
    line = stream.readline()
    assert line == b"HTTP/1.1 200 OK\r\n", f"not an answer: {line!r}"
    fields = {}
    while (line := stream.readline()) != b"\r\n":
        assert line.endswith(b"\r\n"), f"not a field: {line!r}"
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    body = stream.read(int(fields[b"content-length"]))
    assert body == BODY, f"{len(body)} bytes that are not the file's"
    return fields.get(b"connection") == b"close"


class Operations:
    """Things that are done to a server, by chance."""

    def __init__(self, control: Control, master: int, errors: str, chance: random.Random, accept: str):
        self.control, self.master, self.errors, self.chance = control, master, errors, chance
        self.done: dict[str, int] = {}
        self.kinds = [self.reload, self.hang_up, self.resize, self.grow, self.shrink, self.upgrade, self.recycle]
        # With a queue for each worker none can be called idle: the next connection may be on its way to it.
        if accept == "shared":
            self.kinds.append(self.kill_idle)

    def one(self) -> str:
        kind = self.chance.choice(self.kinds)
        name = kind() or kind.__name__
        self.done[name] = self.done.get(name, 0) + 1
        return name

    def reload(self) -> None:
        verdict, _ = self.control.ask("reload")
        assert verdict.startswith("ok generation"), verdict

    def hang_up(self) -> None:
        before = self.settled()["generation"]
        os.kill(self.master, signal.SIGHUP)
        self.control.wait(lambda now: now["generation"] > before and not now["changing"], "the reload")

    def upgrade(self) -> None:
        verdict, _ = self.control.ask("upgrade")
        assert verdict.startswith("ok generation"), verdict

    def resize(self) -> None:
        verdict, _ = self.control.ask(f"workers {self.chance.randint(1, 6)}")
        assert verdict.startswith("ok"), verdict

    def grow(self) -> None:
        os.kill(self.master, signal.SIGTTIN)

    def shrink(self) -> None:
        os.kill(self.master, signal.SIGTTOU)

    @property
    def recycled(self) -> int:
        return Path(self.errors).read_text().count("requests; it is replaced")

    def recycle(self) -> None:
        """Waits until the server replaces a worker of its own accord: after a thousand requests."""
        before, end = self.recycled, time.monotonic() + 20
        while self.recycled == before:
            assert time.monotonic() < end, "no worker was replaced after a thousand requests"
            time.sleep(0.02)

    def kill_idle(self) -> str | None:
        """kill -9 of a worker that serves nobody: stopped first, so that it takes nobody while it is looked at."""
        status = self.settled()
        old = {worker["pid"] for worker in status["workers"]}
        if any(self.kill_if_idle(worker["pid"]) for worker in status["workers"] if not worker["connections"]):
            return None
        # All have work to do: one that has just been started has none yet.
        self.control.ask(f"workers {status['workers_wanted'] + 1}")
        for _ in range(200):
            new = [worker for worker in self.control.status()["workers"] if worker["pid"] not in old]
            if new:
                return None if self.kill_if_idle(new[0]["pid"]) else "nobody idle"
        return "nobody idle"

    def kill_if_idle(self, pid: int) -> bool:
        try:
            os.kill(pid, signal.SIGSTOP)
            # It has stopped when the system says so.
            wait_for_state(pid, "TZ")
            if sockets(pid) == sockets(self.master, listening=True):
                os.kill(pid, signal.SIGKILL)
                self.settled()
                return True
            os.kill(pid, signal.SIGCONT)
        except (FileNotFoundError, ProcessLookupError):
            # It was on its way out.
            pass
        return False

    def settled(self) -> dict:
        return self.control.wait(
            lambda now: not now["changing"] and now["workers_serving"] == now["workers_wanted"], "a quiet server"
        )


def wait_for_state(pid: int, states: str) -> None:
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in states:
        time.sleep(0.001)


def sockets(pid: int, listening: bool = False) -> int:
    """How many sockets that clients can be at a process has: of the master, those that listen."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]
    state = {line.split()[9]: line.split()[3] for line in lines}
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        # Sockets that listen have a flag; the control socket is the master's alone.
        state[fields[6]] = "0A" if fields[3] == "00010000" else "01"
    count = 0
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        inode = link[8:-1] if link.startswith("socket:[") else None
        if inode is None:
            continue
        count += state.get(inode) == "0A" if listening else 1
    return count - (1 if listening else 0)


def run(
    binary: str, operations: int, seed: int, each: int = 3, say=print, accept: str = "shared", requests: int = 0, between=lambda port: port
) -> dict[str, int]:
    """The whole test; fails with an AssertionError.

    It goes on until so many operations have been done and so many requests answered. Clients connect to the port that `between` makes of the
    server's: something may stand there that loses requests, to show that this is found.
    """
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        site.mkdir()
        (site / "1k.bin").write_bytes(BODY)
        path, command = f"{folder}/http", f"{folder}/control"
        errors = open(f"{folder}/errors", "w+b")
        process = subprocess.Popen(
            [binary, "serve", str(site), "-b", "127.0.0.1:0", "-b", f"unix:{path}", "-w", "4", "--control", command, "--accept", accept,
             # A few seconds of load, so that workers are recycled all the time.
             "--max-requests", "1000"],
            stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL,
        )
        try:
            line = process.stdout.readline().decode()
            port = int(re.search(r"127\.0\.0\.1:(\d+)", line)[1])
            control = Control(command)
            happening = Operations(control, process.pid, errors.name, random.Random(seed), accept)
            begin, highest = time.monotonic(), 0
            with Clients(between(port), path, seed, each) as clients:
                for number in range(operations):
                    name = happening.one()
                    total = control.status()["totals"]["requests"]
                    assert total >= highest, f"the total went back from {highest} to {total} after {name}"
                    highest = total
                    assert not clients.failures, f"after {name}, operation {number}: {clients.failures[:5]}"
                    time.sleep(happening.chance.random() * 0.1)
                while clients.answered < requests and not clients.failures:
                    time.sleep(0.01)
                happening.settled()
            status = control.wait(lambda now: not any(worker["in_flight"] for worker in now["workers"]), "quiet")
            totals = status["totals"]
            say(
                f"seed {seed}, {accept}: {operations} operations in {time.monotonic() - begin:.1f} s: {happening.done}, {happening.recycled} recycled;"
                f" {clients.sent} requests on {clients.connections} connections, {clients.answered} answers,"
                f" {totals['requests']} counted, {len(clients.failures)} failures"
            )
            assert not clients.failures, clients.failures[:10]
            assert clients.sent == clients.answered == totals["requests"], (clients.sent, clients.answered, totals)
            assert clients.connections == totals["accepted"], (clients.connections, totals)
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(30) == 0
            return happening.done
        except BaseException:
            say(f"seed {seed}; the server said:\n{Path(errors.name).read_text()[-4000:]}")
            raise
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
            process.stdout.close()
            errors.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--operations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--accept", choices=["shared", "reuseport"], default="shared")
    options = parser.parse_args()
    try:
        run(options.binary, options.operations, options.seed, accept=options.accept)
    except AssertionError as error:
        sys.exit(f"the ledger does not add up: {error}")
