"""Killed at any moment and started again, an agent ends where one ends that was never killed."""

from __future__ import annotations

import random
from typing import Any

from lab.processes import hold, wait_until
from lab.topologies import one_subnet
from lab.topology import Host, HostPlan, Interface, Plan
from tests.integration.manifests import director_pool, real_server, several, virtual_service

VIP = "198.51.100.200"
SEED = 20
CHANGES = 100
KILLS = 20
SETTINGS = "grep -Hs '' /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/vs/*"


class Objects:
    """What is applied, changed step by step; the service that the held connection uses stays."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._web = virtual_service(VIP, scheduler={"name": "wrr"})
        self._servers = dict.fromkeys(("198.51.100.21", "198.51.100.22"), 1)
        self._others: dict[int, str] = {}

    def change(self) -> str:
        """Make one change of a random kind; return all objects."""
        chance = self._chance
        match chance.randrange(5):
            case 0:
                address = chance.choice(sorted(self._servers))
                self._servers[address] = chance.randint(1, 9)
            case 1:
                self._servers.setdefault(f"198.51.100.{chance.randint(23, 29)}", 1)
            case 2:
                spare = [address for address in sorted(self._servers) if address[-2:] > "22"]
                if spare:
                    del self._servers[chance.choice(spare)]
            case 3:
                self._web["spec"]["scheduler"]["name"] = chance.choice(["rr", "wrr", "wlc", "sh"])
            case _:
                port = chance.randint(8000, 8004)
                if self._others.pop(port, None) is None:
                    self._others[port] = chance.choice(["NAT", "DR"])
        return self.text()

    def text(self) -> str:
        """Return all objects as they are now."""
        return several(*self._all())

    def _all(self) -> list[dict[str, Any]]:
        others = [
            virtual_service(
                "198.51.100.201",
                f"other-{port}",
                method=method,
                ports=[{"port": port}],
                realServers=self._web["spec"]["realServers"],
            )
            for port, method in self._others.items()
        ]
        servers = [
            real_server(f"rs-{address.rpartition('.')[2]}", address, weight=weight)
            for address, weight in self._servers.items()
        ]
        return [director_pool(["198.51.100.192/27"]), self._web, *others, *servers]


def state(host: Host) -> str:
    """What the product is answerable for on a director."""
    addresses = host.run("ip", "-br", "addr", "show", "eth0").stdout.split(maxsplit=2)[2]
    return host.table() + " ".join(sorted(addresses.split())) + host.run("sh", "-c", SETTINGS).stdout


def with_reference(plan: Plan) -> Plan:
    """Add a director on a network of its own, with the other one's address."""
    reference = HostPlan("director-reference", (Interface("eth0", "apart", ("198.51.100.11/24",)),))
    return Plan((*plan.hosts, reference))


def test_an_agent_killed_at_random_points_of_100_changes_ends_like_one_never_killed(files_lab, processes):
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    lab = files_lab(with_reference(one_subnet()))
    reference = lab.network["director-reference"]
    lab.agents["director-reference"].stop()
    processes.agent(reference, manifests=lab.folder, node="director-1")
    objects = Objects(chance)
    lab.write(objects.text())
    lab.ready(2, VIP)
    connection = hold(lab.network["client"], VIP)
    killed = lab.agents["director-1"]
    kills = set(chance.sample(range(CHANGES), KILLS))

    for number in range(CHANGES):
        said = lab.log_position()
        lab.write(objects.change())
        if number in kills:
            # At once, as it starts to work on the change, or once it has begun to change the kernel.
            if chance.random() < 0.5:
                wait_until(lambda said=said: lab.log_position() > said or killed.poll() is not None, "a word", 20)
            killed.kill()
            killed.restart()

    wait_until(lambda: state(lab.director) == state(reference), "both directors in one state", 60)
    assert "198.51.100.21:80" in lab.director.table()
    held = connection.release()
    assert held.error == ""
    assert held.replies > CHANGES
