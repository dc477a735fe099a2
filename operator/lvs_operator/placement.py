"""Which node directs a pool: the one that does so already for as long as it can, else the first by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import Node

__all__ = ["Placement", "eligible", "place"]


class Placement(msgspec.Struct, frozen=True):
    """Who directs a pool.

    Parameters
    ----------
    director
        Name of the node; empty where there is none.
    reason
        One word: Directed, NoEligibleNode, NoReadyNode, NodesRetire.
    message
        The same as a sentence.
    """

    director: str
    reason: str
    message: str


def eligible(pool: DirectorPool, nodes: Mapping[str, Node]) -> list[str]:
    """List the names of nodes that may direct a pool, in order; nodeNames may name machines that are no Node."""
    selector = pool.spec.node_selector
    selected = (name for name, node in nodes.items() if selector and selector.matches(node.metadata.labels))
    return sorted({*selected, *(pool.spec.node_names or ())})


def place(
    pool: DirectorPool, nodes: Mapping[str, Node], current: Sequence[str], retiring: Collection[str] = ()
) -> Placement:
    """Choose the director of a pool with highAvailability mode None: exactly one.

    A node that is not ready is not chosen anew. It keeps the pool while nobody else could take it: what it
    has in its kernel may well go on working.

    Parameters
    ----------
    nodes
        Every Node by name.
    current
        Nodes that direct the pool now as far as is known, the surest first.
    retiring
        Nodes that take up nothing more.
    """
    eligible_nodes = eligible(pool, nodes)
    candidates = [name for name in eligible_nodes if name not in retiring]
    if eligible_nodes and not candidates:
        return Placement(
            "", "NodesRetire", f"{', '.join(eligible_nodes)} retire: spec.retire of their LVSNodes says so"
        )
    ready = [name for name in candidates if name not in nodes or nodes[name].is_ready]
    staying = [name for name in current if name in ready]
    chosen = next(iter(staying or ready), "")
    if chosen:
        return Placement(chosen, "Directed", f"{chosen} directs, one of {', '.join(candidates)}")
    staying = [name for name in current if name in candidates]
    if staying:
        message = f"{staying[0]} directs; its Node is not ready, nor is any other of {', '.join(candidates)}"
        return Placement(staying[0], "NoReadyNode", message)
    if candidates:
        return Placement("", "NoReadyNode", f"no Node is ready of {', '.join(candidates)}")
    return Placement("", "NoEligibleNode", "no Node has the labels of nodeSelector, and nodeNames names none")
