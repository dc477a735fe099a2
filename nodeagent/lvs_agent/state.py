"""The items a node's state is made of, and the operations that change one: the language between desired and kernel.

A state, desired or actual, is a mapping from item key to item value. Four kinds of item exist; each
key type has one value type:

========================  =============================  ==========================================
key                       value                          meaning
========================  =============================  ==========================================
``SysctlKey``             ``Sysctl`` (desired), ``str``  a kernel setting of this network namespace
``AddressKey``            ``Address``                    an address on an interface
``ipvs.ServiceKey``       ``ipvs.Service``               a virtual service in the IPVS table
``ipvs.DestinationKey``   ``ipvs.Destination``           a real server of a service in the IPVS table
========================  =============================  ==========================================
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from lvs_agent.ipvs import Destination, DestinationKey, Service, ServiceKey

__all__ = [
    "Action",
    "Address",
    "AddressKey",
    "ItemKey",
    "ItemValue",
    "Operation",
    "State",
    "Sysctl",
    "SysctlKey",
]


class SysctlKey(msgspec.Struct, frozen=True, order=True):
    """A kernel setting, by its path below /proc/sys, such as ``net/ipv4/ip_forward``."""

    path: str

    def __str__(self) -> str:
        return f"sysctl {self.path}"


class Sysctl(msgspec.Struct, frozen=True):
    """A wanted setting: the value to write, and other values that serve as well and are then left alone."""

    value: str
    also_good: tuple[str, ...] = ()

    def is_met_by(self, actual: str) -> bool:
        """Tell whether nothing needs to be written."""
        return actual == self.value or actual in self.also_good


class AddressKey(msgspec.Struct, frozen=True, order=True):
    """An address on an interface, with its prefix length (32 or 128 for a VIP)."""

    interface: str
    address: str
    prefix_length: int

    def __str__(self) -> str:
        return f"address {self.address}/{self.prefix_length} on {self.interface}"


class Address(msgspec.Struct, frozen=True):
    """What is wanted of an address besides its being there.

    Parameters
    ----------
    announce
        Send gratuitous ARP (IPv4, RFC 5944 section 4.6) or unsolicited neighbour advertisements (IPv6,
        RFC 4861 section 7.2.6) once it is in place. Not part of what the kernel keeps, so two addresses
        that differ only here are equal to the diff.
    """

    announce: bool = False


ItemKey: TypeAlias = SysctlKey | AddressKey | ServiceKey | DestinationKey
ItemValue: TypeAlias = Sysctl | str | Address | Service | Destination
State: TypeAlias = dict[ItemKey, ItemValue]


class Action(StrEnum):
    """What an operation does; ADOPT takes an equal foreign item into the ledger and leaves the kernel alone."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ADOPT = "adopt"
    FORGET = "forget"


class Operation(msgspec.Struct, frozen=True):
    """One step from actual to desired.

    Parameters
    ----------
    action
        CREATE, UPDATE and DELETE change the kernel. Of a sysctl: CREATE writes the value for the first time
        and records the original, UPDATE writes it again after drift, DELETE restores the original.
        ADOPT and FORGET change the ledger only.
    before
        The value the kernel has now; None where the item is not there.
    after
        The value it shall have; None where it shall not be there.
    """

    action: Action
    key: ItemKey
    before: ItemValue | None = None
    after: ItemValue | None = None

    def __str__(self) -> str:
        restored = self.action is Action.DELETE and isinstance(self.key, SysctlKey)
        return f"{'restore' if restored else self.action} {self.key}"
