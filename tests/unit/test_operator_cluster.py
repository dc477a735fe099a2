"""What is to be written after a change, and what is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import Node
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService
from lvs_operator.cluster import Cluster
from lvs_operator.intents import Apply, Delete, Intent
from lvs_operator.resources import ApiObject, Target
from lvs_operator.store import decode
from tests.unit.objects import VIP, endpoint_slice, pool, real_server, service

NOW = "2026-02-02T00:00:00Z"


def node(name: str, address: str, uid: str = "uid-1") -> Node:
    addresses = [{"type": "InternalIP", "address": address}]
    return msgspec.convert({"metadata": {"name": name, "uid": uid}, "status": {"addresses": addresses}}, Node)


class World:
    """A cluster in which everything that is to be written is written, as an API server would."""

    def __init__(self, *things: ApiObject) -> None:
        self.cluster = Cluster()
        self.objects: dict[Target, dict[str, Any]] = {}
        for thing in things:
            self.put(thing)

    def put(self, thing: ApiObject) -> None:
        self.objects[Target(type(thing), thing.metadata.key)] = msgspec.to_builtins(thing)
        self.cluster.put(thing)

    def remove(self, kind: Any, name: str, namespace: str = "shop") -> None:
        target = Target(kind, ObjectKey(namespace, name))
        del self.objects[target]
        self.cluster.remove(target)

    def settle(self) -> list[Intent]:
        """Write until there is nothing more to write; return what was written."""
        written: list[Intent] = []
        for _ in range(10):
            intents = self.cluster.decide(NOW)
            if not intents:
                return written
            written += intents
            for intent in intents:
                self._write(intent)
        raise AssertionError(f"never settles: {written}")

    def _write(self, intent: Intent) -> None:
        if isinstance(intent, Delete):
            del self.objects[intent.target]
            self.cluster.remove(intent.target)
            return
        kind, key = intent.target
        before = self.objects.get(intent.target, {"metadata": {"name": key.name}})
        status = {**before.get("status", {}), **intent.fields.get("status", {})}
        after = {**before, **intent.fields, "status": status, "metadata": {**before["metadata"], **intent.metadata}}
        self.objects[intent.target] = after
        self.cluster.put(decode(kind, after))

    def status(self, kind: Any, name: str) -> Any:
        return self.decoded(kind, name).status

    def decoded(self, kind: Any, name: str) -> Any:
        namespace = "shop" if kind in (VirtualService, RealServer) else ""
        return decode(kind, self.objects[Target(kind, ObjectKey(namespace, name))])

    def duty(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        spec = self.decoded(LVSNode, name).spec
        return spec.director.pools, spec.real_server.addresses


def subjects(written: list[Intent]) -> set[str]:
    return {f"{type(intent).__name__} {intent.target}" for intent in written}


@pytest.fixture
def world() -> World:
    return World(
        node("d1", "198.51.100.2"),
        node("rs-1", "198.51.100.21", "uid-2"),
        pool(),
        service(),
        real_server("web-1", "198.51.100.21"),
    )


def test_all_that_is_there_gets_its_status_and_its_duty(world: World) -> None:
    written = world.settle()

    assert subjects(written) == {
        "Apply LVSNode d1",
        "Apply LVSNode rs-1",
        "Apply VirtualService shop/web",
        "Apply RealServer shop/web-1",
        "Apply DirectorPool edge",
    }
    assert (world.duty("d1"), world.duty("rs-1")) == ((("edge",), ()), ((), (VIP,)))


def test_one_who_comes_later_and_knows_the_same_writes_nothing(world: World) -> None:
    world.put(service("refused"))
    world.put(service("allocated", addresses=[]))
    world.settle()
    things = [decode(target.kind, raw) for target, raw in world.objects.items()]

    successor = Cluster()
    for thing in reversed(things):
        successor.put(thing)

    assert successor.decide("2027-01-01T00:00:00Z") == []


def test_a_change_to_one_service_writes_to_no_other(world: World) -> None:
    world.put(service("other", addresses=["198.51.100.201"]))
    world.settle()

    world.put(msgspec.structs.replace(world.decoded(VirtualService, "other"), spec=service(
        addresses=["198.51.100.201"], ports=[{"port": 8080}]
    ).spec))  # fmt: skip

    assert subjects(world.settle()) == {"Apply VirtualService shop/other"}


def test_vips_stay_on_real_servers_while_a_change_to_their_service_is_refused(world: World) -> None:
    world.settle()
    before = world.decoded(VirtualService, "web")

    world.put(msgspec.structs.replace(before, spec=service(addresses=["203.0.113.9"]).spec))
    world.settle()

    assert world.duty("rs-1") == ((), (VIP,))
    assert world.status(VirtualService, "web").addresses == (VIP,)


def test_they_stay_as_well_where_nobody_remembers_what_was_accepted(world: World) -> None:
    world.settle()
    world.put(
        msgspec.structs.replace(world.decoded(VirtualService, "web"), spec=service(addresses=["203.0.113.9"]).spec)
    )
    world.settle()

    successor = World(*(decode(target.kind, raw) for target, raw in world.objects.items()))
    successor.settle()

    assert successor.duty("rs-1") == ((), (VIP,))


def test_a_service_that_is_deleted_takes_its_vips_from_real_servers(world: World) -> None:
    world.settle()

    world.remove(VirtualService, "web")
    world.settle()

    assert world.duty("rs-1") == ((), ())
    assert world.status(DirectorPool, "edge").virtual_services == 0
    assert world.status(RealServer, "web-1").reason == "no accepted VirtualService selects it"


def test_an_address_that_becomes_free_goes_to_the_service_that_waits() -> None:
    world = World(pool(addresses=["198.51.100.200"]), service("first", addresses=[]), service("second", addresses=[]))
    world.settle()
    assert world.status(VirtualService, "second").addresses == ()

    world.remove(VirtualService, "first")
    world.settle()

    assert world.status(VirtualService, "second").addresses == (VIP,)


def test_a_service_that_names_no_pool_stays_in_its_pool_when_another_comes(world: World) -> None:
    world.settle()

    world.put(pool("another", nodeNames=["d2"]))
    world.put(service("new", addresses=["198.51.100.201"]))
    world.settle()

    kept, new = world.status(VirtualService, "web"), world.status(VirtualService, "new")
    assert (kept.director_pool, kept.conditions[0].status) == ("edge", "True")
    assert new.conditions[0].reason == "NoDirectorPool"


def test_a_node_of_the_same_name_that_is_another_one_becomes_the_owner(world: World) -> None:
    world.settle()

    world.put(node("d1", "198.51.100.2", "uid-3"))
    world.settle()

    assert [owner.uid for owner in world.decoded(LVSNode, "d1").metadata.owner_references] == ["uid-3"]


def test_an_agents_address_makes_a_machine_that_is_no_node_a_real_server(world: World) -> None:
    world.put(msgspec.convert({"metadata": {"name": "machine"}, "status": {"addresses": ["198.51.100.23"]}}, LVSNode))
    world.put(real_server("web-2", "198.51.100.23"))
    world.settle()

    assert world.duty("machine") == ((), (VIP,))


def test_a_real_server_by_node_name_follows_its_node(world: World) -> None:
    by_node = real_server("web-2", "198.51.100.99")
    world.put(msgspec.structs.replace(by_node, spec=msgspec.convert({"nodeName": "d9"}, type(by_node.spec))))
    world.settle()
    assert world.status(RealServer, "web-2").address == ""

    world.put(node("d9", "198.51.100.29", "uid-9"))
    world.settle()

    assert world.status(RealServer, "web-2").address == "198.51.100.29"
    assert world.status(VirtualService, "web").real_servers.total == 2


def test_endpoints_of_a_service_nobody_names_change_nothing(world: World) -> None:
    world.settle()

    world.cluster.put(endpoint_slice("unrelated", [{"addresses": ["10.0.0.1"]}], service_name="unrelated"))

    assert world.settle() == []


def test_what_could_not_be_written_is_decided_again() -> None:
    cluster = Cluster()
    for thing in (pool(), service()):
        cluster.put(thing)
    target = Target(VirtualService, ObjectKey("shop", "web"))
    first = [intent for intent in cluster.decide(NOW) if intent.target == target]
    assert cluster.decide(NOW) == []

    cluster.touch(target)

    assert cluster.decide(NOW) == first
    assert isinstance(first[0], Apply)
