"""Writes the API reference as Markdown: every field with its type, bounds, default and rules, from the schemas."""

from __future__ import annotations

from collections.abc import Iterator

from lvs_api import API_VERSION
from lvs_api.kinds import KINDS, Kind
from lvs_api.schema import RULES_KEY, Schema, schema_of

__all__ = ["reference"]


def reference() -> str:
    """Return the page."""
    return "\n".join(
        [
            f"# API reference: {API_VERSION}",
            "",
            "Generated from the types in `api/lvs_api` by `make generate`.",
            "",
            "A field in **bold** must be given. `[]` stands for each entry of a list, `{}` for each value of a map.",
            "",
            *(line for kind in KINDS for line in _kind(kind)),
        ]
    )


def _kind(kind: Kind) -> Iterator[str]:
    schema = schema_of(kind)
    yield f"## {kind.KIND}"
    yield ""
    yield f"{schema['description']}"
    yield ""
    scope = "In a namespace" if kind.NAMESPACED else "In the whole cluster"
    short = ", ".join(f"`{name}`" for name in kind.SHORT_NAMES)
    yield f"{scope}. `kubectl get {kind.PLURAL}`, in short {short}."
    yield ""
    for part in ("spec", "status"):
        yield f"### {kind.KIND} {part}"
        yield ""
        yield schema["properties"][part]["description"]
        yield ""
        yield "| Field | Type | Default | Meaning |"
        yield "| --- | --- | --- | --- |"
        yield from _rows(part, schema["properties"][part])
        yield ""
        rules = list(_rules(part, schema["properties"][part]))
        if rules:
            yield "What is refused, and the sentence it is refused with:"
            yield ""
            yield from rules
            yield ""


def _below(path: str, schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    """Yield path, schema and whether it must be given, of all that is directly below."""
    for name, below in schema.get("properties", {}).items():
        yield f"{path}.{name}", below, name in schema.get("required", ())
    if "items" in schema:
        yield from _below(f"{path}[]", schema["items"])
    if "additionalProperties" in schema:
        yield from _below(f"{path}{{}}", schema["additionalProperties"])


def _rows(path: str, schema: Schema) -> Iterator[str]:
    for name, below, required in _below(path, schema):
        shown = f"**`{name}`**" if required else f"`{name}`"
        cells = (shown, _type(below), _default(below), below.get("description", ""))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        yield from _rows(name, below)


def _rules(path: str, schema: Schema) -> Iterator[str]:
    for rule in schema.get(RULES_KEY, ()):
        yield f"- `{path}{rule.get('fieldPath', '')}`: {rule['message']}. `{rule['rule']}`"
    if "items" in schema:
        yield from _rules(f"{path}[]", schema["items"])
    for name, below in schema.get("properties", {}).items():
        yield from _rules(f"{path}.{name}", below)


def _type(schema: Schema) -> str:
    match schema["type"]:
        case "array":
            return f"list{_count(schema, 'Items')} of {_type(schema['items'])}"
        case "object" if "additionalProperties" in schema:
            return f"map{_count(schema, 'Properties')} of {_type(schema['additionalProperties'])}"
        case "string" if "enum" in schema:
            return ", ".join(f"`{value}`" for value in schema["enum"])
        case "string":
            return f"string{_count(schema, 'Length')}"
        case "integer":
            return f"integer{_range(schema)}"
        case other:
            return str(other)


def _range(schema: Schema) -> str:
    match schema.get("minimum"), schema.get("maximum"):
        case None, None:
            return ""
        case low, None:
            return f" ({low} or more)"
        case low, high:
            return f" ({low} to {high})"


def _count(schema: Schema, of: str) -> str:
    match schema.get(f"min{of}", 0), schema.get(f"max{of}"):
        case _, None:
            return ""
        case 0, high:
            return f" ({high} at most)"
        case low, high:
            return f" ({low} to {high})"


def _default(schema: Schema) -> str:
    match schema.get("default"):
        case None:
            return ""
        case bool(value):
            return f"`{str(value).lower()}`"
        case dict():
            return ""
        case list(values):
            return ", ".join(f"`{value}`" for value in values)
        case value:
            return f"`{value}`"
