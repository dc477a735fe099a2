"""Objects as events bring them, decoded: one that cannot be read is told of, and its last good form stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from lvs_api.fields import canonical_address
from lvs_api.meta import ObjectKey
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService
from lvs_operator.cluster import Cluster
from lvs_operator.resources import ApiObject, Kind, Target

__all__ = ["Store", "decode"]


class Store:
    """Hands decoded objects to the cluster, and knows which there are."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._uids: dict[Target, str] = {}
        self._versions: dict[Target, str] = {}
        self._log = structlog.get_logger("lvs_operator.store")

    def put(self, kind: Kind, raw: Mapping[str, Any]) -> tuple[Target, str, bool]:
        """Take an object in; return which one it is, its uid, and whether it is news."""
        metadata = raw["metadata"]
        target = Target(kind, ObjectKey(metadata.get("namespace", ""), metadata["name"]))
        uid, version = metadata["uid"], metadata["resourceVersion"]
        if self._uids.get(target) == uid and self._versions.get(target) == version:
            return target, uid, False
        self._uids[target], self._versions[target] = uid, version
        try:
            thing = decode(kind, raw)
        except ValueError as error:  # msgspec's errors among them
            self._log.warning(
                "object_not_understood", object=str(target), problem=str(error), advice="its last good form stays"
            )
            return target, uid, False
        self._cluster.put(thing)
        return target, uid, True

    def remove(self, target: Target, uid: str) -> bool:
        """Take an object out, unless there is another one of its name by now; tell whether it is news."""
        if self._uids.get(target) != uid:
            return False
        del self._uids[target], self._versions[target]
        self._cluster.remove(target)
        return True

    def knows(self, target: Target) -> bool:
        """Tell whether there is an object of this name."""
        return target in self._uids

    def counts(self) -> Mapping[str, int]:
        """Return how many objects are known, by kind."""
        return Counter(target.kind.__name__ for target in self._uids)

    def uids(self, kind: Kind) -> dict[Target, str]:
        """Return the objects of a kind that are known, with their uids."""
        return {target: uid for target, uid in self._uids.items() if target.kind is kind}


def decode(kind: Kind, raw: Mapping[str, Any]) -> ApiObject:
    """Decode an object.

    Raises
    ------
    ValueError
        If it does not have the form that this version of the operator knows, or names an address that is none.
    """
    thing: ApiObject = msgspec.convert(raw, type=kind)
    # The schema holds users to addresses; statuses can be written by anybody who may write them.
    if isinstance(thing, VirtualService):
        for address in (*thing.spec.addresses, *thing.status.addresses):
            canonical_address(address)
    elif isinstance(thing, RealServer):
        for address in filter(None, (thing.spec.address, thing.status.address)):
            canonical_address(address)
    return thing
