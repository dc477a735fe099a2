"""What the agent says about trouble with the API server: once, and what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from lvs_agent.source.trouble import Complaints, Refused, Request, Unreachable
from lvs_agent.source.wire import Refusal

LIST = Request("list", "realservers.lvs-operator.io", "/apis/lvs-operator.io/v1alpha1/realservers", {})
WRITE = Request("patch", "virtualservices/status.lvs-operator.io", "/", {})


def away() -> Unreachable:
    return Unreachable("https://198.51.100.1:6443", ConnectionRefusedError("refused"))


@pytest.mark.parametrize(
    ("request_", "code", "advice"),
    [
        pytest.param(LIST, 401, "check the token or client certificate", id="401"),
        pytest.param(LIST, 403, "the verb list on resource realservers of API group lvs-operator.io", id="403 on list"),
        pytest.param(
            WRITE,
            403,
            "the verb patch on resource virtualservices/status of API group lvs-operator.io",
            id="403 on write",
        ),
        pytest.param(LIST, 404, "apply deploy/crds first", id="404"),
        pytest.param(LIST, 503, "answered 503 ServiceUnavailable to list realservers.lvs-operator.io", id="503"),
    ],
)
def test_a_refusal_says_what_to_do(request_: Request, code: int, advice: str) -> None:
    reason = "ServiceUnavailable" if code == 503 else ""

    assert advice in str(Refused(request_, Refusal(code, reason, "said the server")))


def test_trouble_that_stays_the_same_is_said_once() -> None:
    with capture_logs() as logs:
        complaints = Complaints()
        complaints.about("realservers", Refused(LIST, Refusal(403, "Forbidden", "at 10:00")))
        complaints.about("realservers", Refused(LIST, Refusal(403, "Forbidden", "at 10:01")))

    assert len(logs) == 1


def test_trouble_that_changes_its_reason_is_said_again() -> None:
    with capture_logs() as logs:
        complaints = Complaints()
        complaints.about("realservers", Refused(LIST, Refusal(403, "Forbidden", "")))
        complaints.about("realservers", Refused(LIST, Refusal(404, "NotFound", "")))

    assert [entry["reason"] for entry in logs] == ["403 Forbidden", "404 NotFound"]


def test_an_api_server_that_is_away_is_said_once_and_not_once_per_kind() -> None:
    with capture_logs() as logs:
        complaints = Complaints()
        for kind in ("virtualservices", "realservers", "directorpools"):
            complaints.about(kind, away())
        for kind in ("virtualservices", "realservers", "directorpools"):
            complaints.settled(kind)

    assert [entry["event"] for entry in logs] == ["api_trouble", "api_trouble_over"]


def test_an_agent_that_reads_manifests_does_not_pay_for_the_kubernetes_client() -> None:
    program = "import sys, lvs_agent.source.cluster, lvs_agent.report.writer; print('kubernetes' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
