"""What is asked of each node: the pools it directs and the VIPs it carries as a real server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Set
from typing import NamedTuple

from lvs_api.fields import canonical_address
from lvs_api.lvsnode import DirectorDuty, LVSNodeSpec, RealServerDuty
from lvs_api.meta import ObjectKey
from lvs_api.resolve import Resolution

__all__ = ["Carry", "carries_of", "duties"]


class Carry(NamedTuple):
    """A VIP that the machine of a real server has to carry.

    Parameters
    ----------
    pool
        The pool of the virtual service; its director has the VIP anyway.
    node
        The node that the RealServer names; empty where it gives an address.
    """

    vip: str
    rip: str
    pool: str
    node: str


def carries_of(resolution: Resolution, node_names: Mapping[ObjectKey, str]) -> frozenset[Carry]:
    """List what a virtual service asks of the machines of its real servers: nothing, except under DR.

    Parameters
    ----------
    node_names
        The node of each RealServer that names one.
    """
    admitted = resolution.admitted
    if admitted.spec.forwarding.method != "DR":
        return frozenset()
    return frozenset(
        Carry(
            service.address,
            server.address,
            admitted.pool,
            node_names.get(server.real_server, "") if server.real_server else "",
        )
        for service in resolution.services
        for server in service.real_servers
    )


def duties(
    names: Collection[str],
    addresses: Mapping[str, Iterable[str]],
    directors: Mapping[str, str],
    carries: Iterable[Carry],
    kept: Mapping[str, Set[tuple[str, str]]],
) -> dict[str, LVSNodeSpec]:
    """Work out every node's duty.

    Parameters
    ----------
    names
        The nodes.
    addresses
        Addresses of each node.
    directors
        The director of each pool that has one.
    carries
        What all virtual services ask of the machines of their real servers.
    kept
        By node, (VIP, pool) that it carries now and that stay, although nothing is known of their real servers.
    """
    nodes_at: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        for address in addresses.get(name, ()):
            nodes_at[canonical_address(address)].add(name)
    pools: defaultdict[str, set[str]] = defaultdict(set)
    for pool, director in directors.items():
        pools[director].add(pool)
    vips: defaultdict[str, set[str]] = defaultdict(set)
    for carry in carries:
        for name in nodes_at.get(carry.rip, set()) | ({carry.node} if carry.node else set()):
            if carry.pool not in pools.get(name, ()):
                vips[name].add(carry.vip)
    for name, stays in kept.items():
        vips[name].update(vip for vip, pool in stays if pool not in pools.get(name, ()))
    return {
        name: LVSNodeSpec(
            director=DirectorDuty(pools=tuple(sorted(pools.get(name, ())))),
            real_server=RealServerDuty(addresses=tuple(sorted(vips.get(name, ())))),
        )
        for name in names
    }
