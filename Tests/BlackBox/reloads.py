"""Many reloads in a row: nothing may grow. Used by test_operations.py, and by scripts/ledger for as many as one likes:

    reloads.py BINARY [--reloads 1000]
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ledger import Control


def descriptors(pid: int) -> int:
    """How many descriptors a process keeps: what it is about to close is not counted."""
    counts = []
    for _ in range(20):
        counts.append(len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.01)
    return min(counts)


def memory(pid: int) -> int:
    """KB of private memory."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(amount) for amount in re.findall(r"Private_\w+: +(\d+) kB", text))


def run(binary: str, reloads: int, say=print) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/control"
        process = subprocess.Popen(
            [binary, "serve", folder, "-b", "127.0.0.1:0", "-w", "2", "--control", path],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )
        try:
            process.stdout.readline()
            control = Control(path)

            def reload(times: int) -> tuple[int, int, int, int]:
                for _ in range(times):
                    verdict, _ = control.ask("reload")
                    assert verdict.startswith("ok"), verdict
                status = control.wait(lambda now: len(now["workers"]) == 2, "the end of the old workers")
                worker = status["workers"][0]["pid"]
                return descriptors(process.pid), memory(process.pid), descriptors(worker), memory(worker)

            before = reload(20)
            after = reload(reloads)
            say(f"{reloads} reloads: descriptors and KB of master {before[:2]} -> {after[:2]}, of a worker {before[2:]} -> {after[2:]}")
            assert after[0] <= before[0] and after[2] <= before[2], "descriptors have leaked"
            assert after[1] - before[1] < 256 and after[3] - before[3] < 256, "memory has grown"
            assert control.status()["generation"] == 21 + reloads
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                process.kill()
            process.stdout.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--reloads", type=int, default=1000)
    options = parser.parse_args()
    try:
        run(options.binary, options.reloads)
    except AssertionError as error:
        sys.exit(f"after many reloads: {error}")
