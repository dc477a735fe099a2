"""Writes values.yaml and the reference of the chart's values from their schema, which has their only descriptions."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import yaml

__all__ = ["SCHEMA", "Schema", "reference", "values"]

Schema: TypeAlias = dict[str, Any]

SCHEMA = Path(__file__).with_name("lvs-operator") / "values.schema.json"
_WIDTH = 120


def values(schema: Schema) -> str:
    """Return values.yaml: each value with its default, below its description."""
    lines = ["# Generated from values.schema.json: change that and run make generate.", *_yaml(schema)]
    return "\n".join(lines) + "\n"


def reference(schema: Schema) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# Values of the chart",
            "",
            "Generated from `deploy/helm/lvs-operator/values.schema.json` by `make generate`.",
            "",
            "Values that are not listed here are refused, as are those of another type.",
            "",
            "| Value | Default | Meaning |",
            "| --- | --- | --- |",
            *(_row(path, value) for path, value in _leaves("", schema)),
            "",
        ]
    )


def _yaml(schema: Schema, indent: str = "") -> Iterator[str]:
    for name, value in schema["properties"].items():
        if not _has_default(value):
            continue
        if not indent:
            yield ""
        mark = f"{indent}# "
        yield from textwrap.wrap(
            value["description"], _WIDTH, initial_indent=mark, subsequent_indent=mark, break_on_hyphens=False
        )
        if "properties" in value:
            yield f"{indent}{name}:"
            yield from _yaml(value, f"{indent}  ")
        else:
            text = yaml.safe_dump({name: value["default"]}, default_flow_style=False, sort_keys=False)
            yield textwrap.indent(text, indent).rstrip()


def _leaves(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    for name, value in schema["properties"].items():
        if "properties" in value:
            yield from _leaves(f"{path}{name}.", value)
        elif _has_default(value):
            yield f"{path}{name}", value


def _has_default(value: Schema) -> bool:
    """Say whether there is something to set: what Helm puts there by itself has no default."""
    return "properties" in value or "default" in value


def _row(path: str, value: Schema) -> str:
    meaning = value["description"]
    if "enum" in value:
        meaning += f" One of {', '.join(f'`{one}`' for one in value['enum'])}."
    cells = (f"`{path}`", f"`{json.dumps(value['default'])}`", meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
