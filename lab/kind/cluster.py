"""A kind cluster inside the lab's namespaces: one control plane and three workers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import msgspec

from lab import images, tools
from lab.docker import OwnDocker
from lab.errors import LabError
from lab.kernel import Finished
from lab.kind import nodeimage
from lab.kind.parts import Parts
from lab.processes import wait_until

__all__ = ["CONTROL_PLANE", "NODES", "WORKERS", "Cluster"]

NAME = "lab"
CONTROL_PLANE = f"{NAME}-control-plane"
WORKERS = (f"{NAME}-worker", f"{NAME}-worker2", f"{NAME}-worker3")
NODES = (CONTROL_PLANE, *WORKERS)
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
# Pods' network is made here, since kind's own is an image: a pair of interfaces for each pod, a route for each node.
PLUGINS_CONFIG = "/etc/cni/net.d/10-lab.conflist"
CONFIG = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "networking": {
        "ipFamily": "ipv4",
        "apiServerAddress": "127.0.0.1",
        "disableDefaultCNI": True,
        "podSubnet": POD_NETWORK,
        "serviceSubnet": SERVICE_NETWORK,
    },
    "kubeadmConfigPatches": [
        # From 1.35 on the kubelet refuses cgroup version 1 unless told otherwise.
        "kind: KubeletConfiguration\nfailCgroupV1: false\n",
        # Nobody asks for a name here, and an answer could only come from outside.
        "kind: ClusterConfiguration\ndns: {disabled: true}\n",
    ],
    "nodes": [{"role": "control-plane"}, *({"role": "worker"} for _ in WORKERS)],
}


class Cluster:
    """The cluster; its nodes are containers of the lab's engine.

    Parameters
    ----------
    folder
        For its kubeconfig and what helm keeps.
    """

    def __init__(self, docker: OwnDocker, parts: Parts, folder: Path) -> None:
        self.docker = docker
        self._parts = parts
        self._folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self._kubectl, self._helm = str(tools.find().kubectl), str(tools.find().helm)

    def make_node_image(self) -> str:
        """Return the image of nodes, after making it if need be; an archive of images is loaded already."""
        if self._parts.node is None:
            return self._parts.node_image
        [iptables] = [one.root for one in self._parts.product if one.part == "agent" and one.root]
        return nodeimage.node_image(self.docker, self._parts.node, images.base_image(self.docker, iptables))

    def create(self) -> None:
        """Make the cluster on a network that is there already; its nodes are Ready when this returns.

        Raises
        ------
        LabError
            If it does not come up.
        """
        config = self._folder / "kind.json"
        config.write_text(json.dumps(CONFIG))
        self._kind(
            "create", "cluster", "--name", NAME, "--image", self.make_node_image(), "--config", str(config),
            "--kubeconfig", str(self.kubeconfig), "--retain",
        )  # fmt: skip
        self.connect()
        wait_until(lambda: self.ready_nodes() == set(NODES), "all nodes Ready", 120)

    def connect(self) -> None:
        """Let pods of each node that runs reach those of the others; again after a node was started."""
        networks = {
            node["metadata"]["name"]: node["spec"]["podCIDR"]
            for node in json.loads(self.kubectl("get", "nodes", "-o", "json").stdout)["items"]
        }
        running = [name for name in NODES if self.docker.pid(name)]
        for name in running:
            config = json.dumps(_plugins(networks[name]))
            self.docker.run("exec", "-i", name, "sh", "-c", f"cat > {PLUGINS_CONFIG}", input=config)
            routes = [
                f"route replace {networks[other]} via {self.docker.address(other)}"
                for other in running
                if other != name
            ]
            self.docker.run("exec", "-i", name, "ip", "-batch", "-", input="\n".join(routes) + "\n")

    def ready_nodes(self) -> set[str]:
        """Return the names of nodes that are Ready."""
        nodes = json.loads(self.kubectl("get", "nodes", "-o", "json").stdout)["items"]
        return {
            node["metadata"]["name"]
            for node in nodes
            for condition in node["status"]["conditions"]
            if condition["type"] == "Ready" and condition["status"] == "True"
        }

    def put_image(self, *names: str, nodes: tuple[str, ...] = NODES) -> None:
        """Bring images of the engine to nodes."""
        archive = self._folder / "images.tar"
        self.docker.run("save", "--output", str(archive), *names)
        self._kind("load", "image-archive", "--name", NAME, "--nodes", ",".join(nodes), str(archive))
        archive.unlink()

    def kubectl(self, *args: str, input: str | None = None, check: bool = True, timeout: float = 120.0) -> Finished:
        """Run kubectl as the administrator.

        Raises
        ------
        LabError
            If it ends with another code than 0 and ``check`` is set.
        """
        return self._run([self._kubectl, "--kubeconfig", str(self.kubeconfig), *args], input, check, timeout)

    def helm(self, *args: str, check: bool = True, timeout: float = 600.0) -> Finished:
        """Run helm as the administrator; raises as ``kubectl`` does."""
        return self._run([self._helm, "--kubeconfig", str(self.kubeconfig), *args], None, check, timeout)

    def apply(self, *objects: dict[str, object]) -> None:
        """Apply objects."""
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "--filename", "-", input=msgspec.json.encode(listed).decode())

    def delete(self) -> None:
        """End the cluster."""
        self._kind("delete", "cluster", "--name", NAME, "--kubeconfig", str(self.kubeconfig))

    def _kind(self, *args: str) -> None:
        self._run([str(self._parts.kind), *args], None, True, 600)

    def _run(self, argv: list[str], input: str | None, check: bool, timeout: float) -> Finished:
        done = subprocess.run(
            argv,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**self.docker.environment, "HOME": str(self._folder)},
            check=False,
        )
        if check and done.returncode != 0:
            words = " ".join([os.path.basename(argv[0]), *argv[1:]])
            raise LabError(f"{words} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return Finished(done.returncode, done.stdout, done.stderr)


def _plugins(network: str) -> dict[str, object]:
    pair = {
        "type": "ptp",
        "ipMasq": True,
        "mtu": 1500,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": network}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "lab", "plugins": [pair, ports]}
