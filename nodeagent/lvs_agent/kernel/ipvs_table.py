"""Reads the whole IPVS table of this network namespace and carries out operations on services and real servers."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from lvs_agent.ipvs import (
    Counters,
    Destination,
    DestinationCounters,
    DestinationKey,
    Service,
    ServiceKey,
)
from lvs_agent.kernel import codec, settings
from lvs_agent.kernel.codec import Request
from lvs_agent.kernel.errors import (
    EngineUnavailable,
    IPVSUnavailable,
    ItemExists,
    ItemGone,
    KernelError,
    OutcomeUnknown,
    Refused,
    SchedulerUnavailable,
)
from lvs_agent.kernel.netlink import FamilyAbsent, GenericNetlink, RequestFailed
from lvs_agent.state import Action, Operation

__all__ = ["IPVSTable", "Table"]

_Answer = TypeVar("_Answer")


class Table(msgspec.Struct, frozen=True):
    """One reading of the IPVS table: settings and counters from the same messages."""

    services: dict[ServiceKey, Service] = {}
    destinations: dict[DestinationKey, Destination] = {}
    service_counters: dict[ServiceKey, Counters] = {}
    destination_counters: dict[DestinationKey, DestinationCounters] = {}


class IPVSTable:
    """The IPVS table of the network namespace that the first call is made in.

    The socket is opened by the first call that needs it and used by one thread at a time.

    Parameters
    ----------
    receive_buffer
        Bytes for replies; None leaves net.core.rmem_default.
    """

    def __init__(self, *, receive_buffer: int | None = None) -> None:
        self._receive_buffer = receive_buffer
        self._netlink: GenericNetlink | None = None

    def close(self) -> None:
        """Close the socket; the next call opens another."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def read(self) -> Table:
        """Read all services and their destinations.

        A kernel without the ip_vs module has an empty table: nothing is loaded in order to look.
        IPVS does not mark a dump that a change ran into (ip_vs_genl_dump_services skips as many entries as
        it has sent before), so an entry may be missing if somebody else deletes another at that moment;
        creating it then gives ItemExists, and the next reading has it.

        Raises
        ------
        DumpInterrupted
            If it could not be read in one piece.
        """
        table = Table()
        try:
            for message in self._ask(lambda netlink: netlink.dump(codec.get_services())):
                key, service, counters = codec.decode_service(message)
                table.services[key] = service
                table.service_counters[key] = counters
            for key in table.services:
                for message in self._ask(lambda netlink, key=key: netlink.dump(codec.get_destinations(key))):  # type: ignore[misc]
                    found, destination, connections = codec.decode_destination(key, message)
                    table.destinations[found] = destination
                    table.destination_counters[found] = connections
        except FamilyAbsent:
            return Table()
        return table

    def info(self) -> settings.Info:
        """Return the version of IPVS.

        Raises
        ------
        IPVSUnavailable
            If the kernel has none, or has not loaded it.
        """
        try:
            return settings.decode_info(self._ask(lambda netlink: netlink.query(settings.get_info())))
        except FamilyAbsent:
            raise IPVSUnavailable from None

    def timeouts(self) -> settings.Timeouts:
        """Return after how many seconds idle connections are forgotten."""
        return settings.decode_timeouts(self._ask(lambda netlink: netlink.query(settings.get_timeouts())))

    def daemons(self) -> list[settings.Daemon]:
        """Return the sync daemons that run."""
        return [
            settings.decode_daemon(message)
            for message in self._ask(lambda netlink: netlink.dump(settings.get_daemons()))
        ]

    def execute(self, request: Request) -> None:
        """Carry out one request that is not about an item of the table: daemons, time-outs, zeroing.

        Raises
        ------
        Refused
            If the kernel says no.
        OutcomeUnknown
            If it says nothing, as when a sync daemon is stopped before it ran (kthread_stop, EINTR).
        """
        (code,) = self._writable().execute([request])
        if code is None:
            raise OutcomeUnknown(request.command.name)
        if code:
            raise Refused(request.command.name, code)

    def apply(self, operations: Sequence[Operation]) -> list[KernelError | None]:
        """Carry out operations on services and destinations, in order, and return what went wrong with each.

        Deleting what is gone is no error. A failure does not keep the others from being carried out.
        """
        try:
            results = self._writable().execute([_request(operation) for operation in operations])
        except IPVSUnavailable as error:
            return [None if operation.action is Action.DELETE else error for operation in operations]
        except OSError:
            self.close()
            return [OutcomeUnknown(operation.key) for operation in operations]
        return [_error(operation, code) for operation, code in zip(operations, results, strict=True)]

    def _ask(self, question: Callable[[GenericNetlink], _Answer]) -> _Answer:
        """Ask on the open socket, and once more on a new one if the module was loaded anew meanwhile.

        Loading the module gives the family another number; the old one is then answered with ENOENT.
        """
        try:
            return question(self._open())
        except RequestFailed as error:
            if error.code != errno.ENOENT:
                raise
            self.close()
            return question(self._open())

    def _open(self) -> GenericNetlink:
        if self._netlink is None:
            self._netlink = GenericNetlink("IPVS", 1, receive_buffer=self._receive_buffer)
        return self._netlink

    def _writable(self) -> GenericNetlink:
        try:
            return self._open()
        except FamilyAbsent:
            _load_module("ip_vs")
        try:
            return self._open()
        except FamilyAbsent:
            raise IPVSUnavailable from None


