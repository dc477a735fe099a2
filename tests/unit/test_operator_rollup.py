"""What statuses say of what is known."""

from __future__ import annotations

import msgspec
import pytest

from lvs_api.admission import Reason, Refused
from lvs_api.directorpool import DirectorPoolStatus
from lvs_api.meta import Condition, ObjectKey
from lvs_api.realserver import RealServer, RealServerDirector, RealServerStatus
from lvs_api.resolve import RefusedRealServer, Resolution, resolve
from lvs_api.virtualservice import VirtualService, VirtualServiceDirector, VirtualServiceStatus
from lvs_operator.conditions import Conditions
from lvs_operator.plain import applied, has_status
from lvs_operator.rollup import service_status
from lvs_operator.rollup_real_server import Use, real_server_status
from tests.unit.objects import VIP, admitted, real_server, service

NOW, BEFORE = "2026-02-02T00:00:00Z", "2026-01-01T00:00:00Z"
REFUSED = Refused(Reason.ADDRESS_NOT_IN_POOL, "spec.addresses[0]", "203.0.113.9", "must be one of DirectorPool edge")
WORKING = VirtualServiceDirector(node="d1", observed_generation=1, programmed=True, total=2, healthy=2)


def seen(*directors: VirtualServiceDirector, **fields: object) -> VirtualService:
    return msgspec.structs.replace(service(), status=VirtualServiceStatus(directors=directors, **fields))  # type: ignore[arg-type]


def resolution(*rips: str, weight: int = 1) -> Resolution:
    servers = [real_server(f"web-{number}", rip, weight=weight) for number, rip in enumerate(rips)]
    return resolve(admitted(), servers, [])


def conditions_of(status: VirtualServiceStatus | RealServerStatus) -> dict[str, Condition]:
    return {condition.type: condition for condition in status.conditions}


TWO = resolution("198.51.100.21", "198.51.100.22")
READY = [
    ("all is well", seen(WORKING), TWO, "d1", "True", "Ready", "2 of 2 real servers are healthy"),
    ("nobody directs", seen(WORKING), TWO, "", "False", "NoDirector", "no node directs DirectorPool edge"),
    ("there is nothing behind it", seen(WORKING), resolution(), "d1", "False", "NoRealServers",
     "nothing to forward to: no usable RealServer of this namespace has the labels app=web"),
    ("the director is silent", seen(), TWO, "d1", "False", "NotProgrammed",
     "director d1 has not reported yet; does its agent run?"),
    ("the director is behind", seen(msgspec.structs.replace(WORKING, observed_generation=0)), TWO, "d1", "False",
     "NotProgrammed", "director d1 is at generation 0 of 1"),
    ("the kernel differs", seen(msgspec.structs.replace(WORKING, programmed=False, message="no IPVS")), TWO, "d1",
     "False", "NotProgrammed", "director d1: no IPVS"),
    ("nobody is healthy", seen(msgspec.structs.replace(WORKING, healthy=0)), TWO, "d1", "False",
     "NoHealthyRealServers", "none of 2 real servers is healthy"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "running", "director", "status", "reason", "message"),
    [case[1:] for case in READY],
    ids=[case[0] for case in READY],
)
def test_ready_says_what_is_missing_when(
    one: VirtualService, running: Resolution, director: str, status: str, reason: str, message: str
) -> None:
    ready = conditions_of(service_status(one, admitted(), running, director, NOW))["Ready"]

    assert (ready.status, ready.reason, ready.message) == (status, reason, message)


def test_a_refused_service_keeps_its_last_good_state_and_says_why_it_is_refused() -> None:
    one = seen(WORKING, addresses=(VIP,), director_pool="edge", ports="80/TCP")

    status = service_status(one, REFUSED, TWO, "d1", NOW)

    assert (status.addresses, status.director_pool, status.ports) == ((VIP,), "edge", "80/TCP")
    assert status.real_servers is not None
    assert status.real_servers.summary == "2/2"
    found = conditions_of(status)
    assert found["Accepted"].message == "spec.addresses[0]: 203.0.113.9: must be one of DirectorPool edge"
    assert found["Ready"].message == found["Accepted"].message
    assert {condition.observed_generation for condition in found.values()} == {1}


def test_connections_are_those_of_the_director_and_of_nobody_else() -> None:
    former = VirtualServiceDirector(node="d0", active_connections=5, inactive_connections=5, healthy=1)
    current = msgspec.structs.replace(WORKING, active_connections=2, inactive_connections=3)

    status = service_status(seen(former, current), admitted(), TWO, "d1", NOW)

    assert (status.active_connections, status.inactive_connections) == (2, 3)


