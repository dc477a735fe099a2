"""What can go wrong in the lab, with what it takes to see why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["ApiServerFailed", "CommandFailed", "KernelFailed", "LabError", "NotEntered", "Overdue", "ToolsMissing"]


class LabError(Exception):
    """Base of the lab's errors."""


class NotEntered(LabError):
    """The lab's namespaces are not there."""

    def __init__(self) -> None:
        super().__init__("this needs the lab's own namespaces: start it with make, or with: python -m lab enter -- CMD")


class KernelFailed(LabError):
    """The kernel did not come up, or went away."""

    def __init__(self, what: str, console: str) -> None:
        self.console = console
        super().__init__(f"{what}; its console said:\n{console[-4000:] or '(nothing)'}")


class CommandFailed(LabError):
    """A command in the kernel ended with an exit code other than 0."""

    def __init__(self, argv: Sequence[str], netns: str | None, code: int, output: str) -> None:
        self.argv, self.netns, self.code, self.output = tuple(argv), netns, code, output
        where = f" in {netns}" if netns else ""
        super().__init__(f"{' '.join(argv)}{where} ended with {code}:\n{output[-4000:]}")


class Overdue(LabError):
    """A condition did not come true in time."""

    def __init__(self, what: str, seconds: float, last: object) -> None:
        self.last = last
        super().__init__(f"{what}: not within {seconds:g} s; last seen: {last}")


class ToolsMissing(LabError):
    """etcd, kube-apiserver or kubectl is not there."""

    def __init__(self, folder: Path, assets: str | None) -> None:
        also = f", nor all in KUBEBUILDER_ASSETS={assets}" if assets else ""
        super().__init__(f"etcd, kube-apiserver and kubectl are not in {folder}{also}: run `make tools` first")


class ApiServerFailed(LabError):
    """etcd or kube-apiserver did not become ready."""

    def __init__(self, name: str, code: int | None, seconds: float, log: str) -> None:
        how = f"was not ready within {seconds:g} s" if code is None else f"ended with {code} before it was ready"
        super().__init__(f"{name} {how}; its log ends:\n{log[-4000:]}")
