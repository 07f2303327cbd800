"""Nothing is lost, whatever is done to a server: a short form of what scripts/ledger does at length. And if something were, it would be found."""

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import ledger
import pytest


@pytest.mark.parametrize("accept", ["shared", "reuseport"])
def test_every_request_is_accounted_for(spork: str, accept: str):
    """Reloads, upgrades, resizing, recycling and kills of idle workers under four kinds of load: every request has its answer, and was
    counted once."""
    seed = random.randrange(1 << 30)
    ledger.run(spork, operations=30, seed=seed, accept=accept)


class Thief:
    """Stands between clients and a server, and does something else than to pass on the 10,000th answer."""

    MARK = b"HTTP/1.1 200 OK"

    def __init__(self, does: str, period: int = 10_000):
        self.does, self.period, self.passed, self.done = does, period, 0, 0
        self.lock = threading.Lock()

    def __call__(self, port: int) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        threading.Thread(target=self.accept, args=(listener, port), daemon=True).start()
        return listener.getsockname()[1]

    def accept(self, listener: socket.socket, port: int) -> None:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self.back, args=(server, client), daemon=True).start()

    def forward(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while part := source.recv(65536):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def back(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while part := source.recv(65536):
                with self.lock:
                    before, self.passed = self.passed, self.passed + part.count(self.MARK)
                    steals = not self.done and self.passed >= self.period
                    self.done += steals
                if steals and self.does == "cut":
                    target.sendall(part[: part.index(self.MARK)])
                    break
                if steals and self.does == "change":
                    part = part.replace(self.MARK, b"HTTP/1.1 200 0K", 1)
                target.sendall(part)
        except OSError:
            pass
        # Not only closed: the other thread may be waiting for one of them.
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


@pytest.mark.parametrize("does", ["cut", "change"])
def test_a_loss_is_found(spork: str, does: str):
    """One answer in ten thousand that does not arrive, or is not what it was, makes the ledger fail."""
    thief, lines = Thief(does), []
    with pytest.raises(AssertionError, match="keep_alive|new_connection|pipelined"):
        ledger.run(spork, operations=0, seed=1, requests=40_000, between=thief, say=lines.append)
    assert thief.done == 1 and lines[0].endswith(", 1 failures"), lines
    # Without it such a run adds up.
    ledger.run(spork, operations=0, seed=1, requests=20_000, between=Thief("nothing"))


def test_a_request_that_nobody_has_sent_is_found(spork: str):
    """What the server has counted and no client has sent makes the ledger fail."""

    def between(port: int) -> int:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /1k.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            while connection.recv(65536):
                pass
        return port

    with pytest.raises(AssertionError):
        ledger.run(spork, operations=0, seed=1, requests=500, between=between)


def test_numbers_come_back_through_reloads(spork: str, start_example):
    """The generator's own ledger, at its speed: each of many thousands of numbered requests has its own answer, while the workers are
    replaced, added and taken away. The old workers' time to drain (two seconds) ends meanwhile: by then nobody may be with them."""
    server = start_example("example-http", "-w", "2")
    command = [spork, "bench", f"{server.url}/echo", "-b", "number {number}", "-c16", "-t1", "-d4s", "--ledger", "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for number in [signal.SIGHUP, signal.SIGTTIN, signal.SIGHUP, signal.SIGTTOU, signal.SIGHUP]:
            time.sleep(0.6)
            assert process.poll() is None
            os.kill(server.master, number)
        found = json.loads(process.communicate(timeout=30)[0])
    assert process.returncode == 0 and found["ledger"]["balanced"] and found["accounted"]
    assert found["ledger"]["right"] == found["ledger"]["numbers"] > 1000, (found["ledger"], found["errors_by_phase"])
    server.stop()
