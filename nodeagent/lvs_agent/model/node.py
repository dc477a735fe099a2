"""Keeps this node's desired state up to date with objects and health, working again only on what a change touched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from lvs_agent.desired import carried, directed
from lvs_agent.desiredstate import DesiredState
from lvs_agent.health.probe import Probe, probe_for
from lvs_agent.health.state import CheckState, Status
from lvs_agent.ipvs import Destination, DestinationKey
from lvs_agent.model.admissions import Admissions, Pending
from lvs_agent.model.duty import Duty, carried_without_operator, duty_from_node, duty_without_operator
from lvs_agent.source.events import Put, Removed
from lvs_agent.state import ItemKey, ItemValue
from lvs_api.admission import Admitted, Refused
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice
from lvs_api.graph import ObjectGraph
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey
from lvs_api.realserver import RealServer
from lvs_api.resolve import Resolution, ResolvedRealServer, resolve
from lvs_api.virtualservice import VirtualService

__all__ = ["REAL_SERVER_DUTY", "NodeModel"]

# Owner of what the LVSNode asks for, beside the VirtualServices, which own the rest.
REAL_SERVER_DUTY = "real-server duty"


class NodeModel:
    """The objects this agent knows and what they come to on its node.

    Put events in with ``take``, then call ``settle`` and carry out what changed.

    Parameters
    ----------
    node_name
        Name of this node, as in DirectorPool.spec.nodeNames and of its LVSNode.
    admissions
        Who judges VirtualServices.
    last_good
        What was accepted when the agent stopped: it runs on where an object is there but not accepted now.
    in_cluster
        True: the duty is the LVSNode's word. False: it is worked out from pools and own addresses.
    health
        Gives the state of a probe, and sees to it that it is run from then on.
    actual
        The kernel's state as last seen; a live view.
    """

    def __init__(
        self,
        node_name: str,
        admissions: Admissions,
        last_good: Mapping[ObjectKey, Admitted],
        *,
        in_cluster: bool,
        health: Callable[[Probe], CheckState],
        actual: Mapping[ItemKey, ItemValue],
    ) -> None:
        self.node_name = node_name
        self.desired = DesiredState()
        self.duty = Duty()
        self.node_generation = 0
        self.retires = False
        self.admitted: dict[ObjectKey, Admitted] = {}
        self.problems: dict[ObjectKey, Refused | Pending] = {}
        self.resolutions: dict[ObjectKey, Resolution] = {}
        self._admissions = admissions
        self._last_good = dict(last_good)
        self._in_cluster = in_cluster
        self._health = health
        self._actual = actual
        self._graph = ObjectGraph()
        self._pools: dict[str, DirectorPool] = {}
        self._own_addresses: frozenset[str] = frozenset()
        self._probes_of: dict[ObjectKey, frozenset[Probe]] = {}
        self._users_of: defaultdict[Probe, set[ObjectKey]] = defaultdict(set)
        self._present: set[ObjectKey] = set()
        self._uids: dict[tuple[type[VirtualService] | type[RealServer], ObjectKey], str] = {}
        self._accepted_changes: dict[ObjectKey, Admitted | None] = {}
        self._unwanted_probes: set[Probe] = set()
        self._touched: set[ObjectKey] = set()
        self._dirty: set[ObjectKey] = set()
        self._duty_changed = False

    def take(self, events: Iterable[Put | Removed]) -> None:
        """Take in what changed at the source."""
        for event in events:
            if isinstance(event, Put):
                self._put(event)
                if isinstance(event.object, VirtualService | RealServer):
                    self._uids[type(event.object), event.object.metadata.key] = event.object.metadata.uid
            else:
                self._remove(event)
                if event.kind is VirtualService or event.kind is RealServer:
                    self._uids.pop((event.kind, event.key), None)

    def take_health(self, probe: Probe) -> None:
        """Note that the outcome of a probe changed."""
        self._dirty.update(self._users_of.get(probe, ()))

    def take_own_addresses(self, addresses: Iterable[str]) -> None:
        """Take in the node's own addresses, which make it a real server where no operator says so."""
        fresh = frozenset(addresses)
        if fresh != self._own_addresses:
            self._own_addresses = fresh
            if not self._in_cluster:
                self._dirty.update(self.admitted)

    def settle(self) -> set[ItemKey]:
        """Bring the desired state up to date; return the keys at which it changed."""
        for key, verdict in self._admissions.settle().items():
            self.problems.pop(key, None)
            match verdict:
                case Admitted():
                    self._run(key, verdict)
                case None:
                    self._stop(key)
                case _:
                    self.problems[key] = verdict
                    if key not in self.admitted and key in self._last_good:
                        self._run(key, self._last_good[key])
        if self._duty_changed:
            self._renew_duty()
        changed: set[ItemKey] = set()
        dirty, self._dirty = self._dirty, set()
        self._touched |= dirty
        for key in dirty:
            changed |= self._work_out(key)
        if self.duty.carries or self.desired.contribution(REAL_SERVER_DUTY):
            changed |= self.desired.put(REAL_SERVER_DUTY, carried(self._carried_by_duty()))
        return changed

    def forget_absent(self) -> None:
        """Drop what was last accepted of objects that are gone; to be called once every object is known."""
        for key in self._last_good.keys() - self._present:
            self._stop(key)

    def drain_touched(self) -> set[ObjectKey]:
        """Return the VirtualServices that were worked out anew since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def drain_unwanted_probes(self) -> set[Probe]:
        """Return the probes that nobody wants any longer since the last call."""
        unwanted, self._unwanted_probes = self._unwanted_probes, set()
        return unwanted

    def drain_accepted(self) -> dict[ObjectKey, Admitted | None]:
        """Return what was accepted (or went) since the last call, for the agent to keep on disk."""
        changes, self._accepted_changes = self._accepted_changes, {}
        return changes

    def directed_resolution(self, key: ObjectKey) -> Resolution | None:
        """Return a VirtualService's real servers if this node directs it."""
        resolution = self.resolutions.get(key)
        return resolution if resolution and resolution.admitted.pool in self.duty.directs else None

    def uid(self, kind: type[VirtualService] | type[RealServer], key: ObjectKey) -> str:
        """Return the uid of an object; empty if it is not known."""
        return self._uids.get((kind, key), "")

    def wanted_probes(self) -> Iterable[Probe]:
        """Return every probe that some service of this node wants to be run."""
        return self._users_of.keys()

    def probe(self, admitted: Admitted, server: ResolvedRealServer) -> Probe | None:
        """Return the probe that decides over a real server; None where its service asks for no checks."""
        check = admitted.spec.health_check
        if check is None:
            return None
        return probe_for(check, server.address, check.port or server.port)

    def _put(self, event: Put) -> None:
        match event.object:
            case VirtualService() as service:
                self._present.add(service.metadata.key)
                self._admissions.put(service)
            case RealServer() as server:
                self._dirty |= self._graph.put_real_server(server)
            case EndpointSlice() as piece:
                self._dirty |= self._graph.put_slice(piece)
            case DirectorPool() as pool:
                self._pools[pool.metadata.name] = pool
                self._admissions.put_pool(pool)
                self._pool_changed(pool.metadata.name)
            case LVSNode() as node if self._in_cluster and node.metadata.name == self.node_name:
                self.node_generation = node.metadata.generation
                self.retires = node.spec.retire
                self._set_duty(duty_from_node(node))

    def _remove(self, event: Removed) -> None:
        if event.kind is VirtualService:
            self._present.discard(event.key)
            self._admissions.remove(event.key)
        elif event.kind is RealServer:
            self._dirty |= self._graph.remove_real_server(event.key)
        elif event.kind is EndpointSlice:
            self._dirty |= self._graph.remove_slice(event.key)
        elif event.kind is DirectorPool:
            self._pools.pop(event.key.name, None)
            self._admissions.remove_pool(event.key.name)
            self._pool_changed(event.key.name)
        elif event.kind is LVSNode and self._in_cluster and event.key.name == self.node_name:
            self.retires = False
            self._set_duty(Duty())

    def _pool_changed(self, name: str) -> None:
        self._duty_changed = not self._in_cluster
        self._dirty.update(key for key, admitted in self.admitted.items() if admitted.pool == name)

    def _renew_duty(self) -> None:
        self._duty_changed = False
        self._set_duty(duty_without_operator(self.node_name, self._pools.values()))

    def _set_duty(self, duty: Duty) -> None:
        if duty != self.duty:
            moved = duty.directs ^ self.duty.directs
            self.duty = duty
            self._dirty.update(key for key, admitted in self.admitted.items() if admitted.pool in moved)

    def _run(self, key: ObjectKey, admitted: Admitted) -> None:
        if self._last_good.get(key) != admitted:
            self._accepted_changes[key] = admitted
        self.admitted[key] = self._last_good[key] = admitted
        self._graph.put_service(key, admitted.spec.real_servers)
        self._dirty.add(key)

    def _stop(self, key: ObjectKey) -> None:
        self.admitted.pop(key, None)
        if self._last_good.pop(key, None) is not None:
            self._accepted_changes[key] = None
        self._graph.remove_service(key)
        self._dirty.add(key)

    def _carried_by_duty(self) -> list[str]:
        """The VIPs to carry, but for those this node holds as their director."""
        held = {
            vip
            for resolution in self.resolutions.values()
            if resolution.admitted.pool in self.duty.directs
            for vip in resolution.admitted.addresses
        }
        return [vip for vip in self.duty.carries if vip not in held]

    def _work_out(self, key: ObjectKey) -> set[ItemKey]:
        admitted = self.admitted.get(key)
        pool = self._pools.get(admitted.pool) if admitted else None
        if admitted is None or pool is None or (self._in_cluster and admitted.pool not in self.duty.directs):
            self.resolutions.pop(key, None)
            self._set_probes(key, frozenset())
            return self.desired.put(key, {})
        resolution = resolve(admitted, self._graph.real_servers(key), self._graph.slices(key))
        self.resolutions[key] = resolution
        if admitted.pool not in self.duty.directs:
            self._set_probes(key, frozenset())
            return self.desired.put(key, carried(carried_without_operator(resolution, self._own_addresses)))
        self._set_probes(key, self._wanted_probes(resolution))

        def is_up(destination: DestinationKey, server: ResolvedRealServer) -> bool:
            return self._is_up(admitted, destination, server)

        return self.desired.put(key, directed(resolution, pool.spec.interface, is_up))

    def _is_up(self, admitted: Admitted, destination: DestinationKey, server: ResolvedRealServer) -> bool:
        probe = self.probe(admitted, server)
        if probe is None:
            return True
        match self._health(probe).status:
            case Status.HEALTHY:
                return True
            case Status.UNHEALTHY:
                return False
            case Status.UNKNOWN:
                # Not checked yet: one that takes connections goes on, a new one waits for its first pass.
                there = self._actual.get(destination)
                return isinstance(there, Destination) and there.weight > 0

    def _wanted_probes(self, resolution: Resolution) -> frozenset[Probe]:
        probes = (
            self.probe(resolution.admitted, server)
            for service in resolution.services
            for server in service.real_servers
        )
        return frozenset(probe for probe in probes if probe is not None)

    def _set_probes(self, key: ObjectKey, probes: frozenset[Probe]) -> None:
        before = self._probes_of.pop(key, frozenset())
        if probes:
            self._probes_of[key] = probes
        for probe in before - probes:
            self._users_of[probe].discard(key)
            if not self._users_of[probe]:
                del self._users_of[probe]
                self._unwanted_probes.add(probe)
        for probe in probes - before:
            self._users_of[probe].add(key)
            self._unwanted_probes.discard(probe)
