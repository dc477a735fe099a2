"""Where an agent's objects come from, and which node it is."""

from __future__ import annotations

from pathlib import Path

import msgspec

__all__ = ["Origin"]


class Origin(msgspec.Struct, frozen=True):
    """The answer to both.

    Parameters
    ----------
    manifests
        A file or folder; None where objects come from an API server.
    kubeconfig
        Names the API server; None in a pod, or with manifests.
    """

    manifests: Path | None
    kubeconfig: Path | None
    node: str

    @property
    def in_cluster(self) -> bool:
        """Whether an operator judges the objects and hands out duties."""
        return self.manifests is None
