"""From desired and actual state to the ordered operations between them; what others own is never touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

import msgspec

from lvs_agent.desired import LOOPBACK
from lvs_agent.ipvs import DestinationKey, Service, ServiceKey
from lvs_agent.state import Action, AddressKey, ItemKey, ItemValue, Operation, Sysctl, SysctlKey

__all__ = ["Obstacle", "Ownership", "Plan", "diff"]

View: TypeAlias = Mapping[ItemKey, ItemValue]


class Ownership(Protocol):
    """Answers for each item whether it is ours."""

    def owns(self, key: ItemKey) -> bool:
        """Tell whether this agent made the item; a real server belongs to who owns its service."""
        ...


class Obstacle(msgspec.Struct, frozen=True):
    """A wanted item that can't be made because somebody else's is in its place."""

    key: ItemKey
    message: str


class Plan(msgspec.Struct, frozen=True):
    """The way from actual to desired: operations in the order they are to be carried out."""

    operations: tuple[Operation, ...]
    obstacles: tuple[Obstacle, ...]


def diff(desired: View, actual: View, ledger: Ownership, keys: Iterable[ItemKey], *, adopt: bool = False) -> Plan:
    """Compare two states at some keys.

    Creations come first, from settings to real servers, so that nothing takes traffic before what it
    stands on is there. Removals follow in reverse order, so a real server is replaced without a gap.

    Parameters
    ----------
    keys
        What to look at: all that may differ. A key that is in neither state and not owned is passed over.
    adopt
        Take foreign services that stand where ours shall be for ours, rather than leave them alone.
    """
    additions: list[Operation] = []
    removals: list[Operation] = []
    obstacles: list[Obstacle] = []
    for key in keys:
        step = _decide(key, desired, actual, ledger, adopt)
        if isinstance(step, Obstacle):
            obstacles.append(step)
        elif step is not None:
            (removals if step.action in {Action.DELETE, Action.FORGET} else additions).append(step)
    additions.sort(key=lambda operation: _order(operation.key))
    removals.sort(key=lambda operation: _order(operation.key), reverse=True)
    obstacles.sort(key=lambda obstacle: _order(obstacle.key))
    return Plan((*additions, *removals), tuple(obstacles))


def _order(key: ItemKey) -> tuple[int, ItemKey]:
    """Rank items by what they stand on: settings, VIPs of real servers, of directors, services, real servers."""
    match key:
        case SysctlKey():
            return (0, key)
        case AddressKey(interface=interface):
            return (1 if interface == LOOPBACK else 2, key)
        case ServiceKey():
            return (3, key)
        case DestinationKey():
            return (4, key)


def _decide(key: ItemKey, desired: View, actual: View, ledger: Ownership, adopt: bool) -> Operation | Obstacle | None:
    wanted, there = desired.get(key), actual.get(key)
    if isinstance(key, DestinationKey):
        return _decide_destination(key, desired, actual, ledger, adopt)
    owned = ledger.owns(key)
    if wanted is None:
        return _decide_removal(key, there) if owned else None
    if isinstance(key, SysctlKey):
        return _decide_sysctl(key, wanted, there, owned)
    if there is None:
        return Operation(Action.CREATE, key, None, wanted)
    if isinstance(key, AddressKey):
        return None  # in place, whoever put it there
    if owned:
        return None if there == wanted else Operation(Action.UPDATE, key, there, wanted)
    if adopt:
        return Operation(Action.ADOPT, key, there, wanted)
    return Obstacle(
        key,
        f"{key} is in the IPVS table already and is not ours (scheduler {_scheduler(there)});"
        " remove it with ipvsadm -D, or start the agent with --adopt to take it over as it is",
    )


def _decide_removal(key: ItemKey, there: ItemValue | None) -> Operation:
    return Operation(Action.FORGET, key) if there is None else Operation(Action.DELETE, key, there, None)


def _decide_sysctl(key: SysctlKey, wanted: ItemValue, there: ItemValue | None, owned: bool) -> Operation | None:
    if isinstance(wanted, Sysctl) and isinstance(there, str) and wanted.is_met_by(there):
        return None
    return Operation(Action.UPDATE if owned else Action.CREATE, key, there, wanted)


def _decide_destination(
    key: DestinationKey, desired: View, actual: View, ledger: Ownership, adopt: bool
) -> Operation | None:
    wanted, there = desired.get(key), actual.get(key)
    service_wanted, service_there = key.service in desired, key.service in actual
    if not service_wanted or wanted == there:
        return None  # real servers go with their service
    if service_there and not (ledger.owns(key.service) or adopt):
        return None  # the service is somebody else's: its obstacle says so
    if wanted is None:
        return Operation(Action.DELETE, key, there, None)
    return Operation(Action.CREATE if there is None else Action.UPDATE, key, there, wanted)


def _scheduler(value: ItemValue) -> str:
    return value.scheduler if isinstance(value, Service) else "unknown"