def test_a_real_server_of_weight_0_counts_as_draining() -> None:
    status = service_status(seen(WORKING), admitted(), resolution("198.51.100.21", weight=0), "d1", NOW)

    assert status.real_servers is not None
    assert (status.real_servers.draining, status.real_servers.total) == (1, 1)


def test_what_is_applied_names_no_directors_and_says_zeros() -> None:
    before = seen(WORKING)
    plain = applied(service_status(before, admitted(), TWO, "d1", NOW), before.status)

    assert "directors" not in plain
    assert plain["activeConnections"] == 0
    assert plain["realServers"] == {"total": 2, "healthy": 2, "draining": 0, "summary": "2/2"}


def test_what_is_empty_is_said_only_where_the_object_has_something_there() -> None:
    nothing, something = DirectorPoolStatus(), DirectorPoolStatus(director="d1")

    assert "director" not in applied(nothing, nothing)
    assert applied(nothing, something)["director"] == ""


def test_nothing_is_written_where_nothing_is_different() -> None:
    one = seen(WORKING)
    status = service_status(one, admitted(), TWO, "d1", BEFORE)
    elsewhere = Condition(type="Somebody/Elses", status="True")
    there = msgspec.structs.replace(status, directors=(WORKING,), conditions=(elsewhere, *status.conditions[::-1]))
    again = service_status(msgspec.structs.replace(one, status=there), admitted(), TWO, "d1", NOW)

    assert has_status(there, again)
    assert not has_status(msgspec.structs.replace(there, active_connections=1), again)


def test_the_time_of_transition_moves_with_the_status_only() -> None:
    before = Condition(type="Ready", status="False", reason="NoDirector", last_transition_time=BEFORE)
    make = Conditions([before], 2, NOW).make

    assert make("Ready", "False", "NoRealServers", "").last_transition_time == BEFORE
    assert make("Ready", "True", "Ready", "").last_transition_time == NOW


def report(node: str, state: str, since: str = BEFORE, reason: str = "", message: str = "") -> RealServerDirector:
    return RealServerDirector(node=node, state=state, since=since, reason=reason, message=message)  # type: ignore[arg-type]


def reported(*directors: RealServerDirector) -> RealServer:
    return msgspec.structs.replace(real_server("web-1", "198.51.100.21"), status=RealServerStatus(directors=directors))


BAD = report("d1", "Unhealthy", reason="BadStatus", message="HTTP 500")
STATES = [
    ("one director finds it unhealthy", [BAD, report("d2", "Healthy")], "Unhealthy", "HTTP 500 at director d1"),
    ("all find it healthy", [report("d1", "Healthy"), report("d2", "Healthy")], "Healthy", ""),
    ("one does not know yet", [report("d1", "Unknown"), report("d2", "Healthy")], "Unknown",
     "no check has ended yet at director d1"),
    ("nobody has reported", [], "Unknown", "not reported yet by director d1, d2"),
    ("only a former director has", [report("d0", "Healthy")], "Unknown", "not reported yet by director d1, d2"),
    ("nobody asks for a check", [report("d1", "Healthy", reason="NotChecked", message="no check")], "Healthy",
     "no check"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("directors", "state", "reason"), [case[1:] for case in STATES], ids=[case[0] for case in STATES]
)
def test_a_real_server_is_as_its_worst_director_says_when(
    directors: list[RealServerDirector], state: str, reason: str
) -> None:
    status = real_server_status(reported(*directors), "198.51.100.21", Use(1, {"d1", "d2"}), NOW)

    assert (status.state, status.reason) == (state, reason)
    assert conditions_of(status)["Healthy"].status == {"Healthy": "True", "Unhealthy": "False"}.get(state, "Unknown")


def test_a_real_server_that_a_service_cannot_use_is_not_accepted() -> None:
    key = ObjectKey("shop", "web-1")
    problem = RefusedRealServer(key, "spec.port", "8080", "VirtualService shop/web forwards by DR")

    status = real_server_status(reported(), "198.51.100.21", Use(1, {"d1"}, [problem]), NOW)

    accepted = conditions_of(status)["Accepted"]
    assert (accepted.status, accepted.message) == ("False", "spec.port: 8080: VirtualService shop/web forwards by DR")
