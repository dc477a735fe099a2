"""From ``kubectl apply`` returning to the entry in the kernel, over many weight changes."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import Row, percentile
from lab import tools
from lab.apiserver import ApiServer
from lab.errors import Overdue
from lab.processes import Agent, Operator, wait_until
from lab.topology import Network

__all__ = ["measure"]

CHANGES = 100
WATCH = Path(__file__).with_name("table_watch.py")
API_VERSION = "lvs-operator.io/v1alpha1"


def measure(network: Network) -> list[Row]:
    """Return the median and the 99th percentile; 0 where the kernel had the entry before kubectl returned."""
    director = network["director-1"]
    with tempfile.TemporaryDirectory(prefix="lvs-bench-") as scratch:
        folder = Path(scratch)
        server = ApiServer(tools.find(), folder / "api")
        try:
            server.start()
            server.install_crds()
            server.add_node("director-1", director.address())
            operator = Operator(server.admin_kubeconfig, folder / "operator.log")
            agent = Agent(director, folder / "agent.log", kubeconfig=server.admin_kubeconfig.read_text())
            server.apply("\n---\n".join(map(json.dumps, (_pool(), _service(), _real_server(1)))))
            wait_until(lambda: "-w 1" in director.table(), "the first entry", 120)
            watch = director.popen(sys.executable, "-S", "-E", str(WATCH))
            wait_until(lambda: "1 " in watch.stdout, "the watch of the table")
            delays = []
            for number in range(CHANGES):
                if number % 25 == 0:
                    print(f"  apply, change {number} of {CHANGES}", flush=True)
                delays.append(_change(server, watch, number + 2))
            watch.terminate()
            agent.cleanup()
            operator.stop()
        finally:
            server.close()
    milliseconds = [delay * 1e3 for delay in delays]
    return [
        Row(f"kubectl apply returned to entry in the kernel, p{percent}", percentile(milliseconds, percent), 0.0, "ms")
        for percent in (50, 99)
    ]


def _change(server: ApiServer, watch: Any, weight: int) -> float:
    server.apply(json.dumps(_real_server(weight)))
    returned = time.monotonic()
    deadline = returned + 30
    while f"\n{weight} " not in watch.stdout:
        if time.monotonic() > deadline:
            raise Overdue(f"weight {weight} in the kernel", 30, watch.stdout[-200:])
        time.sleep(0.001)
    return time.monotonic() - returned


def _pool() -> dict[str, Any]:
    spec = {"nodeNames": ["director-1"], "interface": "eth0", "addresses": ["198.51.100.192/27"]}
    return {"apiVersion": API_VERSION, "kind": "DirectorPool", "metadata": {"name": "edge"}, "spec": spec}


def _service() -> dict[str, Any]:
    spec = {
        "addresses": ["198.51.100.200"],
        "ports": [{"port": 80}],
        "scheduler": {"name": "wrr"},
        "realServers": {"selector": {"matchLabels": {"app": "web"}}},
    }
    metadata = {"name": "web", "namespace": "default"}
    return {"apiVersion": API_VERSION, "kind": "VirtualService", "metadata": metadata, "spec": spec}


def _real_server(weight: int) -> dict[str, Any]:
    metadata = {"name": "web-1", "namespace": "default", "labels": {"app": "web"}}
    spec = {"address": "198.51.100.21", "weight": weight}
    return {"apiVersion": API_VERSION, "kind": "RealServer", "metadata": metadata, "spec": spec}
