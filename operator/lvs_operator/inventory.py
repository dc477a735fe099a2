"""Finds objects that are gone although nobody said so: a watch that starts anew is silent about deletions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog

from lvs_api.meta import ObjectKey
from lvs_operator.resources import RESOURCES, Resource, Target
from lvs_operator.store import Store
from lvs_operator.troubles import ApiTrouble

__all__ = ["Inventory"]

_Uids: TypeAlias = Callable[[Resource], Awaitable[dict[ObjectKey, str]]]

EVERY = 600.0  # seconds, when nothing asks for it
SOON = 1.0  # seconds; a list arrives as many events, of which each asks
AGAIN = 5.0  # seconds, after a failure


class Inventory:
    """Compares what is known with what there is.

    Parameters
    ----------
    uids
        Lists the objects of a kind that there are.
    remove
        Takes an object out.
    """

    def __init__(self, store: Store, uids: _Uids, remove: Callable[[Target, str], None]) -> None:
        self._store = store
        self._uids = uids
        self._remove = remove
        self._wanted = asyncio.Event()
        self._log = structlog.get_logger("lvs_operator.inventory")

    def ask(self) -> None:
        """Have it done soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Do it whenever it is asked for, and now and then, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(EVERY):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(SOON)
            self._wanted.clear()
            try:
                for resource in RESOURCES:
                    await self._compare(resource)
            except ApiTrouble as trouble:
                self._log.debug("inventory_failed", problem=str(trouble))
                await asyncio.sleep(AGAIN)
                self._wanted.set()

    async def _compare(self, resource: Resource) -> None:
        # In this order: what comes in while the list is under way is not missed in it.
        known = self._store.uids(resource.kind)
        there = await self._uids(resource)
        for target, uid in known.items():
            if there.get(target.key) != uid:
                self._log.info("gone_unnoticed", object=str(target))
                self._remove(target, uid)
