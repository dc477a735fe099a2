"""Which services share a probe, and what its state is filed under."""

from __future__ import annotations

import msgspec
import pytest

from lvs_agent.health.probe import Probe, probe_for
from lvs_api.virtualservice import HealthCheck, HTTPCheck

TCP = HealthCheck(type="TCP")
HTTP = HealthCheck(type="HTTP", http=HTTPCheck(path="/healthz", host="shop.example", statuses=("200-299", "404")))


def test_equal_checks_of_one_real_server_are_one_probe() -> None:
    again = HealthCheck(type="HTTP", http=HTTPCheck(path="/healthz", host="shop.example", statuses=("404", "200-299")))

    assert len({probe_for(HTTP, "10.0.0.2", 80), probe_for(again, "10.0.0.2", 80)}) == 1


def test_a_probe_has_durations_in_seconds_and_the_defaults_of_the_api() -> None:
    probe = probe_for(HealthCheck(type="HTTP", interval="1m500ms", timeout="250ms"), "10.0.0.2", 80)

    assert probe == Probe(
        kind="HTTP",
        address="10.0.0.2",
        port=80,
        interval=60.5,
        timeout=0.25,
        rise=2,
        fall=3,
        path="/",
        statuses=((200, 299),),
    )


def test_the_check_goes_to_its_own_port_where_it_names_one() -> None:
    assert probe_for(HealthCheck(type="TCP", port=8080), "10.0.0.2", 80).port == 8080


@pytest.mark.parametrize(
    ("probe", "identity"),
    [
        pytest.param(probe_for(TCP, "10.0.0.2", 80), "TCP 10.0.0.2:80", id="tcp"),
        pytest.param(probe_for(TCP, "2001:DB8:0::2", 80), "TCP [2001:db8::2]:80", id="ipv6-in-canonical-spelling"),
        pytest.param(probe_for(HTTP, "10.0.0.2", 80), "HTTP 10.0.0.2:80 /healthz 200-299,404 shop.example", id="http"),
    ],
)
def test_state_is_filed_under_what_is_asked_of_whom(probe: Probe, identity: str) -> None:
    assert probe.identity == identity


@pytest.mark.parametrize("field", ["interval", "timeout", "rise", "fall"])
def test_a_change_of_timing_or_thresholds_keeps_the_identity(field: str) -> None:
    probe = probe_for(HTTP, "10.0.0.2", 80)

    changed = msgspec.structs.replace(probe, **{field: getattr(probe, field) + 1})

    assert changed != probe
    assert changed.identity == probe.identity


@pytest.mark.parametrize(
    "change",
    [
        {"address": "10.0.0.3"},
        {"port": 81},
        {"path": "/ready"},
        {"host": ""},
        {"statuses": ((200, 200),)},
        {"kind": "TCP"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_question_has_another_identity(change: dict[str, object]) -> None:
    probe = probe_for(HTTP, "10.0.0.2", 80)

    assert msgspec.structs.replace(probe, **change).identity != probe.identity


def test_a_long_path_is_shortened_where_people_read_it_but_not_in_the_identity() -> None:
    path = "/" + "x" * 1023

    probe = probe_for(HealthCheck(type="HTTP", http=HTTPCheck(path=path)), "10.0.0.2", 80)

    assert len(str(probe)) < 400
    assert path in probe.identity
