"""User-mode Linux beside a kind node, as the kernel of its director or real server.

It is on the node's wire with an address of its own, for as long as the node runs. The node sends it what is for a VIP
or for a port of a server in it, and takes its requests to the API server along, so that the two look like one machine
to everybody else. Pods enter it by ``lab.kind.enter``.
"""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.docker import GATEWAY
from lab.kernel import MODULES, PORT, Finished, Kernel, guest_program, wait_for
from lab.kind.netns import netns_of, run_in
from lab.kind.wire import CLIENT_NETWORKS, FORWARDED_PORTS
from lab.topology import DUMP
from lab.uml import UserModeLinux

__all__ = ["KernelBeside"]

BRIDGE, TAP = "lvs0", "tap0"
DISTANCE = 100  # from a node's address to that of the kernel beside it
MEMORY = "768M"


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
            netns=netns_of(pid),
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
                ["nsenter", f"--net={netns_of(self._pid)}", *door],
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
    [wire] = json.loads(run_in(pid, ["ip", "-json", "link", "show", "eth0"]).stdout)
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
    run_in(pid, ["ip", "-batch", "-"], input="\n".join(commands) + "\n")
    settings = [
        f"net.ipv4.conf.{name}.{what}=0" for name in ("all", BRIDGE) for what in ("send_redirects", "rp_filter")
    ]
    # Frames that merely cross the bridge are nobody's business here.
    run_in(pid, ["sysctl", "-qw", "net.ipv4.ip_forward=1", *settings])
    run_in(pid, ["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0"], check=False)  # where that module is
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
        run_in(pid, ["iptables", "-w", "-t", table, "-A", chain, *rule])
