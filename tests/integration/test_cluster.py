"""From kubectl apply to packets: API server, operator and agents, a real kernel, a real client."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.apiserver import ApiServer
from lab.kernel import Kernel
from lab.processes import HttpServer, hold, requests, wait_until
from lab.topologies import one_subnet
from lab.topology import Network, Plan
from tests.integration.manifests import director_pool, real_server, several, virtual_service

VIP = "198.51.100.200"
POOL = director_pool(["198.51.100.192/27"])
WEB = virtual_service(VIP, scheduler={"name": "wrr"})
ONE, TWO = real_server("web-1", "198.51.100.21"), real_server("web-2", "198.51.100.22")
CHECK = {"type": "HTTP", "interval": "500ms", "timeout": "400ms", "rise": 2, "fall": 2, "http": {"path": "/healthz"}}
NODES = ("director-1", "rs-1", "rs-2")


class Cluster:
    """One subnet whose hosts are Nodes with an agent each, an API server, and the operator."""

    def __init__(self, kernel: Kernel, network: Network, server: ApiServer, processes: Any) -> None:
        self.kernel, self.network, self.server = kernel, network, server
        self.director, self.client = network["director-1"], network["client"]
        self.before = {name: host.dump() for name, host in network.hosts.items()}
        self.web = {name: HttpServer(network[name]) for name in NODES[1:]}
        for name in NODES:
            server.add_node(name, network[name].address())
        self.operator = processes.operator(server.admin_kubeconfig)
        kubeconfig = server.admin_kubeconfig.read_text()
        self.agents = {name: processes.agent(network[name], kubeconfig=kubeconfig) for name in NODES}

    def apply(self, *objects: dict[str, Any]) -> None:
        self.server.apply(several(*objects))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.server.kubectl("get", kind, name, "-o", "json").stdout)
        return found

    def condition(self, kind: str, name: str, wanted: str) -> dict[str, Any]:
        conditions = self.get(kind, name).get("status", {}).get("conditions", [])
        found: dict[str, Any] = next((one for one in conditions if one["type"] == wanted), {})
        return found

    def wait_for_table(self, *lines: str, seconds: float = 60) -> None:
        """Wait until the director's table has just these real servers: address and weight."""
        wanted = sorted(lines)
        wait_until(lambda: self.table() == wanted, f"the table {wanted}", seconds)

    def table(self) -> list[str]:
        words = [line.split() for line in self.director.table().splitlines() if line.startswith("-a")]
        return sorted(f"{rule[4].split(':')[0]} {rule[-1]}" for rule in words)

    def wait_for_vip(self, *names: str) -> None:
        for name in names:
            host = self.network[name]
            wait_until(lambda host=host: f" {VIP}/32 " in host.run("ip", "addr", "show", "lo").stdout, f"VIP on {name}")

    def differences(self) -> dict[str, str]:
        now = {name: host.dump() for name, host in self.network.hosts.items()}
        return {name: text for name, text in now.items() if text != self.before[name]}


@pytest.fixture
def cluster(kernel: Kernel, network: Callable[[Plan], Network], api_server: ApiServer, processes: Any) -> Cluster:
    return Cluster(kernel, network(one_subnet()), api_server, processes)


def test_objects_become_traffic_and_their_deletion_leaves_no_trace(cluster):
    cluster.apply(POOL, WEB, ONE, TWO)
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")
    cluster.wait_for_vip("rs-1", "rs-2")

    replies = requests(cluster.client, VIP, 100)

    assert replies.failures == {}
    assert replies.servers == {"rs-1": 50, "rs-2": 50}
    assert set(replies.clients) == {cluster.client.address()}

    held = hold(cluster.client, VIP)
    cluster.apply({**TWO, "spec": {**TWO["spec"], "weight": 3}})
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 3")
    assert held.release().error == ""

    cluster.server.kubectl("delete", "lrs", "web-1")
    cluster.wait_for_table("198.51.100.22 3")

    cluster.server.kubectl("delete", "lvs,lrs,directorpools", "--all")
    wait_until(lambda: cluster.differences() == {}, "every host byte for byte as before", 60)


def test_kubectl_shows_address_ports_forwarding_scheduler_readiness_and_real_servers(cluster):
    cluster.apply(POOL, {**WEB, "spec": {**WEB["spec"], "healthCheck": CHECK}}, ONE, TWO)
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")

    def shown() -> list[str]:
        return cluster.server.kubectl("get", "lvs", "--no-headers").stdout.split()

    wanted = ["web", VIP, "80/TCP", "DR", "wrr", "True", "2/2", "0"]
    wait_until(lambda: shown()[: len(wanted)] == wanted, f"kubectl get lvs to show {wanted}")
    states = cluster.server.kubectl("get", "lrs", "-o", "jsonpath={.items[*].status.state}").stdout.split()
    assert states == ["Healthy", "Healthy"]


@pytest.mark.parametrize("behaviour", ["error", "silent", "gone"])
def test_a_real_server_that_stops_answering_is_out_and_kubectl_says_which_since_when_and_why(cluster, behaviour):
    cluster.apply(POOL, {**WEB, "spec": {**WEB["spec"], "healthCheck": CHECK}}, ONE, TWO)
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")
    reasons = {"error": "500", "silent": "within", "gone": "refused"}

    if behaviour == "gone":
        cluster.web["rs-1"].stop()
    else:
        cluster.web["rs-1"].behave(behaviour)
    cluster.wait_for_table("198.51.100.21 0", "198.51.100.22 1")

    status = wait_until(
        lambda: (found := cluster.get("lrs", "web-1")["status"])["state"] == "Unhealthy" and found, "Unhealthy"
    )
    assert reasons[behaviour] in json.dumps(status["directors"])
    assert status["since"]
    assert cluster.get("lrs", "web-2")["status"]["state"] == "Healthy"

    if behaviour == "gone":
        cluster.web["rs-1"].start()
    else:
        cluster.web["rs-1"].behave("ok")
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")


