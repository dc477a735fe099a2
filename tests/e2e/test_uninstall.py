"""What is installed by Helm is gone without a trace once it is uninstalled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.kind.client import Client
from lab.kind.cluster import Cluster
from lab.kind.nodekernel import NodeKernel
from tests.e2e.leaks import changes, dumps
from tests.e2e.objects import real_server, virtual_service, web_servers
from tests.e2e.release import NAMESPACE, Release
from tests.e2e.topology import DIRECTOR, PORT, REAL_SERVERS
from tests.e2e.waiting import wait_for_replies, wait_ready

VIP = "203.0.113.203"


@pytest.fixture(autouse=True)
def nothing_kept(cluster: Cluster) -> Iterator[None]:
    """An API server that has nothing of an earlier release, nor afterwards of this one."""
    _delete_what_is_kept(cluster)
    yield
    _delete_what_is_kept(cluster)


@pytest.fixture
def serving(
    cluster: Cluster, client: Client, kernels: dict[str, NodeKernel], agent_image: str
) -> Iterator[tuple[Release, dict[str, str], set[str]]]:
    """A release at work, and what nodes and API server had before it."""
    nodes, listed = dumps(kernels), _everything(cluster)
    release = Release(cluster, agent_image)
    release.install("--set", "crds.keep=false")
    cluster.apply(
        web_servers(),
        virtual_service(VIP),
        *(real_server(node, nodeName=node, port=PORT) for node in REAL_SERVERS),
    )
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    wait_ready(cluster, "web", 2)
    wait_for_replies(client, VIP, PORT, set(REAL_SERVERS))
    yield release, nodes, listed
    cluster.kubectl("delete", "deployment/web", "--ignore-not-found")


def test_uninstalling_at_work_leaves_nodes_and_api_server_as_they_were(
    cluster: Cluster, kernels: dict[str, NodeKernel], serving: tuple[Release, dict[str, str], set[str]]
):
    release, nodes, listed = serving

    release.uninstall()

    assert changes(kernels, nodes) == {}
    cluster.kubectl("delete", "deployment/web")
    cluster.kubectl("delete", "namespace", NAMESPACE)
    assert _everything(cluster) == listed


def test_kept_definitions_and_objects_are_all_that_a_release_leaves(
    cluster: Cluster, kernels: dict[str, NodeKernel], agent_image: str
):
    nodes, listed = dumps(kernels), _everything(cluster)
    release = Release(cluster, agent_image)
    release.install()
    cluster.apply(virtual_service(VIP), real_server("one", nodeName=REAL_SERVERS[0], port=PORT))

    release.uninstall()
    cluster.kubectl("delete", "namespace", NAMESPACE)

    left = _everything(cluster) - listed
    assert {name.partition("/")[0] for name in left} == {
        "apiservice.apiregistration.k8s.io",  # made by the API server for the definitions
        "customresourcedefinition.apiextensions.k8s.io",
        "virtualservice.lvs-operator.io",
        "realserver.lvs-operator.io",
    }
    assert VIP not in kernels[DIRECTOR].dump()
    assert changes(kernels, nodes) == {}


def _delete_what_is_kept(cluster: Cluster) -> None:
    kept = cluster.kubectl("get", "crd", "--output=name").stdout.split()
    ours = [name for name in kept if name.endswith(".lvs-operator.io")]
    if ours:
        cluster.kubectl("delete", *ours)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")


def _everything(cluster: Cluster) -> set[str]:
    """Return the names of all objects, but for those that come and go by themselves."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "--output=name").stdout.split()
    passing = {"events", "events.events.k8s.io", "leases.coordination.k8s.io", "pods", "replicasets.apps",
               "controllerrevisions.apps", "endpointslices.discovery.k8s.io", "endpoints"}  # fmt: skip
    wanted = ",".join(kind for kind in kinds if kind not in passing)
    return set(cluster.kubectl("get", wanted, "--all-namespaces", "--output=name").stdout.split())
