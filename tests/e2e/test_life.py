"""Agents and operator come and go, are upgraded, and nodes stop; packets go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.docker import OwnDocker
from lab.kind import nodekernel
from lab.kind.client import Client, Loaded
from lab.kind.cluster import NODES, Cluster
from lab.kind.nodekernel import NodeKernel
from lab.processes import wait_until
from tests.e2e.leaks import changes, dumps
from tests.e2e.objects import real_server, virtual_service, web_servers
from tests.e2e.release import Release
from tests.e2e.topology import CLIENT_NAT, DIRECTOR, PORT, REAL_SERVERS
from tests.e2e.waiting import wait_for_replies, wait_ready

VIP = "203.0.113.202"
RATE = 200  # requests a second

pytestmark = pytest.mark.usefixtures("release")


@pytest.fixture(scope="module", autouse=True)
def web(cluster: Cluster, release: Release) -> Iterator[None]:
    """A service with direct routing to a pod on each real-server node."""
    cluster.apply(
        web_servers(),
        virtual_service(VIP),
        *(real_server(node, nodeName=node, port=PORT) for node in REAL_SERVERS),
    )
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    wait_ready(cluster, "web", 2)
    yield
    cluster.kubectl("delete", "deployment/web")


def test_helms_own_test_of_the_release_passes(cluster: Cluster):
    said = cluster.helm("test", "lvs", "--namespace", "lvs-system", "--logs").stdout

    assert "lvs-operator 200 ok" in said
    assert "lvs-agent 200 ok" in said


def test_an_agents_pod_that_is_deleted_takes_nothing_with_it(
    client: Client, release: Release, kernels: dict[str, NodeKernel], figure: Callable[[Loaded], None]
):
    before = dumps(kernels)
    load = client.load(VIP, PORT, RATE)

    release.replace(release.agent_on(DIRECTOR))
    loaded = load.release()
    figure(loaded)

    assert (loaded.failures, loaded.sent > RATE) == ({}, True)
    assert changes(kernels, before) == {}


def test_the_operators_pod_that_is_deleted_takes_nothing_with_it(
    cluster: Cluster,
    client: Client,
    release: Release,
    kernels: dict[str, NodeKernel],
    figure: Callable[[Loaded], None],
):
    before = dumps(kernels)
    load = client.load(VIP, PORT, RATE)

    release.replace("--selector", "app.kubernetes.io/component=operator")
    wait_ready(cluster, "web", 2)
    loaded = load.release()
    figure(loaded)

    assert (loaded.failures, loaded.sent > RATE) == ({}, True)
    assert changes(kernels, before) == {}


def test_an_upgrade_to_another_image_of_the_agent_fails_no_request_and_breaks_no_connection(
    docker: OwnDocker,
    cluster: Cluster,
    client: Client,
    release: Release,
    kernels: dict[str, NodeKernel],
    images: dict[str, str],
    in_kernel: Callable[[str, str], str],
    figure: Callable[[Loaded], None],
):
    before = dumps(kernels)
    docker.run("build", "--quiet", "--tag", "lvs-lab/newer", "-", input=f"FROM {images['agent']}\nLABEL newer=true\n")
    newer = in_kernel("lvs-lab/newer", f"{images['agent']}-e2e-newer")
    cluster.put_image(newer)
    load, hold = client.load(VIP, PORT, RATE), client.hold(VIP, PORT)

    release.upgrade(newer.rpartition(":")[2])
    loaded, held = load.release(), hold.release()
    figure(loaded)

    running = release.kubectl(
        "get", "pods", "--selector", "app.kubernetes.io/component=agent", "--output",
        "jsonpath={.items[*].spec.containers[0].image}",
    )  # fmt: skip
    assert set(running.stdout.split()) == {newer}
    assert held.error == ""
    assert (loaded.failures, loaded.sent > RATE) == ({}, True)
    assert changes(kernels, before) == {}


def test_a_real_server_node_that_stops_is_left_out_and_comes_back(
    cluster: Cluster,
    client: Client,
    release: Release,
    kernels: dict[str, NodeKernel],
    untouched: dict[str, str],
    tmp_path: Path,
):
    stopped, left = REAL_SERVERS

    kernels[stopped].stop()
    cluster.docker.run("stop", "--time", "1", stopped)
    wait_for_replies(client, VIP, PORT, {left})
    cluster.docker.run("start", stopped)
    kernels[stopped] = nodekernel.start(cluster.docker, stopped, tmp_path / "door")
    nodekernel.route_through(kernels[stopped], CLIENT_NAT, kernels[DIRECTOR])
    cluster.connect()
    untouched[stopped] = kernels[stopped].dump()
    kernels[stopped].admit_pods()

    wait_until(lambda: cluster.ready_nodes() == set(NODES), "the node being Ready", 120)
    release.wait()
    wait_ready(cluster, "web", 2, 180)
    wait_for_replies(client, VIP, PORT, {stopped, left})


def test_what_is_deleted_while_operator_and_agents_are_gone_is_gone_at_once_and_cleaned_up_when_they_return(
    cluster: Cluster, release: Release, kernels: dict[str, NodeKernel]
):
    with release.gone():
        cluster.kubectl("delete", "lvs/web", "--timeout=5s")
        assert VIP in kernels[DIRECTOR].run("ipvsadm-save", "-n").stdout

    for node in (DIRECTOR, *REAL_SERVERS):
        wait_until(lambda node=node: VIP not in kernels[node].dump(), f"nothing of {VIP} being left on {node}", 120)
