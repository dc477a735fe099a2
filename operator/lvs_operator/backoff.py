"""How long to wait after failures in a row."""

from __future__ import annotations

__all__ = ["pause"]

FIRST_SECONDS = 0.2


def pause(failures: int, longest: float, jitter: float) -> float:
    """Return the seconds to wait: the bound doubles with each failure, the pause is half of it to all of it.

    Parameters
    ----------
    failures
        In a row so far, 1 or more.
    longest
        The bound's bound, in seconds.
    jitter
        A random number, 0 to 1.
    """
    bound = min(FIRST_SECONDS * float(2 ** min(failures - 1, 16)), longest)
    return bound * (1 + jitter) / 2
