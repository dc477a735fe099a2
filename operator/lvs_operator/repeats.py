"""Notices writes that do not last: the same again and again, because somebody else undoes or outweighs them."""

from __future__ import annotations

from lvs_operator.intents import Apply
from lvs_operator.resources import Target

__all__ = ["Repeats"]

WINDOW = 60.0  # seconds; longer than the longest pause between two writes


class Repeats:
    """Counts equal writes to one object in a row."""

    def __init__(self) -> None:
        self._last: dict[Target, tuple[Apply, float, int]] = {}  # the latest last

    def count(self, intent: Apply, now: float) -> int:
        """Take note of a write; return how often in a row the same was written there before.

        Parameters
        ----------
        now
            Seconds on a clock that never goes back.
        """
        last = self._last.pop(intent.target, None)
        times = last[2] + 1 if last and last[0] == intent and now - last[1] < WINDOW else 0
        self._last[intent.target] = (intent, now, times)
        self._forget(now)
        return times

    def _forget(self, now: float) -> None:
        while self._last:
            oldest = next(iter(self._last))
            if now - self._last[oldest][1] < WINDOW:
                return
            del self._last[oldest]
