"""The chart as a user installs it, with images that are on the nodes already."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from lab.kernel import Finished
from lab.kind.cluster import Cluster
from lab.processes import wait_until
from tests.e2e.topology import VIPS_DR, VIPS_NAT

__all__ = ["CHART", "NAMESPACE", "Release"]

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "lvs-operator"
NAMESPACE = "lvs-system"
NAME = "lvs"
WORKERS = ("--selector", "app.kubernetes.io/component in (operator, agent)")
KINDS = ("virtualservices", "realservers")


class Release:
    """A release of the chart."""

    def __init__(self, cluster: Cluster, agent_tag: str) -> None:
        self._cluster = cluster
        self._agent_tag = agent_tag

    def install(self, *settings: str) -> None:
        """Install it and wait until operator and agents are ready."""
        options = ("--create-namespace", "--wait", *settings)
        self._cluster.helm("install", NAME, str(CHART), *self._values(self._agent_tag), *options)
        self.wait()

    def upgrade(self, agent_tag: str, *settings: str) -> None:
        """Have agents run another image, and wait until all do."""
        self._agent_tag = agent_tag
        self._cluster.helm("upgrade", NAME, str(CHART), *self._values(agent_tag), *settings)
        self.wait()

    def uninstall(self, *options: str, check: bool = True) -> Finished:
        """Uninstall it; waits for the clean-up of the nodes."""
        return self._cluster.helm("uninstall", NAME, "--namespace", NAMESPACE, "--wait", *options, check=check)

    def wait(self) -> None:
        """Wait until every pod of it is ready and runs what the release says."""
        for workload in ("deployment/lvs-operator", "daemonset/lvs-agent"):
            self.kubectl("rollout", "status", workload, "--timeout=240s", timeout=260)

    def delete_objects(self) -> None:
        """Delete what users have applied, and wait until every node has followed."""
        self._cluster.kubectl("delete", ",".join(KINDS), "--all", "--all-namespaces")

    def kubectl(self, *args: str, check: bool = True, timeout: float = 120.0) -> Finished:
        """Run kubectl in the release's namespace."""
        return self._cluster.kubectl("--namespace", NAMESPACE, *args, check=check, timeout=timeout)

    def agent_on(self, node: str) -> str:
        """Return the name of the agent's pod on a node."""
        selector = ("--selector", "app.kubernetes.io/component=agent", "--field-selector", f"spec.nodeName={node}")
        pods = json.loads(self.kubectl("get", "pods", *selector, "--output", "json").stdout)["items"]
        [name] = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return str(name)

    def replace(self, *pod: str) -> None:
        """Delete a pod, by name or selector, and wait until the one in its place is ready."""
        self.kubectl("delete", "pod", *pod, "--wait=true")
        wait_until(self._all_ready, "the pod's successor being ready", 120)

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """Take operator and agents away for a while."""
        self.kubectl("scale", "deployment/lvs-operator", "--replicas=0")
        self._restrict_agents('"true"')
        try:
            wait_until(lambda: not self.kubectl("get", "pods", *WORKERS, "--output", "name").stdout, "no pod left", 60)
            yield
        finally:
            self._restrict_agents("null")
            self.kubectl("scale", "deployment/lvs-operator", "--replicas=1")

    def _restrict_agents(self, label: str) -> None:
        """Allow agents on nodes with a label that none has, or on all."""
        patch = f'{{"spec": {{"template": {{"spec": {{"nodeSelector": {{"lab/nowhere": {label}}}}}}}}}}}'
        self.kubectl("patch", "daemonset/lvs-agent", "--patch", patch)

    def _all_ready(self) -> bool:
        self.wait()
        return True

    def _values(self, agent_tag: str) -> list[str]:
        values = {
            "operator.image.pullPolicy": "Never",
            "agent.image.pullPolicy": "Never",
            "agent.image.tag": agent_tag,
            "directorPool.create": True,
            "directorPool.name": "edge",
            "directorPool.interface": "eth0",
            "directorPool.nodeSelector": {"matchLabels": {"lvs-operator.io/director": "true"}},
            "directorPool.addresses": [VIPS_DR, VIPS_NAT],
        }
        words = ["--namespace", NAMESPACE]
        for name, value in values.items():
            words += ["--set-json", f"{name}={json.dumps(value)}"]
        return words
