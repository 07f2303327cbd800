"""Nothing is lost, whatever is done to a server: a short form of what scripts/ledger does at length."""

import random

import ledger


def test_every_request_is_accounted_for(spork: str):
    """Reloads, upgrades, resizing, recycling and kills of idle workers under four kinds of load: every request has its answer, and was
    counted once."""
    seed = random.randrange(1 << 30)
    ledger.run(spork, operations=30, seed=seed)
