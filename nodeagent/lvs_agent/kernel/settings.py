"""The IPVS settings besides its table, as values and as netlink attributes: sync daemons, time-outs, version."""

from __future__ import annotations

import socket
import struct
from enum import IntEnum

import msgspec

from lvs_agent.kernel.attributes import (
    Command,
    CommandAttribute,
    DaemonAttribute,
    InfoAttribute,
    attribute,
    attributes,
)
from lvs_agent.kernel.codec import Request, canonical_ipv6
from lvs_agent.kernel.errors import MalformedMessage

__all__ = [
    "Daemon",
    "DaemonState",
    "Info",
    "Timeouts",
    "decode_daemon",
    "decode_info",
    "decode_timeouts",
    "del_daemon",
    "get_daemons",
    "get_info",
    "get_timeouts",
    "new_daemon",
    "set_timeouts",
]

_U16 = struct.Struct("=H")
_U32 = struct.Struct("=I")


class DaemonState(IntEnum):
    """IP_VS_STATE_* of linux/ip_vs.h."""

    MASTER = 1
    BACKUP = 2


class Daemon(msgspec.Struct, frozen=True):
    """A connection sync daemon, IPVS_DAEMON_ATTR_* of linux/ip_vs.h.

    Parameters
    ----------
    state
        MASTER sends, BACKUP receives; a director may run one of each.
    interface
        That multicast goes through.
    sync_id
        0..255; a BACKUP takes only what carries its own, 0 takes all.
    max_length
        Bytes of UDP payload, 0 lets the kernel take the interface's MTU.
    group, port, ttl
        Multicast address, UDP port and hop limit; empty and 0 are the kernel's 224.0.0.81, 8848 and 1.
    """

    state: DaemonState
    interface: str
    sync_id: int = 0
    max_length: int = 0
    group: str = ""
    port: int = 0
    ttl: int = 0


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds after which an idle connection is forgotten; 0 leaves the kernel's value when set."""

    tcp: int
    tcp_fin: int
    udp: int


class Info(msgspec.Struct, frozen=True):
    """Version of IPVS, such as 1.2.1, and the buckets of its connection table."""

    version: str
    connection_table_size: int


def new_daemon(daemon: Daemon) -> Request:
    """Start a sync daemon; EEXIST if one of its state runs."""
    fields = [
        attribute(DaemonAttribute.STATE, _U32.pack(daemon.state)),
        attribute(DaemonAttribute.MCAST_IFN, daemon.interface.encode() + b"\0"),
        attribute(DaemonAttribute.SYNC_ID, _U32.pack(daemon.sync_id)),
    ]
    if daemon.max_length:
        fields.append(attribute(DaemonAttribute.SYNC_MAXLEN, _U16.pack(daemon.max_length)))
    if ":" in daemon.group:
        fields.append(attribute(DaemonAttribute.MCAST_GROUP6, socket.inet_pton(socket.AF_INET6, daemon.group)))
    elif daemon.group:
        fields.append(attribute(DaemonAttribute.MCAST_GROUP, socket.inet_aton(daemon.group)))
    if daemon.port:
        fields.append(attribute(DaemonAttribute.MCAST_PORT, _U16.pack(daemon.port)))
    if daemon.ttl:
        fields.append(attribute(DaemonAttribute.MCAST_TTL, bytes([daemon.ttl])))
    return Request(Command.NEW_DAEMON, attribute(CommandAttribute.DAEMON | 0x8000, b"".join(fields)))


def del_daemon(state: DaemonState) -> Request:
    """Stop the sync daemon of a state; ESRCH if none runs."""
    field = attribute(DaemonAttribute.STATE, _U32.pack(state))
    return Request(Command.DEL_DAEMON, attribute(CommandAttribute.DAEMON | 0x8000, field))


def get_daemons() -> Request:
    """Ask for the running sync daemons (a dump)."""
    return Request(Command.GET_DAEMON)


def decode_daemon(payload: bytes) -> Daemon:
    """Return what a message of a GET_DAEMON dump says."""
    try:
        fields = dict(attributes(dict(attributes(payload))[CommandAttribute.DAEMON]))
        group = ""
        if DaemonAttribute.MCAST_GROUP6 in fields:
            group = canonical_ipv6(fields[DaemonAttribute.MCAST_GROUP6])
        elif DaemonAttribute.MCAST_GROUP in fields:
            group = socket.inet_ntoa(fields[DaemonAttribute.MCAST_GROUP])
        return Daemon(
            state=DaemonState(_U32.unpack(fields[DaemonAttribute.STATE])[0]),
            interface=fields[DaemonAttribute.MCAST_IFN].rstrip(b"\0").decode(),
            sync_id=_U32.unpack(fields[DaemonAttribute.SYNC_ID])[0],
            max_length=_U16.unpack(fields.get(DaemonAttribute.SYNC_MAXLEN, b"\0\0"))[0],
            group=group,
            port=_U16.unpack(fields.get(DaemonAttribute.MCAST_PORT, b"\0\0"))[0],
            ttl=fields.get(DaemonAttribute.MCAST_TTL, b"\0")[0],
        )
    except (KeyError, ValueError, OSError, struct.error) as error:
        raise MalformedMessage("sync daemon", repr(error)) from error


def set_timeouts(timeouts: Timeouts) -> Request:
    """Set the time-outs of idle connections."""
    return Request(
        Command.SET_CONFIG,
        attribute(CommandAttribute.TIMEOUT_TCP, _U32.pack(timeouts.tcp))
        + attribute(CommandAttribute.TIMEOUT_TCP_FIN, _U32.pack(timeouts.tcp_fin))
        + attribute(CommandAttribute.TIMEOUT_UDP, _U32.pack(timeouts.udp)),
    )


def get_timeouts() -> Request:
    """Ask for the time-outs of idle connections."""
    return Request(Command.GET_CONFIG)


def decode_timeouts(payload: bytes) -> Timeouts:
    """Return what a reply to GET_CONFIG says; UDP is absent from a kernel built without it."""
    fields = {kind: _number(raw, "time-out") for kind, raw in attributes(payload)}
    return Timeouts(
        tcp=fields.get(CommandAttribute.TIMEOUT_TCP, 0),
        tcp_fin=fields.get(CommandAttribute.TIMEOUT_TCP_FIN, 0),
        udp=fields.get(CommandAttribute.TIMEOUT_UDP, 0),
    )


def get_info() -> Request:
    """Ask for the version of IPVS."""
    return Request(Command.GET_INFO)


def decode_info(payload: bytes) -> Info:
    """Return what a reply to GET_INFO says."""
    fields = {kind: _number(raw, "version") for kind, raw in attributes(payload)}
    version = fields.get(InfoAttribute.VERSION, 0)
    return Info(
        # NVERSION of linux/ip_vs.h
        version=f"{version >> 16 & 0xFF}.{version >> 8 & 0xFF}.{version & 0xFF}",
        connection_table_size=fields.get(InfoAttribute.CONN_TAB_SIZE, 0),
    )


def _number(raw: bytes, what: str) -> int:
    if len(raw) != _U32.size:
        raise MalformedMessage(what, f"{len(raw)} bytes in place of 4")
    number: int = _U32.unpack(raw)[0]
    return number
