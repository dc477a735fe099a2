"""Keeps what one collection was last known to hold, and tells what a list or a watch event changes in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar, cast

from lvs_agent.source.events import ApiObject, Put, Removed
from lvs_agent.source.wire import Decoded, Undecodable
from lvs_api.meta import ObjectKey

__all__ = ["Mirror"]

T = TypeVar("T", bound=ApiObject)


class Mirror(Generic[T]):
    """The last good version of each object of one kind.

    An object that cannot be decoded keeps its last good version: it has changed, it is not gone.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._objects: dict[ObjectKey, T] = {}

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._objects

    def replace(self, listed: Iterable[Decoded[T] | Undecodable]) -> list[Put | Removed]:
        """Take in a complete list; only here does absence mean that an object is gone."""
        events: list[Put | Removed] = []
        present: set[ObjectKey] = set()
        for item in listed:
            if isinstance(item, Decoded):
                present.add(item.object.metadata.key)
                events.extend(self.put(item.object))
            else:
                present.add(item.meta.key)
        for key in self._objects.keys() - present:
            events.extend(self.remove(key))
        return events

    def put(self, item: T) -> list[Put | Removed]:
        """Take in one object; an equal one changes nothing."""
        key = item.metadata.key
        if self._objects.get(key) == item:
            return []
        self._objects[key] = item
        return [Put(item)]

    def remove(self, key: ObjectKey) -> list[Put | Removed]:
        """Take out one object; one that was never known to be good changes nothing."""
        if self._objects.pop(key, None) is None:
            return []
        return [Removed(cast("type[ApiObject]", self._kind), key)]
