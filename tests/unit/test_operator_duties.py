"""What is asked of each node."""

from __future__ import annotations

import pytest

from lvs_api.meta import ObjectKey
from lvs_api.resolve import Resolution, resolve
from lvs_operator.duties import Carry, carries_of, duties
from tests.unit.objects import VIP, admitted, real_server

ADDRESSES = {"d1": ["198.51.100.2"], "rs-1": ["198.51.100.21", "10.0.0.21"], "rs-2": ["198.51.100.22"]}


def resolution(*rips: str, **spec: object) -> Resolution:
    servers = [real_server(f"web-{number}", rip) for number, rip in enumerate(rips)]
    return resolve(admitted(**spec), servers, [])


def asked(carries: list[Carry], **more: object) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    options = {"directors": {"edge": "d1"}, "kept": {}, **more}
    found = duties(list(ADDRESSES), ADDRESSES, carries=carries, **options)  # type: ignore[arg-type]
    return {name: (spec.director.pools, spec.real_server.addresses) for name, spec in found.items()}


def test_a_real_servers_node_carries_the_vip_and_the_director_has_its_pool() -> None:
    carries = carries_of(resolution("198.51.100.21"), {})

    assert asked(list(carries)) == {"d1": (("edge",), ()), "rs-1": ((), (VIP,)), "rs-2": ((), ())}


def test_any_address_of_a_node_makes_it_the_real_servers() -> None:
    carries = carries_of(resolution("10.0.0.21"), {})

    assert asked(list(carries))["rs-1"] == ((), (VIP,))


@pytest.mark.parametrize("method", ["NAT"])
def test_only_dr_asks_for_vips_on_real_servers(method: str) -> None:
    assert carries_of(resolution("198.51.100.21", forwarding={"method": method}), {}) == frozenset()


def test_a_director_that_is_its_own_real_server_is_not_asked_to_carry_the_vip_twice() -> None:
    carries = carries_of(resolution("198.51.100.2", "198.51.100.21"), {})

    assert asked(list(carries))["d1"] == (("edge",), ())


def test_a_director_carries_vips_of_other_pools() -> None:
    carries = [Carry("198.51.100.250", "198.51.100.2", "other", "")]

    assert asked(carries)["d1"] == (("edge",), ("198.51.100.250",))


def test_a_real_server_that_names_its_node_needs_no_address_of_it() -> None:
    carries = carries_of(resolution("203.0.113.9"), {ObjectKey("shop", "web-0"): "rs-2"})

    assert asked(list(carries))["rs-2"] == ((), (VIP,))


def test_vips_stay_where_they_are_while_their_service_is_refused() -> None:
    found = asked([], kept={"rs-1": {(VIP, "edge")}, "d1": {(VIP, "edge")}})

    assert found == {"d1": (("edge",), ()), "rs-1": ((), (VIP,)), "rs-2": ((), ())}


def test_the_order_of_what_is_known_makes_no_difference() -> None:
    carries = [Carry(f"198.51.100.{last}", "198.51.100.21", "edge", "") for last in (203, 201, 202)]

    assert asked(carries) == asked(carries[::-1])
    assert asked(carries)["rs-1"][1] == ("198.51.100.201", "198.51.100.202", "198.51.100.203")
