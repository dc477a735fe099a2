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
_EMPTY: tuple[object, ...] = (None, "", ())


def applied(status: S, before: S) -> dict[str, object]:
    """Return a status as JSON values: zeros are said, so that kubectl shows them; what is empty is left out.

    Parameters
    ----------
    before
        The status that the object has. What is empty from now on is said as well: a field that is left out
        stays, if somebody else has put it there.
    """
    plain: dict[str, object] = {}
    for field in msgspec.structs.fields(status):
        value, was = getattr(status, field.name), getattr(before, field.name)
        if field.name not in _OTHERS and value is not None and (value not in _EMPTY or was not in _EMPTY):
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
        return {field.encode_name: getattr(value, field.name) for field in msgspec.structs.fields(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value
