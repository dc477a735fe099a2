"""Which VirtualServices are accepted, with which addresses: the rules that need more than one object to decide.

What one object alone shows is refused by the schema and the CEL rules beside the types. Here the oldest
object wins a conflict, as in Gateway API. Pure: the same objects always give the same verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from enum import StrEnum
from typing import TypeAlias

import msgspec

from lvs_api import addresses
from lvs_api.directorpool import DirectorPool
from lvs_api.fields import canonical_address, family_of
from lvs_api.meta import ObjectKey
from lvs_api.virtualservice import VirtualService, VirtualServiceSpec

__all__ = [
    "Admitted",
    "Claim",
    "Reason",
    "Refused",
    "Verdict",
    "admit_together",
    "claims_of",
    "rank",
    "wanted_addresses",
]


class Reason(StrEnum):
    """Why a VirtualService is or is not accepted: the reason of its condition Accepted."""

    ACCEPTED = "Accepted"
    NO_POOL = "NoDirectorPool"
    INVALID_POOL = "InvalidDirectorPool"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    ADDRESS_NOT_IN_POOL = "AddressNotInPool"
    ADDRESS_IN_USE = "AddressInUse"
    NO_FREE_ADDRESS = "NoFreeAddress"
    INVALID_PREFIX_LENGTH = "InvalidPrefixLength"


class Admitted(msgspec.Struct, frozen=True):
    """A VirtualService as directors run it.

    Parameters
    ----------
    generation
        Of the object that was admitted.
    created
        The object's creationTimestamp, which decides conflicts.
    pool
        Name of its DirectorPool.
    addresses
        The VIPs in canonical spelling, given or allocated.
    """

    namespace: str
    name: str
    generation: int
    created: str
    pool: str
    addresses: tuple[str, ...]
    spec: VirtualServiceSpec

    @property
    def key(self) -> ObjectKey:
        """The key of the VirtualService."""
        return ObjectKey(self.namespace, self.name)


class Refused(msgspec.Struct, frozen=True):
    """Why a VirtualService is not run as written; its last good state stays.

    Parameters
    ----------
    field
        Path of the field at fault, such as ``spec.addresses[0]``.
    value
        What is there now.
    message
        A sentence with what is allowed instead.
    """

    reason: Reason
    field: str
    value: str
    message: str

    def __str__(self) -> str:
        shown = f"{self.field}: {self.value}: " if self.value else f"{self.field}: "
        return shown + self.message


Verdict: TypeAlias = Admitted | Refused
Claim: TypeAlias = tuple[str, str, int]  # VIP, protocol, port


def rank(service: VirtualService) -> tuple[str, str, str]:
    """Order by age: the lower one wins a conflict."""
    meta = service.metadata
    return (meta.creation_timestamp, meta.namespace, meta.name)


def wanted_addresses(service: VirtualService) -> tuple[str, ...]:
    """Return the VIPs in canonical spelling: those given, else those allocated before; empty if neither."""
    return tuple(map(canonical_address, service.spec.addresses or service.status.addresses))


def claims_of(service: VirtualService, vips: Iterable[str]) -> list[Claim]:
    """List what the service needs for itself alone: each VIP with each protocol and port."""
    return [(vip, port.protocol, port.port) for vip in vips for port in service.spec.ports]


def admit_together(
    services: Iterable[VirtualService],
    pools: Mapping[str, DirectorPool],
    namespaces: Mapping[str, Mapping[str, str]],
    taken: Set[str],
) -> dict[ObjectKey, Verdict]:
    """Decide over services that may stand in each other's way.

    Parameters
    ----------
    services
        All that share an address with one of them, and those that wait for an allocation.
    pools
        Every DirectorPool by name.
    namespaces
        Labels of each namespace. One that is not listed has only the label that Kubernetes gives each,
        ``kubernetes.io/metadata.name``.
    taken
        Addresses that may not be allocated: those of all other services.
    """
    verdicts: dict[ObjectKey, Verdict] = {}
    held: dict[Claim, ObjectKey] = {}
    in_use = set(taken)
    by_age = sorted(services, key=rank)
    for waiting in (False, True):
        for service in by_age:
            vips = wanted_addresses(service)
            if bool(vips) is waiting:
                continue
            verdict = _admit(service, vips, pools, namespaces, held, in_use)
            verdicts[service.metadata.key] = verdict
            in_use.update(vips)
            if isinstance(verdict, Admitted):
                in_use.update(verdict.addresses)
                held.update(dict.fromkeys(claims_of(service, verdict.addresses), service.metadata.key))
    return verdicts


def _admit(
    service: VirtualService,
    vips: tuple[str, ...],
    pools: Mapping[str, DirectorPool],
    namespaces: Mapping[str, Mapping[str, str]],
    held: Mapping[Claim, ObjectKey],
    in_use: Set[str],
) -> Verdict:
    pool = _pool_of(service, pools)
    if isinstance(pool, Refused):
        return pool
    ranges = pool.spec.addresses
    refusal = _invalid_pool(pool) or _namespace_refused(service, pool, namespaces)
    if refusal:
        return refusal
    if not service.spec.addresses and not all(addresses.contains(ranges, vip) for vip in vips):
        vips = ()  # allocated from ranges that the pool no longer has: allocate again
    if not vips:
        free = addresses.first_free(ranges, in_use)
        if free is None:
            return Refused(
                Reason.NO_FREE_ADDRESS,
                "spec.addresses",
                "",
                f"every address of DirectorPool {pool.metadata.name} ({', '.join(ranges)}) is in use;"
                " give the pool more addresses or name one here",
            )
        vips = (free,)
    refusal = _addresses_refused(vips, pool) or _prefix_refused(service, vips) or _conflict(service, vips, held)
    if refusal:
        return refusal
    meta = service.metadata
    return Admitted(
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        created=meta.creation_timestamp,
        pool=pool.metadata.name,
        addresses=vips,
        spec=service.spec,
    )


def _pool_of(service: VirtualService, pools: Mapping[str, DirectorPool]) -> DirectorPool | Refused:
    wanted, known = service.spec.director_pool, ", ".join(sorted(pools)) or "none"
    if wanted is None:
        # A service that is in a pool stays there when another pool comes.
        present = pools.get(service.status.director_pool)
        if present is not None:
            return present
        if len(pools) == 1:
            return next(iter(pools.values()))
        return Refused(
            Reason.NO_POOL,
            "spec.directorPool",
            "",
            f"must be set unless there is exactly one DirectorPool; there are: {known}",
        )
    return pools.get(wanted) or Refused(
        Reason.NO_POOL, "spec.directorPool", wanted, f"there is no such DirectorPool; there are: {known}"
    )


def _invalid_pool(pool: DirectorPool) -> Refused | None:
    for text in pool.spec.addresses:
        try:
            addresses.parse_range(text)
        except ValueError as error:
            return Refused(
                Reason.INVALID_POOL,
                "spec.directorPool",
                pool.metadata.name,
                f"this pool's spec.addresses has an entry that is no range: {error}",
            )
    return None


def _namespace_refused(
    service: VirtualService, pool: DirectorPool, namespaces: Mapping[str, Mapping[str, str]]
) -> Refused | None:
    namespace = service.metadata.namespace
    labels = namespaces.get(namespace, {"kubernetes.io/metadata.name": namespace})
    if pool.spec.namespace_selector.matches(labels):
        return None
    return Refused(
        Reason.NAMESPACE_NOT_ALLOWED,
        "spec.directorPool",
        pool.metadata.name,
        f"namespace {namespace} may not use this pool; ask for a label that its namespaceSelector selects",
    )


def _addresses_refused(vips: Iterable[str], pool: DirectorPool) -> Refused | None:
    for index, vip in enumerate(vips):
        if not addresses.contains(pool.spec.addresses, vip):
            return Refused(
                Reason.ADDRESS_NOT_IN_POOL,
                f"spec.addresses[{index}]",
                vip,
                f"must be one of DirectorPool {pool.metadata.name}: {', '.join(pool.spec.addresses)}",
            )
    return None


def _prefix_refused(service: VirtualService, vips: Iterable[str]) -> Refused | None:
    persistence = service.spec.persistence
    if persistence is None or persistence.prefix_length is None or persistence.prefix_length <= 32:
        return None
    if all(family_of(vip) == 6 for vip in vips):
        return None
    return Refused(
        Reason.INVALID_PREFIX_LENGTH,
        "spec.persistence.prefixLength",
        str(persistence.prefix_length),
        "must be 1 to 32 with an IPv4 address",
    )


def _conflict(service: VirtualService, vips: Iterable[str], held: Mapping[Claim, ObjectKey]) -> Refused | None:
    for vip, protocol, port in claims_of(service, vips):
        holder = held.get((vip, protocol, port))
        if holder is not None:
            index = next(i for i, p in enumerate(service.spec.ports) if (p.protocol, p.port) == (protocol, port))
            return Refused(
                Reason.ADDRESS_IN_USE,
                f"spec.ports[{index}]",
                f"{protocol} {vip}:{port}",
                f"belongs to the older VirtualService {holder}; use another address or port",
            )
    return None
