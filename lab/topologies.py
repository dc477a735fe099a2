"""The networks that the product is shown on. What used to be typed by hand for LVS itself is not done here."""

from __future__ import annotations

from lab.topology import HostPlan, Interface, Plan

__all__ = ["lab1_nat", "lab2_dr_behind_router", "lab3_dr_vip_on_another_subnet", "one_subnet"]


def one_subnet(real_servers: int = 2, directors: int = 1) -> Plan:
    """Return client, directors and real servers in 198.51.100.0/24: VIPs from .192/27, real servers from .21."""
    return Plan(
        (
            _host("client", "198.51.100.10/24"),
            *(_host(f"director-{n}", f"198.51.100.{10 + n}/24") for n in range(1, directors + 1)),
            *(_host(f"rs-{n}", f"198.51.100.{20 + n}/24") for n in range(1, real_servers + 1)),
        )
    )


def lab1_nat() -> Plan:
    """Return a director between the clients' network and that of the real servers, which is their gateway."""
    return Plan(
        (
            HostPlan("client", (Interface("eth0", "front", ("172.20.2.37/16",)),)),
            HostPlan(
                "director-1",
                (
                    Interface("eth0", "front", ("172.20.2.43/16",)),
                    Interface("eth1", "back", ("192.168.10.200/24",)),
                ),
            ),
            *(
                HostPlan(
                    f"rs-{n}",
                    (Interface("eth0", "back", (f"192.168.10.20{n}/24",)),),
                    routes=("default via 192.168.10.200",),
                )
                for n in (1, 2)
            ),
        )
    )


def lab2_dr_behind_router() -> Plan:
    """Return director and real servers on one network behind a router; the VIP is an address of that network."""
    return Plan(
        (
            _routed_client(),
            _router("192.168.10.200/24"),
            _routed("director-1", "192.168.10.100/24", "192.168.10.200"),
            _routed("rs-1", "192.168.10.201/24", "192.168.10.200"),
            _routed("rs-2", "192.168.10.202/24", "192.168.10.200"),
        )
    )


def lab3_dr_vip_on_another_subnet() -> Plan:
    """Return director and real servers on one network; the VIP is of another, which the router has on that wire."""
    return Plan(
        (
            _routed_client(),
            _router("192.168.8.200/24", "10.0.0.1/24"),
            _routed("director-1", "192.168.8.100/24", "192.168.8.200"),
            _routed("rs-1", "192.168.8.101/24", "192.168.8.200"),
            _routed("rs-2", "192.168.8.102/24", "192.168.8.200"),
        )
    )


def _host(name: str, address: str) -> HostPlan:
    return HostPlan(name, (Interface("eth0", "lan", (address,)),))


def _routed(name: str, address: str, gateway: str) -> HostPlan:
    return HostPlan(name, (Interface("eth0", "back", (address,)),), routes=(f"default via {gateway}",))


def _routed_client() -> HostPlan:
    return HostPlan("client", (Interface("eth0", "front", ("172.20.2.37/16",)),), routes=("default via 172.20.2.43",))


def _router(*back: str) -> HostPlan:
    return HostPlan(
        "router",
        (Interface("eth0", "front", ("172.20.2.43/16",)), Interface("eth1", "back", back)),
        sysctls={"net/ipv4/ip_forward": "1"},
    )
