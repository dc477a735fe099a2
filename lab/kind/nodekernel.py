"""The kernel that a node's director or real server works with: the node's own, or one beside it.

Where the machine has IPVS, a node's network namespace is all it takes. Where it has not, see ``lab.kind.kernelbeside``.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Protocol

from lab.docker import OwnDocker
from lab.kernel import Finished, has_ipvs
from lab.kind.kernelbeside import KernelBeside
from lab.kind.netns import run_in
from lab.kind.wire import CLIENT_NETWORKS
from lab.topology import DUMP

__all__ = ["NodeKernel", "route_through", "start"]

# In the text of a dump: a pod's interface as `ip addr` shows it, and routes and settings of pods.
POD_INTERFACE = re.compile(r"^\d+: veth.*\n(?: .*\n)*", re.MULTILINE)
POD_LINE = re.compile(r"\bveth|\b10\.244\.")


class NodeKernel(Protocol):
    """What tests may know of a node's kernel."""

    address: str

    def run(self, *argv: str, check: bool = True, input: str | None = None, timeout: float = 120.0) -> Finished:
        """Run a command in it, outside any pod.

        Raises
        ------
        CommandFailed
            If it ends with another code than 0 and ``check`` is set.
        """
        ...

    def dump(self) -> str:
        """Return, as text, everything that must be as before once the product has left again."""
        ...

    def admit_pods(self) -> None:
        """Let commands of pods in, which wait until then."""
        ...

    def stop(self) -> None:
        """End it, as a node's kernel ends when the node does."""
        ...


def start(docker: OwnDocker, node: str, log: Path) -> NodeKernel:
    """Give a node that runs its kernel, with routes to the clients' networks; no pod is let in yet.

    Parameters
    ----------
    log
        File for what goes wrong between pods and the kernel.

    Raises
    ------
    KernelFailed
        If it does not come up.
    """
    pid, address = docker.pid(node), docker.address(node)
    return OwnKernel(pid, address) if has_ipvs() else KernelBeside(pid, address, log)


def route_through(real_server: NodeKernel, client: str, director: NodeKernel) -> None:
    """Let a real server answer clients through the director, as NAT needs it.

    Parameters
    ----------
    client
        Address of a client with the length of its network's prefix.
    """
    network = str(ipaddress.ip_interface(client).network)
    # The director would tell them that there is a shorter way.
    director.run("sysctl", "-qw", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0")
    real_server.run("ip", "route", "replace", network, "via", director.address)


class OwnKernel:
    """The node's own."""

    def __init__(self, pid: int, address: str) -> None:
        self.address = address
        self._pid = pid
        self.run("ip", "-batch", "-", input="".join(f"route replace {net} dev eth0\n" for net in CLIENT_NETWORKS))

    def run(self, *argv: str, check: bool = True, input: str | None = None, timeout: float = 120.0) -> Finished:
        """Run a command in it; see NodeKernel."""
        return run_in(self._pid, argv, input=input, check=check, timeout=timeout)

    def dump(self) -> str:
        """Return what must be as before in the end, but for pods' interfaces and routes, which come and go."""
        text = POD_INTERFACE.sub("", self.run("sh", "-c", DUMP).stdout)
        return "".join(line for line in text.splitlines(keepends=True) if not POD_LINE.search(line))

    def admit_pods(self) -> None:
        """Do nothing: they are in it."""

    def stop(self) -> None:
        """Do nothing: it ends with the node."""
