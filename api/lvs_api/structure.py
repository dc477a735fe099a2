"""Holds a document against a structural schema as the API server does: form, defaults, then the CEL rules."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from lvs_api.expressions import scope, unfulfilled
from lvs_api.schema import RULES_KEY, Schema

__all__ = ["Fault", "check", "shown", "unknown_fields"]

_FORMS: dict[str, tuple[type[Any], str]] = {
    "object": (dict, "an object, that is fields with names"),
    "array": (list, "a list (array)"),
    "string": (str, "a string; put it in quotes"),
    "integer": (int, "a whole number (integer)"),
    "boolean": (bool, "true or false (boolean)"),
}
_LONGEST_SHOWN = 64


class Fault(msgspec.Struct, frozen=True):
    """Something wrong at one place of a document.

    Parameters
    ----------
    field
        Path such as ``spec.ports[0].port``.
    value
        What is there, in short; empty where nothing is or where it is more than one word or number.
    message
        What is allowed.
    """

    field: str
    value: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.field}: {self.value} is not allowed; {self.message}"
            if self.value
            else f"{self.field}: {self.message}"
        )


def check(schema: Schema, value: Any, path: str, *, unknown: bool = False) -> tuple[Any, list[Fault]]:
    """Hold a value against a schema.

    Parameters
    ----------
    path
        Where the value stands, for messages.
    unknown
        Whether fields that the schema does not have are passed over.

    Returns
    -------
    tuple
        The value with defaults filled in and without nulls, and what is wrong. The rules of a place are applied only
        where its form is good.
    """
    if schema["type"] == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows no difference
    faults = list(_own_faults(schema, value, path))
    if faults:
        return value, faults
    match schema["type"]:
        case "object" if "properties" in schema:
            value, faults = _check_fields(schema, value, path, unknown=unknown)
        case "object" if "additionalProperties" in schema:
            below = [(key, f"{path}.{key}", one) for key, one in value.items()]
            checked = [(key, check(schema["additionalProperties"], one, at, unknown=unknown)) for key, at, one in below]
            value, faults = (
                {str(key): one for key, (one, _) in checked},
                [fault for _, (_, its) in checked for fault in its],
            )
        case "array":
            entries = [check(schema["items"], one, f"{path}[{i}]", unknown=unknown) for i, one in enumerate(value)]
            value, faults = [one for one, _ in entries], [fault for _, its in entries for fault in its]
    return value, faults or list(_broken_rules(schema, value, path))


def unknown_fields(given: Iterable[object], known: Iterable[str], path: str) -> Iterator[Fault]:
    """Name the fields that there are not, with the one that was probably meant."""
    names = list(known)
    for field in map(str, given):
        if field not in names:
            meant = difflib.get_close_matches(field, names, n=1)
            hint = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(names)}"
            yield Fault(f"{path}.{field}" if path else field, "", f"unknown field; {hint}")


def shown(value: object) -> str:
    """Return a value as a message has it; empty if it is too much for one."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            text = value if value.isprintable() and value else repr(value)
        case int() | float():
            text = str(value)
        case _:
            return ""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _check_fields(
    schema: Schema, value: Mapping[str, Any], path: str, *, unknown: bool
) -> tuple[dict[str, Any], list[Fault]]:
    fields: Mapping[str, Schema] = schema["properties"]
    faults = [] if unknown else list(unknown_fields(value, fields, path))
    filled: dict[str, Any] = {}
    for name, field in fields.items():
        one = value.get(name)
        if one is None:
            # A field without a value is as if left out; so it is to the API server.
            one = field.get("default")
        if one is not None:
            filled[name], its = check(field, one, f"{path}.{name}", unknown=unknown)
            faults += its
        elif name in schema.get("required", ()):
            faults.append(Fault(f"{path}.{name}", "", "is required"))
    return filled, faults


def _own_faults(schema: Schema, value: Any, path: str) -> Iterator[Fault]:
    """Yield what is wrong with the value itself, apart from what is in it and from rules."""
    form, words = _FORMS[schema["type"]]
    if not isinstance(value, form) or (isinstance(value, bool) and form is not bool):
        yield Fault(path, shown(value), f"must be {words}")
        return
    if "enum" in schema and value not in schema["enum"]:
        yield Fault(path, shown(value), f"must be one of {', '.join(schema['enum'])}")
        return
    if "minimum" in schema and value < schema["minimum"]:
        yield Fault(path, shown(value), f"must be at least {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        yield Fault(path, shown(value), f"must be at most {schema['maximum']}")
    for of, unit in (("Length", "characters"), ("Items", "entries"), ("Properties", "entries")):
        least, most = schema.get(f"min{of}"), schema.get(f"max{of}")
        if least is not None and len(value) < least:
            yield Fault(path, shown(value), f"must have {unit}, at least {least}")
        if most is not None and len(value) > most:
            yield Fault(path, shown(value), f"must have at most {most} {unit}")
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield Fault(path, shown(value), f"must match {schema['pattern']}")


def _broken_rules(schema: Schema, value: Any, path: str) -> Iterator[Fault]:
    rules = schema.get(RULES_KEY)
    if not rules:
        return
    seen = scope(value)
    for rule in rules:
        if unfulfilled(rule["rule"], seen):
            below = rule.get("fieldPath", "")
            at_fault = value.get(below.removeprefix(".")) if below else value
            yield Fault(path + below, shown(at_fault), rule["message"])


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern with the meaning it has in Go: ``$`` is the end, also before a line break; ``\\s`` is ASCII."""
    return re.compile(re.sub(r"\$$", r"\\Z", pattern), re.ASCII)