def test_with_the_api_server_down_the_kernel_still_follows_the_real_servers(cluster):
    cluster.apply(POOL, {**WEB, "spec": {**WEB["spec"], "healthCheck": CHECK}}, ONE, TWO)
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")

    cluster.server.stop()
    cluster.web["rs-1"].stop()
    cluster.wait_for_table("198.51.100.21 0", "198.51.100.22 1")
    cluster.web["rs-1"].start()
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")

    cluster.server.start()


def test_an_agent_started_while_the_api_server_is_down_waits_and_removes_nothing(cluster):
    cluster.apply(POOL, WEB, ONE, TWO)
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")
    cluster.wait_for_vip("rs-1", "rs-2")
    agent = cluster.agents["director-1"]
    agent.stop()
    cluster.server.stop()
    before = cluster.director.dump()
    said = agent.log.stat().st_size

    agent.restart()
    wait_until(lambda: "cannot be reached" in agent.log.read_text()[said:], "the agent to say so")
    during = cluster.director.dump()
    still = requests(cluster.client, VIP, 20)

    assert during == before
    assert still.failures == {}
    assert agent.poll() is None

    cluster.server.start()
    cluster.apply({**TWO, "spec": {**TWO["spec"], "weight": 7}})
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 7")


def slice_of(name: str, *endpoints: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": "shop"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


def endpoint(address: str, **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "conditions": {"ready": True, **conditions}}


def test_the_endpoints_of_a_service_are_followed(cluster):
    service = virtual_service(VIP, realServers={"service": {"name": "shop", "port": "http"}})
    first, second = "198.51.100.21", "198.51.100.22"
    cluster.apply(POOL, service, slice_of("shop-a", endpoint(first)))
    cluster.wait_for_table(f"{first} 1")

    cluster.apply(slice_of("shop-b", endpoint(second)))
    cluster.wait_for_table(f"{first} 1", f"{second} 1")

    cluster.apply(slice_of("shop-b", endpoint(second, ready=False)))
    cluster.wait_for_table(f"{first} 1", f"{second} 0")

    cluster.apply(slice_of("shop-b", endpoint(second)))
    cluster.wait_for_table(f"{first} 1", f"{second} 1")

    cluster.apply(slice_of("shop-a", endpoint(first, ready=False, serving=True, terminating=True)))
    cluster.wait_for_table(f"{first} 0", f"{second} 1")

    cluster.server.kubectl("delete", "endpointslice", "shop-a")
    cluster.wait_for_table(f"{second} 1")


REFUSED = [
    pytest.param(
        [virtual_service(VIP, "other", realServers={"selector": {"matchLabels": {"app": "web"}}})],
        ("lvs", "other"),
        "spec.ports[0]",
        id="two services on one VIP, port and protocol",
    ),
    pytest.param(
        [virtual_service("203.0.113.9", "other")],
        ("lvs", "other"),
        "spec.addresses[0]",
        id="an address outside the pool",
    ),
]


@pytest.mark.parametrize(("objects", "target", "field"), REFUSED)
def test_what_needs_other_objects_to_refuse_is_refused_by_a_condition_that_names_the_field(
    cluster, objects, target, field
):
    cluster.apply(POOL, WEB, ONE, TWO)
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")
    before = cluster.director.table()

    cluster.apply(*objects)

    refused = wait_until(
        lambda: (found := cluster.condition(*target, "Accepted")).get("status") == "False" and found, "Accepted=False"
    )
    assert field in refused["message"]
    assert cluster.director.table() == before


def test_a_real_server_of_another_family_is_refused_by_a_condition_that_names_the_field(cluster):
    pool = director_pool(["198.51.100.192/27", "2001:db8::/64"])
    cluster.apply(pool, virtual_service("2001:db8::200"), ONE)

    refused = wait_until(
        lambda: (found := cluster.condition("lrs", "web-1", "Accepted")).get("status") == "False" and found,
        "Accepted=False",
    )

    assert "spec.address" in refused["message"]
    assert cluster.table() == []


def test_a_change_that_is_refused_leaves_the_last_good_state_even_over_an_agent_restart(cluster):
    cluster.apply(POOL, WEB, ONE, TWO)
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")
    before = cluster.director.table()

    cluster.apply(virtual_service("203.0.113.9"))
    wait_until(lambda: cluster.condition("lvs", "web", "Accepted").get("status") == "False", "Accepted=False")
    cluster.agents["director-1"].restart()
    cluster.apply({**TWO, "spec": {**TWO["spec"], "weight": 5}})

    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 5")
    assert cluster.director.table() == before.replace("198.51.100.22:80 -g -w 1", "198.51.100.22:80 -g -w 5")


def test_no_object_gets_a_finalizer_and_a_deletion_returns_at_once_with_everything_gone(cluster, tmp_path: Path):
    cluster.apply(POOL, WEB, ONE, TWO)
    cluster.wait_for_table("198.51.100.21 1", "198.51.100.22 1")
    listed = json.loads(cluster.server.kubectl("get", "lvs,lrs,directorpools,lvsnodes", "-o", "json").stdout)
    assert [item["metadata"]["name"] for item in listed["items"] if item["metadata"].get("finalizers")] == []

    cluster.operator.stop()
    for agent in cluster.agents.values():
        agent.stop()
    cluster.server.kubectl("delete", "lvs,lrs,directorpools", "--all", "--timeout=10s")

    cluster.operator.restart()
    for agent in cluster.agents.values():
        agent.restart()
    wait_until(lambda: cluster.differences() == {}, "every host byte for byte as before", 60)
