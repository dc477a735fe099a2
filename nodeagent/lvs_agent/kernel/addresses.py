"""Lists, adds and removes addresses of this network namespace's interfaces."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lvs_agent.kernel.errors import DumpInterrupted, ItemExists, ItemGone, KernelError, NoSuchInterface, Refused
from lvs_agent.state import AddressKey

if TYPE_CHECKING:
    from pyroute2 import IPRoute

__all__ = ["Addresses"]

IFA_F_NODAD = 0x02  # linux/if_addr.h: a VIP is on several nodes on purpose
DUMP_ATTEMPTS = 5


class Addresses:
    """The addresses of the network namespace that the first call is made in."""

    def __init__(self) -> None:
        self._iproute: IPRoute | None = None

    def close(self) -> None:
        """Close the socket; the next call opens another."""
        if self._iproute is not None:
            self._iproute.close()
            self._iproute = None

    def read(self) -> list[AddressKey]:
        """Return every address of every interface.

        Raises
        ------
        DumpInterrupted
            If the list changed while it was read, five times in a row.
        """
        from pyroute2.netlink.exceptions import NetlinkDumpInterrupted

        for _attempt in range(DUMP_ATTEMPTS):
            with suppress(NetlinkDumpInterrupted):
                return self._read()
        raise DumpInterrupted("the list of addresses", DUMP_ATTEMPTS, "it changed while it was read")

    def add(self, key: AddressKey) -> None:
        """Add an address; one of IPv6 without duplicate address detection.

        Raises
        ------
        NoSuchInterface, ItemExists, Refused
            As their names say.
        """
        options = {"flags": IFA_F_NODAD} if ":" in key.address else {}
        error = self._change("add", key, **options)
        if error is not None:
            raise error

    def remove(self, key: AddressKey) -> None:
        """Remove an address; that it is gone already, or its interface is, is no error.

        Raises
        ------
        Refused
            If the kernel says no.
        """
        error = self._change("del", key)
        if error is not None and not isinstance(error, ItemGone | NoSuchInterface):
            raise error

    def _read(self) -> list[AddressKey]:
        names: dict[int, str] = {}
        found = []
        for message in self._open().get_addr():
            index = message["index"]
            # IFA_LOCAL is the address itself; IFA_ADDRESS is the peer's where there is one.
            address = message.get("local") or message.get("address")
            if index not in names:
                try:
                    names[index] = socket.if_indextoname(index)
                except OSError:
                    continue  # the interface went meanwhile, its addresses with it
            found.append(AddressKey(interface=names[index], address=address, prefix_length=message["prefixlen"]))
        return found

    def _change(self, verb: str, key: AddressKey, **options: Any) -> KernelError | None:
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            index = socket.if_nametoindex(key.interface)
        except OSError:
            return NoSuchInterface(key.interface)
        try:
            self._open().addr(verb, index=index, address=key.address, prefixlen=key.prefix_length, **options)
        except NetlinkError as error:
            match error.code:
                case errno.EEXIST:
                    return ItemExists(key)
                case errno.EADDRNOTAVAIL:
                    return ItemGone(key)
                case errno.ENODEV:
                    return NoSuchInterface(key.interface)
                case code:
                    return Refused(key, code)
        return None

    def _open(self) -> IPRoute:
        if self._iproute is None:
            # Imported here because it takes a third of a second, which IPVS alone need not wait for.
            from pyroute2 import IPRoute

            self._iproute = IPRoute()
        return self._iproute
