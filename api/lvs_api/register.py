"""Keeps verdicts up to date as objects come and go, and judges again only what a change can have touched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from lvs_api.admission import Admitted, Reason, Refused, Verdict, admit_together, wanted_addresses
from lvs_api.directorpool import DirectorPool
from lvs_api.meta import ObjectKey
from lvs_api.virtualservice import VirtualService

__all__ = ["AdmissionRegister"]

# Any service that goes can leave an address to one that has none.
_WAITING = frozenset({Reason.NO_FREE_ADDRESS})


class AdmissionRegister:
    """All VirtualServices with the verdict on each.

    Objects are put in as they are; ``judge`` then brings the verdicts up to date and tells which changed.
    """

    def __init__(self) -> None:
        self._services: dict[ObjectKey, VirtualService] = {}
        self._pools: dict[str, DirectorPool] = {}
        self._namespaces: dict[str, dict[str, str]] = {}
        self._verdicts: dict[ObjectKey, Verdict] = {}
        self._holders: defaultdict[str, set[ObjectKey]] = defaultdict(set)  # by VIP, wanted or given
        self._vips: dict[ObjectKey, frozenset[str]] = {}
        self._dirty: set[ObjectKey] = set()
        self._without_address: set[ObjectKey] = set()

    def __getitem__(self, key: ObjectKey) -> Verdict:
        return self._verdicts[key]

    @property
    def verdicts(self) -> Mapping[ObjectKey, Verdict]:
        """The verdicts as of the last ``judge``."""
        return self._verdicts

    def put(self, service: VirtualService) -> None:
        """Take a VirtualService in, new or changed."""
        key = service.metadata.key
        before = self._services.get(key)
        self._services[key] = service
        if before is None or _judged_part(before) != _judged_part(service):
            self._touch(key)
            self._index(key)

    def remove(self, key: ObjectKey) -> None:
        """Take a VirtualService out."""
        if self._services.pop(key, None) is not None:
            self._touch(key)
            self._index(key)

    def put_pool(self, pool: DirectorPool) -> None:
        """Take a DirectorPool in, new or changed; all services are judged again if its spec changed."""
        before = self._pools.get(pool.metadata.name)
        self._pools[pool.metadata.name] = pool
        if before is None or before.spec != pool.spec:
            self._dirty.update(self._services)

    def remove_pool(self, name: str) -> None:
        """Take a DirectorPool out."""
        if self._pools.pop(name, None) is not None:
            self._dirty.update(self._services)

    def put_namespace(self, name: str, labels: Mapping[str, str]) -> None:
        """Take a namespace's labels in."""
        if self._namespaces.get(name) != labels:
            self._namespaces[name] = dict(labels)
            self._dirty.update(key for key in self._services if key.namespace == name)

    def judge(self) -> frozenset[ObjectKey]:
        """Bring the verdicts up to date; return the keys whose verdict changed or went."""
        if not self._dirty:
            return frozenset()
        group = self._connected(self._dirty | self._without_address)
        self._dirty = set()
        members = [self._with_allocation(self._services[key]) for key in group if key in self._services]
        outside = {vip for vip, holders in self._holders.items() if not holders <= group} if members else set()
        fresh = admit_together(members, self._pools, self._namespaces, outside)
        changed = {key for key in group if self._verdicts.get(key) != fresh.get(key)}
        for key in changed:
            if key in fresh:
                self._verdicts[key] = fresh[key]
            else:
                self._verdicts.pop(key, None)
            self._index(key)
        self._without_address -= group
        self._without_address |= {
            key for key, verdict in fresh.items() if isinstance(verdict, Refused) and verdict.reason in _WAITING
        }
        return frozenset(changed)

    def _with_allocation(self, service: VirtualService) -> VirtualService:
        """Fill in the pool and addresses given before where the object's status does not say so yet."""
        verdict, status = self._verdicts.get(service.metadata.key), service.status
        if not isinstance(verdict, Admitted):
            return service
        if not wanted_addresses(service):
            status = msgspec.structs.replace(status, addresses=verdict.addresses)
        if not status.director_pool:
            status = msgspec.structs.replace(status, director_pool=verdict.pool)
        return msgspec.structs.replace(service, status=status)

    def _touch(self, key: ObjectKey) -> None:
        self._dirty.add(key)
        for vip in self._vips.get(key, ()):
            self._dirty.update(self._holders[vip])

    def _index(self, key: ObjectKey) -> None:
        """Note which VIPs the service wants or has."""
        service, verdict = self._services.get(key), self._verdicts.get(key)
        vips: frozenset[str] = frozenset()
        if service is not None:
            vips = frozenset(wanted_addresses(service))
            if isinstance(verdict, Admitted):
                vips |= frozenset(verdict.addresses)
        for vip in self._vips.pop(key, frozenset()) - vips:
            self._holders[vip].discard(key)
            if not self._holders[vip]:
                del self._holders[vip]
        for vip in vips:
            self._holders[vip].add(key)
        if vips:
            self._vips[key] = vips

    def _connected(self, keys: Iterable[ObjectKey]) -> set[ObjectKey]:
        """Follow shared VIPs from these services to all that a verdict can spread to."""
        reached: set[ObjectKey] = set()
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key in reached:
                continue
            reached.add(key)
            for vip in self._vips.get(key, ()):
                waiting.extend(self._holders[vip] - reached)
        return reached


def _judged_part(service: VirtualService) -> tuple[object, ...]:
    meta, status = service.metadata, service.status
    return (meta.generation, meta.creation_timestamp, service.spec, status.addresses, status.director_pool)
