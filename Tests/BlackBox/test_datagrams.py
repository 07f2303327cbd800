"""Datagrams and Unix sockets, from outside: the examples that the notes' programs became, among themselves and with real peers
(Python's sockets, socat, netcat), on loopback and in network namespaces of the test's own.
"""

import os
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest
from conftest import wait_until


class Program:
    """A running example, line by line."""

    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.buffer = b""

    def line(self, seconds: float = 10) -> str:
        """The next line that it prints."""
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            assert ready, f"nothing was printed for {seconds} s, after {self.buffer!r}"
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            assert part, f"it ended after {self.buffer!r}: {self.process.stderr.read()!r}"
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def port(self) -> int:
        """The port that its first line tells."""
        return int(re.fullmatch(r"waiting at \S+:(\d+)", self.line())[1])

    def end(self) -> tuple[int, str]:
        """Its exit code and what else it printed, when it ends by itself."""
        output, errors = self.process.communicate(timeout=20)
        assert errors == b""
        return self.process.returncode, (self.buffer + output).decode()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.end() == (130, "interrupted\n")


@pytest.fixture(scope="session")
def binaries(spork: str) -> Callable[[str], str]:
    """The path of an example's binary."""

    def find(name: str) -> str:
        path = Path(spork).resolve().parent / name
        if not os.access(path, os.X_OK):
            pytest.fail(f"no binary at {path}: scripts/test builds it")
        return str(path)

    return find


@pytest.fixture
def begin(binaries) -> Iterator[Callable[..., Program]]:
    """Starts examples; ends those that the test has not."""
    programs: list[Program] = []

    def begin(name: str, *arguments: object, before: tuple[str, ...] = ()) -> Program:
        programs.append(Program([*before, binaries(name), *map(str, arguments)]))
        return programs[-1]

    yield begin
    for program in programs:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait(5)
        program.process.stdout.close()
        program.process.stderr.close()


