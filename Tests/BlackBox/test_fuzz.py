"""The properties of the parsers (Tests/Fuzz) over the stored inputs and over changed ones, the same in every run; scripts/fuzz looks for new ones."""

import os
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CORPUS = PROJECT / "Tests/Fuzz/corpus"
MUTATIONS = 200
# A histogram has tens of thousands of places that each look goes through.
FEWER = {"histograms": 10}


@pytest.fixture(scope="module")
def harnesses(spork) -> str:
    """The debug build, in which arithmetic and memory are checked; else the one beside the binary."""
    for path in [PROJECT / ".build/debug/fuzz-parsers", Path(spork).resolve().parent / "fuzz-parsers"]:
        if os.access(path, os.X_OK):
            return str(path)
    pytest.fail("no binary of fuzz-parsers: swift build builds it")


def test_every_harness_has_inputs(harnesses):
    names = subprocess.run([harnesses], capture_output=True, text=True, check=True, timeout=20).stdout.split()
    assert sorted(names) == sorted(path.name for path in CORPUS.iterdir())
    assert all(any((CORPUS / name).iterdir()) for name in names)


def test_the_corpus_is_small():
    sizes = [path.stat().st_size for path in CORPUS.glob("*/*")]
    assert len(sizes) <= 600 and max(sizes) <= 2048


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.iterdir()))
def test_properties_hold(harnesses, name):
    mutations = FEWER.get(name, MUTATIONS)
    done = subprocess.run(
        [harnesses, name, str(CORPUS / name), "--mutations", str(mutations)], capture_output=True, text=True, errors="replace", timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    stored = len(list((CORPUS / name).iterdir()))
    assert done.stdout == f"{name}: {stored * (mutations + 1)} inputs\n"
