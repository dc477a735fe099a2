"""A CEL rule: written once beside the field it guards, enforced by the API server and by manifest mode alike."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Rule", "constrained", "not_supported_yet"]


class Rule(msgspec.Struct, frozen=True):
    """One entry of ``x-kubernetes-validations``.

    Parameters
    ----------
    expression
        CEL over ``self``; true means the value is good.
        See https://kubernetes.io/docs/reference/using-api/cel/.
    message
        What the person who wrote the object should do, as a sentence without a full stop.
    field
        Path below ``self`` that the message is about, such as ``.tunnel``; empty for ``self``.
    """

    expression: str
    message: str
    field: str = ""


def not_supported_yet(field: str) -> Rule:
    """Refuse a field that is in the schema but has no working behind it, rather than ignore it."""
    return Rule(f"!has(self.{field})", f"{field} is not supported yet; remove it", f".{field}")


def constrained(*rules: Rule) -> dict[str, Any]:
    """Give the rules of a scalar field in the form that ``msgspec.Meta(extra_json_schema=...)`` takes."""
    return {"x-kubernetes-validations": rules}
