"""spork echo from outside: Python's sockets, socat and netcat as peers, slow readers, many connections, wake-ups counted."""

import hashlib
import os
import random
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

from conftest import alive, wait_until


def memory(pid: int) -> int:
    """The private memory of a process in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(number) for number in re.findall(r"^Private_(?:Clean|Dirty):\s*(\d+)", text, re.M))


def peak(pid: int) -> int:
    return 1024 * int(re.search(r"^VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def switches(pids: list[int]) -> int:
    """How often processes have gone to sleep and been woken."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1]) for pid in pids)


def exchange(connection: socket.socket, message: bytes) -> bytes:
    connection.sendall(message)
    answer = b""
    while len(answer) < len(message):
        part = connection.recv(1 << 20)
        assert part, "the server closed early"
        answer += part
    return answer


def raise_descriptor_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def test_what_is_sent_comes_back_over_tcp_ipv6_and_unix(start, tmp_path):
    server = start("-w", "2", "-b", "[::1]:0", "-b", f"unix:{tmp_path}/echo.sock", "-b", "unix:@spork-echo-test", command="echo")
    assert [re.sub(r":\d+$", "", url) for url in server.urls] == [
        "tcp://[::1]", f"unix:{tmp_path}/echo.sock", "unix:@spork-echo-test", "tcp://127.0.0.1",
    ]
    six = int(server.urls[0].rsplit(":", 1)[1])
    for family, address in [
        (socket.AF_INET6, ("::1", six)),
        (socket.AF_UNIX, f"{tmp_path}/echo.sock"),
        (socket.AF_UNIX, "\0spork-echo-test"),
        (socket.AF_INET, ("127.0.0.1", int(server.urls[3].rsplit(":", 1)[1]))),
    ]:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(address)
            for size in (1, 100, 65536, 65537):
                message = random.Random(size).randbytes(size)
                assert exchange(connection, message) == message
            # The end of what is sent is answered by the end of what comes back.
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
    server.stop()
    assert not (tmp_path / "echo.sock").exists()


@pytest.mark.parametrize("client", ["socat", "nc"])
def test_other_clients(start, client, tmp_path):
    assert shutil.which(client), f"scripts/test installs {client}"
    server = start("-w", "1", "-b", f"unix:{tmp_path}/s", command="echo")
    server.port = int(server.urls[1].rsplit(":", 1)[1])
    message = random.Random(1).randbytes(300_000)
    commands = {
        "socat": [["socat", "-t5", "-", f"TCP:127.0.0.1:{server.port}"], ["socat", "-t5", "-", f"UNIX-CONNECT:{tmp_path}/s"]],
        "nc": [["nc", "-N", "127.0.0.1", str(server.port)], ["nc", "-N", "-U", f"{tmp_path}/s"]],
    }
    for command in commands[client]:
        done = subprocess.run(command, input=message, capture_output=True, timeout=30)
        assert done.stdout == message, done.stderr


def test_a_gigabyte_through_a_slow_reader_is_byte_exact_in_bounded_memory(start):
    server = start("-w", "1", command="echo")
    worker = server.workers()[0]
    block = random.Random(3).randbytes(1 << 20)
    rounds = 1024
    with server.connect(60) as connection:
        sent, received = hashlib.sha256(), hashlib.sha256()

        def send() -> None:
            for number in range(rounds):
                part = number.to_bytes(8, "big") + block[8:]
                sent.update(part)
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        before = peak(worker)
        sender.start()
        # The reader takes its time at first: the server has to wait for it, not to keep what comes.
        count, slow_until = 0, time.monotonic() + 1
        while part := connection.recv(1 << 18):
            received.update(part)
            count += len(part)
            if time.monotonic() < slow_until:
                time.sleep(0.01)
        sender.join(60)
        assert count == rounds << 20
        assert received.digest() == sent.digest()
        assert peak(worker) - before < 4 << 20
    server.stop()


def test_ten_thousand_connections_on_one_worker(start):
    raise_descriptor_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 10_100, "this machine does not allow as many descriptors"
    server = start("-w", "1", command="echo")
    worker = server.workers()[0]
    connections = []
    try:
        before = memory(worker)
        for number in range(10_000):
            connections.append(server.connect(30))
            message = number.to_bytes(4, "big")
            assert exchange(connections[-1], message) == message
        used = (memory(worker) - before) / len(connections)
        assert used <= 2048, f"{used:.0f} bytes for an idle connection"
        # All of them are alive, in any order.
        for number, connection in random.Random(2).sample(list(enumerate(connections)), 2_000):
            message = b"again %d" % number
            assert exchange(connection, message) == message
    finally:
        for connection in connections:
            connection.close()
    wait_until(lambda: len(list(Path(f"/proc/{worker}/fd").iterdir())) < 50, what="the server closing what its clients have closed")
    server.stop()


def test_one_wake_up_for_a_connection_whatever_the_number_of_workers(start):
    server = start("-w", "16", command="echo")
    workers = server.workers()
    connections = []
    try:
        # Each worker has to be asleep in its loop, which it is after its first connection was waited for.
        wait_until(lambda: len(server.workers()) == 16)
        time.sleep(0.3)
        before = switches(workers)
        for _ in range(200):
            connections.append(server.connect())
            held = len(connections)
            # Accepted, not only queued: the descriptor is there.
            wait_until(lambda: sum(descriptors(pid) for pid in workers) >= held, what="the connection being accepted")
        woken = switches(workers) - before
        assert woken / len(connections) <= 1.1, f"{woken} wake-ups for {len(connections)} connections"
    finally:
        for connection in connections:
            connection.close()
    server.stop()


def descriptors(pid: int) -> int:
    """How many TCP connections a process holds."""
    established = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "01"}
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        found += target.startswith("socket:[") and target[8:-1] in established
    return found


def test_a_drain_sends_back_what_has_come_and_ends(start):
    server = start("-w", "2", command="echo")
    with server.connect() as idle, server.connect() as busy:
        assert exchange(idle, b"here") == b"here"
        busy.sendall(b"x" * 100_000)
        server.stop(signal.SIGTERM)
        assert idle.recv(1) == b""
        answer = b""
        while part := busy.recv(1 << 16):
            answer += part
        assert answer == b"x" * 100_000


def test_addresses_that_cannot_be_had_are_named(spork, tmp_path):
    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run([spork, "echo", *arguments], capture_output=True, text=True, timeout=20)
        return done.returncode, done.stderr

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run("-b", f"unix:{tmp_path}/s", "-b", f"127.0.0.1:{port}") == (1, f"spork: bind 127.0.0.1:{port}: address already in use\n")
        assert not (tmp_path / "s").exists(), "a socket file stayed behind"
    assert run("-b", "unix:/no/such/directory/s") == (1, "spork: bind unix:/no/such/directory/s: no such file or directory\n")
    assert run("-b", "example.org:80")[0] == 2


def test_a_killed_worker_takes_only_its_own_connections(start):
    server = start("-w", "2", command="echo")
    first = server.workers()[0]
    with server.connect() as connection:
        assert exchange(connection, b"x") == b"x"
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not alive(first) and len(server.workers()) == 2, what="the worker being replaced")
    with server.connect() as connection:
        assert exchange(connection, b"y") == b"y"
    server.stop()
