"""How far nodes are with removing all that their agents have put into the kernel: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lvs_api.lvsnode import LVSNode, LVSNodeStatus

__all__ = ["Progress", "progress_of"]

CONDITION = "Retired"


class Progress(msgspec.Struct, frozen=True):
    """How far they are.

    Parameters
    ----------
    clean
        Names of nodes that have nothing of an agent's in their kernel.
    waiting
        The others, each with what stands in the way.
    """

    clean: tuple[str, ...]
    waiting: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        total = len(self.clean) + len(self.waiting)
        waiting = "; ".join(f"{name}: {why}" for name, why in self.waiting)
        return f"{len(self.clean)} of {total} nodes are clean" + (f"; {waiting}" if waiting else "")


def progress_of(nodes: Iterable[LVSNode]) -> Progress:
    """Tell which nodes that were asked to retire have done so.

    A node where no agent ever reported anything never had one, and is clean.
    """
    clean: list[str] = []
    waiting: list[tuple[str, str]] = []
    for node in sorted(nodes, key=lambda one: one.metadata.name):
        name = node.metadata.name
        why = _why_not_clean(node)
        if why:
            waiting.append((name, why))
        else:
            clean.append(name)
    return Progress(tuple(clean), tuple(waiting))


def _why_not_clean(node: LVSNode) -> str:
    status = node.status
    if status == LVSNodeStatus():
        return ""
    said = next((one for one in status.conditions if one.type == CONDITION), None)
    if said is None or not node.spec.retire or status.observed_generation < node.metadata.generation:
        return "its agent has not answered"
    return "" if said.status == "True" else said.message
