"""What a source tells the agent: objects put, objects removed, and whether the picture is complete."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService

__all__ = ["ApiObject", "Changes", "Put", "Removed"]

ApiObject: TypeAlias = VirtualService | RealServer | DirectorPool | LVSNode | EndpointSlice


class Put(msgspec.Struct, frozen=True):
    """An object is new or has changed."""

    object: ApiObject


class Removed(msgspec.Struct, frozen=True):
    """An object is gone."""

    kind: type[ApiObject]
    key: ObjectKey


class Changes(msgspec.Struct, frozen=True):
    """Events that arrived together, the latest of each object.

    Attributes
    ----------
    events
        In the order in which the objects last changed.
    complete
        Whether every first list has arrived by the end of this batch; true from then on. Until it is, an
        object that has not been seen may well exist.
    """

    events: tuple[Put | Removed, ...]
    complete: bool
