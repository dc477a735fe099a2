"""Loading a table into an empty kernel: the agent from a manifest file against ``ipvsadm -R``, alternating."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.objects import SERVERS, rules, shared_manifest, vip
from benchmarks.report import Row
from lab.processes import Agent, wait_until
from lab.topology import Host

__all__ = ["measure"]

SERVICES = 500
ROUNDS = 3
FOLDER = "/run/lab/bench-load"


def measure(director: Host) -> list[Row]:
    """Return the whole time of both, and the time after start-up, as medians of some rounds."""
    director.kernel.write_file(f"{FOLDER}/all.json", shared_manifest(SERVICES))
    director.kernel.write_file("/run/lab/bench.rules", rules(SERVICES))
    # The table is compared, not the VIPs, which ipvsadm knows nothing of: they are there before.
    vips = "".join(f"addr add {vip(number)}/32 dev lo\n" for number in range(SERVICES))
    director.run("ip", "-batch", "-", input=vips)
    ours, ours_table, theirs = [], [], []
    for round_number in range(ROUNDS):
        print(f"  load, round {round_number + 1} of {ROUNDS}", flush=True)
        theirs.append(_ipvsadm(director))
        whole, table = _agent(director)
        ours.append(whole)
        ours_table.append(table)
    other = statistics.median(theirs)
    name = f"load {SERVICES} services x {SERVERS}"
    return [
        Row(f"{name}: whole process (ipvsadm -R)", statistics.median(ours), other, "s", 1.0),
        Row(f"{name}: after start-up (ipvsadm -R)", statistics.median(ours_table), other, "s", 1.0),
    ]


def _ipvsadm(director: Host) -> float:
    start = time.monotonic()
    director.run("sh", "-c", "ipvsadm -R < /run/lab/bench.rules")
    took = time.monotonic() - start
    _check(director)
    director.run("ipvsadm", "-C")
    return took


def _agent(director: Host) -> tuple[float, float]:
    """Return the time from start to the full table, and from the first write to it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "agent.log"
        start = time.monotonic()
        agent = Agent(director, log, manifests=FOLDER, node="director-1")
        done = wait_until(lambda: re.search(r'"seconds": ([0-9.]+)', log.read_text()), "the table to be loaded", 120)
        took = time.monotonic() - start
        _check(director)
        agent.cleanup()
        return took, float(done[1])


def _check(director: Host) -> None:
    found = director.run("sh", "-c", "ipvsadm-save -n | grep -c '^-a'").stdout.strip()
    assert found == str(SERVICES * SERVERS), f"{found} real servers in the table"
