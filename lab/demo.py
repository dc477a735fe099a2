"""Shows the product at work on four hosts: traffic through a VIP, a failure, a change, and no trace afterwards."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from lab.demo_cluster import Cluster
from lab.errors import LabError
from lab.kernel import Kernel, boot
from lab.processes import Agent, HttpServer, requests, wait_until
from lab.topologies import one_subnet
from lab.topology import Network

__all__ = ["main"]

EXAMPLE = Path(__file__).parents[1] / "examples" / "dr.yaml"
MANIFESTS = "/run/lab/manifests"
VIP = "198.51.100.200"
COUNT = 400
PICTURE = """\
client 198.51.100.10 ----+---- director-1 198.51.100.11   VIP 198.51.100.200:80
                         |
                         +---- rs-1 198.51.100.21   weight 1
                         +---- rs-2 198.51.100.22   weight 3
"""


class Stage:
    """Prints what happens, with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._bold, self._plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")

    def step(self, text: str) -> None:
        """Announce a step."""
        print(f"\n{self._bold}[{time.monotonic() - self._start:5.1f} s] {text}{self._plain}", flush=True)

    def show(self, text: str) -> None:
        """Print what a step brought."""
        if not text:
            return
        print("\n".join(f"    {line}" for line in text.rstrip().splitlines()), flush=True)


class Files:
    """Objects from a folder of files, read by agents without Kubernetes."""

    def __init__(self, kernel: Kernel, network: Network, logs: Path) -> None:
        self._kernel, self._network, self._logs = kernel, network, logs

    def start(self) -> list[Agent]:
        """Write the example and start an agent on each host."""
        self.apply(EXAMPLE.read_text())
        return [
            Agent(self._network[name], self._logs / f"{name}.log", manifests=MANIFESTS)
            for name in ("director-1", "rs-1", "rs-2")
        ]

    def apply(self, text: str) -> None:
        """Change the objects."""
        self._kernel.write_file(f"{MANIFESTS}/dr.yaml", text)

    def delete(self) -> None:
        """Remove the objects."""
        self._kernel.run(["rm", f"{MANIFESTS}/dr.yaml"])

    def status(self) -> str:
        """Say what is known besides the kernel's table: nothing here."""
        return ""


Source = Files | Cluster


def main() -> int:
    """Run the show; the exit code tells whether all of it was as promised."""
    parser = argparse.ArgumentParser(prog="python -m lab.demo", description=__doc__)
    parser.add_argument("--cluster", action="store_true", help="through etcd, kube-apiserver, operator and agents")
    arguments = parser.parse_args()
    stage = Stage()
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lvs-demo-")))
        try:
            _show(stage, stack, logs, cluster=arguments.cluster)
        except LabError as error:
            for log in sorted(logs.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
            print(f"demo: {error}", file=sys.stderr)
            return 1
    return 0


def _show(stage: Stage, stack: ExitStack, logs: Path, *, cluster: bool) -> None:
    stage.step("A kernel with IPVS, and four hosts on one network")
    kernel = boot()
    stack.callback(kernel.close)
    network = stack.enter_context(Network(kernel, one_subnet()))
    stage.show(PICTURE)
    before = {name: host.dump() for name, host in network.hosts.items()}
    servers = {name: HttpServer(network[name]) for name in ("rs-1", "rs-2")}

    source: Source = Cluster(stage, stack, network, logs) if cluster else Files(kernel, network, logs)
    stage.step(
        "kubectl apply -f examples/dr.yaml" if cluster else "lvs-agent run --manifests examples/  (on three hosts)"
    )
    agents = source.start()
    director = network["director-1"]
    _await_table(
        director.table, lambda table: _weights(table) == {"rs-1": 1, "rs-2": 3}, "both real servers in the table"
    )
    stage.show(director.run("ipvsadm", "-Ln").stdout)
    stage.show(source.status())

    stage.step(f"{COUNT} HTTP requests through {VIP}")
    _requests(stage, network)

    stage.step("rs-1 stops answering")
    servers["rs-1"].stop()
    _await_table(director.table, lambda table: _weights(table)["rs-1"] == 0, "rs-1 at weight 0")
    stage.show(director.run("ipvsadm", "-Ln").stdout)
    stage.show(source.status())
    _requests(stage, network)

    stage.step("rs-1 answers again")
    servers["rs-1"].start()
    _await_table(director.table, lambda table: _weights(table)["rs-1"] == 1, "rs-1 at weight 1")
    stage.show("weight 1 again, by itself")

    stage.step("The weight of rs-2 is changed from 3 to 1")
    source.apply(EXAMPLE.read_text().replace("weight: 3", "weight: 1"))
    _await_table(director.table, lambda table: _weights(table) == {"rs-1": 1, "rs-2": 1}, "equal weights")
    _requests(stage, network)

    stage.step("All objects are deleted")
    source.delete()
    wait_until(lambda: _differences(network, before) == {}, "every host as before", 30)
    stage.show("addresses, routes, settings and IPVS table of every host are byte for byte what they were")
    for agent in agents:
        agent.stop()


def _requests(stage: Stage, network: Network) -> None:
    replies = requests(network["client"], VIP, COUNT)
    total = sum(replies.servers.values())
    for name, count in sorted(replies.servers.items()):
        stage.show(f"{name}: {count:4} replies, {100 * count / total:.1f} %")
    stage.show(f"the client as real servers saw it: {', '.join(replies.clients)}")
    stage.show(f"failed requests: {sum(replies.failures.values())}")


def _weights(table: str) -> dict[str, int]:
    """Read the weights of real servers from the rules of a table."""
    words = [line.split() for line in table.splitlines() if line.startswith("-a")]
    return {f"rs-{rule[4].split(':')[0][-1]}": int(rule[-1]) for rule in words}


def _await_table(read: Callable[[], str], condition: Callable[[str], bool], what: str) -> None:
    wait_until(lambda: condition(read()), what, 60)


def _differences(network: Network, before: dict[str, str]) -> dict[str, str]:
    now = {name: host.dump() for name, host in network.hosts.items()}
    return {name: text for name, text in now.items() if text != before[name]}


if __name__ == "__main__":
    sys.exit(main())
