"""What the outbox promises about statuses on their way to the API server."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lvs_agent.report.outbox import Limits, Outbox, Send, Target, Wait
from lvs_agent.report.writer import field_manager, status_request
from lvs_agent.source.backoff import pause
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey
from lvs_api.virtualservice import VirtualService

WEB = Target(VirtualService, ObjectKey("shop", "web"))
API = Target(VirtualService, ObjectKey("shop", "api"))
LIMITS = Limits(interval=10.0, per_second=1.0, burst=2, in_flight=2)


def outbox() -> Outbox:
    return Outbox(LIMITS)


def sent(box: Outbox, now: float) -> Send:
    decision = box.next(now)
    assert isinstance(decision, Send)
    return decision


def waits_until(box: Outbox, now: float) -> float:
    decision = box.next(now)
    assert isinstance(decision, Wait)
    return decision.until


def test_nothing_put_means_nothing_to_wait_for() -> None:
    assert waits_until(outbox(), 0.0) == math.inf


def test_of_several_statuses_of_one_object_only_the_latest_goes_out() -> None:
    box = outbox()
    for active in range(5):
        box.put(WEB, {"active": active}, 0.0, urgent=False)

    assert sent(box, 0.0).status == {"active": 4}
    assert waits_until(box, 0.0) == math.inf


def test_a_status_equal_to_what_was_applied_is_not_sent_again() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 1}, 0.0, urgent=True)
    box.applied(sent(box, 0.0), 0.0)

    box.put(WEB, {"healthy": 1}, 100.0, urgent=True)

    assert waits_until(box, 100.0) == math.inf


def test_a_change_that_is_taken_back_before_its_turn_is_not_sent() -> None:
    box = outbox()
    box.put(WEB, {"active": 1}, 0.0, urgent=False)
    box.applied(sent(box, 0.0), 0.0)

    box.put(WEB, {"active": 2}, 1.0, urgent=False)
    box.put(WEB, {"active": 1}, 2.0, urgent=False)

    assert waits_until(box, 50.0) == math.inf


def test_routine_statuses_of_one_object_keep_their_distance() -> None:
    box = outbox()
    box.put(WEB, {"active": 1}, 0.0, urgent=False)
    box.applied(sent(box, 0.0), 0.5)

    box.put(WEB, {"active": 2}, 1.0, urgent=False)

    assert waits_until(box, 1.0) == 10.0
    assert sent(box, 10.0).status == {"active": 2}


def test_an_urgent_status_goes_out_at_once_and_takes_the_waiting_routine_one_with_it() -> None:
    box = outbox()
    box.put(WEB, {"active": 1}, 0.0, urgent=False)
    box.applied(sent(box, 0.0), 0.0)
    box.put(WEB, {"active": 2}, 1.0, urgent=False)

    box.put(WEB, {"active": 2, "healthy": 0}, 2.0, urgent=True)
    box.applied(sent(box, 2.0), 2.0)

    assert waits_until(box, 50.0) == math.inf


def test_an_urgent_status_overtakes_routine_ones_that_wait_for_their_rate() -> None:
    box = outbox()
    others = [Target(VirtualService, ObjectKey("shop", f"other-{number}")) for number in range(5)]
    for other in others:
        box.put(other, {"active": 1}, 0.0, urgent=False)
    for _ in range(LIMITS.burst):
        box.applied(sent(box, 0.0), 0.0)
    assert waits_until(box, 0.0) == 1.0

    box.put(others[4], {"healthy": 0}, 0.0, urgent=True)

    assert sent(box, 0.0).target == others[4]


def test_after_an_urgent_status_routine_ones_are_routine_again() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 0}, 0.0, urgent=True)
    box.applied(sent(box, 0.0), 0.0)

    box.put(WEB, {"healthy": 0, "active": 1}, 1.0, urgent=False)

    assert waits_until(box, 1.0) == 10.0


def test_one_object_is_never_written_twice_at_the_same_time() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 0}, 0.0, urgent=True)
    first = sent(box, 0.0)
    box.put(WEB, {"healthy": 1}, 0.0, urgent=True)

    assert waits_until(box, 0.0) == math.inf
    box.applied(first, 0.1)

    assert sent(box, 0.1).status == {"healthy": 1}


def test_a_refused_status_is_tried_again_after_longer_and_longer_pauses_and_newer_values_replace_it() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 0}, 0.0, urgent=True)
    box.refused(sent(box, 0.0), 0.0, jitter=1.0)
    box.put(WEB, {"healthy": 1}, 0.0, urgent=True)
    first_pause = waits_until(box, 0.0)

    again = sent(box, first_pause)
    box.refused(again, first_pause, jitter=1.0)

    assert again.status == {"healthy": 1}
    assert waits_until(box, first_pause) == pytest.approx(3 * first_pause)


def test_a_refused_status_holds_up_no_other_object() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 0}, 0.0, urgent=True)
    box.refused(sent(box, 0.0), 0.0, jitter=1.0)

    box.put(API, {"healthy": 1}, 0.0, urgent=True)

    assert sent(box, 0.0).target == API


def test_while_the_api_server_is_away_one_write_at_a_time_finds_out_whether_it_is_back() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 0}, 0.0, urgent=True)
    box.put(API, {"healthy": 0}, 0.0, urgent=True)
    first, second = sent(box, 0.0), sent(box, 0.0)
    box.lost(first, 0.0, jitter=1.0)
    box.lost(second, 0.0, jitter=1.0)

    back = waits_until(box, 0.0)
    probe = sent(box, back)
    assert waits_until(box, back) == math.inf
    box.applied(probe, back)

    assert sent(box, back).target != probe.target


def test_writes_that_fail_together_count_as_one_failure() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 0}, 0.0, urgent=True)
    box.put(API, {"healthy": 0}, 0.0, urgent=True)
    first, second = sent(box, 0.0), sent(box, 0.0)

    box.lost(first, 0.0, jitter=1.0)
    box.lost(second, 0.0, jitter=1.0)

    assert waits_until(box, 0.0) == pause(1, jitter=1.0)


def test_the_api_servers_own_wish_for_a_pause_is_kept() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 0}, 0.0, urgent=True)

    box.lost(sent(box, 0.0), 0.0, jitter=1.0, retry_after=7.0)

    assert waits_until(box, 0.0) == 7.0


def test_memory_is_bounded_by_the_number_of_objects_however_long_the_api_server_is_away() -> None:
    box = outbox()
    box.put(WEB, {"active": -1}, 0.0, urgent=False)
    box.applied(sent(box, 0.0), 0.0)

    for second in range(1, 1000):
        box.put(WEB, {"active": second}, float(second), urgent=second % 3 == 0)
        box.put(WEB, {"active": -1}, float(second), urgent=False)

    assert len(box) == 1
    assert sum(len(queue) for queue in box._queues.values()) <= 2


def test_an_object_that_is_gone_is_forgotten() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 1}, 0.0, urgent=True)

    box.absent(sent(box, 0.0), 0.0)

    assert len(box) == 0
    assert waits_until(box, 0.0) == math.inf


def test_an_object_that_came_back_while_its_absence_was_on_the_way_is_written() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 1}, 0.0, urgent=True)
    late = sent(box, 0.0)
    box.put(WEB, {"healthy": 1}, 0.0, urgent=True)

    box.absent(late, 0.0)

    assert sent(box, 0.0).status == {"healthy": 1}


def test_an_object_made_anew_under_the_same_name_gets_its_status() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 1}, 0.0, urgent=True, uid="first")
    box.applied(sent(box, 0.0), 0.0)

    box.put(WEB, {"healthy": 1}, 1.0, urgent=True, uid="second")

    assert sent(box, 1.0).uid == "second"


def test_dropping_sends_an_empty_status_and_then_forgets_the_object() -> None:
    box = outbox()
    box.put(WEB, {"healthy": 1}, 0.0, urgent=True)
    box.applied(sent(box, 0.0), 0.0)

    box.drop(WEB, 1.0)
    leaving = sent(box, 1.0)
    box.applied(leaving, 1.0)

    assert leaving.status == {}
    assert len(box) == 0


def test_what_an_earlier_run_of_the_agent_wrote_can_be_dropped() -> None:
    box = outbox()

    box.drop(WEB, 0.0)

    assert sent(box, 0.0).status == {}


def test_a_status_put_after_a_drop_wins() -> None:
    box = outbox()
    box.drop(WEB, 0.0)
    leaving = sent(box, 0.0)
    box.put(WEB, {"healthy": 1}, 0.0, urgent=True)

    box.applied(leaving, 0.0)

    assert sent(box, 0.0).status == {"healthy": 1}


class AnyOrderOfThings(RuleBasedStateMachine):
    """Puts, drops, outcomes and time in any order: in the end the API server has the latest of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Outbox(LIMITS)
        self.now = 0.0
        self.flying: list[Send] = []
        self.wanted: dict[Target, dict[str, int]] = {}
        self.server: dict[Target, dict[str, int]] = {}

    @rule(about=st.sampled_from([WEB, API]), value=st.integers(0, 3), urgent=st.booleans())
    def put(self, about: Target, value: int, urgent: bool) -> None:
        self.wanted[about] = {"active": value}
        self.box.put(about, {"active": value}, self.now, urgent=urgent)

    @rule(about=st.sampled_from([WEB, API]))
    def drop(self, about: Target) -> None:
        self.wanted[about] = {}
        self.box.drop(about, self.now)

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        decision = self.box.next(self.now)
        if isinstance(decision, Send):
            assert decision.target not in [send.target for send in self.flying]
            self.flying.append(decision)
        else:
            assert decision.until > self.now

    @precondition(lambda self: self.flying)
    @rule(outcome=st.sampled_from(["applied", "refused", "lost"]))
    def outcome(self, outcome: str) -> None:
        send = self.flying.pop(0)
        match outcome:
            case "applied":
                self.server[send.target] = dict(send.status)
                self.box.applied(send, self.now)
            case "refused":
                self.box.refused(send, self.now, 0.5)
            case _:
                self.box.lost(send, self.now, 0.5)

    @invariant()
    def no_more_under_way_than_allowed(self) -> None:
        assert len(self.flying) <= LIMITS.in_flight

    def teardown(self) -> None:
        for _ in range(50):
            while self.flying:
                self.outcome("applied")
            self.now += 100.0
            self.ask()
        assert {target: self.server.get(target, {}) for target in self.wanted} == self.wanted


