"""Runs kopf among tasks of our own: it stops when asked to, and takes nothing with it that was there before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import kopf

from lvs_operator.handlers import Feed, memo_with
from lvs_operator.settings import operator_settings

__all__ = ["watch"]


async def watch(feed: Feed, stop: asyncio.Event, take_signals_back: Callable[[], None]) -> None:
    """Hand on what the API server says until told to stop; tasks that are there already go on afterwards.

    Parameters
    ----------
    take_signals_back
        Is called once kopf has set its own signal handlers.
    """
    before = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        settings=operator_settings(),
        memo=memo_with(feed),
        clusterwide=True,
        standalone=True,
        stop_flag=stop,
        # Of no use without peers; kopf would ask for the user's name, and in a container there may be none.
        identity=cast("Any", "lvs-operator"),
    )
    take_signals_back()
    await kopf.run_tasks(tasks, ignored=before)
