"""What objects, health and duty come to on one node."""

from __future__ import annotations

import msgspec
import pytest

from lvs_agent.desired import service_key
from lvs_agent.health.probe import Probe
from lvs_agent.health.state import CheckState, Status
from lvs_agent.ipvs import Destination, DestinationKey, ForwardingMethod
from lvs_agent.model.admissions import AdmissionByFiles, AdmissionByOperator
from lvs_agent.model.node import NodeModel
from lvs_agent.source.events import Put, Removed
from lvs_agent.state import AddressKey
from lvs_api.directorpool import DirectorPool
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import Condition, ObjectKey, ObjectMeta
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService, VirtualServiceStatus
from tests.unit.objects import VIP, pool, real_server, service

WEB = service_key(VIP, "TCP", 80)
ONE = DestinationKey(WEB, "198.51.100.21", 80)
TWO = DestinationKey(WEB, "198.51.100.22", 80)
NOW = "2026-01-01T00:00:00Z"
CHECK = {"type": "TCP", "interval": "1s"}


class Node:
    """A model with its surroundings: health as the test sets it, a kernel that is as the test says."""

    def __init__(self, name: str = "d1", *, in_cluster: bool = False, last_good=None) -> None:
        self.health: dict[str, Status] = {}
        self.kernel = {}
        admissions = AdmissionByOperator() if in_cluster else AdmissionByFiles(last_good or {}, lambda: NOW)
        self.model = NodeModel(
            name, admissions, last_good or {}, in_cluster=in_cluster, health=self.state, actual=self.kernel
        )

    def state(self, probe: Probe) -> CheckState:
        return CheckState(status=self.health.get(probe.address, Status.UNKNOWN), since=0)

    def put(self, *objects) -> set:
        self.model.take(Put(one) for one in objects)
        return self.model.settle()

    def remove(self, kind, key) -> set:
        self.model.take([Removed(kind, key)])
        return self.model.settle()

    def weight(self, key: DestinationKey) -> int | None:
        found = self.model.desired.merged.get(key)
        return found.weight if isinstance(found, Destination) else None


SERVERS = [real_server("one", "198.51.100.21"), real_server("two", "198.51.100.22")]


def test_a_node_named_by_the_pool_directs():
    node = Node("d1")

    node.put(pool(), service(), *SERVERS)

    assert {WEB, ONE, TWO} <= node.model.desired.merged.keys()


def test_a_node_that_no_pool_names_directs_nothing():
    node = Node("other")

    assert node.put(pool(), service(), *SERVERS) == set()


def test_without_operator_a_node_with_a_real_servers_address_carries_the_vip():
    node = Node("rs1")
    node.model.take_own_addresses(["198.51.100.21"])

    node.put(pool(), service(), *SERVERS)

    assert AddressKey("lo", VIP, 32) in node.model.desired.merged
    assert WEB not in node.model.desired.merged


def test_under_nat_a_real_server_carries_nothing():
    node = Node("rs1")
    node.model.take_own_addresses(["198.51.100.21"])

    assert node.put(pool(), service(forwarding={"method": "NAT"}), *SERVERS) == set()


def test_a_weight_change_touches_one_item():
    node = Node()
    node.put(pool(), service(), *SERVERS)

    assert node.put(real_server("one", "198.51.100.21", weight=5)) == {ONE}


def test_a_new_real_server_gets_its_weight_with_the_first_passed_check():
    node = Node()
    node.put(pool(), service(healthCheck=CHECK), *SERVERS)
    before = node.weight(ONE)

    node.health["198.51.100.21"] = Status.HEALTHY
    for probe in [one for one in node.model.wanted_probes() if one.address == "198.51.100.21"]:
        node.model.take_health(probe)
    changed = node.model.settle()

    assert (before, node.weight(ONE), changed) == (0, 1, {ONE})


def test_a_real_server_that_takes_connections_goes_on_until_its_first_check_says_otherwise():
    node = Node()
    node.kernel[ONE] = Destination(ForwardingMethod.DR, 1)

    node.put(pool(), service(healthCheck=CHECK), *SERVERS)

    assert (node.weight(ONE), node.weight(TWO)) == (1, 0)


def test_a_removed_service_leaves_nothing():
    node = Node()
    node.put(pool(), service(), *SERVERS)

    node.remove(VirtualService, service().metadata.key)

    assert not node.model.desired.merged


