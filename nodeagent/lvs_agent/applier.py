"""Carries out operations; what they make is in the ledger before the kernel has it, and leaves it afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from lvs_agent.ipvs import DestinationKey, ServiceKey
from lvs_agent.kernel.errors import (
    EngineUnavailable,
    IPVSUnavailable,
    ItemExists,
    ItemGone,
    KernelError,
    NoSuchInterface,
    NoSuchSysctl,
    Refused,
    SchedulerUnavailable,
)
from lvs_agent.kernel.node import NodeKernel
from lvs_agent.kernel.outcome import Outcome
from lvs_agent.kernel.sysctls import SysctlRecord, SysctlRefused
from lvs_agent.ledger import Ledger
from lvs_agent.state import Action, AddressKey, ItemKey, Operation, Sysctl, SysctlKey

__all__ = ["Applier"]

# After these it is certain that the item was not made; after any other error it may have been.
NOT_MADE = (
    EngineUnavailable,
    IPVSUnavailable,
    ItemExists,
    ItemGone,
    NoSuchInterface,
    NoSuchSysctl,
    Refused,
    SchedulerUnavailable,
    SysctlRefused,
)


class Applier:
    """Kernel and ledger, kept in step.

    Parameters
    ----------
    kernel
        Used from one thread only, so ``apply`` is as well.
    ledger
        Written by nobody else.
    """

    def __init__(self, kernel: NodeKernel, ledger: Ledger) -> None:
        self._kernel = kernel
        self.ledger = ledger

    def apply(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Carry out operations in order and say what became of each.

        If this process is killed on the way, the ledger has every item that was made, and perhaps some that
        were not made or are gone already; comparing it with the kernel ends in the same state.

        Raises
        ------
        JournalUnwritable
            If the ledger can't be written. Before the kernel was touched, or after; in either case the ledger
            knows of everything that was made.
        """
        owned_before = {operation.key for operation in operations if self.ledger.owns(operation.key)}
        unrecordable = self._enter(operations)
        possible = [operation for operation in operations if operation.key not in unrecordable]
        remembered = {
            key: record
            for operation in possible
            if isinstance(key := operation.key, SysctlKey) and (record := self.ledger.record(key)) is not None
        }
        done = iter(self._kernel.apply(possible, remembered))
        outcomes = [
            Outcome(operation, unrecordable[operation.key]) if operation.key in unrecordable else next(done)
            for operation in operations
        ]
        self.ledger.forget([outcome.operation.key for outcome in outcomes if _is_over(outcome, owned_before)])
        return outcomes

    def _enter(self, operations: Sequence[Operation]) -> dict[ItemKey, KernelError]:
        """Enter what is to be made or taken over; return the settings that cannot even be read."""
        items: list[ServiceKey | AddressKey] = []
        settings: dict[SysctlKey, SysctlRecord] = {}
        unrecordable: dict[ItemKey, KernelError] = {}
        for operation in operations:
            match operation:
                case Operation(action=Action.CREATE | Action.ADOPT, key=ServiceKey() | AddressKey() as key):
                    items.append(key)
                case Operation(
                    action=Action.CREATE | Action.UPDATE | Action.ADOPT, key=SysctlKey() as key, after=Sysctl() as after
                ):
                    try:
                        settings[key] = self._kernel.sysctl_record(key, after.value)
                    except KernelError as error:
                        unrecordable[key] = error
        self.ledger.enter(items, settings)
        return unrecordable


def _is_over(outcome: Outcome, owned_before: set[ItemKey]) -> bool:
    """Tell whether the ledger may forget the item of an operation."""
    operation, error = outcome.operation, outcome.error
    if isinstance(operation.key, DestinationKey):
        return False
    match operation.action:
        case Action.DELETE | Action.FORGET:
            return error is None
        case Action.CREATE:
            # An item of ours that a reading missed is there, and still ours.
            ours_all_along = isinstance(error, ItemExists) and operation.key in owned_before
            return isinstance(error, NOT_MADE) and not ours_all_along
        case _:
            return False
