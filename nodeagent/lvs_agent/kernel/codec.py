"""Turns services and destinations into the attributes of IPVS generic netlink messages and back, without I/O.

A request's payload here is what follows the generic netlink header; ``kernel.netlink`` adds the headers.
Multi-byte numbers are in host order except ports and addresses. See include/uapi/linux/ip_vs.h and
net/netfilter/ipvs/ip_vs_ctl.c (ip_vs_cmd_policy and the policies after it).
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from lvs_agent.ipvs import (
    Counters,
    Destination,
    DestinationCounters,
    DestinationKey,
    Family,
    ForwardingMethod,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    TunnelFlags,
    TunnelType,
)
from lvs_agent.kernel.attributes import (
    Command,
    CommandAttribute,
    DestinationAttribute,
    ServiceAttribute,
    StatsAttribute,
    attribute,
    attributes,
)
from lvs_agent.kernel.errors import MalformedMessage

__all__ = [
    "Request",
    "decode_destination",
    "decode_service",
    "del_destination",
    "del_service",
    "flush",
    "get_destinations",
    "get_service",
    "get_services",
    "new_destination",
    "new_service",
    "set_destination",
    "set_service",
    "zero",
]

# IP_VS_SVC_F_HASHED: the kernel's own mark that a service is in its table.
HASHED = 0x0002
ALL_FLAGS = 0xFFFFFFFF

_NESTED = 0x8000  # NLA_F_NESTED of linux/netlink.h
_U16 = struct.Struct("=H")
_U32 = struct.Struct("=I")

_SERVICE = CommandAttribute.SERVICE | _NESTED
_DEST = CommandAttribute.DEST | _NESTED

# Attributes of a destination, each as length, type, payload and padding.
_DESTINATION_IDENTITY = "HHH2xHH16sHHH2x"
_DESTINATION_SETTINGS = "HHIHHIHHIHHI"
_DESTINATION_TUNNEL = "HHB3xHHH2xHHH2x"
_IDENTITY = struct.Struct("=HH" + _DESTINATION_IDENTITY)
_PLAIN = struct.Struct("=HH" + _DESTINATION_IDENTITY + _DESTINATION_SETTINGS)
_TUNNEL = struct.Struct("=HH" + _DESTINATION_IDENTITY + _DESTINATION_SETTINGS + _DESTINATION_TUNNEL)
_SERVICE_SETTINGS = struct.Struct("=HHIIHHIHH4s")

# A block of counters as the kernel writes it on machines that read 64 bits at any address: ten attributes of 64 bits.
_STATS64 = struct.Struct("=" + "HHQ" * 10)
_STATS64_HEADERS = tuple(number for kind in range(1, 11) for number in (12, kind))

_COUNTER_FIELDS = {
    StatsAttribute.CONNS: "connections",
    StatsAttribute.INPKTS: "packets_in",
    StatsAttribute.OUTPKTS: "packets_out",
    StatsAttribute.INBYTES: "bytes_in",
    StatsAttribute.OUTBYTES: "bytes_out",
    StatsAttribute.CPS: "connections_per_second",
    StatsAttribute.INPPS: "packets_in_per_second",
    StatsAttribute.OUTPPS: "packets_out_per_second",
    StatsAttribute.INBPS: "bytes_in_per_second",
    StatsAttribute.OUTBPS: "bytes_out_per_second",
}

_Value = TypeVar("_Value")


class Request(NamedTuple):
    """One message to IPVS: the command and the attributes after the generic netlink header."""

    command: Command
    payload: bytes = b""


def new_service(key: ServiceKey, service: Service) -> Request:
    """Add a service; EEXIST if it is there."""
    return Request(Command.NEW_SERVICE, _full_service(key, service))


def set_service(key: ServiceKey, service: Service) -> Request:
    """Replace a service's settings; its destinations and connections stay."""
    return Request(Command.SET_SERVICE, _full_service(key, service))


def del_service(key: ServiceKey) -> Request:
    """Delete a service and its destinations."""
    return Request(Command.DEL_SERVICE, _service_identity(key))


def get_service(key: ServiceKey) -> Request:
    """Ask for one service."""
    return Request(Command.GET_SERVICE, _service_identity(key))


def get_services() -> Request:
    """Ask for all services (a dump)."""
    return Request(Command.GET_SERVICE)


def new_destination(key: DestinationKey, destination: Destination) -> Request:
    """Add a destination; EEXIST if it is there, ESRCH if its service is not."""
    return Request(Command.NEW_DEST, _service_identity(key.service) + _full_destination(key, destination))


def set_destination(key: DestinationKey, destination: Destination) -> Request:
    """Replace a destination's settings; ENOENT if it is not there, ESRCH if its service is not."""
    return Request(Command.SET_DEST, _service_identity(key.service) + _full_destination(key, destination))


def del_destination(key: DestinationKey) -> Request:
    """Delete a destination; connections to it end."""
    return Request(Command.DEL_DEST, _service_identity(key.service) + _destination_identity(key))


def get_destinations(service: ServiceKey) -> Request:
    """Ask for all destinations of a service (a dump)."""
    return Request(Command.GET_DEST, _service_identity(service))


