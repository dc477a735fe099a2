"""How long to wait after failures in a row."""

from __future__ import annotations

__all__ = ["FIRST_SECONDS", "LONGEST_SECONDS", "pause"]

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 30.0


def pause(attempt: int, jitter: float) -> float:
    """Return the seconds to wait before trying again.

    The bound doubles with each failure up to ``LONGEST_SECONDS``; the pause is between half of it and all of
    it, so that nodes that lost the API server together do not come back together.

    Parameters
    ----------
    attempt
        Failures in a row so far, 1 or more.
    jitter
        A random number, 0 to 1.
    """
    doublings = min(max(attempt, 1) - 1, 16)
    bound = min(FIRST_SECONDS * float(2**doublings), LONGEST_SECONDS)
    return bound * (1 + jitter) / 2
