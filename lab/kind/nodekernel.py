"""The kernel that a node's director or real server works with: the node's own, or one beside it.

Where the machine has IPVS, a node's network namespace is all it takes. Where it has not, user-mode Linux runs beside
the node for as long as the node runs, with an interface on the same wire and an address of its own there. The node
sends it what is for a VIP or for a port of a server in it, and takes its requests to the API server along, so that
the two look like one machine to everybody else. A pod enters it by ``lab.kind.enter``.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lab.docker import GATEWAY, OwnDocker
from lab.errors import CommandFailed
from lab.kernel import MODULES, PORT, Finished, Kernel, guest_program, has_ipvs, wait_for
from lab.topology import DUMP
from lab.uml import UserModeLinux

__all__ = ["CLIENT_NETWORKS", "FORWARDED_PORTS", "NodeKernel", "route_through", "start"]

# On the nodes' wire besides their own network: VIPs and clients for DR; VIPs, clients and the director for NAT.
CLIENT_NETWORKS = ("203.0.113.0/24", "198.51.100.0/24")
# Of servers in the kernel: the agent's probes and metrics, and web servers.
FORWARDED_PORTS = (9567, 8080)
BRIDGE, TAP = "lvs0", "tap0"
DISTANCE = 100  # from a node's address to that of the kernel beside it
MEMORY = "768M"
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
        return _in_netns(self._pid, argv, input, check, timeout)

    def dump(self) -> str:
        """Return what must be as before in the end, but for pods' interfaces and routes, which come and go."""
        text = POD_INTERFACE.sub("", self.run("sh", "-c", DUMP).stdout)
        return "".join(line for line in text.splitlines(keepends=True) if not POD_LINE.search(line))

    def admit_pods(self) -> None:
        """Do nothing: they are in it."""

    def stop(self) -> None:
        """Do nothing: it ends with the node."""


class KernelBeside:
    """User-mode Linux on the node's wire."""

    def __init__(self, pid: int, node: str, log: Path) -> None:
        self.address = str(ipaddress.ip_address(node) + DISTANCE)
        _share_the_wire(pid, node, self.address)
        scratch = Path(tempfile.mkdtemp(prefix="kernel-", dir="/run/lab"))
        self._vm = UserModeLinux.start(
            scratch,
            modules=MODULES,
            network=_inner_network(node, self.address),
            command=[sys.executable, "-S", "-E", guest_program(), self.address, str(PORT)],
            tap=TAP,
            netns=f"/proc/{pid}/ns/net",
            memory=MEMORY,
        )
        server = (self.address, PORT)
        wait_for(server, self._vm.is_alive, self._vm.console)
        self._kernel = Kernel(server, self._vm, None)
        self._pid, self._log = pid, log
        self._door: subprocess.Popen[bytes] | None = None

    def run(self, *argv: str, check: bool = True, input: str | None = None, timeout: float = 120.0) -> Finished:
        """Run a command in it; see NodeKernel."""
        return self._kernel.run(argv, input=input, check=check, timeout=timeout)

    def dump(self) -> str:
        """Return what must be as before in the end."""
        return self.run("sh", "-c", DUMP).stdout

    def admit_pods(self) -> None:
        """Open the door."""
        door = [sys.executable, "-m", "lab.kind.door", self.address, str(PORT)]
        with self._log.open("ab") as output:
            self._door = subprocess.Popen(
                ["nsenter", f"--net=/proc/{self._pid}/ns/net", *door],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )

    def stop(self) -> None:
        """End it."""
        if self._door:
            self._door.kill()
            self._door.wait()
        self._vm.kill()


def _inner_network(node: str, address: str) -> Sequence[str]:
    return [
        "sysctl -qw net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.default.accept_redirects=0",
        # The same whenever it boots, as an interface's is.
        f"ip link set vec0 name eth0 addrgenmode none address 02:00:{ipaddress.ip_address(address).packed.hex(':')}",
        "ip link set eth0 up",
        f"ip addr add {address}/24 dev eth0",
        f"ip route add default via {node}",
        *(f"ip route add {network} dev eth0" for network in CLIENT_NETWORKS),
    ]


def _share_the_wire(pid: int, node: str, address: str) -> None:
    """Put a bridge between the node and its wire, for the kernel beside it, and let the two stand for one machine."""
    [wire] = json.loads(_in_netns(pid, ["ip", "-json", "link", "show", "eth0"]).stdout)
    commands = [
        f"link add {BRIDGE} address {wire['address']} type bridge",
        f"link set {BRIDGE} addrgenmode none up",
        "addr flush dev eth0",
        f"link set eth0 master {BRIDGE}",
        f"addr add {node}/24 dev {BRIDGE}",
        f"route replace default via {GATEWAY}",
        f"tuntap add dev {TAP} mode tap",
        f"link set {TAP} master {BRIDGE} up",
        # What comes for a VIP goes to the kernel that may carry it.
        *(f"route replace {network} via {address}" for network in CLIENT_NETWORKS),
    ]
    _in_netns(pid, ["ip", "-batch", "-"], "\n".join(commands) + "\n")
    settings = [
        f"net.ipv4.conf.{name}.{what}=0" for name in ("all", BRIDGE) for what in ("send_redirects", "rp_filter")
    ]
    # Frames that merely cross the bridge are nobody's business here.
    _in_netns(pid, ["sysctl", "-qw", "net.ipv4.ip_forward=1", *settings])
    _in_netns(pid, ["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0"], check=False)  # where that module is
    ports = ["-p", "tcp", "-m", "multiport", "--dports", ",".join(map(str, FORWARDED_PORTS))]
    rules = [
        ["nat", "PREROUTING", "-d", node, *ports, "-j", "DNAT", "--to-destination", address],
        ["nat", "OUTPUT", "-d", node, *ports, "-j", "DNAT", "--to-destination", address],
        # Answers must come back this way, to be taken back to what was asked.
        ["nat", "POSTROUTING", "-d", address, "-m", "conntrack", "--ctstate", "DNAT", "-j", "MASQUERADE"],
        ["nat", "POSTROUTING", "-s", address, "-m", "conntrack", "--ctstate", "DNAT", "-j", "MASQUERADE"],
        # With DR only one direction of a connection passes here.
        *(["raw", "PREROUTING", "-d", network, "-j", "NOTRACK"] for network in CLIENT_NETWORKS),
    ]  # fmt: skip
    for table, chain, *rule in rules:
        _in_netns(pid, ["iptables", "-w", "-t", table, "-A", chain, *rule])


def _in_netns(
    pid: int, argv: Sequence[str], input: str | None = None, check: bool = True, timeout: float = 120.0
) -> Finished:
    """Run one of this machine's programs in a node's network namespace."""
    done = subprocess.run(
        ["nsenter", f"--net=/proc/{pid}/ns/net", *argv],
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise CommandFailed(argv, f"the node of process {pid}", done.returncode, done.stdout + done.stderr)
    return Finished(done.returncode, done.stdout, done.stderr)
