"""What can go wrong in the lab, with what it takes to see why."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["CommandFailed", "KernelFailed", "LabError", "NotEntered", "Overdue"]


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
