"""Writes what was decided: a few at a time, the latest per object, each with a back-off of its own.

What agents wait for goes first: verdicts and duties; what only people read comes after.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

import structlog

from lvs_api.lvsnode import LVSNode
from lvs_api.virtualservice import VirtualService
from lvs_operator.backoff import pause
from lvs_operator.intents import Apply, Delete, Intent
from lvs_operator.repeats import Repeats
from lvs_operator.resources import Target
from lvs_operator.troubles import ApiTrouble, Refused

__all__ = ["Connected", "Writer"]

URGENT = frozenset({VirtualService, LVSNode})
IN_FLIGHT = 8
LONGEST_PAUSE = 30.0  # seconds, for one object
TRIES = 2  # equal writes to one object in a row that follow each other without a pause
LONGEST_OUTAGE_PAUSE = 5.0  # seconds, when the API server is not there


class Connected(Protocol):
    """What the writer needs of a connection."""

    async def apply(self, intent: Apply) -> Mapping[str, Any]:
        """Apply server-side and return the object as it is then."""
        ...

    async def delete(self, intent: Delete) -> None:
        """Delete an object."""
        ...


class Writer:
    """Writes intents.

    Parameters
    ----------
    written
        Takes in an object as it is after a write.
    failed
        Is called for an object whose write failed, once its back-off is over: decide again.
    absent
        Is called when an object turns out not to be there.
    """

    def __init__(
        self,
        connection: Connected,
        written: Callable[[Target, Mapping[str, Any]], None],
        failed: Callable[[Target], None],
        absent: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._written = written
        self._failed = failed
        self._absent = absent
        self._urgent: dict[Target, Intent] = {}
        self._routine: dict[Target, Intent] = {}
        self._busy: set[Target] = set()  # in flight, or in back-off
        self._failures: dict[Target, int] = {}
        self._repeats = Repeats()
        self._outages = 0
        self._hold_until = 0.0
        self._news = asyncio.Condition()
        self.counts = {"done": 0, "failed": 0}
        self._log = structlog.get_logger("lvs_operator.writer")

    async def submit(self, intents: list[Intent]) -> None:
        """Take intents in; one for an object that is being written is dropped, as that is decided again after it."""
        async with self._news:
            for intent in intents:
                if intent.target not in self._busy:
                    queue = self._urgent if intent.target.kind in URGENT else self._routine
                    queue[intent.target] = intent
            self._news.notify(len(intents))

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """Return what has to run, at the same time, until cancelled."""
        return [self._work() for _ in range(IN_FLIGHT)]

    async def _work(self) -> None:
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._urgent or self._routine)
                queue = self._urgent or self._routine
                intent = queue.pop(next(iter(queue)))
                self._busy.add(intent.target)
            await self._write(intent)

    async def _write(self, intent: Intent) -> None:
        target = intent.target
        await self._outage_over()
        try:
            if isinstance(intent, Apply):
                after = await self._connection.apply(intent)
                self._landed(target, after)
                self._pause_if_repeated(intent)
            else:
                await self._connection.delete(intent)
                self._landed(target, None)
        except Refused as trouble:
            if trouble.not_found:
                self._landed(target, None)
                self._absent()
            else:
                self._missed(target, trouble)
        except ApiTrouble as trouble:
            self._missed(target, trouble)

    def _landed(self, target: Target, after: Mapping[str, Any] | None) -> None:
        self.counts["done"] += 1
        self._outages = 0
        self._failures.pop(target, None)
        self._busy.discard(target)
        if after is not None:
            self._written(target, after)

    def _pause_if_repeated(self, intent: Apply) -> None:
        loop, target = asyncio.get_running_loop(), intent.target
        repeats = self._repeats.count(intent, loop.time())
        if repeats < TRIES:
            return
        if repeats == TRIES:
            self._log.warning(
                "write_does_not_last",
                object=str(target),
                advice="somebody else sets fields of the operator's: kubectl get -o yaml --show-managed-fields",
            )
        self._busy.add(target)
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        loop.call_later(pause(repeats, LONGEST_PAUSE, jitter), self._decide_again, target)

    def _missed(self, target: Target, trouble: ApiTrouble) -> None:
        self.counts["failed"] += 1
        loop, jitter = asyncio.get_running_loop(), random.random()  # noqa: S311 - spreads load, guards nothing
        if trouble.everywhere:
            # Writes that were under way together fail together: that is one failure.
            if loop.time() >= self._hold_until:
                self._outages += 1
                wait = max(trouble.retry_after, pause(self._outages, LONGEST_OUTAGE_PAUSE, jitter))
                self._hold_until = loop.time() + wait
                if self._outages == 1:
                    self._log.warning("write_failed", object=str(target), problem=str(trouble))
            wait = max(self._hold_until - loop.time(), 0.0)
        else:
            failures = self._failures[target] = self._failures.get(target, 0) + 1
            self._log.warning("write_failed", object=str(target), problem=str(trouble), failures=failures)
            wait = max(trouble.retry_after, pause(failures, LONGEST_PAUSE, jitter))
        loop.call_later(wait, self._decide_again, target)

    def _decide_again(self, target: Target) -> None:
        self._busy.discard(target)
        self._failed(target)

    async def _outage_over(self) -> None:
        loop = asyncio.get_running_loop()
        if (wait := self._hold_until - loop.time()) > 0:
            await asyncio.sleep(wait)
