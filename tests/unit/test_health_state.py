"""When a real server counts as healthy and when not."""

from __future__ import annotations

from itertools import pairwise, takewhile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs_agent.health.state import (
    CheckState,
    Failed,
    Inconclusive,
    Passed,
    Result,
    Status,
    observe,
    unknown,
)

RESULTS: dict[str, Result] = {
    "+": Passed(0.001),
    "-": Failed("ConnectionRefused", "TCP 10.0.0.2:80: connection refused"),
    "?": Inconclusive("too many open files"),
}
WORDS = {"U": Status.UNKNOWN, "H": Status.HEALTHY, "D": Status.UNHEALTHY}


def course(results: str, *, rise: int, fall: int, start: CheckState | None = None) -> list[CheckState]:
    """The start and the state after each result; the clock shows the number of the result."""
    states = [start or unknown(0.0)]
    for number, result in enumerate(results, 1):
        states.append(observe(states[-1], RESULTS[result], rise=rise, fall=fall, now=float(number)))
    return states


@pytest.mark.parametrize(
    ("results", "statuses"),
    [
        pytest.param("+", "H", id="the first pass decides"),
        pytest.param("-", "D", id="the first failure decides"),
        pytest.param("?", "U", id="a check that could not be made decides nothing"),
        pytest.param("?+", "UH", id="nor does it use up the first result"),
        pytest.param("+---", "HHHD", id="fall failures take it out"),
        pytest.param("+--+--", "HHHHHH", id="failures count in a row only"),
        pytest.param("+--?-", "HHHHD", id="a check that could not be made breaks no row"),
        pytest.param("-++", "DDH", id="rise passes bring it back"),
        pytest.param("-+-+-+", "DDDDDD", id="passes count in a row only"),
        pytest.param("+---++---", "HHHDDHHHD", id="out, back, and out again"),
    ],
)
def test_with_rise_2_and_fall_3(results: str, statuses: str) -> None:
    states = course(results, rise=2, fall=3)

    assert [state.status for state in states[1:]] == [WORDS[letter] for letter in statuses]


def test_an_unhealthy_real_server_says_since_when_and_why_last() -> None:
    down = course("-", rise=2, fall=3)[-1]

    later = observe(down, Failed("Timeout", "no answer within 1s"), rise=2, fall=3, now=9.0)

    assert (later.since, later.reason, later.message) == (1.0, "Timeout", "no answer within 1s")


def test_a_healthy_real_server_does_not_keep_an_old_reason() -> None:
    assert course("-++", rise=2, fall=3)[-1].reason == "CheckPassed"


def test_an_unknown_real_server_says_why_it_could_not_be_checked() -> None:
    state = course("?", rise=1, fall=1)[-1]

    assert (state.status, state.message) == (Status.UNKNOWN, "too many open files")


def test_a_state_survives_being_written_down() -> None:
    state = course("+---", rise=2, fall=3)[-1]

    assert msgspec.json.decode(msgspec.json.encode(state), type=CheckState) == state


THRESHOLD = st.integers(1, 5)


@given(results=st.text("+-?", max_size=60), rise=THRESHOLD, fall=THRESHOLD)
def test_a_status_changes_only_after_enough_results_in_a_row(results: str, rise: int, fall: int) -> None:
    states = course(results, rise=rise, fall=fall)

    for number, (before, after) in enumerate(pairwise(states), 1):
        if after.status is before.status or before.status is Status.UNKNOWN:
            continue
        conclusive = results[:number].replace("?", "")
        wanted = "+" * rise if after.status is Status.HEALTHY else "-" * fall
        assert conclusive.endswith(wanted)


@given(results=st.text("+-?", max_size=60), rise=THRESHOLD, fall=THRESHOLD)
def test_enough_results_in_a_row_always_decide(results: str, rise: int, fall: int) -> None:
    assert course(results + "+" * rise, rise=rise, fall=fall)[-1].status is Status.HEALTHY
    assert course(results + "-" * fall, rise=rise, fall=fall)[-1].status is Status.UNHEALTHY


@given(results=st.text("+-?", max_size=60), rise=THRESHOLD, fall=THRESHOLD)
def test_the_counters_are_the_length_of_the_last_row(results: str, rise: int, fall: int) -> None:
    last = course(results, rise=rise, fall=fall)[-1]

    backwards = results.replace("?", "")[::-1]
    assert last.passes == len(list(takewhile("+".__eq__, backwards)))
    assert last.failures == len(list(takewhile("-".__eq__, backwards)))


@given(results=st.text("+-?", max_size=60), rise=THRESHOLD, fall=THRESHOLD)
def test_since_moves_exactly_when_the_status_does(results: str, rise: int, fall: int) -> None:
    states = course(results, rise=rise, fall=fall)

    for number, (before, after) in enumerate(pairwise(states), 1):
        assert after.since == (before.since if after.status is before.status else number)
