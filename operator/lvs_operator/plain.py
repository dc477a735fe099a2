"""Statuses in the form in which they are applied, and whether an object has them already."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from lvs_api.directorpool import DirectorPoolStatus
from lvs_api.realserver import RealServerStatus
from lvs_api.virtualservice import VirtualServiceStatus

__all__ = ["applied", "has_status"]

S = TypeVar("S", VirtualServiceStatus, RealServerStatus, DirectorPoolStatus)

# Agents own these; what the operator applied there would be taken from them.
_OTHERS = frozenset({"directors"})


def applied(status: msgspec.Struct) -> dict[str, object]:
    """Return a status as JSON values: zeros are said, so that kubectl shows them; what is empty is left out."""
    plain: dict[str, object] = {}
    for field in msgspec.structs.fields(status):
        value = getattr(status, field.name)
        if field.name not in _OTHERS and value not in (None, "", ()):
            plain[field.encode_name] = _plain(value)
    return plain


def has_status(before: S, wanted: S) -> bool:
    """Tell whether applying the wanted status would change nothing."""
    types = {condition.type for condition in wanted.conditions}
    ours = tuple(condition for condition in before.conditions if condition.type in types)
    return _comparable(msgspec.structs.replace(before, conditions=ours)) == _comparable(wanted)


def _comparable(status: S) -> S:
    ordered = tuple(sorted(status.conditions, key=lambda condition: condition.type))
    others = {name: () for name in _OTHERS if hasattr(status, name)}
    return msgspec.structs.replace(status, conditions=ordered, **others)


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return applied(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value
