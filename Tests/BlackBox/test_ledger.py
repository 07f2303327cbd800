"""Nothing is lost, whatever is done to a server: a short form of what scripts/ledger does at length."""

import json
import os
import random
import signal
import subprocess
import time

import ledger


def test_every_request_is_accounted_for(spork: str):
    """Reloads, upgrades, resizing, recycling and kills of idle workers under four kinds of load: every request has its answer, and was
    counted once."""
    seed = random.randrange(1 << 30)
    ledger.run(spork, operations=30, seed=seed)


def test_numbers_come_back_through_reloads(spork: str, start_example):
    """The generator's own ledger, at its speed: each of many thousands of numbered requests has its own answer, while the workers are
    replaced, added and taken away. The old workers' time to drain (two seconds) ends meanwhile: by then nobody may be with them."""
    server = start_example("example-http", "-w", "2")
    command = [spork, "bench", f"{server.url}/echo", "-b", "number {number}", "-c16", "-t1", "-d4s", "--ledger", "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for number in [signal.SIGHUP, signal.SIGTTIN, signal.SIGHUP, signal.SIGTTOU, signal.SIGHUP]:
            time.sleep(0.6)
            assert process.poll() is None
            os.kill(server.master, number)
        found = json.loads(process.communicate(timeout=30)[0])
    assert process.returncode == 0 and found["ledger"]["balanced"] and found["accounted"]
    assert found["ledger"]["right"] == found["ledger"]["numbers"] > 1000, (found["ledger"], found["errors_by_phase"])
    server.stop()
