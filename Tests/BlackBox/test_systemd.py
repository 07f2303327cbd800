"""What a service manager and a container see: sockets that are passed, states that are told, process number one."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import Server, alive, wait_until


class Manager:
    """A service manager's end of the notification socket."""

    def __init__(self, path: Path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(10)
        self.heard: list[dict[str, str]] = []

    def hear(self, key: str) -> dict[str, str]:
        """Waits for a message with this key."""
        while True:
            text = self.socket.recv(4096).decode()
            message = dict(line.split("=", 1) for line in text.splitlines())
            self.heard.append(message)
            if key in message:
                return message


def test_notifications(spork: str, site: Path, tmp_path: Path):
    """READY when all serve, RELOADING with the time and READY again, STOPPING; and WATCHDOG as often as is asked for."""
    manager = Manager(tmp_path / "notify")
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
    server = Server([spork, "serve", str(site), "-w", "2", "-b", "127.0.0.1:0"], env=environment)
    try:
        ready = manager.hear("READY")
        assert ready["STATUS"] == "2 of 2 workers serve, generation 1"
        before = time.monotonic()
        for _ in range(5):
            manager.hear("WATCHDOG")
        assert 0.6 < time.monotonic() - before < 2
        now = time.clock_gettime(time.CLOCK_MONOTONIC)
        os.kill(server.master, signal.SIGHUP)
        reloading = manager.hear("RELOADING")
        assert 0 <= int(reloading["MONOTONIC_USEC"]) / 1e6 - now < 5
        assert manager.hear("READY")["STATUS"] == "2 of 2 workers serve, generation 2"
        os.kill(server.master, signal.SIGUSR2)
        manager.hear("RELOADING")
        assert manager.hear("READY")["STATUS"] == "2 of 2 workers serve, generation 3"
        os.kill(server.master, signal.SIGTERM)
        manager.hear("STOPPING")
        assert server.process.wait(10) == 0
    finally:
        if server.process.poll() is None:
            server.kill()


def test_passed_sockets(spork: str, site: Path, tmp_path: Path):
    """Sockets that systemd has opened are served from, and stay open over an upgrade; connections made before the start are answered."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    early = socket.create_connection(("127.0.0.1", port), 10)
    early.sendall(b"GET /1.bin HTTP/1.0\r\n\r\n")

    # Descriptor 3 is where systemd puts the first; the test's own is left alone if it has it already.
    taken = os.dup(3) if os.path.exists("/proc/self/fd/3") else None
    os.dup2(listener.fileno(), 3)
    # The shell becomes the server, so that its number is known before.
    script = f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@"'
    server = Server(
        ["sh", "-c", script, spork, "serve", str(site), "-w", "1"], pass_fds=[3]
    )
    if taken is None:
        os.close(3)
    else:
        os.dup2(taken, 3)
        os.close(taken)
    try:
        assert server.url == f"http://127.0.0.1:{port}"
        assert early.recv(4096).startswith(b"HTTP/1.1 200")
        os.kill(server.master, signal.SIGUSR2)
        wait_until(lambda: b"generation 2, 1 of 1" in Path(f"/proc/{server.master}/cmdline").read_bytes())
        assert server.exchange(b"GET /1.bin HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
        server.stop()
        # It is still the manager's.
        with socket.create_connection(("127.0.0.1", port), 10):
            pass
    finally:
        early.close()
        listener.close()
        if server.process.poll() is None:
            server.kill()


def test_states_in_between(spork: str, site: Path, tmp_path: Path):
    """What an operator looks at is told as well: how many workers serve; and a reload that has failed is over, too."""
    manager = Manager(tmp_path / "notify")
    folder = tmp_path / "site"
    folder.mkdir()
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    server = Server([spork, "serve", str(folder), "-w", "1", "-b", "127.0.0.1:0"], env=environment)
    try:
        assert manager.hear("READY")["STATUS"] == "1 of 1 workers serve, generation 1"
        os.kill(server.master, signal.SIGTTIN)
        while manager.hear("STATUS")["STATUS"] != "2 of 2 workers serve, generation 1":
            pass
        os.kill(server.workers()[0], signal.SIGKILL)
        seen = [manager.hear("STATUS")["STATUS"] for _ in range(2)]
        assert seen == ["1 of 2 workers serve, generation 1", "2 of 2 workers serve, generation 1"]
        folder.rename(tmp_path / "elsewhere")
        os.kill(server.master, signal.SIGHUP)
        manager.hear("RELOADING")
        assert manager.hear("READY")["STATUS"] == "2 of 2 workers serve, generation 1"
        (tmp_path / "elsewhere").rename(folder)
        os.kill(server.master, signal.SIGTERM)
        stopping = manager.hear("STOPPING")
        assert stopping["STATUS"] == "finishing what has begun"
        assert server.process.wait(10) == 0
        # Nothing contradicts it afterwards.
        manager.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.socket.recv(4096)
    finally:
        if server.process.poll() is None:
            server.kill()


def can_unshare() -> bool:
    return subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="namespaces are needed")
def test_first_process(spork: str, site: Path, tmp_path: Path):
    """As the first process of a container a server reaps strangers, and ends when it is told to."""
    path = tmp_path / "control"
    # Two orphans that end a little later: their parent becomes the server.
    script = f'(sleep 0.5 & sleep 0.6 &); exec "{spork}" serve "{site}" -w 1 -b unix:{tmp_path}/http --control {path}'
    process = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )
    try:
        assert b"master 1 " in process.stdout.readline()
        [server] = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]

        def names() -> list[str]:
            pids = Path(f"/proc/{server}/task/{server}/children").read_text().split()
            return [Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids]

        wait_until(lambda: names().count("sleep") == 2)
        wait_until(lambda: names().count("sleep") == 0, 10, "the burial of the strangers")
        assert len(names()) == 1
        os.kill(server, signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()


def test_read_only_root(spork: str, site: Path, tmp_path: Path):
    """A server needs no place to write to."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("namespaces are needed")
    script = f'mount -o remount,bind,ro / 2>/dev/null || mount --bind / /mnt && mount -o remount,bind,ro / ; exec "{spork}" serve "{site}" -w 1 -b 127.0.0.1:0'
    server = Server(["unshare", "--mount", "sh", "-c", script], cwd="/")
    try:
        assert server.exchange(b"GET /1.bin HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is needed")
def test_unit_file_is_understood(spork: str, tmp_path: Path):
    """systemd has nothing to say against the unit file."""
    unit = (Path(__file__).resolve().parents[2] / "scripts/spork.service").read_text()
    (tmp_path / "spork.service").write_text(unit.replace("/usr/local/bin/spork", spork))
    result = subprocess.run(["systemd-analyze", "verify", str(tmp_path / "spork.service")], capture_output=True, text=True, timeout=30)
    version = int(subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True).stdout.split()[1])
    # What older ones do not know yet.
    lines = [line for line in result.stderr.splitlines() if version >= 253 or "notify-reload" not in line]
    assert not lines and (result.returncode == 0 or version < 253)


