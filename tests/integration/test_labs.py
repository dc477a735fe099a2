"""The set-ups that LVS is taught by, each from manifests only: what used to be typed by hand is not typed here."""

from __future__ import annotations

from typing import Any

import pytest

from lab.processes import requests, wait_until
from lab.topologies import lab1_nat, lab2_dr_behind_router, lab3_dr_vip_on_another_subnet, one_subnet
from tests.integration.manifests import director_pool, real_server, several, virtual_service

REQUESTS = 400


def share(replies, name: str) -> float:
    return replies.servers.get(name, 0) / sum(replies.servers.values())


def objects(vip: str, servers: tuple[str, str], *, ranges: str | None = None, interface: str = "eth0", **spec: Any):
    return [
        director_pool([ranges or vip], interface=interface),
        virtual_service(vip, **spec),
        *(real_server(f"web-{number}", address) for number, address in enumerate(servers, start=1)),
    ]


BEHIND_ROUTER = ("192.168.10.201", "192.168.10.202")
WLC = {"scheduler": {"name": "wlc"}}
LABS = [
    pytest.param(
        lab1_nat(),
        objects("172.20.2.43", BEHIND_ROUTER, method="NAT"),
        None,
        id="lab 1: NAT on the director's own address",
    ),
    pytest.param(
        lab2_dr_behind_router(),
        objects("192.168.10.101", BEHIND_ROUTER, **WLC),
        "192.168.10.101",
        id="lab 2: DR behind a router, VIP on eth0",
    ),
    pytest.param(
        lab2_dr_behind_router(),
        objects("192.168.10.101", BEHIND_ROUTER, interface="lo", **WLC),
        "192.168.10.101",
        id="lab 2: DR behind a router, VIP on lo",
    ),
    pytest.param(
        lab3_dr_vip_on_another_subnet(),
        objects("10.0.0.100", ("192.168.8.101", "192.168.8.102"), ranges="10.0.0.0/24"),
        "10.0.0.100",
        id="lab 3: DR with the VIP on another subnet",
    ),
    pytest.param(
        one_subnet(),
        objects("198.51.100.200", ("198.51.100.21", "198.51.100.22"), ranges="198.51.100.192/27"),
        "198.51.100.200",
        id="DR with everybody on one subnet",
    ),
]


@pytest.mark.parametrize(("plan", "applied", "carried"), LABS)
def test_one_apply_gives_traffic_from_the_clients_own_address_and_its_removal_leaves_no_trace(
    files_lab, plan, applied, carried
):
    lab = files_lab(plan)
    client, vip = lab.network["client"], applied[1]["spec"]["addresses"][0]

    lab.write(several(*applied))
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
def test_real_servers_get_their_share(files_lab, scheduler, weights, expected):
    lab = files_lab(one_subnet())
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
