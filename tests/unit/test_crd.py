"""What the generated CustomResourceDefinitions promise; that the API server takes them is tested against a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lvs_api import crd
from lvs_api.kinds import KINDS
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import Spec
from lvs_api.realserver import RealServer
from lvs_api.reference import reference
from lvs_api.rules import Rule
from lvs_api.schema import schema_of
from lvs_api.virtualservice import VirtualService

ROOT = Path(__file__).parents[2]
KIND_IDS = [kind.KIND for kind in KINDS]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    for one in ("items", "additionalProperties"):
        if one in schema:
            yield from nodes(schema[one], f"{path}[]")


def node(schema: dict[str, Any], path: str) -> dict[str, Any]:
    return dict(nodes(schema))[path]


def version(kind: Any) -> dict[str, Any]:
    return crd.custom_resource_definition(kind)["spec"]["versions"][0]


def test_the_files_in_the_repository_are_those_that_the_types_come_to():
    wanted = {ROOT / "deploy" / "crds" / name: text for name, text in crd.manifests().items()}

    assert crd.drift({**wanted, ROOT / "docs" / "reference" / "api.md": reference()}) == ()


def test_a_file_that_differs_fails_the_check_and_is_named(tmp_path, capsys):
    written = crd.main(["--write", str(tmp_path)])
    changed = tmp_path / "lvs-operator.io_realservers.yaml"
    changed.write_text("changed by hand\n")

    assert written == 0
    assert crd.main(["--check", str(tmp_path)]) == 1
    assert str(changed) in capsys.readouterr().err
    assert changed.read_text() == "changed by hand\n"


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_a_schema_is_structural(kind):
    for path, one in nodes(schema_of(kind)):
        assert "type" in one, path
        assert not {"$ref", "anyOf", "allOf", "oneOf", "nullable"} & one.keys(), path


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_all_that_a_user_writes_is_bounded_so_that_the_cost_of_rules_is(kind):
    spec = schema_of(kind)["properties"]["spec"]

    for path, one in nodes(spec):
        match one["type"]:
            case "array":
                assert "maxItems" in one, path
            case "string":
                assert "maxLength" in one or "enum" in one, path
            case "object":
                assert "maxProperties" in one or "properties" in one, path
            case "integer":
                assert {"minimum", "maximum"} <= one.keys(), path


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_every_field_of_a_spec_is_explained(kind):
    spec = schema_of(kind)["properties"]["spec"]

    unexplained = [path for path, one in nodes(spec) if not path.endswith("[]") and not one.get("description")]

    assert unexplained == []


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_a_status_has_no_defaults_as_it_says_only_what_was_seen(kind):
    assert [path for path, one in nodes(schema_of(kind)["properties"]["status"]) if "default" in one] == []


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_the_status_is_a_subresource(kind):
    assert version(kind)["subresources"] == {"status": {}}


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [
        pytest.param(VirtualService, "directors", "node", id="a service's directors"),
        pytest.param(RealServer, "directors", "node", id="a real server's directors"),
        pytest.param(LVSNode, "sysctls", "name", id="a node's sysctls"),
        *(pytest.param(kind, "conditions", "type", id=f"conditions of {kind.KIND}") for kind in KINDS),
    ],
)
def test_entries_of_a_status_list_are_told_apart_so_that_each_has_one_writer(kind, name, key):
    entries = node(schema_of(kind), f".status.{name}")

    assert (entries["x-kubernetes-list-type"], entries["x-kubernetes-list-map-keys"]) == ("map", [key])
    assert key in entries["items"]["required"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(".spec.forwarding.method", "DR", id="a word"),
        pytest.param(
            ".spec.forwarding", {"method": "DR"}, id="an object is whole, as rules are applied to it as it is"
        ),
        pytest.param(".spec.onePacket", False, id="false is a default"),
        pytest.param(".spec.thresholds.upper", 0, id="0 is a default"),
        pytest.param(".spec.healthCheck.http.statuses", ["200-299"], id="a list"),
        pytest.param(".spec.addresses", None, id="an empty list is left out so that has() tells"),
        pytest.param(".spec.ports[].name", None, id="an empty text is left out so that has() tells"),
        pytest.param(".spec.realServers.selector.matchLabels", None, id="an empty map is left out"),
        pytest.param(".spec.healthCheck", None, id="what may be left out has none"),
    ],
)
def test_defaults_are_those_of_the_types(path, expected):
    assert node(schema_of(VirtualService), path).get("default") == expected


def test_a_field_that_must_be_given_is_required_and_no_other():
    spec = schema_of(VirtualService)["properties"]["spec"]

    assert spec["required"] == ["realServers"]


def test_the_ports_of_a_service_are_applied_as_a_whole():
    assert node(schema_of(VirtualService), ".spec.ports")["x-kubernetes-list-type"] == "atomic"


def test_columns_that_are_wide_are_shown_by_request_only():
    columns = {
        column["name"]: column.get("priority", 0) for column in version(VirtualService)["additionalPrinterColumns"]
    }

    assert (columns["Ready"], columns["Reason"]) == (0, 1)


def test_a_rule_is_stated_with_its_sentence_and_the_field_that_it_is_about():
    class Example(Spec, frozen=True):
        """An example."""

        RULES: ClassVar = (Rule("self.low < self.high", "low must be below high", ".low"),)

        low: int = 0
        high: int = 1

    assert schema_of(Example)["x-kubernetes-validations"] == [
        {"rule": "self.low < self.high", "message": "low must be below high", "fieldPath": ".low"}
    ]


@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_the_field_that_a_rule_is_about_is_one_that_there_is(kind):
    for path, one in nodes(schema_of(kind)):
        for rule in one.get("x-kubernetes-validations", ()):
            assert rule.get("fieldPath", "").removeprefix(".") in {"", *one.get("properties", {})}, path


def test_a_type_that_a_schema_can_not_state_is_a_fault_of_ours():
    class Example(Spec, frozen=True):
        """An example."""

        either: int | str = 0

    with pytest.raises(TypeError, match="union"):
        schema_of(Example)
