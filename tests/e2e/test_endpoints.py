"""A VirtualService that names a Service follows its EndpointSlices while its Deployment is scaled and rolled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.kind.client import Client
from lab.kind.cluster import Cluster
from lab.processes import wait_until
from tests.e2e.objects import service, virtual_service, web_servers
from tests.e2e.release import Release
from tests.e2e.topology import PORT, REAL_SERVERS
from tests.e2e.waiting import wait_for_replies, wait_ready

VIP = "203.0.113.201"

pytestmark = pytest.mark.usefixtures("release")


@pytest.fixture(scope="module", autouse=True)
def web(cluster: Cluster, release: Release) -> Iterator[None]:
    """A VirtualService of a Service of two pods."""
    cluster.apply(
        web_servers(), service(), virtual_service(VIP, realServers={"service": {"name": "web", "port": "http"}})
    )
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    wait_ready(cluster, "web", 2)
    yield
    cluster.kubectl("delete", "lvs/web", "service/web", "deployment/web")


def test_each_ready_pod_gets_its_share(client: Client):
    replies = client.requests(VIP, 40, PORT)

    assert replies.servers == dict.fromkeys(REAL_SERVERS, 20)


def test_a_deployment_that_is_scaled_down_and_up_again_is_followed(cluster: Cluster, client: Client):
    cluster.kubectl("scale", "deployment/web", "--replicas=1")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    [left] = wait_until(lambda: _nodes(cluster) if len(_nodes(cluster)) == 1 else None, "one pod being left")

    wait_for_replies(client, VIP, PORT, {left})

    cluster.kubectl("scale", "deployment/web", "--replicas=2")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    wait_for_replies(client, VIP, PORT, set(REAL_SERVERS))


def test_a_deployment_that_is_rolled_serves_again_from_its_new_pods(cluster: Cluster, client: Client):
    before = _pods(cluster)

    cluster.kubectl("rollout", "restart", "deployment/web")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=180s", timeout=200)

    wait_for_replies(client, VIP, PORT, set(REAL_SERVERS))
    wait_ready(cluster, "web", 2)
    assert not before & _pods(cluster)


def _nodes(cluster: Cluster) -> list[str]:
    said = cluster.kubectl("get", "pods", "--selector", "app=web", "--output", "jsonpath={.items[*].spec.nodeName}")
    return said.stdout.split()


def _pods(cluster: Cluster) -> set[str]:
    said = cluster.kubectl(
        "get", "pods", "--selector", "app=web", "--field-selector", "status.phase=Running", "--output", "name"
    )
    return set(said.stdout.split())
