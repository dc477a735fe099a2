"""Decides from the results of one probe, in order, whether its real server is healthy."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

__all__ = ["CheckState", "Failed", "Inconclusive", "Passed", "Result", "Status", "observe", "unknown"]


class Status(StrEnum):
    """What is known of a real server; the words of RealServer status."""

    UNKNOWN = "Unknown"
    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"


class Passed(msgspec.Struct, frozen=True):
    """The real server answered as wanted, after ``latency`` seconds."""

    latency: float


class Failed(msgspec.Struct, frozen=True):
    """The real server did not answer as wanted: ``reason`` as one word, ``message`` as a sentence."""

    reason: str
    message: str


class Inconclusive(msgspec.Struct, frozen=True):
    """The check could not be made for a cause on this node, so it says nothing about the real server."""

    message: str


Result: TypeAlias = Passed | Failed | Inconclusive


class CheckState(msgspec.Struct, frozen=True, kw_only=True):
    """What the results so far amount to.

    Parameters
    ----------
    status
        The verdict.
    since
        When ``status`` was entered, Unix time in seconds.
    passes, failures
        Results of the same kind in a row up to now; one of them is always 0.
    reason, message
        Why, as one word and as a sentence. Of an unhealthy real server: its latest failure.
    """

    status: Status
    since: float
    passes: int = 0
    failures: int = 0
    reason: str = ""
    message: str = ""


def unknown(now: float) -> CheckState:
    """Return the state of a probe that has no result yet."""
    return CheckState(status=Status.UNKNOWN, since=now, reason="NotChecked", message="no check has ended yet")


def observe(state: CheckState, result: Result, *, rise: int, fall: int, now: float) -> CheckState:
    """Return the state after one more result.

    The first result decides at once, so that a new real server needn't wait; later ``rise`` passes or
    ``fall`` failures in a row are needed. An inconclusive check changes no status and no count.

    Parameters
    ----------
    state
        The state before.
    result
        What the check found.
    rise, fall
        1 or more.
    now
        Unix time in seconds; becomes ``since`` if the status changes.
    """
    match result:
        case Passed():
            return _passed(state, rise, now)
        case Failed():
            return _failed(state, result, fall, now)
        case Inconclusive():
            return _inconclusive(state, result)


def _passed(state: CheckState, rise: int, now: float) -> CheckState:
    passes = state.passes + 1
    if state.status is Status.HEALTHY or (state.status is Status.UNHEALTHY and passes < rise):
        return msgspec.structs.replace(state, passes=passes, failures=0)
    return CheckState(
        status=Status.HEALTHY, since=now, passes=passes, reason="CheckPassed", message="answers as its check wants"
    )


def _failed(state: CheckState, failure: Failed, fall: int, now: float) -> CheckState:
    failures = state.failures + 1
    if state.status is Status.HEALTHY and failures < fall:
        return msgspec.structs.replace(state, passes=0, failures=failures)
    return CheckState(
        status=Status.UNHEALTHY,
        since=state.since if state.status is Status.UNHEALTHY else now,
        failures=failures,
        reason=failure.reason,
        message=failure.message,
    )


def _inconclusive(state: CheckState, result: Inconclusive) -> CheckState:
    if state.status is not Status.UNKNOWN:
        return state
    return msgspec.structs.replace(state, reason="CheckNotPossible", message=result.message)
