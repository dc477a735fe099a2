"""A network whose hosts run agents from manifest files, with a web server on each real server."""

from __future__ import annotations

import itertools
from typing import Any

from lab.kernel import Kernel
from lab.processes import HttpServer, wait_until
from lab.topology import Host, Network

__all__ = ["FilesLab", "entries"]

_numbers = itertools.count()


def entries(director: Host) -> list[str]:
    """Return the real servers in a director's table, each as its address and weight, sorted."""
    words = [line.split() for line in director.table().splitlines() if line.startswith("-a")]
    return sorted(f"{rule[4].rpartition(':')[0]} {rule[-1]}" for rule in words)


class FilesLab:
    """One folder of manifests, read by every agent."""

    def __init__(self, kernel: Kernel, network: Network, processes: Any) -> None:
        self.kernel, self.network = kernel, network
        self.before = {name: host.dump() for name, host in network.hosts.items()}
        self.servers = {name: HttpServer(host) for name, host in network.hosts.items() if name.startswith("rs-")}
        self.folder = f"/run/lab/manifests-{next(_numbers)}"
        self.write("# no objects yet\n", name="none.yaml")
        self.agents = {
            name: processes.agent(host, manifests=self.folder)
            for name, host in network.hosts.items()
            if name.startswith(("rs-", "director-"))
        }

    @property
    def director(self) -> Host:
        return self.network["director-1"]

    def write(self, text: str, name: str = "all.yaml") -> None:
        self.kernel.write_file(f"{self.folder}/{name}", text)

    def remove(self, name: str = "all.yaml") -> None:
        self.kernel.run(["rm", f"{self.folder}/{name}"])

    def wait_for_table(self, *wanted: str) -> None:
        """Wait until the director has just these real servers: address and weight."""
        wait_until(lambda: entries(self.director) == sorted(wanted), f"the table {sorted(wanted)}", 60)

    def wait_for_log(self, *words: str, since: int = 0, host: str = "director-1") -> str:
        """Wait until an agent has logged a line with all of these words, after a position in its log."""

        def found() -> str:
            lines = self.agents[host].log.read_text()[since:].splitlines()
            return next((line for line in lines if all(word in line for word in words)), "")

        return wait_until(found, f"{words} in the log of {host}", 40)

    def log_position(self, host: str = "director-1") -> int:
        return len(self.agents[host].log.read_text())

    def ready(self, servers: int, carried: str | None = None) -> None:
        """Wait until the director has its real servers and, under DR, each of them has the VIP."""
        wait_until(lambda: self.director.table().count("-a ") >= servers, "the director's table", 60)
        for name in self.servers if carried else ():
            self.wait_for_vip(name, carried or "")

    def wait_for_vip(self, name: str, vip: str) -> None:
        """Wait until a real server carries a VIP."""
        host = self.network[name]
        wait_until(lambda: f" {vip}/32 " in host.run("ip", "addr", "show", "lo").stdout, f"{vip} on {name}")

    def differences(self) -> dict[str, str]:
        now = {name: host.dump() for name, host in self.network.hosts.items()}
        return {name: text for name, text in now.items() if text != self.before[name]}
