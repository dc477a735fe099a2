"""The way from actual to desired."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs_agent.actual import ActualState
from lvs_agent.desired import service_key
from lvs_agent.diff import diff
from lvs_agent.ipvs import Destination, DestinationKey, ForwardingMethod, Service, ServiceKey
from lvs_agent.state import Action, Address, AddressKey, Operation, Sysctl, SysctlKey

ARP = SysctlKey("net/ipv4/conf/all/arp_ignore")
VIP_ON_LO = AddressKey("lo", "198.51.100.200", 32)
VIP_ON_ETH0 = AddressKey("eth0", "198.51.100.200", 32)
WEB = service_key("198.51.100.200", "TCP", 80)
ONE = DestinationKey(WEB, "198.51.100.21", 80)
TWO = DestinationKey(WEB, "198.51.100.22", 80)
DR = Destination(ForwardingMethod.DR)


class Ours:
    """A ledger that owns what it is given."""

    def __init__(self, *keys):
        self.keys = set(keys)

    def owns(self, key):
        return (key.service if isinstance(key, DestinationKey) else key) in self.keys


def steps(desired, actual, ours=(), adopt=False):
    plan = diff(desired, actual, Ours(*ours), {*desired, *actual, *ours}, adopt=adopt)
    return [(operation.action.value, operation.key) for operation in plan.operations]


def test_things_are_made_from_settings_to_real_servers():
    desired = {ONE: DR, WEB: Service("rr"), VIP_ON_ETH0: Address(), VIP_ON_LO: Address(), ARP: Sysctl("1")}

    assert steps(desired, {ARP: "0"}) == [
        ("create", ARP), ("create", VIP_ON_LO), ("create", VIP_ON_ETH0), ("create", WEB), ("create", ONE),
    ]  # fmt: skip


def test_things_are_removed_in_the_reverse_order_and_real_servers_go_with_their_service():
    actual = {ARP: "1", VIP_ON_ETH0: Address(), WEB: Service("rr"), ONE: DR}

    assert steps({}, actual, ours=[ARP, VIP_ON_ETH0, WEB]) == [
        ("delete", WEB), ("delete", VIP_ON_ETH0), ("delete", ARP),
    ]  # fmt: skip


def test_a_real_server_is_replaced_without_a_gap():
    desired, actual = {WEB: Service("rr"), TWO: DR}, {WEB: Service("rr"), ONE: DR}

    assert steps(desired, actual, ours=[WEB]) == [("create", TWO), ("delete", ONE)]


def test_a_weight_change_is_one_operation():
    desired = {WEB: Service("wrr"), ONE: Destination(ForwardingMethod.DR, 3), TWO: DR}
    actual = {WEB: Service("wrr"), ONE: DR, TWO: DR}

    assert steps(desired, actual, ours=[WEB]) == [("update", ONE)]


@pytest.mark.parametrize(
    "actual",
    [{WEB: Service("rr"), ONE: DR}, {VIP_ON_ETH0: Address()}, {ARP: "1"}],
    ids=["service", "address", "sysctl"],
)
def test_what_is_not_ours_is_left_alone(actual):
    assert steps({}, actual) == []


def test_a_foreign_service_in_the_way_is_an_obstacle_and_its_real_servers_stay():
    plan = diff({WEB: Service("rr"), ONE: DR}, {WEB: Service("wlc"), TWO: DR}, Ours(), {WEB, ONE, TWO})

    assert plan.operations == ()
    assert [obstacle.key for obstacle in plan.obstacles] == [WEB]
    assert "--adopt" in plan.obstacles[0].message


def test_a_foreign_service_is_adopted_on_request_and_only_what_differs_is_written():
    desired = {WEB: Service("rr"), ONE: DR, TWO: DR}

    assert steps(desired, {WEB: Service("rr"), ONE: DR}, adopt=True) == [("adopt", WEB), ("create", TWO)]


def test_an_address_that_is_there_already_is_neither_added_nor_taken_over():
    assert steps({VIP_ON_ETH0: Address()}, {VIP_ON_ETH0: Address()}) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0", [("create", ARP)]), ("1", []), ("2", [])],
    ids=["too low", "as wanted", "stricter"],
)
def test_a_setting_is_written_only_if_it_does_not_serve(value, expected):
    assert steps({ARP: Sysctl("1", also_good=("2",))}, {ARP: value}) == expected


def test_what_is_ours_but_gone_is_forgotten():
    assert steps({}, {}, ours=[WEB]) == [("forget", WEB)]


SERVICES = st.sampled_from([service_key(f"198.51.100.{host}", "TCP", 80) for host in (200, 201)])
CONTENT = st.dictionaries(
    SERVICES,
    st.tuples(
        st.sampled_from([Service("rr"), Service("wrr")]),
        st.dictionaries(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]), st.integers(0, 3)),
    ),
)


def state_of(content):
    state = {}
    for key, (service, servers) in content.items():
        state[key] = service
        for address, weight in servers.items():
            state[DestinationKey(key, address, 80)] = Destination(ForwardingMethod.DR, weight)
    return state


class Outcome:
    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.error = None


@given(CONTENT, CONTENT)
def test_carrying_out_the_plan_gives_the_desired_state_and_then_there_is_nothing_left_to_do(wanted, there):
    desired, before = state_of(wanted), state_of(there)
    ours = Ours(*wanted, *there)
    actual = ActualState()
    actual.replace(before)

    plan = diff(desired, actual.view, ours, {*desired, *before})
    actual.take([Outcome(operation) for operation in plan.operations])

    assert dict(actual.view) == desired
    assert diff(desired, actual.view, Ours(*wanted), {*desired, *before}).operations == ()


@given(CONTENT, CONTENT)
def test_no_operation_touches_an_equal_item_or_a_foreign_service(wanted, there):
    desired, actual = state_of(wanted), state_of(there)
    ours = Ours(*[key for key in there if key.address.endswith("200")])

    for operation in diff(desired, actual, ours, {*desired, *actual}).operations:
        assert desired.get(operation.key) != actual.get(operation.key)
        holder = operation.key if isinstance(operation.key, ServiceKey) else operation.key.service
        assert holder not in actual or ours.owns(holder)
        assert operation.action is not Action.ADOPT
