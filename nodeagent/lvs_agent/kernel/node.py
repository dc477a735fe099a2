"""The kernel of this node as one thing: read its whole state, carry out operations in order, count, tell facts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from types import TracebackType
from typing import assert_never

import msgspec

from lvs_agent.ipvs import DestinationCounters, DestinationKey, ServiceKey
from lvs_agent.kernel import sysctls
from lvs_agent.kernel.addresses import Addresses
from lvs_agent.kernel.announce import announce
from lvs_agent.kernel.errors import IPVSUnavailable, KernelError
from lvs_agent.kernel.ipvs_table import IPVSTable
from lvs_agent.kernel.outcome import Outcome
from lvs_agent.kernel.sysctls import SysctlRecord
from lvs_agent.state import Action, Address, AddressKey, Operation, State, Sysctl, SysctlKey

__all__ = ["NodeFacts", "NodeKernel", "Outcome"]


class NodeFacts(msgspec.Struct, frozen=True):
    """What the node is, besides its state.

    Parameters
    ----------
    kernel
        Release, as ``uname -r`` prints it.
    ipvs
        Version, such as 1.2.1; empty where the module is not loaded.
    addresses
        Of all interfaces, sorted, without those that only mean this node or its link (127.0.0.0/8, ::1, fe80::/10).
    """

    kernel: str
    ipvs: str
    addresses: tuple[str, ...]


class NodeKernel:
    """The kernel, in the network namespace of the thread that uses it.

    All calls block. After the first, all have to be made by the same thread.
    """

    def __init__(self) -> None:
        self._table = IPVSTable()
        self._addresses = Addresses()

    def __enter__(self) -> NodeKernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets; the kernel stays as it is."""
        self._table.close()
        self._addresses.close()

    def read(self, sysctls: Iterable[SysctlKey] = ()) -> State:
        """Return the whole actual state: IPVS table, all addresses, and the named settings as far as they exist.

        Raises
        ------
        KernelError
            If anything could not be read whole.
        """
        state = self.read_sysctls(sysctls)
        state.update((key, Address()) for key in self._addresses.read())
        table = self._table.read()
        state.update(table.services.items())
        state.update(table.destinations.items())
        return state

    def read_sysctls(self, keys: Iterable[SysctlKey]) -> State:
        """Return the settings that exist, by name."""
        return dict(sysctls.read_present(keys).items())

    def sysctl_record(self, key: SysctlKey, value: str) -> SysctlRecord:
        """Return what has to be remembered before ``value`` is first written.

        Raises
        ------
        NoSuchSysctl
            If there is none of that name.
        """
        return sysctls.record(key, value)

    def counters(self) -> dict[DestinationKey, DestinationCounters]:
        """Return the connection counts of every real server in the table, ours or not."""
        return self._table.read().destination_counters

    def facts(self) -> NodeFacts:
        """Return what the node is."""
        try:
            version = self._table.info().version
        except IPVSUnavailable:
            version = ""
        addresses = {key.address for key in self._addresses.read()}
        return NodeFacts(
            kernel=os.uname().release,
            ipvs=version,
            addresses=tuple(sorted(address for address in addresses if not _is_local(address))),
        )

    def apply(
        self, operations: Sequence[Operation], remembered: Mapping[SysctlKey, SysctlRecord] | None = None
    ) -> list[Outcome]:
        """Carry out operations in their order, neighbouring ones on the IPVS table together.

        None depends on another's success here: one that builds on a failed one fails by itself. Deleting
        what is gone counts as done. ADOPT and FORGET leave the kernel alone.

        Parameters
        ----------
        remembered
            The records of settings that are to be put back. A setting without a record was never written,
            so there is nothing to put back.
        """
        outcomes: list[Outcome] = []
        for in_table, group in groupby(operations, key=_is_in_table):
            together = list(group)
            if in_table:
                errors = self._table.apply(together)
            else:
                errors = [self._apply_one(operation, remembered or {}) for operation in together]
            outcomes += map(Outcome, together, errors)
        return outcomes

    def _apply_one(self, operation: Operation, remembered: Mapping[SysctlKey, SysctlRecord]) -> KernelError | None:
        if operation.action in (Action.ADOPT, Action.FORGET):
            return None
        try:
            match operation.key:
                case AddressKey() as key:
                    self._apply_address(operation, key)
                case SysctlKey() as key:
                    _apply_sysctl(operation, key, remembered.get(key))
                case ServiceKey() | DestinationKey():
                    raise ValueError(f"not an operation on a single item: {operation}")
                case other:
                    assert_never(other)
        except KernelError as error:
            return error
        return None

    def _apply_address(self, operation: Operation, key: AddressKey) -> None:
        if operation.action is Action.DELETE:
            self._addresses.remove(key)
            return
        if operation.action is Action.CREATE:
            self._addresses.add(key)
        if isinstance(operation.after, Address) and operation.after.announce:
            announce(key)


def _apply_sysctl(operation: Operation, key: SysctlKey, remembered: SysctlRecord | None) -> None:
    match operation.after:
        case None if remembered is not None:
            sysctls.restore(key, remembered)
        case None:
            pass
        case Sysctl(value=value):
            sysctls.write(key, value)
        case other:
            raise ValueError(f"{key} is to get {other!r}, which is not a setting's value")


def _is_in_table(operation: Operation) -> bool:
    changes = operation.action not in (Action.ADOPT, Action.FORGET)
    return changes and isinstance(operation.key, ServiceKey | DestinationKey)


def _is_local(address: str) -> bool:
    return address.startswith(("127.", "fe80:")) or address == "::1"