@pytest.fixture
def call(binaries) -> Callable[..., str]:
    """Runs an example to its end, which must be a good one, and gives what it printed."""

    def call(name: str, *arguments: object, before: tuple[str, ...] = ()) -> str:
        command = [*before, binaries(name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return call


def feed(text: bytes, *command: str) -> None:
    """Runs a peer with this on its standard input."""
    done = subprocess.run(command, input=text, capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr


EXAMPLES = ["example-broadcast-send", "example-broadcast-receive", "example-unix-send", "example-unix-receive"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_tells_how_it_is_called(name, binaries):
    done = subprocess.run([binaries(name), "--help"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: {name} ADDRESS") and not done.stderr
    for arguments in [], ["nonsense"] * 2, [""] * 9:
        done = subprocess.run([binaries(name), *arguments], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and not done.stdout
        assert re.fullmatch(rf"{name}: (usage: .*|'.*' is no .*)\n", done.stderr), done.stderr


def test_what_cannot_be_done_is_one_line(binaries, tmp_path):
    def fails(name: str, *arguments: str) -> str:
        done = subprocess.run([binaries(name), *arguments], capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr

    missing = f"unix:{tmp_path}/missing"
    assert fails("example-unix-send", missing, "x") == (
        f"example-unix-send: connect {missing}: no such file or directory\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert fails("example-broadcast-receive", f"127.0.0.1:{port}") == (
            f"example-broadcast-receive: bind 127.0.0.1:{port}: address already in use\n"
        )
        message = "x" * 70000
        assert fails("example-broadcast-send", f"127.0.0.1:{port}", message) == (
            f"example-broadcast-send: send to 127.0.0.1:{port}: message too long\n"
        )


def test_udp_from_python_socat_and_netcat(begin):
    receiver = begin("example-broadcast-receive", "127.0.0.1:0", 4)
    port = receiver.port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for text in ["from Python", "größer als ASCII"]:
            sender.sendto(text.encode(), ("127.0.0.1", port))
            assert receiver.line() == f"127.0.0.1:{sender_port(sender)} says: {text}"
    feed(b"from socat", "socat", "-u", "-", f"UDP-SENDTO:127.0.0.1:{port}")
    assert receiver.line().endswith(" says: from socat")
    feed(b"from netcat", "nc", "-u", "-w", "1", "127.0.0.1", str(port))
    assert receiver.line().endswith(" says: from netcat")
    assert receiver.end() == (0, "")


def sender_port(sender: socket.socket) -> int:
    return sender.getsockname()[1]


def test_udp_over_ipv6_with_python(begin):
    receiver = begin("example-broadcast-receive", "[::1]:0", 1)
    port = receiver.port()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"six", ("::1", port))
        assert receiver.line() == f"[::1]:{sender_port(sender)} says: six"
    assert receiver.end() == (0, "")


def test_two_receivers_on_loopback_both_get_every_broadcast(begin, call):
    first = begin("example-broadcast-receive", "0.0.0.0:0", 3)
    port = first.port()
    second = begin("example-broadcast-receive", f"0.0.0.0:{port}", 3)
    assert second.port() == port
    said = call("example-broadcast-send", f"127.255.255.255:{port}", "anyone there?")
    assert re.fullmatch(rf"sent 'anyone there\?' to 127\.255\.255\.255:{port}, 1 times in \d+ ms\n", said)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.sendto(b"from Python", ("127.255.255.255", port))
    feed(b"from socat", "socat", "-u", "-", f"UDP-DATAGRAM:127.255.255.255:{port},broadcast")
    for receiver in first, second:
        texts = [receiver.line().split(" says: ")[1] for _ in range(3)]
        assert texts == ["anyone there?", "from Python", "from socat"]
        assert receiver.end() == (0, "")


def test_python_hears_a_broadcast(call):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("", 0))
        receiver.settimeout(10)
        call("example-broadcast-send", f"127.255.255.255:{sender_port(receiver)}", "hello")
        assert receiver.recv(100) == b"hello"


def test_more_than_a_hundred_broadcasts_take_their_time(call):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind(("", 0))
        receiver.settimeout(1)
        said = call("example-broadcast-send", f"127.255.255.255:{sender_port(receiver)}", "storm", 150)
        milliseconds = int(re.search(r"150 times in (\d+) ms", said)[1])
        # A hundred at once, and fifty of a hundred a second.
        assert 490 <= milliseconds < 5000
        assert [receiver.recv(100) for _ in range(150)] == [b"storm"] * 150
        # What goes to one receiver is not limited.
        said = call("example-broadcast-send", f"127.0.0.1:{sender_port(receiver)}", "no storm", 1000)
        assert int(re.search(r"1000 times in (\d+) ms", said)[1]) < 5000


def test_an_interrupted_receiver_and_sender(begin):
    receiver = begin("example-broadcast-receive", "127.0.0.1:0")
    receiver.port()
    receiver.interrupt()
    sender = begin("example-broadcast-send", "127.255.255.255:9", "x", 100000)
    # Once the signal is caught, and not before, does it mean the example's own end.
    status = Path(f"/proc/{sender.process.pid}/status")
    caught = 1 << (signal.SIGINT - 1)
    wait_until(lambda: int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16) & caught, what="SIGINT caught")
    sender.process.send_signal(signal.SIGINT)
    assert sender.end() == (130, "")


@pytest.fixture
def network() -> Iterator[list[str]]:
    """Three network namespaces on one bridge, with 10.83.7.1 to .3; skipped where that is not permitted."""
    if shutil.which("ip") is None:
        pytest.skip("there is no ip command")
    names = [f"spork-{os.getpid()}-{number}" for number in (1, 2, 3)]
    hub = f"spork-{os.getpid()}-hub"

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)

    try:
        try:
            ip("netns", "add", hub)
            ip("-n", hub, "link", "add", "bridge", "type", "bridge")
            ip("-n", hub, "link", "set", "bridge", "up")
            for number, name in enumerate(names, 1):
                ip("netns", "add", name)
                ip("-n", hub, "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
                ip("-n", hub, "link", "set", f"port{number}", "master", "bridge", "up")
                ip("-n", name, "address", "add", f"10.83.7.{number}/24", "broadcast", "10.83.7.255", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
                ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}")
        yield names
    finally:
        for name in [*names, hub]:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=20)


def test_a_broadcast_reaches_receivers_in_other_network_namespaces(network, begin, call):
    def inside(name: str) -> tuple[str, ...]:
        return "ip", "netns", "exec", name

    receivers = [begin("example-broadcast-receive", "0.0.0.0:9999", 2, before=inside(name)) for name in network[1:]]
    for receiver in receivers:
        assert receiver.port() == 9999
    # The bridge's ports and the interfaces come up in their own time, and a broadcast before is lost: probes, until both have had one.
    heard = [False, False]
    for _ in range(200):
        call("example-broadcast-send", "10.83.7.255:9999", "probe", before=inside(network[0]))
        ready, _, _ = select.select([receiver.process.stdout for receiver in receivers], [], [], 0.1)
        heard = [said or receiver.process.stdout in ready for said, receiver in zip(heard, receivers)]
        if all(heard):
            break
    assert all(heard)
    for receiver in receivers:
        assert re.fullmatch(r"10\.83\.7\.1:\d+ says: probe", receiver.line())
    call("example-broadcast-send", "10.83.7.255:9999", "to all of you", 2, before=inside(network[0]))
    for receiver in receivers:
        # The second is another probe where one receiver was slower than the other to come up.
        code, rest = receiver.end()
        assert code == 0 and re.fullmatch(r"10\.83\.7\.1:\d+ says: (probe|to all of you)\n", rest)
    # It is the network's own broadcast address, as its routes say, and limited like all.
    said = call("example-broadcast-send", "10.83.7.255:9999", "storm", 120, before=inside(network[0]))
    assert int(re.search(r"120 times in (\d+) ms", said)[1]) >= 190


def test_the_unix_pair(begin, call, tmp_path):
    address = f"unix:{tmp_path}/notes.sock"
    receiver = begin("example-unix-receive", address, 2)
    assert receiver.line() == f"waiting at {address}"
    status = os.stat(tmp_path / "notes.sock")
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600
    assert call("example-unix-send", address, "hello", "how are you?") == "sent: hello\nsent: how are you?\n"
    connected = re.fullmatch(r"process (\d+) of user (\d+) has connected", receiver.line())
    assert int(connected[2]) == os.getuid()
    assert [receiver.line() for _ in range(3)] == [
        f"process {connected[1]} says: hello",
        f"process {connected[1]} says: how are you?",
        f"process {connected[1]} has gone",
    ]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(tmp_path / "notes.sock"))
        client.sendall(b"from Python\n")
    me = os.getpid()
    rest = [f"of user {os.getuid()} has connected", "says: from Python", "has gone"]
    assert receiver.end() == (0, "".join(f"process {me} {line}\n" for line in rest))
    assert not list(tmp_path.iterdir())


def test_unix_streams_with_socat_and_netcat(begin, call, tmp_path):
    path = tmp_path / "notes.sock"
    receiver = begin("example-unix-receive", f"unix:{path}", 2)
    receiver.line()
    feed(b"from socat\n", "socat", "-u", "-", f"UNIX-CONNECT:{path}")
    assert [receiver.line().split(" ", 2)[2] for _ in range(3)][1:] == ["says: from socat", "has gone"]
    feed(b"from netcat\n", "nc", "-N", "-U", str(path))
    assert [receiver.line().split(" ", 2)[2] for _ in range(3)][1:] == ["says: from netcat", "has gone"]
    assert receiver.end() == (0, "")
    for listening in (["socat", "-u", f"UNIX-LISTEN:{path}", "-"], ["nc", "-l", "-U", str(path)]):
        with subprocess.Popen(listening, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as peer:
            wait_until(path.exists, what="the peer's socket")
            wait_until(lambda: str(path) in Path("/proc/net/unix").read_text(), what="the peer's socket")
            call("example-unix-send", f"unix:{path}", "to a peer")
            assert peer.communicate(timeout=20)[0] == b"to a peer\n"
        path.unlink(missing_ok=True)


def test_abstract_names_need_no_file(begin, call):
    name = f"unix:@spork-test-{os.getpid()}"
    receiver = begin("example-unix-receive", name, 1)
    assert receiver.line() == f"waiting at {name}"
    call("example-unix-send", name, "no file")
    assert [receiver.line() for _ in range(3)][1].endswith(" says: no file")
    assert receiver.end() == (0, "")


def test_a_socket_file_left_over_is_replaced_and_a_living_one_is_not(begin, call, binaries, tmp_path):
    path = tmp_path / "notes.sock"
    address = f"unix:{path}"
    killed = begin("example-unix-receive", address)
    killed.line()
    killed.process.kill()
    killed.process.wait(5)
    assert path.exists()
    receiver = begin("example-unix-receive", address)
    assert receiver.line() == f"waiting at {address}"
    for _ in range(3):
        thief = subprocess.run([binaries("example-unix-receive"), address], capture_output=True, text=True, timeout=20)
        assert (thief.returncode, thief.stdout) == (1, "")
        assert thief.stderr == f"example-unix-receive: bind {address}: address already in use\n"
    call("example-unix-send", address, "still yours")
    assert [receiver.line() for _ in range(3)][1].endswith(" says: still yours")
    receiver.interrupt()
    assert not path.exists()
