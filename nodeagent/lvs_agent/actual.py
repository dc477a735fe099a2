"""The kernel's state as last seen: replaced by a full reading, kept up to date by what was done since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from lvs_agent.ipvs import DestinationKey, ServiceKey
from lvs_agent.state import Action, ItemKey, ItemValue, Operation, State, Sysctl

__all__ = ["ActualState", "Done"]


class Done(Protocol):
    """An operation and what became of it."""

    @property
    def operation(self) -> Operation:
        """What was to be done."""
        ...

    @property
    def error(self) -> Exception | None:
        """Why it was not; None where it was."""
        ...


class ActualState:
    """A mapping from item to value, with the real servers of each service at hand."""

    def __init__(self) -> None:
        self._items: State = {}
        self._destinations: defaultdict[ServiceKey, set[DestinationKey]] = defaultdict(set)

    @property
    def view(self) -> Mapping[ItemKey, ItemValue]:
        """The items; a live view."""
        return MappingProxyType(self._items)

    def destinations_of(self, keys: Iterable[ItemKey]) -> set[DestinationKey]:
        """Return the real servers of those of the items that are services."""
        return {one for key in keys if isinstance(key, ServiceKey) for one in self._destinations.get(key, ())}

    def replace(self, items: State) -> None:
        """Take in a full reading."""
        self._items.clear()
        self._destinations.clear()
        self.merge(items)

    def merge(self, items: State) -> None:
        """Take in a reading of some items."""
        for key, value in items.items():
            self._set(key, value)

    def take(self, outcomes: Iterable[Done]) -> None:
        """Take in what was done; what failed is as it was."""
        for outcome in outcomes:
            operation = outcome.operation
            if outcome.error is not None:
                continue
            match operation.action:
                case Action.CREATE | Action.UPDATE if operation.after is not None:
                    after = operation.after
                    self._set(operation.key, after.value if isinstance(after, Sysctl) else after)
                case Action.DELETE | Action.FORGET:
                    self._drop(operation.key)
                case _:
                    pass

    def _set(self, key: ItemKey, value: ItemValue) -> None:
        self._items[key] = value
        if isinstance(key, DestinationKey):
            self._destinations[key.service].add(key)

    def _drop(self, key: ItemKey) -> None:
        self._items.pop(key, None)
        if isinstance(key, DestinationKey):
            self._destinations[key.service].discard(key)
        elif isinstance(key, ServiceKey):
            for destination in self._destinations.pop(key, ()):
                self._items.pop(destination, None)