def test_a_service_whose_pool_is_gone_leaves_nothing():
    node = Node()
    node.put(pool(), service(), *SERVERS)

    node.remove(DirectorPool, ObjectKey("", "edge"))

    assert not node.model.desired.merged


def test_a_refused_change_leaves_the_last_good_state():
    node = Node()
    node.put(pool(), service(), *SERVERS)

    changed = node.put(service(addresses=["203.0.113.1"]))

    assert changed == set()
    assert "spec.addresses[0]" in str(node.model.problems[service().metadata.key])


def test_after_a_restart_the_last_good_state_stands_for_an_object_that_is_refused_now():
    before = Node()
    before.put(pool(), service(), *SERVERS)
    kept = {key: admitted for key, admitted in before.model.drain_accepted().items() if admitted}

    node = Node(last_good=kept)
    node.put(pool(), service(addresses=["203.0.113.1"]), *SERVERS)
    node.model.forget_absent()

    assert WEB in node.model.desired.merged


def test_after_a_restart_an_object_that_is_gone_is_forgotten():
    before = Node()
    before.put(pool(), service(), *SERVERS)
    kept = {key: admitted for key, admitted in before.model.drain_accepted().items() if admitted}

    node = Node(last_good=kept)
    node.put(pool(), *SERVERS)
    node.model.forget_absent()
    node.model.settle()

    assert node.model.drain_accepted() == {service().metadata.key: None}
    assert not node.model.desired.merged


def accepted(one: VirtualService, *, generation: int = 1, status: str = "True") -> VirtualService:
    said = VirtualServiceStatus(
        addresses=(VIP,),
        director_pool="edge",
        conditions=(Condition(type="Accepted", status=status, observed_generation=generation),),  # type: ignore[arg-type]
    )
    return msgspec.structs.replace(one, status=said)


def node_duty(**spec: object) -> LVSNode:
    return msgspec.convert({"metadata": {"name": "d1", "generation": 1}, "spec": spec}, LVSNode)


DIRECTS = node_duty(director={"pools": ["edge"]})


def test_in_a_cluster_a_node_directs_what_its_lvsnode_says():
    node = Node(in_cluster=True)

    node.put(pool(), DIRECTS, accepted(service()), *SERVERS)

    assert {WEB, ONE, TWO} <= node.model.desired.merged.keys()


@pytest.mark.parametrize(
    "judged",
    [service(), accepted(service(), generation=0), accepted(service(), status="False")],
    ids=["not judged", "an older generation judged", "refused"],
)
def test_in_a_cluster_nothing_runs_that_the_operator_has_not_accepted(judged):
    node = Node(in_cluster=True)

    assert node.put(pool(), DIRECTS, judged, *SERVERS) == set()


def test_in_a_cluster_the_last_accepted_generation_runs_on_until_the_next_is_accepted():
    node = Node(in_cluster=True)
    node.put(pool(), DIRECTS, accepted(service()), *SERVERS)

    changed = node.put(accepted(msgspec.structs.replace(service(), metadata=ObjectMeta("web", "shop", generation=2))))

    assert changed == set()
    assert WEB in node.model.desired.merged


def test_a_node_that_loses_its_duty_leaves_nothing():
    node = Node(in_cluster=True)
    node.put(pool(), DIRECTS, accepted(service()), *SERVERS)

    node.put(node_duty())

    assert not node.model.desired.merged


def test_a_node_carries_the_vips_of_its_duty_but_for_those_it_directs():
    node = Node(in_cluster=True)

    node.put(
        pool(),
        node_duty(director={"pools": ["edge"]}, realServer={"addresses": [VIP, "198.51.100.201"]}),
        accepted(service()),
        *SERVERS,
    )

    on_lo = {key.address for key in node.model.desired.merged if isinstance(key, AddressKey) and key.interface == "lo"}
    assert on_lo == {"198.51.100.201"}


def test_a_real_server_that_leaves_is_no_longer_checked():
    node = Node()
    node.put(pool(), service(healthCheck=CHECK), *SERVERS)

    node.remove(RealServer, ObjectKey("shop", "one"))

    assert [probe.address for probe in node.model.drain_unwanted_probes()] == ["198.51.100.21"]
