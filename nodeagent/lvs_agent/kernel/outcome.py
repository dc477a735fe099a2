"""What became of one operation."""

from __future__ import annotations

import msgspec

from lvs_agent.kernel.errors import KernelError
from lvs_agent.state import Operation

__all__ = ["Outcome"]


class Outcome(msgspec.Struct, frozen=True):
    """An operation and why it failed; None where it is done."""

    operation: Operation
    error: KernelError | None = None
