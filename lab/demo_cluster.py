"""The demonstration's way through an API server: objects by kubectl, operator and agents as in a cluster."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from lab import tools
from lab.apiserver import ApiServer
from lab.errors import CommandFailed
from lab.processes import Agent, Operator, wait_until
from lab.topology import Network

__all__ = ["Cluster"]

EXAMPLE = Path(__file__).parents[1] / "examples" / "dr.yaml"
NODES = ("director-1", "rs-1", "rs-2")


class Speaker(Protocol):
    """Tells the audience what happens."""

    def step(self, text: str) -> None:
        """Announce a step."""
        ...

    def show(self, text: str) -> None:
        """Print what a step brought."""
        ...


class Cluster:
    """etcd, kube-apiserver and the operator outside the kernel; one agent on each host, known as a Node."""

    def __init__(self, stage: Speaker, stack: ExitStack, network: Network, logs: Path) -> None:
        self._network, self._logs = network, logs
        stage.step("etcd and kube-apiserver, the CRDs, three Nodes; operator and agents")
        self._server = ApiServer(tools.find(), Path(tempfile.mkdtemp(prefix="lvs-demo-api-", dir="/run")))
        stack.callback(self._server.close)
        self._server.start()
        self._server.install_crds()
        for name in NODES:
            self._server.add_node(name, network[name].address())
        operator = Operator(self._server.admin_kubeconfig, logs / "operator.log")
        stack.callback(operator.kill)
        kubeconfig = self._server.admin_kubeconfig.read_text()
        self._agents = [Agent(network[name], logs / f"{name}.log", kubeconfig=kubeconfig) for name in NODES]
        wait_until(lambda: self._server.kubectl("get", "lvsnodes", *NODES), "an LVSNode for each Node", 60)
        stage.show(self._server.kubectl("get", "nodes,lvsnodes").stdout)

    def start(self) -> list[Agent]:
        """Apply the example; the agents run already."""
        self.apply(EXAMPLE.read_text())
        return self._agents

    def apply(self, text: str) -> None:
        """Change the objects."""
        self._server.apply(text)

    def delete(self) -> None:
        """Remove the objects."""
        self._server.kubectl("delete", "-f", str(EXAMPLE))

    def status(self) -> str:
        """Return what kubectl shows, once it agrees with what the kernel has."""
        kubectl = self._server.kubectl

        def settled() -> bool:
            try:
                seen = kubectl("get", "lrs", "-o", "jsonpath={.items[*].status.state}").stdout.split()
            except CommandFailed:
                return False
            down = self._network["director-1"].table().count("-w 0")
            return seen.count("Unhealthy") == down and len(seen) == len(NODES) - 1

        wait_until(settled, "kubectl to show what the kernel has", 20)
        return kubectl("get", "lvs,lrs").stdout
