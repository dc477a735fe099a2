"""One weight change with few and with many services loaded: netlink messages and processor time."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.objects import SERVERS, own_manifest, pool, vip
from benchmarks.report import Row
from lab.processes import Agent, wait_until
from lab.topology import Host

__all__ = ["measure"]

FEW, MANY = 10, 1000
CHANGES = 40
WATCH = Path(__file__).with_name("netlink_watch.py")


def measure(director: Host) -> list[Row]:
    """Return messages per change, and the processor time of a change with many services against few."""
    few_time, few_messages = _changes(director, FEW)
    many_time, many_messages = _changes(director, MANY)
    return [
        Row(f"messages for one weight change, {MANY} services x {SERVERS}", many_messages, few_messages, "", 1.0),
        Row(
            f"processor time of one weight change, {MANY} services ({FEW})", many_time * 1e3, few_time * 1e3, "ms", 2.0
        ),
    ]


def _changes(director: Host, services: int) -> tuple[float, float]:
    print(f"  change, {services} services", flush=True)
    folder = f"/run/lab/bench-change-{services}"
    kernel = director.kernel
    kernel.write_file(f"{folder}/pool.json", json.dumps(pool()))
    for number in range(services):
        kernel.write_file(f"{folder}/s{number}.json", own_manifest(number))
    with tempfile.TemporaryDirectory() as scratch:
        agent = Agent(
            director, Path(scratch) / "agent.log", manifests=folder, node="director-1", options=("--resync", "3600")
        )
        wait_until(
            lambda: (
                director.run("sh", "-c", "ipvsadm-save -n | grep -c '^-a'").stdout.strip() == str(services * SERVERS)
            ),
            "all",
            300,
        )
        _change(director, folder, 2)  # what is done once is done now
        watch = director.popen(sys.executable, "-S", "-E", str(WATCH))
        wait_until(lambda: "watching" in watch.stdout, "the netlink monitor")
        before = _processor_time(director)
        for weight in range(3, 3 + CHANGES):
            _change(director, folder, weight)
        spent = _processor_time(director) - before
        watch.terminate()
        messages = int(watch.stdout.split()[-1])
        agent.cleanup()
    kernel.run(["rm", "-r", folder])
    return spent / CHANGES, messages / CHANGES


def _change(director: Host, folder: str, weight: int) -> None:
    """Change the weight of one real server of the first service and wait until the kernel has it."""
    director.kernel.write_file(f"{folder}/s0.json", own_manifest(0, weight))
    # /proc/net/ip_vs prints weights in a column; only this service has one like this.
    wait_until(
        lambda: director.run("awk", f'$4 == "{weight}" && $2 != "LocalAddress:Port"', "/proc/net/ip_vs").stdout, vip(0)
    )


def _processor_time(director: Host) -> float:
    """Return the seconds of processor time that the agent has had."""
    is_agent = "tr '\\0' ' ' < $p/cmdline | grep -q 'lvs-agen[t] run'"
    script = f"for p in /proc/[0-9]*; do if {is_agent}; then cat $p/schedstat; fi; done 2>/dev/null"
    found = director.run("sh", "-c", script, check=False)
    return int(found.stdout.split()[0]) / 1e9
