"""Turns the API types into structural OpenAPI v3 schemas, the form in which a CustomResourceDefinition states them.

Structural: everything inline, no references and no unions; a field that may be left out is just not required.
See https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect as types

from lvs_api.meta import ObjectMeta
from lvs_api.rules import Rule

__all__ = ["RULES_KEY", "Schema", "schema_of"]

Schema: TypeAlias = dict[str, Any]

RULES_KEY = "x-kubernetes-validations"
_LIST_TYPE = "x-kubernetes-list-type"
_LIST_MAP_KEYS = "x-kubernetes-list-map-keys"


def schema_of(kind: type[msgspec.Struct]) -> Schema:
    """Return the schema of a kind or of any struct below it.

    A default is stated for every field of a spec that has one, except where it is empty: then ``has()`` in a rule
    tells whether the field was given. The status gets none, as it says only what a program has seen.

    Raises
    ------
    TypeError
        If a field has a type that a structural schema can't state.
    """
    return _schema(types.type_info(kind), defaults=True)


def _schema(node: types.Type, *, defaults: bool) -> Schema:
    match node:
        case types.Metadata(type=inner, extra_json_schema=extra):
            return _merged(_schema(inner, defaults=defaults), extra or {})
        case types.UnionType(types=members):
            return _schema(_only_member(members), defaults=defaults)
        case types.StructType(cls=cls) if cls is ObjectMeta:
            return {"type": "object"}
        case types.StructType():
            return _object(node, defaults=defaults)
        case types.VarTupleType(item_type=item):
            bounds = _bounds(minItems=node.min_length, maxItems=node.max_length)
            return {"type": "array", "items": _schema(item, defaults=defaults), _LIST_TYPE: "atomic", **bounds}
        case types.DictType(value_type=value):
            bounds = _bounds(minProperties=node.min_length, maxProperties=node.max_length)
            return {"type": "object", "additionalProperties": _schema(value, defaults=defaults), **bounds}
        case types.StrType():
            bounds = _bounds(minLength=node.min_length, maxLength=node.max_length, pattern=node.pattern)
            return {"type": "string", **bounds}
        case types.IntType():
            return {"type": "integer", **_bounds(minimum=node.ge, maximum=node.le)}
        case types.LiteralType(values=values):
            # In alphabetical order: msgspec does not keep the one in which they are declared.
            return {"type": "string", "enum": list(values)}
        case types.BoolType():
            return {"type": "boolean"}
        case _:
            raise TypeError(f"{node!r} has no form in a structural schema")


def _object(node: types.StructType, *, defaults: bool) -> Schema:
    properties: Schema = {}
    for field in node.fields:
        below = defaults and field.encode_name != "status"
        properties[field.encode_name] = schema = _schema(field.type, defaults=below)
        if below and (default := _default(field, schema)) is not None:
            schema["default"] = default
    for name, key in getattr(node.cls, "LIST_MAP_KEYS", {}).items():
        properties[name] |= {_LIST_TYPE: "map", _LIST_MAP_KEYS: [key]}
    required = [field.encode_name for field in node.fields if field.required and field.encode_name != "metadata"]
    rules = _rules(getattr(node.cls, "RULES", ()))
    return {
        "type": "object",
        "description": inspect.getdoc(node.cls),
        "properties": properties,
        **({"required": required} if required else {}),
        **({RULES_KEY: rules} if rules else {}),
    }


def _merged(schema: Schema, extra: Mapping[str, Any]) -> Schema:
    # msgspec hands them back as plain dictionaries.
    rules = _rules(msgspec.convert(extra.get(RULES_KEY, []), list[Rule]))
    if "properties" in schema and "description" in extra:
        # What a struct is, then what it is for here.
        extra = {**extra, "description": f"{schema['description']} {extra['description']}"}
    return {**schema, **extra, **({RULES_KEY: [*schema.get(RULES_KEY, ()), *rules]} if rules else {})}


def _rules(rules: Iterable[Rule]) -> list[Schema]:
    return [
        {
            "rule": rule.expression,
            "message": rule.message,
            **({"fieldPath": rule.field} if rule.field else {}),
        }
        for rule in rules
    ]


def _only_member(members: Iterable[types.Type]) -> types.Type:
    rest = [member for member in members if not isinstance(member, types.NoneType)]
    if len(rest) != 1:
        raise TypeError(f"a structural schema has no union of {rest!r}")
    return rest[0]


def _default(field: types.Field, schema: Schema) -> Any:
    """Return the default as the API server is to know it; None for none."""
    default = field.default
    if default is msgspec.NODEFAULT or default is None or default in ("", ()):
        return None
    # The API server applies the rules to a default as it stands, before it fills in the defaults within.
    inner = {name: below["default"] for name, below in schema.get("properties", {}).items() if "default" in below}
    stated = msgspec.json.decode(msgspec.json.encode(default))
    return {**inner, **stated} if isinstance(stated, dict) else stated


def _bounds(**bounds: Any) -> Schema:
    return {name: value for name, value in bounds.items() if value is not None}
