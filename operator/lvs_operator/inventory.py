"""Finds what watching does not tell: when everything there is has arrived, and what is gone although nobody said so.

kopf's own gate for the first (indices) takes time with the square of the number of objects: 90 s for 3,300. A watch
that starts anew, after the API server was away, brings all objects again but is silent about those deleted meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
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
    complete
        Is called once, when everything there is has arrived.
    """

    def __init__(
        self, store: Store, uids: _Uids, remove: Callable[[Target, str], None], complete: Callable[[], None]
    ) -> None:
        self._store = store
        self._uids = uids
        self._remove = remove
        self._complete = complete
        self._awaited: set[tuple[Target, str]] = set()
        self._all_here = asyncio.Event()
        self._wanted = asyncio.Event()
        self._told = ""
        self._log = structlog.get_logger("lvs_operator.inventory")

    def arrived(self, target: Target, uid: str) -> None:
        """Take note that an object has been put in."""
        self._awaited.discard((target, uid))
        if not self._awaited:
            self._all_here.set()

    def ask(self) -> None:
        """Have it done soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Wait for everything, then compare whenever it is asked for, and now and then, until cancelled."""
        for resource in RESOURCES:
            await self._await_all(resource)
        self._complete()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._wanted.wait()
            await asyncio.sleep(SOON)
            self._wanted.clear()
            if not await self._compare_all():
                self._wanted.set()
                await asyncio.sleep(AGAIN)

    async def _await_all(self, resource: Resource) -> None:
        """Wait until every object that a list has is here; one that never comes is not in the next list."""
        while True:
            try:
                there = await self._uids(resource)
            except ApiTrouble as trouble:
                self._tell(trouble)
                await asyncio.sleep(AGAIN)
                continue
            known = self._store.uids(resource.kind)
            listed = {Target(resource.kind, key): uid for key, uid in there.items()}
            self._awaited = {(target, uid) for target, uid in listed.items() if known.get(target) != uid}
            if not self._awaited:
                return
            self._all_here.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN):
                    await self._all_here.wait()
                    return

    async def _compare_all(self) -> bool:
        try:
            for resource in RESOURCES:
                await self._compare(resource)
        except ApiTrouble as trouble:
            self._tell(trouble)
            return False
        self._told = ""
        return True

    def _tell(self, trouble: ApiTrouble) -> None:
        if str(trouble) != self._told:
            self._told = str(trouble)
            self._log.warning("inventory_failed", problem=self._told)

    async def _compare(self, resource: Resource) -> None:
        # In this order: what comes in while the list is under way is not missed in it.
        known = self._store.uids(resource.kind)
        there = await self._uids(resource)
        gone = {target: uid for target, uid in known.items() if there.get(target.key) != uid}
        for target, uid in gone.items():
            self._remove(target, uid)
        if gone:
            self._log.info(
                "gone_unnoticed",
                kind=resource.kind.__name__,
                objects=len(gone),
                first=str(min(target.key for target in gone)),
            )
