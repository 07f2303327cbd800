"""The loop in a real process: loop-probe does one thing a run. Exit tests cannot show these, because they run inside a task of the runner's."""

import os
import subprocess
from pathlib import Path

import pytest

PROBES = [
    "everything on one thread", "four children", "the runtime's waits after ours", "actors keep their isolation",
]

DEADLOCKS = [
    "a deadlock after blocking calls", "a deadlock beside signals nobody waits for",
    "a deadlock beside a descriptor that was waited for",
]


@pytest.fixture(scope="session")
def probe(spork):
    path = Path(spork).resolve().parent / "loop-probe"
    if not os.access(path, os.X_OK):
        pytest.fail(f"no binary at {path}: scripts/test builds it")

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run([path, *arguments], capture_output=True, text=True, timeout=60, env=os.environ | environment)

    return run


def test_every_probe_is_run(probe):
    assert sorted(probe().stdout.splitlines()) == sorted(
        [*PROBES, *DEADLOCKS, "storm"]
    )


@pytest.mark.parametrize("hooks", ["1", "0"])
@pytest.mark.parametrize("name", PROBES)
def test_a_process_of_its_own(probe, name, hooks):
    done = probe(name, SPORK_LOOP_HOOKS=hooks)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("name", DEADLOCKS)
def test_deadlocks_are_told(probe, name):
    done = probe(name)
    assert (done.returncode, done.stdout) == (0, "DeadlockError\n")


@pytest.mark.parametrize("seed", range(1, 5))
def test_storm(probe, seed):
    done = probe("storm", SPORK_SEED=str(seed))
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
