"""Puts the parts together and keeps them running: whatever ends is started anew, with nothing left of before."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from lvs_common.endpoint import serving
from lvs_common.listen import Listen
from lvs_operator.backoff import pause
from lvs_operator.connection import Connection, Credentials
from lvs_operator.inventory import Inventory
from lvs_operator.metrics import OperatorMetrics
from lvs_operator.reconciler import Reconciler
from lvs_operator.resources import Resource, Target
from lvs_operator.run import watch
from lvs_operator.troubles import ApiTrouble, Broken

__all__ = ["run_operator"]

LONGEST_PAUSE = 10.0  # seconds between attempts
GRACE = 8.0  # seconds to end in
A_GOOD_WHILE = 60.0  # seconds after which an end is a new trouble and not the last one again

_log = structlog.get_logger("lvs_operator")


class _Feed:
    """What handlers hand things on to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.reconciler = Reconciler(connection, self.listed_again)
        self.inventory = Inventory(
            self.reconciler.store, connection.uids, self.remove, self.reconciler.everything_listed
        )

    async def credentials(self) -> Credentials:
        """Read the credentials."""
        return await self._connection.credentials()

    def put(self, resource: Resource, raw: Mapping[str, Any]) -> None:
        """Take an object in, new or changed."""
        target, uid = self.reconciler.put(resource, raw)
        self.inventory.arrived(target, uid)

    def remove(self, target: Target, uid: str) -> None:
        """Take an object out."""
        self.reconciler.remove(target, uid)

    def listed_again(self) -> None:
        """Take note that something may be gone that nobody tells of."""
        self.inventory.ask()


class _Life:
    """How the operator is doing, over all the times that it starts anew."""

    def __init__(self) -> None:
        self.feed: _Feed | None = None
        self._was_ready = False

    def stuck(self) -> str:
        """Say what stands in the way of being alive: nothing; one loop does all the work, and it has just answered."""
        return ""

    def unready(self) -> str:
        """Say what stands in the way of being ready; empty if nothing does, or did once."""
        self._was_ready = self._was_ready or (self.feed is not None and self.feed.reconciler.has_decided)
        return "" if self._was_ready else "waits until every object is listed"

    def objects(self) -> Mapping[str, int]:
        """Count the objects that are known, by kind."""
        return self.feed.reconciler.store.counts() if self.feed else {}

    def writes(self) -> Mapping[str, int]:
        """Count writes to the API server, by result."""
        return self.feed.reconciler.writes if self.feed else {}


async def run_operator(kubeconfig: Path | None, listen: Listen | None) -> None:
    """Run until SIGTERM or SIGINT; no trouble with the API server ends it.

    Parameters
    ----------
    kubeconfig
        Path of a kubeconfig file; None inside a cluster.
    listen
        Where to serve probes and metrics; None for nowhere.

    Raises
    ------
    NoConfiguration
        At the start only, if there is no usable description of where the API server is.
    CannotListen
        If nothing can be served where ``listen`` says.
    """
    stop, life = asyncio.Event(), _Life()
    async with AsyncExitStack() as stack:
        connection = Connection(kubeconfig)
        stack.push_async_callback(connection.close)
        await connection.credentials()
        if listen is not None:
            metrics = OperatorMetrics(life.unready, life.objects, life.writes)
            await stack.enter_async_context(serving(listen, stuck=life.stuck, unready=life.unready, metrics=metrics))
        _stop_on_signals(stop)
        running = asyncio.create_task(_keep_running(connection, stop, life), name="operator")
        await _first_of(running, asyncio.create_task(stop.wait(), name="signals"))
        try:
            async with asyncio.timeout(GRACE):
                await running
        except TimeoutError:
            _log.warning("stopped_late", message=f"not everything ended within {GRACE:g} s")


async def _keep_running(connection: Connection, stop: asyncio.Event, life: _Life) -> None:
    loop, failures, told = asyncio.get_running_loop(), 0, ""
    while not stop.is_set():
        started = loop.time()
        try:
            await connection.require_kinds()
            _log.info("connected", message="lists all objects")
            await _run_once(connection, stop, life)
        except ApiTrouble as trouble:
            if loop.time() - started > A_GOOD_WHILE:
                failures, told = 0, ""
            failures += 1
            if str(trouble) != told:
                told = str(trouble)
                _log.warning("api_trouble", problem=told)
            await _stopped_within(pause(failures, LONGEST_PAUSE, random.random()), stop)  # noqa: S311 - no secret


async def _run_once(connection: Connection, stop: asyncio.Event, life: _Life) -> None:
    """Watch, decide and write until told to stop.

    Raises
    ------
    Broken
        If one of these ends by itself.
    """
    feed = life.feed = _Feed(connection)
    # kopf ends with all tasks that were started after its own, so ours come first.
    jobs = [asyncio.create_task(job) for job in (*feed.reconciler.jobs(), feed.inventory.run())]
    watching = asyncio.create_task(watch(feed, stop, lambda: _stop_on_signals(stop)), name="watching")
    try:
        ended = await _first_of(watching, *jobs)
        cause = None if ended.cancelled() else ended.exception()
        if not stop.is_set() or cause is not None:
            if ended is not watching:  # kopf has already told what happened to it
                _log.error("ended", exc_info=cause)
            raise Broken(cause)
    finally:
        for task in (watching, *jobs):
            task.cancel()
        await asyncio.gather(watching, *jobs, return_exceptions=True)


def _stop_on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _first_of(*tasks: asyncio.Task[Any]) -> asyncio.Task[Any]:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done.pop()


async def _stopped_within(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
