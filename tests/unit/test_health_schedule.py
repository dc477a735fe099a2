"""When checks start: soon, spread out, from start to start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs_agent.health.probe import Probe
from lvs_agent.health.schedule import first_start, next_start, second_start
from lvs_agent.health.state import CheckState, Failed, Passed, Status, observe

NOW = 1000.0


def probe(number: int = 1, *, interval: float = 5.0, timeout: float = 1.0, rise: int = 2, fall: int = 3) -> Probe:
    address = f"10.1.{number // 256}.{number % 256}"
    return Probe(kind="TCP", address=address, port=80, interval=interval, timeout=timeout, rise=rise, fall=fall)


@pytest.mark.parametrize(
    ("status", "interval", "window"),
    [
        pytest.param(Status.UNKNOWN, 5.0, 1.0, id="unknown: within a second"),
        pytest.param(Status.UNKNOWN, 0.2, 0.2, id="unknown: within a short interval"),
        pytest.param(Status.HEALTHY, 5.0, 5.0, id="known from before: within the interval"),
        pytest.param(Status.UNHEALTHY, 5.0, 5.0, id="known to be down: within the interval"),
    ],
)
def test_the_first_check_is_not_far_off(status: Status, interval: float, window: float) -> None:
    starts = [first_start(probe(number, interval=interval), status, NOW) for number in range(1000)]

    assert all(NOW <= start < NOW + window for start in starts)


def test_ten_thousand_probes_added_at_once_spread_out() -> None:
    probes = [probe(number) for number in range(10_000)]

    firsts = [first_start(each, Status.UNKNOWN, NOW) for each in probes]
    seconds = [second_start(each, first, NOW) for each, first in zip(probes, firsts, strict=True)]

    # Per 10 ms: 100 on average within the first second; later 10,000 over the 3.5 s from 2.5 to 6.
    assert max(Counter(int(start * 100) for start in firsts).values()) < 200
    assert max(Counter(int(start * 100) for start in seconds).values()) < 80


def test_the_phase_is_the_same_in_every_run() -> None:
    assert first_start(probe(7), Status.UNKNOWN, 0.0) == first_start(probe(7), Status.UNKNOWN, 0.0)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        pytest.param(101.0, 105.0, id="from start to start, however long the check took"),
        pytest.param(105.5, 105.5, id="at once when overdue"),
        pytest.param(200.0, 200.0, id="missed checks are dropped"),
    ],
)
def test_the_next_check(now: float, start: float) -> None:
    assert next_start(probe(), 100.0, now) == start


def until_change(which: Probe, state: CheckState, result: Passed | Failed, changed_at: float, took: float) -> float:
    """The time at which a real server, steady before and changed for good at ``changed_at``, gets its new status."""
    start = first_start(which, state.status, 0.0)
    before = state.status
    following: Callable[[Probe, float, float], float] = second_start
    old = Passed(took) if before is Status.HEALTHY else Failed("Timeout", "")
    while True:
        seen = result if start >= changed_at else old
        state = observe(state, seen, rise=which.rise, fall=which.fall, now=start + took)
        if state.status is not before:
            return state.since
        start = following(which, start, start + took)
        following = next_start


@given(
    number=st.integers(0, 60_000),
    interval=st.floats(0.1, 60.0),
    timeout_share=st.floats(0.01, 1.0),
    took_share=st.floats(0.0, 1.0),
    threshold=st.integers(1, 10),
    changed_at=st.floats(0.0, 100.0),
)
def test_out_within_fall_intervals_and_a_timeout_back_within_rise_intervals_and_an_answer(
    number: int, interval: float, timeout_share: float, took_share: float, threshold: int, changed_at: float
) -> None:
    which = probe(number, interval=interval, timeout=interval * timeout_share, rise=threshold, fall=threshold)
    up = CheckState(status=Status.HEALTHY, since=0.0)
    down = CheckState(status=Status.UNHEALTHY, since=0.0)
    took = which.timeout * took_share

    out = until_change(which, up, Failed("Timeout", ""), changed_at, which.timeout)
    back = until_change(which, down, Passed(took), changed_at, took)

    rounding = 1e-6
    assert out <= changed_at + interval * threshold + which.timeout + rounding
    assert back <= changed_at + interval * threshold + took + rounding
