"""The facade: one reading has everything, one call carries out operations of every kind in order."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lvs_agent.ipvs import (
    Destination,
    DestinationCounters,
    DestinationKey,
    Family,
    ForwardingMethod,
    Protocol,
    Service,
    ServiceKey,
)
from lvs_agent.kernel.node import NodeFacts, NodeKernel
from lvs_agent.state import Action, Address, AddressKey, Operation, Sysctl, SysctlKey
from tests.kernel.namespaces import new_namespace, run

WEB = ServiceKey(Family.IPV4, Protocol.TCP, "198.51.100.200", 80)
REAL_SERVER = DestinationKey(WEB, "198.51.100.21", 80)
VIP = AddressKey("lo", "198.51.100.200", 32)
ARP_IGNORE = SysctlKey("net/ipv4/conf/all/arp_ignore")


@pytest.fixture(autouse=True)
def _namespace() -> Iterator[None]:
    with new_namespace() as namespace, namespace.entered():
        yield


@pytest.fixture
def kernel() -> Iterator[NodeKernel]:
    with NodeKernel() as kernel:
        yield kernel


def test_a_reading_has_services_real_servers_addresses_and_the_settings_asked_for(kernel: NodeKernel) -> None:
    run("ipvsadm -A -t 198.51.100.200:80 -s wrr")
    run("ipvsadm -a -t 198.51.100.200:80 -r 198.51.100.21:80 -g -w 3")

    state = kernel.read([ARP_IGNORE, SysctlKey("net/ipv4/no_such_setting")])

    assert state == {
        ARP_IGNORE: "0",
        AddressKey("lo", "127.0.0.1", 8): Address(),
        AddressKey("lo", "::1", 128): Address(),
        WEB: Service("wrr"),
        REAL_SERVER: Destination(ForwardingMethod.DR, 3),
    }


def test_operations_of_every_kind_are_carried_out_in_order(kernel: NodeKernel) -> None:
    operations = [
        Operation(Action.CREATE, ARP_IGNORE, "0", Sysctl("1")),
        Operation(Action.CREATE, VIP, None, Address(announce=True)),
        Operation(Action.CREATE, WEB, None, Service("rr")),
        Operation(Action.CREATE, REAL_SERVER, None, Destination(ForwardingMethod.DR)),
        Operation(Action.UPDATE, ARP_IGNORE, "1", Sysctl("2")),
        Operation(Action.DELETE, REAL_SERVER, Destination(ForwardingMethod.DR), None),
    ]

    outcomes = kernel.apply(operations)

    assert [(outcome.operation, outcome.error) for outcome in outcomes] == [(one, None) for one in operations]
    state = kernel.read([ARP_IGNORE])
    assert state[ARP_IGNORE] == "2"
    assert VIP in state
    assert WEB in state
    assert REAL_SERVER not in state


def test_every_real_server_is_counted(kernel: NodeKernel) -> None:
    run("ipvsadm -A -t 198.51.100.200:80 -s wrr")
    run("ipvsadm -a -t 198.51.100.200:80 -r 198.51.100.21:80 -g -w 3")

    assert kernel.counters() == {REAL_SERVER: DestinationCounters()}


def test_the_facts_are_the_kernel_and_the_addresses_others_can_reach(kernel: NodeKernel) -> None:
    run("ip link add eth0 type veth peer name eth1")
    run("ip addr add 198.51.100.1/24 dev eth0")
    run("ip link set eth0 up")
    run("ip addr add 2001:db8::1/64 dev eth0 nodad")

    facts = kernel.facts()

    assert facts == NodeFacts(os.uname().release, "1.2.1", ("198.51.100.1", "2001:db8::1"))
