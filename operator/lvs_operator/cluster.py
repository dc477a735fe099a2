"""All that is known of the cluster; works out, for what a change can have touched, what is to be written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from lvs_api.admission import Admitted
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice, Namespace, Node
from lvs_api.fields import canonical_address
from lvs_api.graph import ObjectGraph
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey, ObjectMeta
from lvs_api.realserver import RealServer
from lvs_api.register import AdmissionRegister
from lvs_api.resolve import RefusedRealServer, Resolution, resolve
from lvs_api.virtualservice import VirtualService
from lvs_operator.duties import Carry, carries_of, duties
from lvs_operator.intents import Apply, Intent
from lvs_operator.nodes import address_of, addresses_of, node_names, node_writes
from lvs_operator.placement import Placement, place
from lvs_operator.plain import applied, has_status
from lvs_operator.resources import ApiObject, Target
from lvs_operator.rollup import service_status
from lvs_operator.rollup_pool import pool_status
from lvs_operator.rollup_real_server import Use, real_server_status

__all__ = ["Cluster"]

_NOBODY = Placement("", "NoEligibleNode", "")


class Cluster:
    """The objects, what they come to, and which of them have to be looked at again."""

    def __init__(self) -> None:
        self._services: dict[ObjectKey, VirtualService] = {}
        self._real_servers: dict[ObjectKey, RealServer] = {}
        self._pools: dict[str, DirectorPool] = {}
        self._nodes: dict[str, Node] = {}
        self._lvs_nodes: dict[str, LVSNode] = {}
        self._register = AdmissionRegister()
        self._graph = ObjectGraph()
        self._on_node: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        # What follows from the objects.
        self._running: dict[ObjectKey, Admitted] = {}  # as directors run them: as last accepted
        self._in_pool: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        self._resolutions: dict[ObjectKey, Resolution] = {}
        self._carries: dict[ObjectKey, frozenset[Carry]] = {}
        self._placements: dict[str, Placement] = {}
        # What has to be looked at again.
        self._unresolved: set[ObjectKey] = set()
        self._changed_services: set[ObjectKey] = set()
        self._changed_real_servers: set[ObjectKey] = set()
        self._changed_pools: set[str] = set()
        self._place_again = False
        self._duties_again = False

    def put(self, thing: ApiObject) -> None:
        """Take an object in, new or changed."""
        match thing:
            case VirtualService():
                self._services[thing.metadata.key] = thing
                self._register.put(thing)
                self._changed_services.add(thing.metadata.key)
            case RealServer():
                self._put_real_server(thing)
            case DirectorPool():
                self._put_pool(thing)
            case Node():
                self._put_node(thing)
            case LVSNode():
                self._put_lvs_node(thing)
            case Namespace():
                self._register.put_namespace(thing.metadata.name, thing.metadata.labels)
            case EndpointSlice():
                self._unresolved |= self._graph.put_slice(thing)

    def remove(self, target: Target) -> None:
        """Take an object out."""
        kind, key = target
        if kind is VirtualService:
            self._services.pop(key, None)
            self._register.remove(key)
        elif kind is RealServer:
            server = self._real_servers.pop(key, None)
            if server is not None and server.spec.node_name:
                self._on_node[server.spec.node_name].discard(key)
            self._unresolved |= self._graph.remove_real_server(key)
        elif kind is DirectorPool:
            self._pools.pop(key.name, None)
            self._register.remove_pool(key.name)
            self._place_again = self._duties_again = True
        elif kind is Node:
            self._nodes.pop(key.name, None)
            self._node_changed(key.name)
        elif kind is LVSNode:
            self._lvs_nodes.pop(key.name, None)
            self._node_changed(key.name)
        elif kind is EndpointSlice:
            self._unresolved |= self._graph.remove_slice(key)

    def touch(self, target: Target) -> None:
        """Have an object looked at again, although it did not change: what was to be written there was not."""
        kind, key = target
        if kind is VirtualService:
            self._changed_services.add(key)
        elif kind is RealServer:
            self._changed_real_servers.add(key)
        elif kind is DirectorPool:
            self._changed_pools.add(key.name)
        elif kind is LVSNode:
            self._duties_again = True

    def decide(self, now: str) -> list[Intent]:
        """Return what is to be written, for all objects that a change since the last call can have touched.

        Parameters
        ----------
        now
            RFC 3339 text.
        """
        for key in self._register.judge():
            self._take_verdict(key)
        if self._place_again:
            self._place()
        for key in self._unresolved:
            self._resolve(key)
        self._unresolved = set()
        writes: list[Intent] = []
        if self._duties_again:
            writes += self._duty_writes()
        writes += self._status_writes(now)
        self._place_again = self._duties_again = False
        self._changed_services, self._changed_real_servers, self._changed_pools = set(), set(), set()
        return writes

    # Taking objects in

    def _put_real_server(self, server: RealServer) -> None:
        key = server.metadata.key
        before = self._real_servers.get(key)
        if before is not None and before.spec.node_name:
            self._on_node[before.spec.node_name].discard(key)
        if server.spec.node_name:
            self._on_node[server.spec.node_name].add(key)
        self._real_servers[key] = server
        self._locate(key)

    def _put_pool(self, pool: DirectorPool) -> None:
        before = self._pools.get(pool.metadata.name)
        self._pools[pool.metadata.name] = pool
        self._register.put_pool(pool)
        self._changed_pools.add(pool.metadata.name)
        if before is None or before.spec != pool.spec:
            self._place_again = self._duties_again = True

    def _put_node(self, node: Node) -> None:
        before = self._nodes.get(node.metadata.name)
        self._nodes[node.metadata.name] = node
        if before is None or _node_part(before) != _node_part(node):
            self._node_changed(node.metadata.name)

    def _put_lvs_node(self, lvs_node: LVSNode) -> None:
        before = self._lvs_nodes.get(lvs_node.metadata.name)
        self._lvs_nodes[lvs_node.metadata.name] = lvs_node
        if before is None or _lvs_node_part(before) != _lvs_node_part(lvs_node):
            self._node_changed(lvs_node.metadata.name)

    def _node_changed(self, name: str) -> None:
        self._place_again = self._duties_again = True
        for key in self._on_node.get(name, ()):
            self._locate(key)

    def _locate(self, key: ObjectKey) -> None:
        """Have services resolve a RealServer with the address it has now, whatever its status still says."""
        server = self._real_servers[key]
        address = self._address(server)
        if server.status.address != address:
            server = msgspec.structs.replace(server, status=msgspec.structs.replace(server.status, address=address))
        self._unresolved |= self._graph.put_real_server(server)
        self._changed_real_servers.add(key)

    def _address(self, server: RealServer) -> str:
        if server.spec.node_name:
            return address_of(server.spec.node_name, self._nodes, self._lvs_nodes)
        return canonical_address(server.spec.address) if server.spec.address else ""

    # What follows

    def _take_verdict(self, key: ObjectKey) -> None:
        service, verdict = self._services.get(key), self._register.verdicts.get(key)
        before = self._running.pop(key, None)
        members = {server.metadata.key for server in self._graph.real_servers(key)}
        running: Admitted | None = None
        if isinstance(verdict, Admitted):
            running = verdict
        elif service is not None:
            running = before or _last_accepted(service)
        if running is None:
            self._graph.remove_service(key)
        else:
            self._running[key] = running
            self._graph.put_service(key, running.spec.real_servers)
        for admitted, change in ((before, set.discard), (running, set.add)):
            if admitted is not None:
                change(self._in_pool[admitted.pool], key)
                self._changed_pools.add(admitted.pool)
        members.update(server.metadata.key for server in self._graph.real_servers(key))
        self._changed_real_servers |= members
        self._changed_services.add(key)
        self._unresolved.add(key)
        self._duties_again = True

    def _resolve(self, key: ObjectKey) -> None:
        running, before = self._running.get(key), self._resolutions.pop(key, None)
        carries: frozenset[Carry] = frozenset()
        servers = self._graph.real_servers(key) if running else []
        if running is not None:
            resolution = resolve(running, servers, self._graph.slices(key))
            self._resolutions[key] = resolution
            named = {one.metadata.key: one.spec.node_name for one in servers if one.spec.node_name}
            carries = carries_of(resolution, named)
        if carries != self._carries.get(key, frozenset()):
            self._duties_again = True
        if carries:
            self._carries[key] = carries
        else:
            self._carries.pop(key, None)
        self._changed_services.add(key)
        if _refusals(before) != _refusals(self._resolutions.get(key)):
            self._changed_real_servers.update(server.metadata.key for server in servers)

    def _place(self) -> None:
        """Choose directors; what uses a pool whose director changed is looked at again."""
        written: defaultdict[str, list[str]] = defaultdict(list)
        for name, lvs_node in sorted(self._lvs_nodes.items()):
            for pool_name in lvs_node.spec.director.pools:
                written[pool_name].append(name)
        retiring = {name for name, lvs_node in self._lvs_nodes.items() if lvs_node.spec.retire}
        before, self._placements = self._placements, {}
        for name, pool in self._pools.items():
            chosen, said = before.get(name, _NOBODY).director, pool.status.director
            asked = sorted(written[name], key=lambda node: node != said)
            current = [node for node in (chosen, *asked, said) if node]
            self._placements[name] = place(pool, self._nodes, current, retiring)
        for name in before.keys() | self._placements.keys():
            if before.get(name) != self._placements.get(name):
                self._changed_pools.add(name)
                self._duties_again = True
                self._director_changed(name)

    def _director_changed(self, pool: str) -> None:
        for key in self._in_pool.get(pool, ()):
            self._changed_services.add(key)
            self._changed_real_servers.update(server.metadata.key for server in self._graph.real_servers(key))

    # What is to be written

    def _duty_writes(self) -> Iterator[Intent]:
        names = node_names(self._nodes, self._pools.values(), self._lvs_nodes)
        directors = {name: placement.director for name, placement in self._placements.items() if placement.director}
        wanted = duties(
            names,
            {name: addresses_of(name, self._nodes, self._lvs_nodes) for name in names},
            directors,
            (carry for carries in self._carries.values() for carry in carries),
            self._kept(),
        )
        return node_writes(wanted, self._nodes, self._lvs_nodes)

    def _kept(self) -> dict[str, set[tuple[str, str]]]:
        """Return what nodes carry for services that are refused as they are: the last good state stays."""
        held: defaultdict[str, set[str]] = defaultdict(set)
        for key, running in self._running.items():
            if self._register.verdicts.get(key) is not running:
                for vip in running.addresses:
                    held[vip].add(running.pool)
        if not held:
            return {}
        return {
            name: {(vip, pool) for vip in lvs_node.spec.real_server.addresses for pool in held.get(vip, ())}
            for name, lvs_node in self._lvs_nodes.items()
        }

    def _status_writes(self, now: str) -> Iterator[Intent]:
        for key in sorted(self._changed_services):
            service, verdict = self._services.get(key), self._register.verdicts.get(key)
            if service is not None and verdict is not None:
                director = self._director_of(key)
                status = service_status(service, verdict, self._resolutions.get(key), director, now)
                if not has_status(service.status, status):
                    yield _apply_status(VirtualService, service.metadata, applied(status, service.status))
        for key in sorted(self._changed_real_servers):
            server = self._real_servers.get(key)
            if server is not None:
                state = real_server_status(server, self._address(server), self._use(key), now)
                if not has_status(server.status, state):
                    yield _apply_status(RealServer, server.metadata, applied(state, server.status))
        for name in sorted(self._changed_pools):
            pool = self._pools.get(name)
            if pool is not None:
                placement, services = self._placements.get(name, _NOBODY), len(self._in_pool.get(name, ()))
                summary = pool_status(pool, placement, services, now)
                if not has_status(pool.status, summary):
                    yield _apply_status(DirectorPool, pool.metadata, applied(summary, pool.status))

    def _director_of(self, service: ObjectKey) -> str:
        running = self._running.get(service)
        return self._placements.get(running.pool, _NOBODY).director if running else ""

    def _use(self, real_server: ObjectKey) -> Use:
        users = sorted(self._graph.users(real_server))
        refused = [
            problem
            for user in users
            for problem in _refusals(self._resolutions.get(user))
            if problem.real_server == real_server
        ]
        directors = frozenset(director for user in users if (director := self._director_of(user)))
        return Use(len(users), directors, refused)


def _last_accepted(service: VirtualService) -> Admitted | None:
    """Return what directors run of a service that is refused as it is now, as near as its status tells."""
    meta, status = service.metadata, service.status
    if not status.addresses or not status.director_pool:
        return None
    return Admitted(
        namespace=meta.namespace,
        name=meta.name,
        generation=0,
        created=meta.creation_timestamp,
        pool=status.director_pool,
        addresses=tuple(map(canonical_address, status.addresses)),
        spec=service.spec,
    )


def _refusals(resolution: Resolution | None) -> tuple[RefusedRealServer, ...]:
    return resolution.refused if resolution else ()


def _apply_status(
    kind: type[VirtualService] | type[RealServer] | type[DirectorPool], meta: ObjectMeta, status: Mapping[str, object]
) -> Apply:
    return Apply(Target(kind, meta.key), {"uid": meta.uid}, {"status": status}, "status")


def _node_part(node: Node) -> tuple[object, ...]:
    return (node.metadata.uid, node.metadata.labels, node.internal_addresses, node.is_ready)


def _lvs_node_part(lvs_node: LVSNode) -> tuple[object, ...]:
    meta = lvs_node.metadata
    return (meta.uid, meta.labels, meta.owner_references, lvs_node.spec, lvs_node.status.addresses)
