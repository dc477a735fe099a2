"""Verdicts kept up to date change by change are those of all objects at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lvs_api.admission import Admitted, Reason, Refused, admit_together
from lvs_api.register import AdmissionRegister
from tests.unit.objects import pool, service

POOLS = {"edge": pool(addresses=["198.51.100.200-198.51.100.203"])}
NAMES = st.sampled_from("abcdef")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.sampled_from([200, 201, 210]), st.sampled_from([80, 443])),
        st.tuples(st.just("remove"), NAMES),
    ),
    max_size=30,
)


@given(STEPS, st.randoms(use_true_random=False))
def test_any_order_of_changes_ends_in_the_verdicts_of_the_objects_that_are_left(steps, random):
    register = AdmissionRegister()
    register.put_pool(POOLS["edge"])
    left = {}
    for step in steps:
        if step[0] == "put":
            _, name, host, port = step
            left[name] = service(name, created=name, addresses=[f"198.51.100.{host}"], ports=[{"port": port}])
            register.put(left[name])
        else:
            left.pop(step[1], None)
            register.remove(service(step[1]).metadata.key)
        if random.random() < 0.5:
            register.judge()
    register.judge()

    assert register.verdicts == admit_together(left.values(), POOLS, {}, frozenset())


def test_an_allocated_address_stays_when_a_lower_one_becomes_free():
    register = AdmissionRegister()
    register.put_pool(POOLS["edge"])
    first, second = service("a", created="1", addresses=[]), service("b", created="2", addresses=[])
    register.put(first)
    register.put(second)
    register.judge()

    register.remove(first.metadata.key)
    register.put(service("b", created="2", addresses=[], ports=[{"port": 81}]))
    register.judge()

    verdict = register[second.metadata.key]
    assert isinstance(verdict, Admitted)
    assert verdict.addresses == ("198.51.100.201",)


def test_a_service_that_waited_for_an_address_gets_the_first_that_becomes_free():
    register = AdmissionRegister()
    register.put_pool(pool(addresses=["198.51.100.200"]))
    holder, waiting = service("a", created="1"), service("b", created="2", addresses=[])
    register.put(holder)
    register.put(waiting)
    register.judge()
    before = register[waiting.metadata.key]

    register.remove(holder.metadata.key)
    changed = register.judge()

    assert isinstance(before, Refused)
    assert before.reason is Reason.NO_FREE_ADDRESS
    assert waiting.metadata.key in changed
    assert isinstance(register[waiting.metadata.key], Admitted)


def test_a_change_that_concerns_nobody_else_changes_one_verdict():
    register = AdmissionRegister()
    register.put_pool(POOLS["edge"])
    for host in (200, 201, 202):
        register.put(service(f"s{host}", addresses=[f"198.51.100.{host}"]))
    register.judge()

    register.put(service("s200", addresses=["198.51.100.200"], ports=[{"port": 8080}]))

    assert register.judge() == {service("s200").metadata.key}
