"""What the operator writes about nodes: an LVSNode for each Node and for each machine that a pool names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import Node
from lvs_api.fields import canonical_address
from lvs_api.lvsnode import LVSNode, LVSNodeSpec
from lvs_api.meta import ObjectKey
from lvs_operator.intents import Apply, Delete, Intent
from lvs_operator.resources import Target

__all__ = ["MANAGED_BY", "address_of", "addresses_of", "node_names", "node_writes"]

# The label that Kubernetes recommends for this ("Recommended Labels" in its documentation).
MANAGED_BY = {"app.kubernetes.io/managed-by": "lvs-operator"}


def node_names(nodes: Iterable[str], pools: Iterable[DirectorPool], lvs_nodes: Mapping[str, LVSNode]) -> frozenset[str]:
    """List the nodes that have a duty: Nodes, machines named by pools, and LVSNodes that somebody else made."""
    others = (name for name, lvs_node in lvs_nodes.items() if not _is_ours(lvs_node))
    return frozenset(nodes).union(others, *(pool.spec.node_names or () for pool in pools))


def addresses_of(name: str, nodes: Mapping[str, Node], lvs_nodes: Mapping[str, LVSNode]) -> frozenset[str]:
    """Return all addresses a node is known by: those of its Node and those its agent found."""
    found: list[str] = []
    if name in nodes:
        found.extend(nodes[name].internal_addresses)
    if name in lvs_nodes:
        found.extend(lvs_nodes[name].status.addresses)
    return frozenset(filter(None, map(_canonical, found)))


def address_of(name: str, nodes: Mapping[str, Node], lvs_nodes: Mapping[str, LVSNode]) -> str:
    """Return the address that stands for a node as a real server; empty where that is not clear."""
    if name in nodes:
        return next(filter(None, map(_canonical, nodes[name].internal_addresses)), "")
    found = addresses_of(name, {}, lvs_nodes)
    return next(iter(found)) if len(found) == 1 else ""


def node_writes(
    wanted: Mapping[str, LVSNodeSpec], nodes: Mapping[str, Node], lvs_nodes: Mapping[str, LVSNode]
) -> Iterator[Intent]:
    """List what has to be written so that each LVSNode has its duty; ours without a reason go."""
    for name, spec in sorted(wanted.items()):
        before, node = lvs_nodes.get(name), nodes.get(name)
        ours = before is None or _is_ours(before)
        metadata = _metadata(node) if ours else {}
        if before is None or _asked(before) != spec or (ours and not _is_owned_by(before, node)):
            yield Apply(
                Target(LVSNode, ObjectKey("", name)), metadata, {"spec": _plain(spec, before.spec if before else spec)}
            )
    for name, lvs_node in sorted(lvs_nodes.items()):
        if name not in wanted and _is_ours(lvs_node):
            yield Delete(Target(LVSNode, ObjectKey("", name)), lvs_node.metadata.uid)


def _asked(lvs_node: LVSNode) -> LVSNodeSpec:
    """Return what the operator has asked for; whether a node retires is for others to say."""
    return msgspec.structs.replace(lvs_node.spec, retire=False)


def _is_ours(lvs_node: LVSNode) -> bool:
    return MANAGED_BY.items() <= lvs_node.metadata.labels.items()


def _is_owned_by(lvs_node: LVSNode, node: Node | None) -> bool:
    owners = [owner.uid for owner in lvs_node.metadata.owner_references if owner.kind == "Node"]
    return owners == ([node.metadata.uid] if node else [])


def _metadata(node: Node | None) -> dict[str, object]:
    if node is None:
        return {"labels": MANAGED_BY}
    owner = {"apiVersion": "v1", "kind": "Node", "name": node.metadata.name, "uid": node.metadata.uid}
    return {"labels": MANAGED_BY, "ownerReferences": [owner]}


def _plain(spec: LVSNodeSpec, before: LVSNodeSpec) -> dict[str, object]:
    """Leave empty lists out, which kubectl would show as []; but not where that would leave what others put there."""
    pools, addresses = list(spec.director.pools), list(spec.real_server.addresses)
    return {
        "director": {"pools": pools} if pools or before.director.pools else {},
        "realServer": {"addresses": addresses} if addresses or before.real_server.addresses else {},
    }


def _canonical(address: str) -> str:
    """Return an address in the one spelling, or nothing for what is none: others write these fields."""
    try:
        return canonical_address(address)
    except ValueError:
        return ""