def test_rights_of_the_unit_are_enough(spork: str, site: Path, tmp_path: Path):
    """With the capabilities that the unit file leaves it the server does all it does: becomes another user, reloads, ends its workers."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("root and setpriv are needed")
    unit = (Path(__file__).resolve().parents[2] / "scripts/spork.service").read_text()
    [rights] = [line.partition("=")[2].split() for line in unit.splitlines() if line.startswith("CapabilityBoundingSet=")]
    bounding = ",".join(["-all"] + ["+" + right.removeprefix("CAP_").lower() for right in rights])
    server = Server(
        ["setpriv", f"--bounding-set={bounding}", spork, "serve", str(site), "-w", "2", "-b", "127.0.0.1:0", "--user", "daemon",
         "--max-memory", "1G", "--control", str(tmp_path / "control")],
    )
    try:
        old = server.workers()
        os.kill(server.master, signal.SIGHUP)
        wait_until(lambda: len(server.workers()) == 2 and not set(old) & set(server.workers()))
        assert server.exchange(b"GET /1.bin HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


def test_unit_file():
    """The unit file says what the server does."""
    unit = (Path(__file__).resolve().parents[2] / "scripts/spork.service").read_text()
    for line in ["Type=notify-reload", "WatchdogSec=", "ExecStart=", "KillMode=mixed", "Restart=on-failure"]:
        assert line in unit
