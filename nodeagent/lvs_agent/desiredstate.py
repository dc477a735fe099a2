"""The whole desired state of a node, put together from what each owner contributes, change by change."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import MappingProxyType

from lvs_agent.state import ItemKey, ItemValue, State

__all__ = ["DesiredState"]


class DesiredState:
    """Contributions by owner, merged.

    Several owners may want one item: two services on one VIP share its address, and it stays until the last
    of them is gone. Where they want different values the owner that came first has its way.
    """

    def __init__(self) -> None:
        self._contributions: dict[Hashable, State] = {}
        self._wanted_by: dict[ItemKey, dict[Hashable, ItemValue]] = {}
        self._merged: State = {}

    @property
    def merged(self) -> Mapping[ItemKey, ItemValue]:
        """The desired state as of now; a live view."""
        return MappingProxyType(self._merged)

    def owners(self, key: ItemKey) -> tuple[Hashable, ...]:
        """Return who wants an item."""
        return tuple(self._wanted_by.get(key, ()))

    def contribution(self, owner: Hashable) -> Mapping[ItemKey, ItemValue]:
        """Return what an owner wants."""
        return self._contributions.get(owner, {})

    def put(self, owner: Hashable, contribution: State) -> set[ItemKey]:
        """Set what an owner wants, nothing at all if empty; return the keys whose merged value changed."""
        before = self._contributions.pop(owner, {})
        if contribution:
            self._contributions[owner] = contribution
        changed: set[ItemKey] = set()
        for key in before.keys() - contribution.keys():
            wanted_by = self._wanted_by[key]
            del wanted_by[owner]
            if not wanted_by:
                del self._wanted_by[key]
            self._merge(key, changed)
        for key, value in contribution.items():
            if key not in before or before[key] != value:
                self._wanted_by.setdefault(key, {})[owner] = value
                self._merge(key, changed)
        return changed

    def _merge(self, key: ItemKey, changed: set[ItemKey]) -> None:
        wanted_by = self._wanted_by.get(key)
        value = next(iter(wanted_by.values())) if wanted_by else None
        if self._merged.get(key) == value:
            return
        changed.add(key)
        if value is None:
            del self._merged[key]
        else:
            self._merged[key] = value
