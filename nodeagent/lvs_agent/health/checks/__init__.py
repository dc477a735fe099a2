"""Runs one check within its timeout and says what it found; each kind of check is a module of this package.

A new kind is one new file, with one function ``async def check(probe)`` that returns if the real server
answered as wanted, raises `CheckFailedError` if it answered otherwise, and lets ``OSError`` pass; plus its
line in `MODULES`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TypeAlias, cast

from lvs_agent.health.checks.errors import CheckFailedError, result_of
from lvs_agent.health.probe import Probe
from lvs_agent.health.state import Failed, Passed, Result

__all__ = ["Check", "check_for", "run_check"]

Check: TypeAlias = Callable[[Probe], Awaitable[None]]

MODULES = {"TCP": "lvs_agent.health.checks.tcp", "HTTP": "lvs_agent.health.checks.http"}


def check_for(kind: str) -> Check:
    """Return the check function of a kind; its module, and the library it needs, load when first asked for."""
    return cast("Check", import_module(MODULES[kind]).check)


async def run_check(check: Check, probe: Probe) -> Result:
    """Make one check; it ends within ``probe.timeout`` seconds, connecting and reading included."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(probe.timeout):
            await check(probe)
    except CheckFailedError as failure:
        return Failed(failure.reason, failure.message)
    except OSError as error:
        return result_of(error, probe)
    return Passed(time.perf_counter() - started)