AnyOrderOfThings.TestCase.settings = settings(max_examples=200, deadline=None)
TestAnyOrderOfThings = AnyOrderOfThings.TestCase


@pytest.mark.parametrize(
    ("target", "path", "metadata"),
    [
        pytest.param(
            WEB,
            "/apis/lvs-operator.io/v1alpha1/namespaces/shop/virtualservices/web/status",
            {"name": "web", "namespace": "shop"},
            id="in a namespace",
        ),
        pytest.param(
            Target(LVSNode, ObjectKey("", "n1")),
            "/apis/lvs-operator.io/v1alpha1/lvsnodes/n1/status",
            {"name": "n1"},
            id="cluster-wide",
        ),
    ],
)
def test_a_status_is_applied_to_the_status_subresource(target: Target, path: str, metadata: dict[str, str]) -> None:
    request, body = status_request(Send(target, {"healthy": 1}), "lvs-agent-n1")

    assert (request.path, body["metadata"]) == (path, metadata)
    assert request.params == {"fieldManager": "lvs-agent-n1", "force": "true"}


def test_what_takes_everything_back_says_nothing_about_the_status() -> None:
    _, body = status_request(Send(WEB, {}), "lvs-agent-n1")

    assert "status" not in body


def test_nodes_with_names_too_long_for_a_field_manager_still_have_one_each() -> None:
    first, second = field_manager("n" * 250 + "1"), field_manager("n" * 250 + "2")

    assert first != second
    assert len(first) == len(second) == 128
