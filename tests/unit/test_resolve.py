"""Which real servers a virtual service has."""

from __future__ import annotations

import pytest

from lvs_api.resolve import resolve
from tests.unit.objects import VIP, admitted, endpoint_slice, real_server


def servers(resolution, index=0):
    return [(one.address, one.port, one.weight, one.accepts) for one in resolution.services[index].real_servers]


def test_a_real_server_without_port_takes_the_port_of_the_service():
    resolution = resolve(admitted(), [real_server("a", "198.51.100.21", weight=3)], [])

    assert servers(resolution) == [("198.51.100.21", 80, 3, True)]


def test_under_nat_a_real_server_may_have_a_port_of_its_own():
    resolution = resolve(admitted(forwarding={"method": "NAT"}), [real_server("a", "10.0.0.1", port=8080)], [])

    assert servers(resolution) == [("10.0.0.1", 8080, 1, True)]


def test_every_vip_and_port_is_a_service_of_its_own():
    two_ports = admitted(ports=[{"port": 80, "name": "a"}, {"port": 53, "name": "b", "protocol": "UDP"}])

    resolution = resolve(two_ports, [], [])

    assert [(one.address, one.protocol, one.port) for one in resolution.services] == [
        (VIP, "TCP", 80),
        (VIP, "UDP", 53),
    ]


def test_real_servers_serve_the_vip_of_their_own_family():
    dual = admitted(addresses=[VIP, "2001:db8::1"])

    resolution = resolve(dual, [real_server("four", "198.51.100.21"), real_server("six", "2001:db8::21")], [])

    assert [one[0] for one in servers(resolution, 0)] == ["198.51.100.21"]
    assert [one[0] for one in servers(resolution, 1)] == ["2001:db8::21"]
    assert resolution.refused == ()


@pytest.mark.parametrize(
    ("service", "server", "field", "words"),
    [
        pytest.param(
            {"addresses": ["2001:db8::1"]}, {"address": "198.51.100.21"}, "spec.address", "same family", id="family"
        ),
        pytest.param({}, {"address": "198.51.100.21", "port": 8080}, "spec.port", "set it to 80", id="port under DR"),
    ],
)
def test_a_real_server_that_can_not_serve_is_refused_by_field(service, server, field, words):
    resolution = resolve(admitted(**service), [real_server("a", **server)], [])

    assert [problem.field for problem in resolution.refused] == [field]
    assert words in str(resolution.refused[0])
    assert servers(resolution) == []


def test_of_two_objects_for_one_real_server_the_first_by_name_counts():
    resolution = resolve(
        admitted(), [real_server("b", "198.51.100.21", weight=7), real_server("a", "198.51.100.21", weight=2)], []
    )

    assert servers(resolution) == [("198.51.100.21", 80, 2, True)]


NAT_SERVICE = {"forwarding": {"method": "NAT"}, "realServers": {"service": {"name": "web", "port": "http"}}}


@pytest.mark.parametrize(
    ("conditions", "accepts"),
    [
        pytest.param({}, True, id="conditions left out"),
        pytest.param({"ready": True}, True, id="ready"),
        pytest.param({"ready": False}, False, id="not ready"),
        pytest.param({"ready": False, "serving": True, "terminating": True}, False, id="terminating"),
    ],
)
def test_an_endpoint_takes_connections_while_it_is_ready(conditions, accepts):
    piece = endpoint_slice("web-1", [{"addresses": ["10.0.0.1"], "conditions": conditions}])

    resolution = resolve(admitted(**NAT_SERVICE), [], [piece])

    assert servers(resolution) == [("10.0.0.1", 8080, 1, accepts)]


def test_endpoints_of_another_port_name_are_passed_over():
    piece = endpoint_slice("web-1", [{"addresses": ["10.0.0.1"]}], port_name="metrics")

    assert servers(resolve(admitted(**NAT_SERVICE), [], [piece])) == []


def test_endpoints_of_all_slices_count():
    pieces = [endpoint_slice(f"web-{n}", [{"addresses": [f"10.0.0.{n}"]}]) for n in (2, 1)]

    resolution = resolve(admitted(**NAT_SERVICE), [], pieces)

    assert [one[0] for one in servers(resolution)] == ["10.0.0.1", "10.0.0.2"]
