"""One loop for everything: what changed is decided upon, and what is decided is handed to the writer."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from lvs_operator.cluster import Cluster
from lvs_operator.intents import Apply
from lvs_operator.resources import Kind, Resource, Target
from lvs_operator.store import Store
from lvs_operator.writer import Connected, Writer

__all__ = ["Reconciler"]

# Objects that are applied together arrive together: they are decided upon together.
DEBOUNCE = 0.03  # seconds


class Reconciler:
    """Level-triggered: only what is known counts, not how it came to be known.

    Nothing is decided before the first call of ``everything_listed``.

    Parameters
    ----------
    absent
        Is called when an object turns out not to be there, or may not be.
    """

    def __init__(self, connection: Connected, absent: Callable[[], None]) -> None:
        self._cluster = Cluster()
        self.store = Store(self._cluster)
        self._writer = Writer(connection, self._written, self._failed, absent)
        self._look_for_it = absent
        self._complete = False
        self.has_decided = False
        self._news = asyncio.Event()
        self._log = structlog.get_logger("lvs_operator.reconciler")

    @property
    def writes(self) -> Mapping[str, int]:
        """How many writes there were, by result."""
        return self._writer.counts

    def put(self, resource: Resource, raw: Mapping[str, Any]) -> tuple[Target, str]:
        """Take an object in, new or changed; return which one it is, and its uid."""
        target, uid, is_news = self.store.put(resource.kind, raw)
        if is_news:
            self._news.set()
        return target, uid

    def remove(self, target: Target, uid: str) -> None:
        """Take an object out."""
        if self.store.remove(target, uid):
            self._news.set()

    def everything_listed(self) -> None:
        """Take note that every object there is has been put in."""
        if not self._complete:
            self._complete = True
            self._log.info("all_objects_listed", message="decides from here on")
            self._news.set()

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """Return what has to run, at the same time, until cancelled."""
        return [self._run(), *self._writer.jobs()]

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(DEBOUNCE)
            self._news.clear()
            if self._complete:
                await self._decide()

    async def _decide(self) -> None:
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        intents = self._cluster.decide(now)
        for intent in intents:
            part = intent.subresource if isinstance(intent, Apply) else ""
            self._log.debug("write", verb=type(intent).__name__, object=str(intent.target), part=part)
        if intents:
            await self._writer.submit(intents)
        self.has_decided = True

    def _written(self, target: Target, raw: Mapping[str, Any]) -> None:
        kind: Kind = target.kind
        if not self.store.knows(target):
            # Made by this write, or deleted after it: the answer may come later than the event of the deletion.
            self._look_for_it()
        self.store.put(kind, raw)
        # Something may have been decided for this object while it was being written.
        self._cluster.touch(target)
        self._news.set()

    def _failed(self, target: Target) -> None:
        self._cluster.touch(target)
        self._news.set()
