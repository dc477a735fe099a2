"""The API server refuses what manifest mode refuses, with the same words, and takes what it takes."""

from __future__ import annotations

import json

import pytest

from lab.apiserver import ApiServer
from tests.unit.api_cases import CASES, Case


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_the_api_server_says_to_an_object_what_manifest_mode_says(running_api_server: ApiServer, case: Case):
    done = running_api_server.kubectl(
        "create", "--dry-run=server", "--validate=strict", "-f", "-", input=json.dumps(case.object), check=False
    )

    said = done.stdout + done.stderr
    if case.field is None:
        assert done.code == 0, said
    else:
        assert done.code != 0
        assert case.field in said
        assert case.words.lower() in said.lower()


@pytest.mark.parametrize("kind", ["virtualservices", "realservers", "directorpools", "lvsnodes"])
def test_kubectl_explains_every_field_of_a_spec(running_api_server: ApiServer, kind: str):
    said = running_api_server.kubectl("explain", f"{kind}.lvs-operator.io", "--recursive").stdout

    assert "spec" in said
    assert "<no description>" not in running_api_server.kubectl("explain", f"{kind}.lvs-operator.io.spec").stdout
