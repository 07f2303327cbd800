"""The examples: each runs to its end and prints what its first lines promise."""

import os
import re
import subprocess
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
