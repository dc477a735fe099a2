"""Reads the addresses of all interfaces with rtnetlink; a list that changed while it was read is never returned.

pyroute2 could do it, and writes addresses for us; but its import alone takes longer than loading a table of 500
services, and every start of an agent reads addresses, where most starts write none.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from lvs_agent.kernel.attributes import attributes
from lvs_agent.kernel.errors import DumpInterrupted, KernelError
from lvs_agent.kernel.replies import HEADER, Dump, DumpState
from lvs_agent.state import AddressKey

__all__ = ["AddressesUnreadable", "decode_address", "read_addresses"]

# linux/netlink.h
NLM_F_REQUEST = 0x1
NLM_F_DUMP = 0x300
# linux/rtnetlink.h
RTM_GETADDR = 22
# linux/if_addr.h
IFA_ADDRESS = 1
IFA_LOCAL = 2

# struct ifaddrmsg of linux/if_addr.h: family, prefix length, flags, scope, interface index.
_MESSAGE = struct.Struct("=BBBBI")

SEQUENCE = 1
RECEIVE_BYTES = 65_536
RECEIVE_SECONDS = 5.0
DUMP_ATTEMPTS = 5


class AddressesUnreadable(KernelError):
    """The kernel would not list its addresses."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"the kernel would not list its addresses: {os.strerror(code)}")


def read_addresses() -> list[AddressKey]:
    """Return every address of every interface of this network namespace.

    Raises
    ------
    DumpInterrupted
        If the list changed while it was read, five times in a row.
    AddressesUnreadable
        If the kernel says no, or nothing for five seconds.
    """
    reason = ""
    for _attempt in range(DUMP_ATTEMPTS):
        dump = _dump()
        if dump.state is DumpState.WHOLE:
            found = (decode_address(body) for body in dump.bodies)
            return [key for key in found if key is not None]
        if dump.state is DumpState.FAILED and dump.code not in (errno.EINTR, errno.EBUSY):
            raise AddressesUnreadable(dump.code)
        reason = dump.reason or os.strerror(dump.code)
    raise DumpInterrupted("the list of addresses", DUMP_ATTEMPTS, reason)


def decode_address(body: bytes) -> AddressKey | None:
    """Read an RTM_NEWADDR body; None where its interface has gone meanwhile, and its addresses with it."""
    family, prefix_length, _flags, _scope, index = _MESSAGE.unpack_from(body)
    values = dict(attributes(body[_MESSAGE.size :]))
    # IFA_LOCAL is the address itself; IFA_ADDRESS is the peer's where there is one, and the address for IPv6.
    packed = values.get(IFA_LOCAL) or values.get(IFA_ADDRESS)
    if packed is None:
        return None
    try:
        interface = socket.if_indextoname(index)
    except OSError:
        return None
    return AddressKey(interface, socket.inet_ntop(family, packed), prefix_length)


def _dump() -> Dump:
    """Ask for the list and take in what comes until it has ended, well or not."""
    dump = Dump(SEQUENCE, header=0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as link:
        link.settimeout(RECEIVE_SECONDS)
        link.bind((0, 0))
        length = HEADER.size + _MESSAGE.size
        request = HEADER.pack(length, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, SEQUENCE, 0)
        link.send(request + _MESSAGE.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        while dump.state is DumpState.MORE:
            try:
                datagram, _ancillary, received, _address = link.recvmsg(RECEIVE_BYTES)
            except TimeoutError:
                raise AddressesUnreadable(errno.ETIMEDOUT) from None
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise AddressesUnreadable(error.errno or errno.EIO) from error
                dump.lost("replies lost for want of memory (ENOBUFS)")
            else:
                dump.feed(datagram, truncated=bool(received & socket.MSG_TRUNC))
    return dump
