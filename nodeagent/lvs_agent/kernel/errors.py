"""What can go wrong between this program and the kernel, as classes whose text helps the person reading it."""

from __future__ import annotations

import errno
import os

from lvs_agent.ipvs import ServiceKey
from lvs_agent.state import ItemKey

__all__ = [
    "DumpInterrupted",
    "EngineUnavailable",
    "IPVSUnavailable",
    "ItemExists",
    "ItemGone",
    "KernelError",
    "KernelSilent",
    "MalformedMessage",
    "NoSuchInterface",
    "NoSuchSysctl",
    "OutcomeUnknown",
    "Refused",
    "SchedulerUnavailable",
]


class KernelError(Exception):
    """Anything the kernel refused or could not answer."""


class IPVSUnavailable(KernelError):
    """The kernel has no IPVS.

    Parameters
    ----------
    detail
        Why loading the module failed, as ``modprobe`` said it; empty where it was not tried.
    """

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        reason = f" ({detail})" if detail else ""
        super().__init__(f"this kernel has no IPVS{reason}; load it on the node with: modprobe ip_vs")


class DumpInterrupted(KernelError):
    """A table changed, or replies were lost, while it was being read, time after time."""

    def __init__(self, table: str, attempts: int, reason: str) -> None:
        self.table = table
        self.attempts = attempts
        self.reason = reason
        super().__init__(f"reading {table} was interrupted {attempts} times in a row, last by: {reason}")


class KernelSilent(KernelError):
    """A request got no reply."""

    def __init__(self, request: str) -> None:
        self.request = request
        super().__init__(f"the kernel did not answer {request}")


class MalformedMessage(KernelError):
    """A reply that this program cannot read."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"the kernel's {what} cannot be read: {detail}")


class ItemExists(KernelError):
    """Something was to be created that is there already, made by somebody else."""

    def __init__(self, key: ItemKey) -> None:
        self.key = key
        super().__init__(f"{key} exists already and was not made by this agent")


class ItemGone(KernelError):
    """Something was to be changed that is not there, or its service is not."""

    def __init__(self, key: ItemKey) -> None:
        self.key = key
        super().__init__(f"{key} is not there any more")


class SchedulerUnavailable(KernelError):
    """A service names a scheduler whose module the kernel cannot load."""

    def __init__(self, key: ServiceKey, scheduler: str) -> None:
        self.key = key
        self.scheduler = scheduler
        self.module = f"ip_vs_{scheduler}"
        super().__init__(
            f"{key}: this kernel has no scheduler {scheduler!r}; load it on the node with: modprobe {self.module}"
        )


class EngineUnavailable(KernelError):
    """A service names a persistence engine whose module the kernel cannot load."""

    def __init__(self, key: ServiceKey, engine: str) -> None:
        self.key = key
        self.engine = engine
        self.module = f"ip_vs_pe_{engine}"
        super().__init__(
            f"{key}: this kernel has no persistence engine {engine!r}; load it on the node with: modprobe {self.module}"
        )


class NoSuchInterface(KernelError):
    """An address names an interface that this network namespace does not have."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        super().__init__(f"there is no interface {interface!r} on this node")


class NoSuchSysctl(KernelError):
    """A setting that this kernel, or this network namespace, does not have."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"this kernel has no setting /proc/sys/{path}")


class Refused(KernelError):
    """The kernel answered with an error that has no class of its own.

    Parameters
    ----------
    key
        What was to be changed.
    code
        Of errno.h.
    """

    def __init__(self, key: ItemKey | str, code: int) -> None:
        self.key = key
        self.code = code
        super().__init__(f"{key}: the kernel refused it: {os.strerror(code)} ({errno.errorcode.get(code, code)})")


class OutcomeUnknown(KernelError):
    """A reply was lost: what was to be done may have happened or not, and the item has to be read again."""

    def __init__(self, key: ItemKey | str) -> None:
        self.key = key
        super().__init__(f"{key}: the kernel's answer was lost; the item is read again before anything else")
