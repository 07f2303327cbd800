"""What requests leave behind, counted (benchmarks/requests): nothing. Ten million of them: scripts/growth."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def test_requests_leave_nothing_behind(example):
    binaries = Path(example("example-http")).parent
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks/requests"), "--growth", "200000", "--binaries", str(binaries)],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
