"""The numbers of include/uapi/linux/ip_vs.h and netlink.h, and a walk over netlink attributes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

from lvs_agent.kernel.errors import MalformedMessage

__all__ = [
    "Command",
    "CommandAttribute",
    "DaemonAttribute",
    "DestinationAttribute",
    "InfoAttribute",
    "ServiceAttribute",
    "StatsAttribute",
    "attribute",
    "attributes",
]

# NLA_TYPE_MASK of linux/netlink.h: the two upper bits say "nested" and "network byte order".
TYPE_MASK = 0x3FFF

_HEADER = struct.Struct("=HH")


class Command(IntEnum):
    """IPVS_CMD_*."""

    NEW_SERVICE = 1
    SET_SERVICE = 2
    DEL_SERVICE = 3
    GET_SERVICE = 4
    NEW_DEST = 5
    SET_DEST = 6
    DEL_DEST = 7
    GET_DEST = 8
    NEW_DAEMON = 9
    DEL_DAEMON = 10
    GET_DAEMON = 11
    SET_CONFIG = 12
    GET_CONFIG = 13
    SET_INFO = 14
    GET_INFO = 15
    ZERO = 16
    FLUSH = 17


class CommandAttribute(IntEnum):
    """IPVS_CMD_ATTR_*."""

    SERVICE = 1
    DEST = 2
    DAEMON = 3
    TIMEOUT_TCP = 4
    TIMEOUT_TCP_FIN = 5
    TIMEOUT_UDP = 6


class ServiceAttribute(IntEnum):
    """IPVS_SVC_ATTR_*."""

    AF = 1
    PROTOCOL = 2
    ADDR = 3
    PORT = 4
    FWMARK = 5
    SCHED_NAME = 6
    FLAGS = 7
    TIMEOUT = 8
    NETMASK = 9
    STATS = 10
    PE_NAME = 11
    STATS64 = 12


class DestinationAttribute(IntEnum):
    """IPVS_DEST_ATTR_*."""

    ADDR = 1
    PORT = 2
    FWD_METHOD = 3
    WEIGHT = 4
    U_THRESH = 5
    L_THRESH = 6
    ACTIVE_CONNS = 7
    INACT_CONNS = 8
    PERSIST_CONNS = 9
    STATS = 10
    ADDR_FAMILY = 11
    STATS64 = 12
    TUN_TYPE = 13
    TUN_PORT = 14
    TUN_FLAGS = 15


class StatsAttribute(IntEnum):
    """IPVS_STATS_ATTR_*."""

    CONNS = 1
    INPKTS = 2
    OUTPKTS = 3
    INBYTES = 4
    OUTBYTES = 5
    CPS = 6
    INPPS = 7
    OUTPPS = 8
    INBPS = 9
    OUTBPS = 10
    PAD = 11


class DaemonAttribute(IntEnum):
    """IPVS_DAEMON_ATTR_*."""

    STATE = 1
    MCAST_IFN = 2
    SYNC_ID = 3
    SYNC_MAXLEN = 4
    MCAST_GROUP = 5
    MCAST_GROUP6 = 6
    MCAST_PORT = 7
    MCAST_TTL = 8


class InfoAttribute(IntEnum):
    """IPVS_INFO_ATTR_*."""

    VERSION = 1
    CONN_TAB_SIZE = 2


def attribute(kind: int, payload: bytes) -> bytes:
    """Return one attribute: length, type, payload, padded to four bytes."""
    return _HEADER.pack(4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and payload of each attribute in ``data``; the caller skips types it does not know.

    Raises
    ------
    MalformedMessage
        If an attribute's length leads out of ``data``.
    """
    offset, end = 0, len(data)
    while end - offset >= 4:
        length, kind = _HEADER.unpack_from(data, offset)
        if length < 4 or offset + length > end:
            raise MalformedMessage("message", f"attribute {kind & TYPE_MASK} says {length} bytes, {end - offset} left")
        yield kind & TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
