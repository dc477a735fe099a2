"""Lists, adds and removes addresses of this network namespace's interfaces."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

from lvs_agent.kernel.address_list import read_addresses
from lvs_agent.kernel.errors import ItemExists, ItemGone, KernelError, NoSuchInterface, Refused
from lvs_agent.state import AddressKey

if TYPE_CHECKING:
    from pyroute2 import IPRoute

__all__ = ["Addresses"]

IFA_F_NODAD = 0x02  # linux/if_addr.h: a VIP is on several nodes on purpose


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
        DumpInterrupted, AddressesUnreadable
            As their names say.
        """
        return read_addresses()

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
