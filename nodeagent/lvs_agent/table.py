"""The node's state as text for people, in the manner of ``ipvsadm -Ln``, and as plain data for programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec

from lvs_agent.desired import service_key
from lvs_agent.ipvs import Destination, DestinationCounters, DestinationKey, Service, ServiceFlags, ServiceKey
from lvs_agent.state import AddressKey, ItemKey, ItemValue, SysctlKey
from lvs_api.admission import Admitted
from lvs_api.meta import ObjectKey

__all__ = ["NodeView", "RealServerRow", "ServiceRow", "as_text", "view"]


class RealServerRow(msgspec.Struct, frozen=True):
    """One real server of a service."""

    address: str
    port: int
    forwarding: str
    weight: int
    active: int
    inactive: int


class ServiceRow(msgspec.Struct, frozen=True):
    """One service; ``owner`` is the VirtualService behind it, empty if it is not ours."""

    service: str
    scheduler: str
    persistence: int
    owner: str
    real_servers: tuple[RealServerRow, ...]


class NodeView(msgspec.Struct, frozen=True):
    """All that concerns this product on a node."""

    node: str
    kernel: str
    ipvs: str
    services: tuple[ServiceRow, ...]
    addresses: tuple[str, ...]
    sysctls: dict[str, str]


def view(
    *,
    node: str,
    kernel: str,
    ipvs: str,
    state: Mapping[ItemKey, ItemValue],
    counters: Mapping[DestinationKey, DestinationCounters],
    accepted: Mapping[ObjectKey, Admitted],
    owns: Callable[[ItemKey], bool],
) -> NodeView:
    """Put together what a person wants to see.

    Parameters
    ----------
    accepted
        What was last accepted, to name the VirtualService behind a service.
    owns
        Tells what is ours; of addresses and settings only ours are shown, of services all.
    """
    owners = {
        service_key(vip, port.protocol, port.port): str(admitted.key)
        for admitted in accepted.values()
        for vip in admitted.addresses
        for port in admitted.spec.ports
    }
    services = sorted((key, value) for key, value in state.items() if isinstance(key, ServiceKey))
    rows = _rows_by_service(state, counters)
    return NodeView(
        node=node,
        kernel=kernel,
        ipvs=ipvs,
        services=tuple(
            ServiceRow(
                service=str(key),
                scheduler=value.scheduler,
                persistence=value.timeout if value.flags & ServiceFlags.PERSISTENT else 0,
                owner=owners.get(key, "unknown VirtualService") if owns(key) else "",
                real_servers=tuple(rows[key]),
            )
            for key, value in services
            if isinstance(value, Service)
        ),
        addresses=tuple(
            sorted(
                f"{key.address}/{key.prefix_length} dev {key.interface}"
                for key in state
                if isinstance(key, AddressKey) and owns(key)
            )
        ),
        sysctls={
            key.path: str(value)
            for key, value in sorted(state.items(), key=lambda item: str(item[0]))
            if isinstance(key, SysctlKey) and owns(key)
        },
    )


def _rows_by_service(
    state: Mapping[ItemKey, ItemValue], counters: Mapping[DestinationKey, DestinationCounters]
) -> Mapping[ServiceKey, list[RealServerRow]]:
    none = DestinationCounters()
    rows: defaultdict[ServiceKey, list[RealServerRow]] = defaultdict(list)
    for key in sorted(key for key in state if isinstance(key, DestinationKey)):
        value, counted = state[key], counters.get(key, none)
        if isinstance(value, Destination):
            rows[key.service].append(
                RealServerRow(key.address, key.port, value.method.name, value.weight, counted.active, counted.inactive)
            )
    return rows


def as_text(shown: NodeView) -> str:
    """Lay a node out in lines."""
    lines = [f"Node {shown.node}, kernel {shown.kernel}, IPVS {shown.ipvs or 'not available'}"]
    for service in shown.services:
        persistent = f" persistent {service.persistence}s" if service.persistence else ""
        owner = service.owner or "foreign, not touched"
        lines.append(f"{service.service} {service.scheduler}{persistent}  ({owner})")
        lines += [
            f"  -> {row.address + ':' + str(row.port):<28} {row.forwarding:<4} weight {row.weight:<5}"
            f" active {row.active:<6} inactive {row.inactive}"
            for row in service.real_servers
        ]
    if not shown.services:
        lines.append("No services.")
    lines += [f"Address {address}" for address in shown.addresses]
    lines += [f"Setting {path} = {value}" for path, value in shown.sysctls.items()]
    return "\n".join(lines)
