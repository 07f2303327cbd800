"""What the comparisons share: servers pinned to one processor, load from another, processor time from the kernel.

Peers take turns within every round, so that whatever else the machine does falls on all of them alike. A table gives
medians over the rounds and ratios to one of the peers, never a time alone.
"""

import argparse
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SPORK = PROJECT / ".build/release/spork"
PEERS = Path(__file__).resolve().parent / "peers"
TICKS = os.sysconf("SC_CLK_TCK")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def need(*commands: str) -> None:
    """Ends the program with one line when a command is missing."""
    missing = [command for command in commands if not shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin")]
    if missing:
        sys.exit(f"please install: {' '.join(missing)} (Debian: apt-get install wrk nginx-light h2o)")
    if not SPORK.exists():
        sys.exit("no release binary: run scripts/bench once, which builds it")


def build(*command: str, directory: Path = PROJECT, **environment: str) -> None:
    done = subprocess.run(command, cwd=directory, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def find(command: str, packages: str) -> str:
    """A command's path; installs Debian packages that bring it when it is not there and we may."""
    path = f"{os.environ['PATH']}:{Path.home() / '.cargo/bin'}"
    if not shutil.which(command, path=path) and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {packages}")
        build("apt-get", "update", "-qq")
        build("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages.split(), DEBIAN_FRONTEND="noninteractive")
    return shutil.which(command, path=path) or sys.exit(f"please install: {packages}")


def python_with_gevent(work: Path) -> str:
    """A Python that has gevent: this one, or one of our own."""
    if subprocess.run([sys.executable, "-c", "import gevent"], capture_output=True).returncode == 0:
        return sys.executable
    say("installing gevent")
    build(sys.executable, "-m", "venv", str(work / "python"))
    build(str(work / "python/bin/pip"), "install", "-q", "gevent")
    return str(work / "python/bin/python")


def processors() -> tuple[int, int]:
    """The processor for the server and the one for the load."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        sys.exit("two processors are needed, one for the server and one for the load")
    return allowed[0], allowed[1]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processor_time(group: int) -> tuple[float, float]:
    """User and system seconds so far of all processes in a group."""
    user = system = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            user, system = user + int(fields[11]), system + int(fields[12])
    return user / TICKS, system / TICKS


class Server:
    """A server on a port of its own, pinned to one processor; `template` is a configuration below peers/."""

    def __init__(
        self, name: str, command: list[str], processor: int, work: Path, template: str | None = None,
        environment: dict[str, str] | None = None, **values: str,
    ):
        self.name, self.port = name, unused_port()
        values |= {"port": str(self.port), "work": str(work)}
        if template:
            configuration = work / f"{name}.conf"
            text = (PEERS / template).read_text()
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            configuration.write_text(text)
            values["configuration"] = str(configuration)
        filled = [word.format(**values) for word in command]
        self.log = open(work / f"{name}.log", "w")
        path = f"{os.environ['PATH']}:/usr/sbin"
        self.process = subprocess.Popen(
            ["taskset", "-c", str(processor), *filled], stdout=self.log, stderr=self.log, start_new_session=True,
            env=os.environ | {"PATH": path} | (environment or {}),
        )
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    sys.exit(f"{name} does not serve:\n{(work / f'{name}.log').read_text()}")
                time.sleep(0.02)

    def fetch(self, path: str) -> bytes:
        """The body at a path, by a client that is nobody's relative."""
        return subprocess.run(
            ["curl", "-sf", "--max-time", "5", f"http://127.0.0.1:{self.port}{path}"], capture_output=True, check=True
        ).stdout

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)
        self.log.close()


@dataclass
class Load:
    """One run of a generator, with its own processor time."""

    requests: int
    seconds: float
    user: float
    system: float
    text: str


def run_load(command: list[str], processor: int) -> Load:
    """Runs wrk or spork bench pinned to a processor; ends the program when it reports an error of any kind."""
    with subprocess.Popen(
        ["taskset", "-c", str(processor), *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", text)
    if process.returncode != 0 or not found:
        sys.exit(f"{' '.join(command)} failed:\n{text}")
    if bad := re.search(r"Socket errors.*|Non-2xx.*", text):
        sys.exit(f"{' '.join(command)}: {bad[0]}")
    seconds = float(found[2]) * {"ms": 0.001, "s": 1, "m": 60}[found[3]]
    return Load(int(found[1]), seconds, usage.ru_utime, usage.ru_stime, text)


@dataclass
class Samples:
    """What the rounds gave for one peer, by column."""

    columns: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **values: float) -> None:
        for key, value in values.items():
            self.columns.setdefault(key, []).append(value)

    def median(self, column: str) -> float:
        return statistics.median(self.columns[column])

    def spread(self, column: str) -> str:
        return f"{min(self.columns[column]):.2f}–{max(self.columns[column]):.2f}"


def version(*command: str) -> str:
    """The first line in which a program gives a version number."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PATH": path})
    lines = [line for line in (result.stdout + result.stderr).splitlines() if re.search(r"\d\.\d", line)]
    return re.search(r"\d+(\.\d+)+\S*", lines[0])[0] if lines else "unknown"


def conditions() -> list[str]:
    """The machine and the day, as lines of a list."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True).stdout.strip()
    return [
        f"* {time.strftime('%Y-%m-%d')}, Spork at {commit}, Linux {platform.release()}",
        f"* {model[1] if model else platform.machine()}, {len(os.sched_getaffinity(0))} processors, a shared machine",
    ]


def arguments(description: str, **switches: str) -> argparse.Namespace:
    """The flags that comparisons share, and switches of their own with their help."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5, help="how often each peer has its turn (5)")
    parser.add_argument("--seconds", type=int, default=4, help="how long a turn lasts (4)")
    parser.add_argument("--connections", type=int, default=64, help="connections at a time (64)")
    parser.add_argument("--write", action="store_true", help="write the table to benchmarks/results, too")
    for name, text in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    return parser.parse_args()


def publish(name: str, lines: list[str], write: bool) -> None:
    """Prints a report, and keeps it when asked to."""
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if write:
        (Path(__file__).resolve().parent / "results" / f"{name}.md").write_text(text)
