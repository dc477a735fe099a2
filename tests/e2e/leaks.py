"""What has changed in the nodes' kernels."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from lab.kind.nodekernel import NodeKernel

__all__ = ["changes", "dumps"]


def dumps(kernels: Mapping[str, NodeKernel]) -> dict[str, str]:
    """Return what each node's kernel has."""
    return {node: kernel.dump() for node, kernel in kernels.items()}


def changes(kernels: Mapping[str, NodeKernel], before: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the lines that came (+) and went (-) since, by node; only nodes where any did."""
    found: dict[str, list[str]] = {}
    for node, after in dumps(kernels).items():
        lines = difflib.unified_diff(before[node].splitlines(), after.splitlines(), lineterm="", n=0)
        changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        if changed:
            found[node] = changed
    return found
