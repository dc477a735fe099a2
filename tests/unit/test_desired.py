"""What a director and a real server need in their kernels."""

from __future__ import annotations

import pytest

from lvs_agent.desired import carried, directed, service_key
from lvs_agent.ipvs import Destination, DestinationKey, ForwardingMethod, Service, ServiceFlags
from lvs_agent.state import Address, AddressKey, Sysctl, SysctlKey
from lvs_api.resolve import resolve
from tests.unit.objects import VIP, admitted, real_server

WEB = service_key(VIP, "TCP", 80)
FIRST = DestinationKey(WEB, "198.51.100.21", 80)


def director(servers=(), *, up=True, interface="eth0", **spec):
    return directed(resolve(admitted(**spec), servers, []), interface, lambda *_: up)


def test_a_director_has_the_vip_on_the_pools_interface_and_announces_it():
    assert director()[AddressKey("eth0", VIP, 32)] == Address(announce=True)


def test_a_vip_on_lo_is_not_announced():
    assert director(interface="lo")[AddressKey("lo", VIP, 32)] == Address(announce=False)


def test_a_service_has_the_scheduler_and_its_real_servers_the_method_and_weight():
    state = director([real_server("a", "198.51.100.21", weight=3)], scheduler={"name": "wrr"})

    assert state[WEB] == Service("wrr")
    assert state[FIRST] == Destination(ForwardingMethod.DR, 3)


@pytest.mark.parametrize(
    ("quiescent", "expected"),
    [(True, Destination(ForwardingMethod.DR, 0)), (False, None)],
    ids=["quiescent", "removed"],
)
def test_a_failed_real_server_gets_weight_0_or_leaves(quiescent, expected):
    state = director([real_server("a", "198.51.100.21", weight=3)], up=False, quiescent=quiescent)

    assert state.get(FIRST) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"persistence": {"timeout": "5m"}}, Service("wlc", ServiceFlags.PERSISTENT, 300, 32), id="persistence"
        ),
        pytest.param(
            {"persistence": {"prefixLength": 24}},
            Service("wlc", ServiceFlags.PERSISTENT, 360, 24),
            id="client networks",
        ),
        pytest.param(
            {"scheduler": {"name": "sh", "flags": ["sh-port", "sh-fallback"]}},
            Service("sh", ServiceFlags.SCHEDULER_1 | ServiceFlags.SCHEDULER_2),
            id="scheduler flags",
        ),
    ],
)
def test_a_service_is_written_as_its_spec_says(spec, expected):
    assert director(**spec)[WEB] == expected


def test_nat_needs_forwarding_and_dr_does_not():
    forwarding = SysctlKey("net/ipv4/ip_forward")

    assert director(forwarding={"method": "NAT"})[forwarding] == Sysctl("1")
    assert forwarding not in director()


def test_a_real_server_carries_the_vip_on_lo_with_the_arp_settings_on_all_and_lo():
    state = carried([VIP])

    assert state[AddressKey("lo", VIP, 32)] == Address()
    assert {key.path for key in state if isinstance(key, SysctlKey)} == {
        f"net/ipv4/conf/{scope}/{name}" for scope in ("all", "lo") for name in ("arp_ignore", "arp_announce")
    }


def test_a_node_that_carries_nothing_needs_nothing():
    assert carried([]) == {}
