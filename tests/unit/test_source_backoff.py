"""What the pauses between attempts promise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lvs_agent.source.backoff import FIRST_SECONDS, LONGEST_SECONDS, pause

ATTEMPTS = st.integers(min_value=1, max_value=10**6)
JITTERS = st.floats(min_value=0, max_value=1)


@given(ATTEMPTS, JITTERS)
def test_a_pause_is_bounded_however_many_failures_there_were(attempt: int, jitter: float) -> None:
    assert FIRST_SECONDS / 2 <= pause(attempt, jitter) <= LONGEST_SECONDS


@given(ATTEMPTS, JITTERS)
def test_a_pause_never_gets_shorter_with_more_failures(attempt: int, jitter: float) -> None:
    assert pause(attempt, jitter) <= pause(attempt + 1, jitter)


@given(ATTEMPTS)
def test_nodes_that_failed_together_do_not_come_back_together(attempt: int) -> None:
    assert pause(attempt, 1.0) == 2 * pause(attempt, 0.0)