def _load_module(name: str) -> None:
    try:
        done = subprocess.run(["modprobe", name], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603, S607 - found on PATH as an administrator's would be
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IPVSUnavailable(f"modprobe could not be run: {error}") from error
    if done.returncode:
        raise IPVSUnavailable(done.stderr.strip() or f"modprobe ended with {done.returncode}")


def _request(operation: Operation) -> Request:
    match operation:
        case Operation(action=Action.CREATE, key=DestinationKey() as key, after=Destination() as after):
            return codec.new_destination(key, after)
        case Operation(action=Action.UPDATE, key=DestinationKey() as key, after=Destination() as after):
            return codec.set_destination(key, after)
        case Operation(action=Action.DELETE, key=DestinationKey() as key):
            return codec.del_destination(key)
        case Operation(action=Action.CREATE, key=ServiceKey() as key, after=Service() as after):
            return codec.new_service(key, after)
        case Operation(action=Action.UPDATE, key=ServiceKey() as key, after=Service() as after):
            return codec.set_service(key, after)
        case Operation(action=Action.DELETE, key=ServiceKey() as key):
            return codec.del_service(key)
        case _:
            raise ValueError(f"not an operation on the IPVS table: {operation}")


def _error(operation: Operation, code: int | None) -> KernelError | None:
    if code == 0:
        return None
    key = operation.key
    match code:
        case None:
            return OutcomeUnknown(key)
        case errno.EEXIST:
            return ItemExists(key)
        case errno.ESRCH | errno.ENOENT if operation.action is Action.DELETE:
            return None
        case errno.ESRCH:
            return ItemGone(key.service if isinstance(key, DestinationKey) else key)
        case errno.ENOENT if isinstance(key, DestinationKey):
            return ItemGone(key)
        case errno.ENOENT if isinstance(key, ServiceKey) and isinstance(operation.after, Service):
            return _missing_module(key, operation.after)
        case _:
            return Refused(key, code)


def _missing_module(key: ServiceKey, service: Service) -> KernelError:
    """Tell which of the two modules a service names is the missing one; the kernel says ENOENT for both."""
    scheduler_there = Path("/sys/module", f"ip_vs_{service.scheduler}").exists()
    if service.engine and scheduler_there:
        return EngineUnavailable(key, service.engine)
    return SchedulerUnavailable(key, service.scheduler)
