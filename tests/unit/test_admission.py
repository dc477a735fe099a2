"""Which VirtualServices are accepted."""

from __future__ import annotations

import pytest

from lvs_api.admission import Admitted, Reason, Refused, admit_together
from lvs_api.directorpool import DirectorPool
from lvs_api.virtualservice import VirtualService
from tests.unit.objects import VIP, pool, service

EDGE = {"edge": pool()}


def judge(*services: VirtualService, pools: dict[str, DirectorPool] | None = None, **rest: dict[str, dict[str, str]]):
    verdicts = admit_together(services, EDGE if pools is None else pools, rest.get("namespaces", {}), frozenset())
    return [verdicts[one.metadata.key] for one in services]


def test_a_service_with_an_address_of_the_only_pool_is_admitted_there():
    [verdict] = judge(service())

    assert isinstance(verdict, Admitted)
    assert (verdict.pool, verdict.addresses) == ("edge", (VIP,))


@pytest.mark.parametrize(
    ("spec", "pools", "reason", "field", "words"),
    [
        pytest.param({}, {}, Reason.NO_POOL, "spec.directorPool", "there are: none", id="no pool at all"),
        pytest.param(
            {},
            {**EDGE, "core": pool("core")},
            Reason.NO_POOL,
            "spec.directorPool",
            "core, edge",
            id="which of two pools",
        ),
        pytest.param(
            {"directorPool": "egde"}, EDGE, Reason.NO_POOL, "spec.directorPool", "there are: edge", id="a pool misspelt"
        ),
        pytest.param(
            {"addresses": ["198.51.100.5"]},
            EDGE,
            Reason.ADDRESS_NOT_IN_POOL,
            "spec.addresses[0]",
            "198.51.100.192/27",
            id="an address outside the pool",
        ),
        pytest.param(
            {},
            {"edge": pool(addresses=["198.51.100.20-198.51.100.10"])},
            Reason.INVALID_POOL,
            "spec.directorPool",
            "lower to a higher",
            id="a range that runs backwards",
        ),
        pytest.param(
            {},
            {"edge": pool(namespaceSelector={"matchLabels": {"lb": "yes"}})},
            Reason.NAMESPACE_NOT_ALLOWED,
            "spec.directorPool",
            "namespace shop",
            id="a namespace the pool does not serve",
        ),
        pytest.param(
            {"persistence": {"prefixLength": 64}},
            EDGE,
            Reason.INVALID_PREFIX_LENGTH,
            "spec.persistence.prefixLength",
            "1 to 32",
            id="an IPv6 prefix with an IPv4 VIP",
        ),
    ],
)
def test_what_needs_other_objects_is_refused_by_field_with_what_is_allowed(spec, pools, reason, field, words):
    [verdict] = judge(service(**spec), pools=pools)

    assert isinstance(verdict, Refused)
    assert (verdict.reason, verdict.field) == (reason, field)
    assert words in str(verdict)


def test_a_namespace_with_the_wanted_label_may_use_the_pool():
    pools = {"edge": pool(namespaceSelector={"matchLabels": {"lb": "yes"}})}

    [verdict] = judge(service(), pools=pools, namespaces={"shop": {"lb": "yes"}})

    assert isinstance(verdict, Admitted)


def test_of_two_services_with_one_vip_port_and_protocol_the_older_has_it():
    younger = service("a", created="2026-02-01T00:00:00Z")
    older = service("b", created="2026-01-01T00:00:00Z")

    refused, accepted = judge(younger, older)

    assert isinstance(accepted, Admitted)
    assert isinstance(refused, Refused)
    assert refused.field == "spec.ports[0]"
    assert "older VirtualService shop/b" in str(refused)


@pytest.mark.parametrize(
    "other", [{"port": 443}, {"port": 80, "protocol": "UDP"}], ids=["another port", "another protocol"]
)
def test_services_share_a_vip_as_long_as_port_or_protocol_differ(other):
    verdicts = judge(service("a"), service("b", ports=[other]))

    assert all(isinstance(verdict, Admitted) for verdict in verdicts)


def test_a_refused_service_stands_in_nobodys_way():
    first = service("a", created="1", ports=[{"port": 80}])
    refused = service("b", created="2", ports=[{"port": 80}, {"port": 443}])
    last = service("c", created="3", ports=[{"port": 443}])

    verdicts = judge(first, refused, last)

    assert [isinstance(verdict, Admitted) for verdict in verdicts] == [True, False, True]


def test_services_without_address_get_different_free_ones_and_never_a_named_one():
    pools = {"edge": pool(addresses=["198.51.100.200-198.51.100.202"])}
    named, one, two = service("z"), service("a", addresses=[]), service("b", addresses=[])

    verdicts = judge(named, one, two, pools=pools)

    assert [verdict.addresses for verdict in verdicts] == [(VIP,), ("198.51.100.201",), ("198.51.100.202",)]


def test_a_service_that_finds_the_pool_used_up_is_told_so():
    pools = {"edge": pool(addresses=[VIP])}

    _, verdict = judge(service("a"), service("b", addresses=[]), pools=pools)

    assert isinstance(verdict, Refused)
    assert verdict.reason is Reason.NO_FREE_ADDRESS
