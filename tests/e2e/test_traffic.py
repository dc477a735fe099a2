"""What users apply becomes traffic, and what they change is followed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.kind.client import Client
from lab.kind.cluster import Cluster
from lab.kind.nodekernel import NodeKernel
from lab.processes import wait_until
from tests.e2e.objects import real_server, virtual_service, web_servers
from tests.e2e.release import Release
from tests.e2e.topology import CLIENT_DR, CLIENT_NAT, DIRECTOR, PORT, REAL_SERVERS
from tests.e2e.waiting import condition, wait_for_replies, wait_ready

VIP_DR = "203.0.113.200"
VIP_NAT = "198.51.100.200"

pytestmark = pytest.mark.usefixtures("release")


@pytest.fixture(scope="module", autouse=True)
def web(cluster: Cluster, release: Release) -> Iterator[None]:
    """Web servers on both real-server nodes."""
    cluster.apply(web_servers())
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    yield
    cluster.kubectl("delete", "deployment", "web")


@pytest.fixture
def dr(cluster: Cluster) -> Iterator[str]:
    """A service with direct routing to both nodes, by their names."""
    cluster.apply(
        virtual_service(VIP_DR), *(real_server(node, nodeName=node, weight=1, port=PORT) for node in REAL_SERVERS)
    )
    wait_ready(cluster, "web", 2)
    yield VIP_DR
    cluster.kubectl("delete", "lvs,lrs", "--all")


def test_direct_routing_reaches_real_servers_chosen_by_selector_and_keeps_the_clients_address(client: Client, dr: str):
    replies = client.requests(dr, 100, PORT)

    assert replies.servers == dict.fromkeys(REAL_SERVERS, 50)
    assert replies.clients == {CLIENT_DR.partition("/")[0]: 100}


def test_nat_reaches_real_servers_by_address_and_keeps_the_clients_address(
    cluster: Cluster, client: Client, kernels: dict[str, NodeKernel]
):
    cluster.apply(
        virtual_service(VIP_NAT, "nat", method="NAT"),
        *(real_server(f"nat-{node}", app="nat", address=kernels[node].address) for node in REAL_SERVERS),
    )
    wait_ready(cluster, "nat", 2)

    replies = client.requests(VIP_NAT, 100, PORT)

    cluster.kubectl("delete", "lvs,lrs", "--all")
    assert replies.servers == dict.fromkeys(REAL_SERVERS, 50)
    assert replies.clients == {CLIENT_NAT.partition("/")[0]: 100}


def test_a_changed_weight_is_followed_without_a_failed_request(
    cluster: Cluster, client: Client, kernels: dict[str, NodeKernel], dr: str
):
    load = client.load(dr, PORT, rate=50)

    cluster.kubectl("patch", "lvs", "web", "--type=merge", "--patch", '{"spec": {"scheduler": {"name": "wrr"}}}')
    cluster.kubectl("patch", "lrs", REAL_SERVERS[0], "--type=merge", "--patch", '{"spec": {"weight": 3}}')
    wait_until(lambda: "-w 3" in kernels[DIRECTOR].run("ipvsadm-save", "-n").stdout, "weight 3 in the kernel")
    loaded = load.release()
    replies = client.requests(dr, 100, PORT)

    assert loaded.failures == {}
    assert replies.servers == {REAL_SERVERS[0]: 75, REAL_SERVERS[1]: 25}


def test_a_real_server_that_is_deleted_gets_no_more_requests(cluster: Cluster, client: Client, dr: str):
    cluster.kubectl("delete", "lrs", REAL_SERVERS[0])

    wait_for_replies(client, dr, PORT, {REAL_SERVERS[1]})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ports": [{"port": 70000}]}, "spec.ports[0].port"),
        ({"scheduler": {"name": "wwr"}}, "spec.scheduler.name"),
        ({"healthCheck": {"type": "TCP", "interval": "often"}}, "spec.healthCheck.interval"),
    ],
    ids=["a port that is none", "an unknown scheduler", "a duration that is none"],
)
def test_an_object_that_makes_no_sense_is_refused_with_the_fields_name(cluster: Cluster, change, field):
    done = cluster.kubectl("apply", "-f", "-", input=json.dumps(virtual_service(VIP_DR, "bad", **change)), check=False)

    assert done.code != 0
    assert field in done.stderr


def test_an_address_outside_the_pool_is_not_accepted_and_the_condition_says_so(cluster: Cluster):
    cluster.apply(virtual_service("203.0.113.5", "outside"))

    said = wait_until(lambda: condition(cluster, "lvs", "outside", "Accepted"), "the condition Accepted")

    cluster.kubectl("delete", "lvs", "outside")
    assert said["status"] == "False"
    assert "203.0.113.5" in said["message"]
