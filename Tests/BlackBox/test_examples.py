"""The examples: each runs to its end and prints what its first lines promise."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(spork):
    """Runs an example by its name and gives what it printed."""

    def run(name: str, *arguments: str) -> str:
        path = Path(spork).resolve().parent / name
        if not os.access(path, os.X_OK):
            pytest.fail(f"no binary at {path}: scripts/test builds it")
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_switching_by_hand(run):
    assert run("SwitchingByHand").splitlines() == [
        "you said one",
        "you said two",
        "bye, then",
        "the parrot has finished",
        *(f"square {number * number}" for number in range(1, 8)),
    ]


def test_spawn_and_join(run):
    lines = run("SpawnAndJoin").splitlines()
    assert lines[:7] == [
        "quick begins",
        "middling begins",
        "slow begins",
        "quick took 0.05 seconds",
        "middling took 0.1 seconds",
        "slow has not ended: timed out after 0.05 seconds",
        lines[6],
    ]
    assert re.fullmatch(r"#1 main \(SpawnAndJoin/main\.swift:\d+\), \d\.\d s old, running", lines[6])
    assert re.fullmatch(
        r"#4 slow \(SpawnAndJoin/main\.swift:\d+\), 0\.\d s old, waits to sleep since 0\.\d s, spawned by #1", lines[7]
    )
    assert lines[8:] == ["slow is cancelled"]


def test_producer_and_consumer(run):
    lines = run("ProducerAndConsumer").splitlines()
    assert [line for line in lines if "received" in line] == [f"  received {number}" for number in range(1, 8)]
    assert [line.split(",")[0] for line in lines if "sent" in line] == [f"sent {number}" for number in range(1, 7)]
    # Never are there more than two in the queue.
    assert all(int(re.search(r"(\d+) wait", line)[1]) <= 2 for line in lines if "sent" in line)
    assert lines.count("  nothing came for 100 ms") >= 1
    assert lines[-1] == "  that was all"


def test_behaviour_38_a_hundred_thousand_sleepers_cost_200_mb_and_give_it_back(run):
    found = re.fullmatch(r"100000 sleepers: (\d+) KB, (-?\d+) KB of it left when they are gone\n", run("Sleepers", "100000"))
    used, left = int(found[1]), int(found[2])
    assert 50_000 < used <= 200_000
    # What the allocator keeps, and the tasks that wait to be used again.
    assert left < 10_000


@pytest.fixture
def started(spork):
    """Starts an example and gives the process; ends it when the test has not."""
    processes = []

    def start(name: str, *arguments: str) -> subprocess.Popen:
        path = Path(spork).resolve().parent / name
        processes.append(subprocess.Popen([path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def port_of(process: subprocess.Popen) -> int:
    """The port in the line that says where a server waits; lines before it are passed over."""
    for line in process.stdout:
        if found := re.fullmatch(r"waiting at 127\.0\.0\.1:(\d+)\n", line):
            return int(found[1])
    raise AssertionError(process.stderr.read())


def test_tcp_server(started):
    server = started("example-tcp-server", "127.0.0.1:0", "3")
    port = port_of(server)
    for number in range(3):
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(f"hello {number}\nbye".encode())
            client.shutdown(socket.SHUT_WR)
            assert client.makefile().read() == f"HELLO {number}\nBYE\n"
    assert server.wait(10) == 0
    assert server.stdout.read() == "3 connections, 6 lines\n"


def test_tcp_server_ends_with_ctrl_c(started):
    server = started("example-tcp-server", "127.0.0.1:0")
    port = port_of(server)
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"one\n")
        assert client.recv(10) == b"ONE\n"
        server.send_signal(signal.SIGINT)
        client.sendall(b"two\n")
        assert client.recv(10) == b"TWO\n", "what has begun is finished"
    assert server.wait(10) == 0


def test_timeout(run, started):
    server = started("example-tcp-server", "127.0.0.1:0", "1")
    assert run("example-timeout", f"127.0.0.1:{port_of(server)}", "are you there") == "ARE YOU THERE\n"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        client = started("example-timeout", f"127.0.0.1:{port}")
        begin = time.monotonic()
        assert client.wait(30) == 1
        assert 4.9 < time.monotonic() - begin < 15
        assert client.stderr.read() == f"example-timeout: read from 127.0.0.1:{port}: timed out\n"
    client = started("example-timeout", f"127.0.0.1:{port}")
    assert client.wait(10) == 1
    assert client.stderr.read() == f"example-timeout: connect 127.0.0.1:{port}: connection refused\n"


def test_nonblocking(started):
    server = started("example-nonblocking", "127.0.0.1:0", "1")
    assert re.fullmatch(r"accept on 127\.0\.0\.1:\d+: would block\n", server.stdout.readline())
    with socket.create_connection(("127.0.0.1", port_of(server)), 10) as client:
        client.sendall(b"hello")
        assert server.stdout.readline() == "1 connected\n"
        assert server.stdout.readline() == "received 5 bytes: hello\n"
    assert server.wait(10) == 0


@pytest.mark.parametrize("name", ["example-tcp-server", "example-timeout", "example-nonblocking"])
def test_wrong_use_is_told_in_one_line(started, name):
    for arguments in ([], ["no address"], ["127.0.0.1:0", "x", "y"]):
        process = started(name, *arguments)
        assert process.wait(10) == 2
        error = process.stderr.read()
        assert error.startswith(f"{name}: ") and error.count("\n") == 1
    process = started(name, "--help")
    assert process.wait(10) == 0 and process.stdout.readline().startswith(f"usage: {name} ADDRESS")
