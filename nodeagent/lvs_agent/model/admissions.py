"""Who says which VirtualServices run, and how: the operator's word in a cluster, the same rules here without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import msgspec

from lvs_api.admission import Admitted, Verdict
from lvs_api.directorpool import DirectorPool
from lvs_api.fields import canonical_address
from lvs_api.meta import ObjectKey
from lvs_api.register import AdmissionRegister
from lvs_api.virtualservice import VirtualService, VirtualServiceStatus

__all__ = ["AdmissionByFiles", "AdmissionByOperator", "Admissions", "Pending", "Settled"]


class Pending(msgspec.Struct, frozen=True):
    """The operator has not judged this generation, or did not accept it; what ran before goes on."""

    message: str

    def __str__(self) -> str:
        return self.message


# None: the object is gone.
Settled: TypeAlias = Verdict | Pending | None


class Admissions(Protocol):
    """Takes objects in; tells which verdicts changed."""

    def put(self, service: VirtualService) -> None:
        """Take a VirtualService in, new or changed."""
        ...

    def remove(self, key: ObjectKey) -> None:
        """Take a VirtualService out."""
        ...

    def put_pool(self, pool: DirectorPool) -> None:
        """Take a DirectorPool in, new or changed."""
        ...

    def remove_pool(self, name: str) -> None:
        """Take a DirectorPool out."""
        ...

    def settle(self) -> Mapping[ObjectKey, Settled]:
        """Return the verdicts that changed since the last call."""
        ...


class AdmissionByOperator:
    """Reads the verdict from the condition Accepted, once it is about the generation at hand."""

    def __init__(self) -> None:
        self._known: dict[ObjectKey, Settled] = {}
        self._changed: dict[ObjectKey, Settled] = {}

    def put(self, service: VirtualService) -> None:
        """Take a VirtualService in, new or changed."""
        self._set(service.metadata.key, _verdict_in_status(service))

    def remove(self, key: ObjectKey) -> None:
        """Take a VirtualService out."""
        self._set(key, None)
        self._known.pop(key, None)

    def put_pool(self, pool: DirectorPool) -> None:
        """Pools are the operator's to judge."""

    def remove_pool(self, name: str) -> None:
        """Pools are the operator's to judge."""

    def settle(self) -> Mapping[ObjectKey, Settled]:
        """Return the verdicts that changed since the last call."""
        changed, self._changed = self._changed, {}
        return changed

    def _set(self, key: ObjectKey, verdict: Settled) -> None:
        if key not in self._known or self._known[key] != verdict:
            self._known[key] = verdict
            self._changed[key] = verdict


def _verdict_in_status(service: VirtualService) -> Admitted | Pending:
    meta, status = service.metadata, service.status
    accepted = next((condition for condition in status.conditions if condition.type == "Accepted"), None)
    if accepted is None or accepted.observed_generation != meta.generation:
        return Pending(f"the operator has not judged generation {meta.generation} yet")
    if accepted.status != "True" or not status.addresses:
        return Pending(accepted.message)
    return Admitted(
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        created=meta.creation_timestamp,
        pool=status.director_pool,
        addresses=tuple(map(canonical_address, status.addresses)),
        spec=service.spec,
    )


class AdmissionByFiles:
    """Judges by the operator's own rules, where objects come from files.

    Files carry neither creation time nor status. An object's age is the moment it was first accepted, kept
    across restarts with the addresses it was given, so that a new file can't take a VIP that is in use.

    Parameters
    ----------
    before
        What was accepted before the agent started.
    now
        Gives the time as RFC 3339 text.
    """

    def __init__(self, before: Mapping[ObjectKey, Admitted], now: Callable[[], str]) -> None:
        self._register = AdmissionRegister()
        self._accepted = dict(before)
        self._now = now

    def put(self, service: VirtualService) -> None:
        """Take a VirtualService in, new or changed."""
        accepted = self._accepted.get(service.metadata.key)
        created = accepted.created if accepted else self._now()
        metadata = msgspec.structs.replace(service.metadata, creation_timestamp=created)
        status = VirtualServiceStatus()
        if accepted:
            status = VirtualServiceStatus(addresses=accepted.addresses, director_pool=accepted.pool)
        self._register.put(msgspec.structs.replace(service, metadata=metadata, status=status))

    def remove(self, key: ObjectKey) -> None:
        """Take a VirtualService out."""
        self._accepted.pop(key, None)
        self._register.remove(key)

    def put_pool(self, pool: DirectorPool) -> None:
        """Take a DirectorPool in, new or changed."""
        self._register.put_pool(pool)

    def remove_pool(self, name: str) -> None:
        """Take a DirectorPool out."""
        self._register.remove_pool(name)

    def settle(self) -> Mapping[ObjectKey, Settled]:
        """Return the verdicts that changed since the last call."""
        changed: dict[ObjectKey, Settled] = {}
        for key in self._register.judge():
            verdict = self._register.verdicts.get(key)
            changed[key] = verdict
            if isinstance(verdict, Admitted):
                self._accepted[key] = verdict
        return changed
