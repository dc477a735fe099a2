"""The schema of the chart's values: nothing without a description, nothing open that need not be."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from deploy.helm.values_reference import SCHEMA, Schema, reference, values

CHART = json.loads(SCHEMA.read_text())
SMALL: Schema = {
    "properties": {
        "port": {"type": "integer", "description": "A port | a number.", "default": 80},
        "part": {
            "description": "A part.",
            "properties": {"mode": {"enum": ["a", "b"], "description": "A mode.", "default": "a"}},
        },
        "global": {"description": "Set by Helm."},
    }
}


def _below(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    for name, value in schema.get("properties", {}).items():
        yield f"{path}/{name}", value
        yield from _below(f"{path}/{name}", value)


@pytest.mark.parametrize(("path", "value"), list(_below("", CHART)))
def test_each_value_says_what_it_means(path, value):
    assert value["description"].endswith(("?", "."))


@pytest.mark.parametrize(("path", "value"), [("", CHART), *_below("", CHART)])
def test_each_part_refuses_values_it_does_not_know(path, value):
    assert ("properties" in value) == (value.get("additionalProperties") is False)


def test_defaults_stand_below_their_description():
    assert values(SMALL).splitlines()[2:] == [
        "# A port | a number.",
        "port: 80",
        "",
        "# A part.",
        "part:",
        "  # A mode.",
        "  mode: a",
    ]
    assert yaml.safe_load(values(SMALL)) == {"port": 80, "part": {"mode": "a"}}


def test_the_reference_has_a_row_for_each_value_that_can_be_set():
    assert reference(SMALL).splitlines()[-2:] == [
        "| `port` | `80` | A port \\| a number. |",
        '| `part.mode` | `"a"` | A mode. One of `a`, `b`. |',
    ]
