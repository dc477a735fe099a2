"""What this node is asked to be: director of some pools, carrier of some VIPs as a real server."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lvs_api.directorpool import DirectorPool
from lvs_api.lvsnode import LVSNode
from lvs_api.resolve import Resolution

__all__ = ["Duty", "carried_without_operator", "duty_from_node", "duty_without_operator"]


class Duty(msgspec.Struct, frozen=True):
    """The node's part.

    Parameters
    ----------
    directs
        Names of the pools whose VIPs and services this node has.
    carries
        VIPs that this node carries as a real server.
    """

    directs: frozenset[str] = frozenset()
    carries: tuple[str, ...] = ()


def duty_from_node(node: LVSNode) -> Duty:
    """Read the operator's word from the node's LVSNode; a node that retires has no duty."""
    if node.spec.retire:
        return Duty()
    return Duty(frozenset(node.spec.director.pools), tuple(node.spec.real_server.addresses))


def duty_without_operator(node_name: str, pools: Iterable[DirectorPool]) -> Duty:
    """Work the duty out from manifest files: a node directs the pools that name it."""
    return Duty(frozenset(pool.metadata.name for pool in pools if node_name in (pool.spec.node_names or ())))


def carried_without_operator(resolution: Resolution, own_addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the VIPs of a service that a node with these addresses carries as one of its real servers."""
    if resolution.admitted.spec.forwarding.method != "DR":
        return ()
    own = frozenset(own_addresses)
    return tuple(
        dict.fromkeys(
            service.address
            for service in resolution.services
            if any(server.address in own for server in service.real_servers)
        )
    )
