"""Which refusals of the API server are about one object, and which about all."""

from __future__ import annotations

import pytest

from lvs_operator.troubles import Refused


@pytest.mark.parametrize(
    ("code", "everywhere"),
    [
        pytest.param(401, True, id="credentials"),
        pytest.param(403, False, id="one right that is missing"),
        pytest.param(422, False, id="one object that is invalid"),
        pytest.param(429, True, id="asked to slow down"),
        pytest.param(500, False, id="a field that one CRD does not have"),
        pytest.param(503, True, id="not able to serve"),
        pytest.param(504, True, id="its store does not answer"),
    ],
)
def test_only_what_other_requests_meet_as_well_holds_them_up(code: int, everywhere: bool) -> None:
    assert Refused("patch", "virtualservices/status", code, "").everywhere is everywhere
