"""Reads and writes kernel settings under /proc/sys, and puts a setting back together with those it dragged along."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from lvs_agent.kernel.errors import KernelError, NoSuchSysctl
from lvs_agent.state import SysctlKey

__all__ = ["SysctlRecord", "SysctlRefused", "companions", "read", "record", "restore", "write"]

ROOT = Path("/proc/sys")

IPV4_FORWARDING = ("net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding")
IPV6_FORWARDING = "net/ipv6/conf/all/forwarding"
ACCEPT_REDIRECTS = "net/ipv4/conf/all/accept_redirects"


class SysctlRefused(KernelError):
    """The kernel refused a setting's value, or reading it."""

    def __init__(self, path: str, value: str | None, reason: str) -> None:
        self.path = path
        self.value = value
        self.reason = reason
        what = "cannot be read" if value is None else f"cannot be set to {value!r}"
        super().__init__(f"/proc/sys/{path} {what}: {reason}")


class SysctlRecord(msgspec.Struct, frozen=True):
    """What is needed to put a setting back.

    Parameters
    ----------
    original
        The value before it was first written.
    written
        All values that were written, the newest last.
    companions
        Values, before the first writing, of the settings that the kernel changes along with this one.
    """

    original: str
    written: tuple[str, ...]
    companions: dict[str, str] = {}

    def then(self, value: str) -> SysctlRecord:
        """Return the record for when ``value`` is written as well."""
        earlier = tuple(one for one in self.written if one != value)
        return msgspec.structs.replace(self, written=(*earlier, value))


def read(key: SysctlKey) -> str:
    """Return a setting, fields parted by one space.

    Raises
    ------
    NoSuchSysctl
        If there is none of that name.
    SysctlRefused
        If it cannot be read.
    """
    try:
        return " ".join((ROOT / key.path).read_text().split())
    except FileNotFoundError:
        raise NoSuchSysctl(key.path) from None
    except OSError as error:
        raise SysctlRefused(key.path, None, str(error.strerror)) from error


def read_present(keys: Iterable[SysctlKey]) -> dict[SysctlKey, str]:
    """Return those of the settings that this kernel has."""
    found = {}
    for key in keys:
        try:
            found[key] = read(key)
        except NoSuchSysctl:
            continue
    return found


def write(key: SysctlKey, value: str) -> None:
    """Set a setting.

    Raises
    ------
    NoSuchSysctl
        If there is none of that name.
    SysctlRefused
        If the kernel refuses the value.
    """
    try:
        # Not write_text(): that would create a file, which /proc answers with a misleading error.
        with (ROOT / key.path).open("r+") as file:
            file.write(value)
    except FileNotFoundError:
        raise NoSuchSysctl(key.path) from None
    except OSError as error:
        raise SysctlRefused(key.path, value, str(error.strerror)) from error


def companions(key: SysctlKey) -> tuple[SysctlKey, ...]:
    """List the settings that the kernel changes when ``key`` changes.

    Forwarding for all sets that of every interface, and for IPv4 whether redirects are believed: inet_forward_change
    in net/ipv4/devinet.c, addrconf_fixup_forwarding in net/ipv6/addrconf.c.
    """
    if key.path in IPV4_FORWARDING:
        return (*_of_each_interface("net/ipv4/conf", "forwarding"), SysctlKey(ACCEPT_REDIRECTS))
    if key.path == IPV6_FORWARDING:
        return _of_each_interface("net/ipv6/conf", "forwarding")
    return ()


def record(key: SysctlKey, value: str) -> SysctlRecord:
    """Return what has to be remembered before ``value`` is written for the first time.

    Raises
    ------
    NoSuchSysctl
        If there is no setting of that name.
    """
    others = read_present(companions(key))
    return SysctlRecord(original=read(key), written=(value,), companions={one.path: was for one, was in others.items()})


def restore(key: SysctlKey, remembered: SysctlRecord) -> None:
    """Put a setting and its companions back to what they were before the first writing.

    A setting that has a value which was not written here has been set by somebody else since, and stays.
    Where an earlier attempt came as far as the setting itself, its companions follow.
    """
    try:
        current = read(key)
    except NoSuchSysctl:
        return  # it went with its interface
    if current != remembered.original and current not in remembered.written:
        return
    before = read_present(SysctlKey(path) for path in remembered.companions)
    if current != remembered.original:
        write(key, remembered.original)
    for companion, value in before.items():
        ours = value == _dragged_to(companion, current)
        wanted = remembered.companions[companion.path] if ours else value
        if read_present([companion]).get(companion, wanted) != wanted:
            write(companion, wanted)


def _of_each_interface(folder: str, name: str) -> tuple[SysctlKey, ...]:
    # "all" is the setting itself under its other name.
    entries = sorted(entry.name for entry in (ROOT / folder).glob("*") if entry.name != "all")
    return tuple(SysctlKey(f"{folder}/{entry}/{name}") for entry in entries)


def _dragged_to(companion: SysctlKey, forwarding: str) -> str:
    """Return the value that the kernel gives a companion when forwarding is set."""
    on = forwarding != "0"
    if companion.path == ACCEPT_REDIRECTS:
        return "0" if on else "1"
    # The IPv4 and IPv6 handlers copy the number as it was written.
    return forwarding
