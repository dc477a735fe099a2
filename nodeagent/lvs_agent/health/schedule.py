"""Decides when each probe's checks start, so that many probes don't start at the same instant."""

from __future__ import annotations

from hashlib import blake2b

from lvs_agent.health.probe import Probe
from lvs_agent.health.state import Status

__all__ = ["first_start", "next_start", "second_start"]

# A real server nobody knows anything about gets no traffic until its first check, so that one must not wait long.
FIRST_CHECK_WITHIN = 1.0


def first_start(probe: Probe, status: Status, now: float) -> float:
    """Return when the first check starts: soon if nothing is known yet, else within one interval.

    The offset depends on the probe alone, so it is the same in every run.

    Parameters
    ----------
    probe
        What is checked.
    status
        What is known, for example from before a restart.
    now
        Seconds, on any clock.
    """
    window = min(probe.interval, FIRST_CHECK_WITHIN) if status is Status.UNKNOWN else probe.interval
    return now + window * _share(probe, b"first")


def second_start(probe: Probe, previous: float, now: float) -> float:
    """Return when the second check starts: early by up to half an interval, as checks begun together would stay so."""
    return max(now, previous + probe.interval * (1 + _share(probe, b"second")) / 2)


def next_start(probe: Probe, previous: float, now: float) -> float:
    """Return when the check after the one due at ``previous`` starts.

    Intervals run from start to start. A check that took longer than that is followed by one at once,
    and what was missed meanwhile is dropped.
    """
    return max(now, previous + probe.interval)


def _share(probe: Probe, purpose: bytes) -> float:
    """Return a number in [0, 1), evenly spread over probes; built-in hashes differ from run to run."""
    digest = blake2b(probe.identity.encode(), digest_size=4, person=purpose).digest()
    return int.from_bytes(digest) / 2**32
