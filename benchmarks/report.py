"""Lays measurements out as a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

__all__ = ["Row", "percentile", "table"]


class Row(msgspec.Struct, frozen=True):
    """One line: what was measured, ours, what it is compared with, and the ratio wanted at most (0: no bound)."""

    what: str
    ours: float
    other: float
    unit: str
    wanted: float = 0.0

    @property
    def ratio(self) -> float:
        """Ours by the other's."""
        return self.ours / self.other if self.other else float("nan")


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text."""
    lines = [f"{'measurement':<62} {'ours':>10} {'other':>10} {'':<5} {'ratio':>6}  wanted"]
    for row in rows:
        other = f"{row.other:10.3f}" if row.other else f"{'':>10}"
        ratio = f"{row.ratio:6.2f}" if row.other else f"{'':>6}"
        wanted = f"<= {row.wanted:.1f}" if row.wanted else ""
        lines.append(f"{row.what:<62} {row.ours:10.3f} {other} {row.unit:<5} {ratio}  {wanted}")
    return "\n".join(lines)
