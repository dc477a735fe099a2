"""What IPVS knows, as plain values: identity, configuration and counters of services and destinations.

The numbers are those of include/uapi/linux/ip_vs.h; the codec in ``kernel/`` turns these values into
netlink attributes and back. Addresses are text in canonical spelling (see ``lvs_api.fields``).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import msgspec

__all__ = [
    "Counters",
    "Destination",
    "DestinationCounters",
    "DestinationKey",
    "Family",
    "ForwardingMethod",
    "Protocol",
    "Service",
    "ServiceFlags",
    "ServiceKey",
    "TunnelFlags",
    "TunnelType",
]


class Family(IntEnum):
    """Address families, AF_INET and AF_INET6 of linux/socket.h."""

    IPV4 = 2
    IPV6 = 10


class _OpenEnum(IntEnum):
    """An enumeration that shows a number without a name rather than refuse it.

    IPVS takes any number for a protocol or a forwarding method over generic netlink; what somebody else
    wrote there must not keep the rest of the table from being read.
    """

    @classmethod
    def _missing_(cls, value: object) -> _OpenEnum | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"{cls.__name__}({value})"
        member._value_ = value
        return member


class Protocol(_OpenEnum):
    """Transport protocols that IPVS balances, IPPROTO_* of linux/in.h; NONE belongs to firewall-mark services."""

    NONE = 0
    TCP = 6
    UDP = 17
    SCTP = 132


class ForwardingMethod(_OpenEnum):
    """IP_VS_CONN_F_FWD_MASK values of linux/ip_vs.h; FULLNAT is NAT to the kernel."""

    NAT = 0
    LOCAL = 1
    TUN = 2
    DR = 3
    BYPASS = 4


class ServiceFlags(IntFlag):
    """IP_VS_SVC_F_* of linux/ip_vs.h, without HASHED, which is the kernel's own."""

    NONE = 0
    PERSISTENT = 0x0001
    ONE_PACKET = 0x0004
    SCHEDULER_1 = 0x0008  # sh-fallback, mh-fallback
    SCHEDULER_2 = 0x0010  # sh-port, mh-port
    SCHEDULER_3 = 0x0020


class TunnelType(_OpenEnum):
    """IP_VS_CONN_F_TUNNEL_TYPE_* of linux/ip_vs.h."""

    IPIP = 0
    GUE = 1
    GRE = 2


class TunnelFlags(IntFlag):
    """IP_VS_TUNNEL_ENCAP_FLAG_* of linux/ip_vs.h."""

    NONE = 0
    CHECKSUM = 0x1
    REMOTE_CHECKSUM = 0x2


class ServiceKey(msgspec.Struct, frozen=True, order=True):
    """Identity of a service: family and either protocol, VIP and port, or a firewall mark.

    Parameters
    ----------
    family
        Of the VIP, or of the packets that carry the mark.
    protocol, address, port
        Of a service by address; NONE, empty and 0 of a service by mark.
    firewall_mark
        1 to 2**32-1, or 0 of a service by address.
    """

    family: Family
    protocol: Protocol
    address: str
    port: int
    firewall_mark: int = 0

    def __str__(self) -> str:
        if self.firewall_mark:
            return f"mark {self.firewall_mark} (IPv{4 if self.family is Family.IPV4 else 6})"
        shown = f"[{self.address}]" if self.family is Family.IPV6 else self.address
        return f"{self.protocol.name} {shown}:{self.port}"


class Service(msgspec.Struct, frozen=True):
    """Configuration of a service: everything but its identity and its counters.

    Parameters
    ----------
    scheduler
        Name as in ``ipvsadm -s``.
    timeout
        Persistence, whole seconds; 0 without persistence.
    prefix_length
        Of clients that persistence takes for one: 0..32 (IPv4) or 0..128 (IPv6). 32 or 128 without persistence.
    engine
        Persistence engine, such as ``sip``; empty for none.
    """

    scheduler: str
    flags: ServiceFlags = ServiceFlags.NONE
    timeout: int = 0
    prefix_length: int = 32
    engine: str = ""


class DestinationKey(msgspec.Struct, frozen=True, order=True):
    """Identity of a real server within its service."""

    service: ServiceKey
    address: str
    port: int

    def __str__(self) -> str:
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.service} -> {shown}:{self.port}"


class Destination(msgspec.Struct, frozen=True):
    """Configuration of a real server within its service.

    Parameters
    ----------
    weight
        0..65535; 0 takes no new connections.
    upper_threshold, lower_threshold
        Connections, 0 for no bound.
    tunnel_type, tunnel_port, tunnel_flags
        Only under TUN; the port (host order, 0 for none) only under GUE.
    """

    method: ForwardingMethod
    weight: int = 1
    upper_threshold: int = 0
    lower_threshold: int = 0
    tunnel_type: TunnelType = TunnelType.IPIP
    tunnel_port: int = 0
    tunnel_flags: TunnelFlags = TunnelFlags.NONE


class Counters(msgspec.Struct, frozen=True):
    """Totals and rates since the entry was made, struct ip_vs_kstats of net/ip_vs.h; rates per second."""

    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connections_per_second: int = 0
    packets_in_per_second: int = 0
    packets_out_per_second: int = 0
    bytes_in_per_second: int = 0
    bytes_out_per_second: int = 0


class DestinationCounters(msgspec.Struct, frozen=True):
    """Connections of a real server right now, and its totals."""

    active: int = 0
    inactive: int = 0
    persistent: int = 0
    totals: Counters = Counters()
