"""Puts the parts together and keeps them running: whatever ends is started anew, with nothing left of before."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from lvs_operator.backoff import pause
from lvs_operator.connection import Connection, Credentials
from lvs_operator.inventory import Inventory
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


async def run_operator(kubeconfig: Path | None) -> None:
    """Run until SIGTERM or SIGINT; no trouble with the API server ends it.

    Parameters
    ----------
    kubeconfig
        Path of a kubeconfig file; None inside a cluster.

    Raises
    ------
    NoConfiguration
        At the start only, if there is no usable description of where the API server is.
    """
    stop = asyncio.Event()
    connection = Connection(kubeconfig)
    try:
        await connection.credentials()
        _stop_on_signals(stop)
        running = asyncio.create_task(_keep_running(connection, stop), name="operator")
        await _first_of(running, asyncio.create_task(stop.wait(), name="signals"))
        async with asyncio.timeout(GRACE):
            await running
    except TimeoutError:
        _log.warning("stopped_late", message=f"not everything ended within {GRACE:g} s")
    finally:
        await connection.close()


async def _keep_running(connection: Connection, stop: asyncio.Event) -> None:
    loop, failures, told = asyncio.get_running_loop(), 0, ""
    while not stop.is_set():
        started = loop.time()
        try:
            await connection.require_kinds()
            _log.info("connected", message="lists all objects")
            await _run_once(connection, stop)
        except ApiTrouble as trouble:
            if loop.time() - started > A_GOOD_WHILE:
                failures, told = 0, ""
            failures += 1
            if str(trouble) != told:
                told = str(trouble)
                _log.warning("api_trouble", problem=told)
            await _stopped_within(pause(failures, LONGEST_PAUSE, random.random()), stop)  # noqa: S311 - no secret


async def _run_once(connection: Connection, stop: asyncio.Event) -> None:
    """Watch, decide and write until told to stop.

    Raises
    ------
    Broken
        If one of these ends by itself.
    """
    feed = _Feed(connection)
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