def zero(service: ServiceKey | None = None) -> Request:
    """Set the counters of a service and its destinations to zero; without ``service`` those of all."""
    return Request(Command.ZERO, b"" if service is None else _service_identity(service))


def flush() -> Request:
    """Delete all services."""
    return Request(Command.FLUSH)


def decode_service(payload: bytes) -> tuple[ServiceKey, Service, Counters]:
    """Return what a message of a GET_SERVICE dump says."""
    fields = dict(attributes(_nested(payload, CommandAttribute.SERVICE, "service")))
    try:
        family = Family(_u16(fields[ServiceAttribute.AF]))
        if ServiceAttribute.FWMARK in fields:
            mark = _u32(fields[ServiceAttribute.FWMARK])
            key = ServiceKey(family=family, protocol=Protocol.NONE, address="", port=0, firewall_mark=mark)
        else:
            key = ServiceKey(
                family=family,
                protocol=Protocol(_u16(fields[ServiceAttribute.PROTOCOL])),
                address=_address_text(family, fields[ServiceAttribute.ADDR]),
                port=_port(fields[ServiceAttribute.PORT]),
            )
        service = Service(
            scheduler=_text(fields[ServiceAttribute.SCHED_NAME]),
            flags=ServiceFlags(_u32(fields[ServiceAttribute.FLAGS][:4]) & ~HASHED),
            timeout=_u32(fields[ServiceAttribute.TIMEOUT]),
            prefix_length=_prefix_length(family, fields[ServiceAttribute.NETMASK]),
            engine=_text(fields.get(ServiceAttribute.PE_NAME, b"")),
        )
        counters = _counters(fields, ServiceAttribute.STATS64, ServiceAttribute.STATS)
    except (KeyError, ValueError, struct.error) as error:
        raise MalformedMessage("service", repr(error)) from error
    return key, service, counters


def decode_destination(service: ServiceKey, payload: bytes) -> tuple[DestinationKey, Destination, DestinationCounters]:
    """Return what a message of a GET_DEST dump says; the message itself does not name the service."""
    fields = dict(attributes(_nested(payload, CommandAttribute.DEST, "destination")))
    read = fields.__getitem__
    try:
        # Kernels before 3.18 have no ADDR_FAMILY: there a destination has its service's.
        raw_family = fields.get(DestinationAttribute.ADDR_FAMILY)
        family = service.family if raw_family is None else _family(_u16(raw_family))
        key = DestinationKey(
            service,
            _address_text(family, read(DestinationAttribute.ADDR)),
            _port(read(DestinationAttribute.PORT)),
        )
        method = ForwardingMethod(_u32(read(DestinationAttribute.FWD_METHOD)))
        destination = Destination(
            method,
            _u32(read(DestinationAttribute.WEIGHT)),
            _u32(read(DestinationAttribute.U_THRESH)),
            _u32(read(DestinationAttribute.L_THRESH)),
            TunnelType(_optional(fields, DestinationAttribute.TUN_TYPE, _u8, 0)),
            _optional(fields, DestinationAttribute.TUN_PORT, _port, 0),
            TunnelFlags(_optional(fields, DestinationAttribute.TUN_FLAGS, _u16, 0)),
        )
        counters = DestinationCounters(
            active=_optional(fields, DestinationAttribute.ACTIVE_CONNS, _u32, 0),
            inactive=_optional(fields, DestinationAttribute.INACT_CONNS, _u32, 0),
            persistent=_optional(fields, DestinationAttribute.PERSIST_CONNS, _u32, 0),
            totals=_counters(fields, DestinationAttribute.STATS64, DestinationAttribute.STATS),
        )
    except (KeyError, ValueError, struct.error) as error:
        raise MalformedMessage("destination", repr(error)) from error
    return key, destination, counters


@lru_cache(maxsize=8192)
def _service_identity(key: ServiceKey) -> bytes:
    """Return the nested SERVICE attribute that finds a service; the same bytes lead each of its destinations."""
    return attribute(_SERVICE, _service_fields(key))


def _service_fields(key: ServiceKey) -> bytes:
    family = attribute(ServiceAttribute.AF, _U16.pack(key.family))
    if key.firewall_mark:
        return family + attribute(ServiceAttribute.FWMARK, _U32.pack(key.firewall_mark))
    return b"".join(
        (
            family,
            attribute(ServiceAttribute.PROTOCOL, _U16.pack(key.protocol)),
            attribute(ServiceAttribute.ADDR, _address_bytes(key.address)),
            attribute(ServiceAttribute.PORT, key.port.to_bytes(2, "big")),
        )
    )


def _full_service(key: ServiceKey, service: Service) -> bytes:
    engine = attribute(ServiceAttribute.PE_NAME, service.engine.encode() + b"\0") if service.engine else b""
    settings = _SERVICE_SETTINGS.pack(
        *(12, ServiceAttribute.FLAGS, service.flags, ALL_FLAGS),
        *(8, ServiceAttribute.TIMEOUT, service.timeout),
        *(8, ServiceAttribute.NETMASK, _netmask(key.family, service.prefix_length)),
    )
    scheduler = attribute(ServiceAttribute.SCHED_NAME, service.scheduler.encode() + b"\0")
    return attribute(_SERVICE, _service_fields(key) + scheduler + settings + engine)


