"""What this node's kernel shall look like for one virtual service, or for the VIPs it carries as a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lvs_agent.ipvs import (
    Destination,
    DestinationKey,
    Family,
    ForwardingMethod,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
)
from lvs_agent.state import Address, AddressKey, State, Sysctl, SysctlKey
from lvs_api.admission import Admitted
from lvs_api.fields import family_of, seconds
from lvs_api.resolve import Resolution, ResolvedRealServer
from lvs_api.virtualservice import Persistence

__all__ = ["LOOPBACK", "IsUp", "carried", "directed", "service_key"]

LOOPBACK = "lo"

IsUp = Callable[[DestinationKey, ResolvedRealServer], bool]

_METHODS = {
    "NAT": ForwardingMethod.NAT,
    "DR": ForwardingMethod.DR,
    "TUN": ForwardingMethod.TUN,
    "FULLNAT": ForwardingMethod.NAT,
}

# IP_VS_SVC_F_SCHED_SH_* and _MH_* in linux/ip_vs.h.
_SCHEDULER_FLAGS = {
    "sh-fallback": ServiceFlags.SCHEDULER_1,
    "sh-port": ServiceFlags.SCHEDULER_2,
    "mh-fallback": ServiceFlags.SCHEDULER_1,
    "mh-port": ServiceFlags.SCHEDULER_2,
}

# Documentation/networking/ipvs-sysctl.rst. Without the first two, clients of a real server that left are
# sent to it until their connection times out; conn_reuse_mode=1 schedules a reused client port anew,
# which is free of its one second delay since Linux 5.9.
_DIRECTOR_SYSCTLS: State = {
    SysctlKey("net/ipv4/vs/expire_nodest_conn"): Sysctl("1"),
    SysctlKey("net/ipv4/vs/expire_quiescent_template"): Sysctl("1"),
    SysctlKey("net/ipv4/vs/conn_reuse_mode"): Sysctl("1"),
}

_FORWARDING_SYSCTL = {
    4: SysctlKey("net/ipv4/ip_forward"),
    6: SysctlKey("net/ipv6/conf/all/forwarding"),
}

# Documentation/networking/ip-sysctl.rst. arp_ignore=1: no answer for an address of another interface, so the VIP
# on lo stays silent; 2 asks for more (the sender in the same subnet). arp_announce=2: ARP requests carry
# an address of the interface they leave by, never the VIP.
_CARRIER_SYSCTLS: State = {
    SysctlKey(f"net/ipv4/conf/{scope}/{name}"): wanted
    for scope in ("all", "lo")
    for name, wanted in (("arp_ignore", Sysctl("1", also_good=("2",))), ("arp_announce", Sysctl("2")))
}


def service_key(address: str, protocol: str, port: int) -> ServiceKey:
    """Return the identity in the IPVS table of a VIP, protocol and port."""
    family = Family.IPV6 if family_of(address) == 6 else Family.IPV4
    return ServiceKey(family, Protocol[protocol], address, port)


def directed(resolution: Resolution, interface: str, is_up: IsUp) -> State:
    """Return what a director needs for one virtual service.

    Parameters
    ----------
    interface
        Where the pool's VIPs live.
    is_up
        Whether a real server takes connections as far as checks know.
    """
    admitted = resolution.admitted
    state: State = dict(_DIRECTOR_SYSCTLS)
    method = _METHODS[admitted.spec.forwarding.method]
    if method is ForwardingMethod.NAT:
        state.update({_FORWARDING_SYSCTL[family_of(vip)]: Sysctl("1") for vip in admitted.addresses})
    for vip in admitted.addresses:
        state[_vip(interface, vip)] = Address(announce=interface != LOOPBACK)
    for service in resolution.services:
        key = service_key(service.address, service.protocol, service.port)
        state[key] = _service(admitted, family_of(service.address))
        for server in service.real_servers:
            destination = DestinationKey(key, server.address, server.port)
            up = server.accepts and is_up(destination, server)
            if up or admitted.spec.quiescent:
                state[destination] = Destination(
                    method,
                    server.weight if up else 0,
                    server.thresholds.upper,
                    server.thresholds.lower,
                )
    return state


def carried(vips: Iterable[str]) -> State:
    """Return what a real server needs under DR: the VIPs on lo, and silence about them."""
    addresses: State = {_vip(LOOPBACK, vip): Address() for vip in vips}
    return {**_CARRIER_SYSCTLS, **addresses} if addresses else {}


def _vip(interface: str, vip: str) -> AddressKey:
    # A host prefix, so that no route to a network comes with the address.
    return AddressKey(interface, vip, 128 if family_of(vip) == 6 else 32)


def _service(admitted: Admitted, family: int) -> Service:
    spec = admitted.spec
    flags = ServiceFlags.ONE_PACKET if spec.one_packet else ServiceFlags.NONE
    for name in spec.scheduler.flags:
        flags |= _SCHEDULER_FLAGS[name]
    whole = 128 if family == 6 else 32
    persistence: Persistence | None = spec.persistence
    if persistence is None:
        return Service(spec.scheduler.name, flags, prefix_length=whole)
    return Service(
        spec.scheduler.name,
        flags | ServiceFlags.PERSISTENT,
        timeout=round(seconds(persistence.timeout)),
        prefix_length=persistence.prefix_length or whole,
    )
