"""The set-ups that LVS is taught by, each from manifests only: what used to be typed by hand is not typed here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.kernel import Kernel
from lab.processes import HttpServer, requests, wait_until
from lab.topologies import lab1_nat, lab2_dr_behind_router, lab3_dr_vip_on_another_subnet, one_subnet
from lab.topology import Network, Plan
from tests.integration.manifests import director_pool, real_server, several, virtual_service

REQUESTS = 400


class Setup:
    """A network whose hosts run agents from files, with a web server on each real server."""

    def __init__(self, kernel: Kernel, network: Network, processes) -> None:
        self.kernel, self.network = kernel, network
        self.before = {name: host.dump() for name, host in network.hosts.items()}
        self.servers = {name: HttpServer(host) for name, host in network.hosts.items() if name.startswith("rs-")}
        self._folder = f"/run/lab/manifests-{id(self)}"
        self.write(several())
        self.agents = {
            name: processes.agent(host, manifests=self._folder)
            for name, host in network.hosts.items()
            if name.startswith(("rs-", "director-"))
        }

    def write(self, text: str) -> None:
        self.kernel.write_file(f"{self._folder}/all.yaml", text)

    def remove(self) -> None:
        self.kernel.run(["rm", f"{self._folder}/all.yaml"])

    def ready(self, servers: int, carried: str | None = None) -> None:
        """Wait until the director has its real servers and, under DR, each of them has the VIP."""
        director = self.network["director-1"]
        wait_until(lambda: director.table().count("-a ") >= servers, "the director's table", 60)
        for name in self.servers if carried else ():
            host = self.network[name]
            wait_until(lambda host=host: f" {carried}/32 " in host.run("ip", "addr", "show", "lo").stdout, f"VIP on {name}")

    def differences(self) -> dict[str, str]:
        now = {name: host.dump() for name, host in self.network.hosts.items()}
        return {name: text for name, text in now.items() if text != self.before[name]}


@pytest.fixture
def setup(kernel: Kernel, network: Callable[[Plan], Network], processes) -> Callable[[Plan], Setup]:
    return lambda plan: Setup(kernel, network(plan), processes)


def share(replies, name: str) -> float:
    return replies.servers.get(name, 0) / sum(replies.servers.values())


def servers_of(plan_name: str, first: str, second: str, **spec: object) -> list[dict]:
    return [real_server(f"{plan_name}-1", first, **spec), real_server(f"{plan_name}-2", second, **spec)]


LABS = [
    pytest.param(
        lab1_nat(),
        [director_pool(["172.20.2.43"]), virtual_service("172.20.2.43", method="NAT"), *servers_of("web", "192.168.10.201", "192.168.10.202")],
        "172.20.2.43", None, id="lab 1: NAT on the director's own address",
    ),
    pytest.param(
        lab2_dr_behind_router(),
        [director_pool(["192.168.10.101"]), virtual_service("192.168.10.101", scheduler={"name": "wlc"}), *servers_of("web", "192.168.10.201", "192.168.10.202")],
        "192.168.10.101", "192.168.10.101", id="lab 2: DR behind a router, VIP on eth0",
    ),
    pytest.param(
        lab2_dr_behind_router(),
        [director_pool(["192.168.10.101"], interface="lo"), virtual_service("192.168.10.101", scheduler={"name": "wlc"}), *servers_of("web", "192.168.10.201", "192.168.10.202")],
        "192.168.10.101", "192.168.10.101", id="lab 2: DR behind a router, VIP on lo",
    ),
    pytest.param(
        lab3_dr_vip_on_another_subnet(),
        [director_pool(["10.0.0.0/24"]), virtual_service("10.0.0.100"), *servers_of("web", "192.168.8.101", "192.168.8.102")],
        "10.0.0.100", "10.0.0.100", id="lab 3: DR with the VIP on another subnet",
    ),
    pytest.param(
        one_subnet(),
        [director_pool(["198.51.100.192/27"]), virtual_service("198.51.100.200"), *servers_of("web", "198.51.100.21", "198.51.100.22")],
        "198.51.100.200", "198.51.100.200", id="DR with everybody on one subnet",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "objects", "vip", "carried"), LABS)
def test_one_apply_gives_traffic_from_the_clients_own_address_and_its_removal_leaves_no_trace(
    setup, plan, objects, vip, carried
):
    lab = setup(plan)
    client = lab.network["client"]

    lab.write(several(*objects))
    lab.ready(2, carried)
    replies = requests(client, vip, REQUESTS)
    lab.remove()

    assert replies.failures == {}
    assert sum(replies.servers.values()) == REQUESTS
    assert set(replies.servers) == {"rs-1", "rs-2"}
    assert set(replies.clients) == {client.address()}
    wait_until(lambda: lab.differences() == {}, "every host byte for byte as before", 30)


@pytest.mark.parametrize(
    ("scheduler", "weights", "expected"),
    [("rr", (1, 1), 0.5), ("wrr", (1, 3), 0.25), ("wlc", (1, 1), 0.5)],
    ids=["rr", "wrr 1:3", "wlc"],
)
def test_real_servers_get_their_share(setup, scheduler, weights, expected):
    lab = setup(one_subnet())
    lab.write(
        several(
            director_pool(["198.51.100.192/27"]),
            virtual_service("198.51.100.200", scheduler={"name": scheduler}),
            real_server("a", "198.51.100.21", weight=weights[0]),
            real_server("b", "198.51.100.22", weight=weights[1]),
        )
    )
    lab.ready(2, "198.51.100.200")

    replies = requests(lab.network["client"], "198.51.100.200", REQUESTS)

    tolerance = 0.02 if scheduler != "wlc" else 0.5  # wlc goes by live connections; both must take part
    assert abs(share(replies, "rs-1") - expected) <= tolerance
    assert min(replies.servers.values()) > 0
    assert replies.failures == {}