def _destination_identity(key: DestinationKey) -> bytes:
    address = key.address
    return _IDENTITY.pack(
        *(_IDENTITY.size, _DEST),
        *(6, DestinationAttribute.ADDR_FAMILY, Family.IPV6 if ":" in address else Family.IPV4),
        *(20, DestinationAttribute.ADDR, _address_bytes(address)),
        *(6, DestinationAttribute.PORT, socket.htons(key.port)),
    )


def _full_destination(key: DestinationKey, destination: Destination) -> bytes:
    address = key.address
    v6 = ":" in address
    # Plain numbers and one call: this runs once per real server, thousands of times on a first load.
    if destination.method is not ForwardingMethod.TUN:
        return _PLAIN.pack(
            _PLAIN.size, _DEST,
            6, 11, 10 if v6 else 2,
            20, 1, socket.inet_pton(socket.AF_INET6, address) if v6 else socket.inet_aton(address),
            6, 2, socket.htons(key.port),
            8, 3, destination.method,
            8, 4, destination.weight,
            8, 5, destination.upper_threshold,
            8, 6, destination.lower_threshold,
        )  # fmt: skip
    return _TUNNEL.pack(
        _TUNNEL.size, _DEST,
        6, 11, 10 if v6 else 2,
        20, 1, _address_bytes(address),
        6, 2, socket.htons(key.port),
        8, 3, destination.method,
        8, 4, destination.weight,
        8, 5, destination.upper_threshold,
        8, 6, destination.lower_threshold,
        5, 13, destination.tunnel_type,
        6, 14, socket.htons(destination.tunnel_port),
        6, 15, destination.tunnel_flags,
    )  # fmt: skip


def _nested(payload: bytes, kind: CommandAttribute, what: str) -> bytes:
    for found, nested in attributes(payload):
        if found == kind:
            return nested
    raise MalformedMessage(what, f"no {kind.name} attribute")


def _counters(fields: dict[int, bytes], wide: int, narrow: int) -> Counters:
    """Read the 64-bit counters, or those of 32 bits where the kernel (before 4.1) has no other."""
    block = fields.get(wide)
    if block is not None and len(block) == _STATS64.size:
        numbers = _STATS64.unpack(block)
        headers = numbers[0::3], numbers[1::3]
        if headers == (_STATS64_HEADERS[0::2], _STATS64_HEADERS[1::2]):
            return Counters(*numbers[2::3])
    found = {}
    for kind, value in attributes(fields.get(narrow, b"") if block is None else block):
        name = _COUNTER_FIELDS.get(kind)  # type: ignore[call-overload]
        if name is not None:
            found[name] = int.from_bytes(value, sys.byteorder)
    return Counters(**found)


def _optional(fields: dict[int, bytes], kind: int, convert: Callable[[bytes], _Value], default: _Value) -> _Value:
    raw = fields.get(kind)
    return default if raw is None else convert(raw)


def _u8(raw: bytes) -> int:
    return raw[0]


def _u16(raw: bytes) -> int:
    value: int = _U16.unpack(raw)[0]
    return value


def _u32(raw: bytes) -> int:
    value: int = _U32.unpack(raw)[0]
    return value


def _port(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode()


def _family(number: int) -> Family:
    return Family.IPV4 if number == Family.IPV4 else Family(number)


def _address_bytes(address: str) -> bytes:
    """Return ``union nf_inet_addr``: 16 bytes, an IPv4 address in the first four."""
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)
    return socket.inet_pton(socket.AF_INET, address) + bytes(12)


def _address_text(family: Family, raw: bytes) -> str:
    if family is Family.IPV4:
        return socket.inet_ntoa(raw[:4])
    return canonical_ipv6(raw)


def canonical_ipv6(raw: bytes) -> str:
    """Return an IPv6 address in the spelling of ``lvs_api.fields.canonical_address``.

    ``inet_ntop`` differs from it for the addresses that embed an IPv4 address (``::ffff:a.b.c.d``, ``::a.b.c.d``).
    """
    text = socket.inet_ntop(socket.AF_INET6, raw)
    if "." not in text:
        return text
    # Imported here because it takes longer than this whole module, for addresses hardly anybody has.
    from ipaddress import IPv6Address

    return str(IPv6Address(raw))


def _netmask(family: Family, prefix_length: int) -> bytes:
    """Return NETMASK: for IPv4 a mask in network order, for IPv6 the prefix length in host order."""
    if family is Family.IPV4:
        return (0xFFFFFFFF << (32 - prefix_length) & 0xFFFFFFFF).to_bytes(4, "big")
    return _U32.pack(prefix_length)


def _prefix_length(family: Family, raw: bytes) -> int:
    if family is Family.IPV4:
        return int.from_bytes(raw, "big").bit_count()
    return _u32(raw)
