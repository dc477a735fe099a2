"""Runs the checks of all probes when they are due and reports each change of status at once."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import structlog

from lvs_agent.health.checks import Check, check_for, run_check
from lvs_agent.health.probe import Probe
from lvs_agent.health.schedule import first_start, next_start, second_start
from lvs_agent.health.state import CheckState, Inconclusive, Result, observe, unknown

__all__ = ["Monitor", "default_concurrency"]

# Enough for 10,000 silent real servers at the default interval (5 s) and timeout (1 s): 2,000 at a time.
MOST_IN_FLIGHT = 4096

_log = structlog.get_logger(__name__)


def default_concurrency() -> int:
    """Return how many checks may run at a time: half of the open files this process may have, at most 4096."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_IN_FLIGHT if soft == resource.RLIM_INFINITY else max(1, min(MOST_IN_FLIGHT, soft // 2))


class _Watch:
    """One probe, what is known of it, and where it is on its way: timer set, waiting for a place, or in flight."""

    __slots__ = ("check", "due", "inconclusive", "probe", "removed", "started_before", "state", "task", "timer")

    def __init__(self, probe: Probe, check: Check, state: CheckState) -> None:
        self.probe = probe
        self.check = check
        self.state = state
        self.due = 0.0
        self.started_before = False
        self.inconclusive = False
        self.removed = False
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None


class Monitor:
    """Keeps one `CheckState` per probe up to date.

    The event loop's own timer heap is the schedule; a task exists only while its check runs. At most one
    check per probe, and `concurrency` in all, are in flight; others wait in the order they fell due, and
    their timeout runs from their start, not from when they fell due.

    Not thread-safe: all methods belong to the loop's thread.

    Parameters
    ----------
    on_transition
        Called with probe and new state whenever a status changes. If it raises, `run` ends with that error.
    clock
        Unix time in seconds, for ``since``; scheduling uses the loop's monotonic clock.
    initial
        States from before a restart by `Probe.identity`; each is used once, for the probe that is added first.
    concurrency
        Checks in flight at a time, 1 or more; each holds one open file.
    """

    def __init__(
        self,
        on_transition: Callable[[Probe, CheckState], None],
        *,
        clock: Callable[[], float] = time.time,
        initial: Mapping[str, CheckState] | None = None,
        concurrency: int | None = None,
    ) -> None:
        self._on_transition = on_transition
        self._clock = clock
        self._remembered = dict(initial or {})
        self._free = default_concurrency() if concurrency is None else concurrency
        self._watches: dict[Probe, _Watch] = {}
        self._by_identity: dict[str, dict[Probe, _Watch]] = {}
        self._waiting: deque[_Watch] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._error: BaseException | None = None

    def add(self, probe: Probe) -> CheckState:
        """Start to watch ``probe`` and return what is known of it; does nothing if it is watched already.

        A probe that differs from a watched one in timing or thresholds only begins with that one's state:
        to change those, add the new one before removing the old.
        """
        if (watched := self._watches.get(probe)) is not None:
            return watched.state
        check = check_for(probe.kind)
        twins = self._by_identity.setdefault(probe.identity, {})
        remembered = self._remembered.pop(probe.identity, None) or unknown(self._clock())
        state = next(reversed(twins.values())).state if twins else remembered
        watch = _Watch(probe, check, state)
        self._watches[probe] = twins[probe] = watch
        if self._loop is not None:
            self._begin(watch, self._loop)
        return state

    def remove(self, probe: Probe) -> bool:
        """Stop watching ``probe``, a check in flight included.

        Returns
        -------
        bool
            Whether no probe of this identity is left, so that its state need not be kept any longer.
        """
        watch = self._watches.pop(probe, None)
        identity = probe.identity
        if watch is None:
            return identity not in self._by_identity
        self._end(watch)
        twins = self._by_identity[identity]
        del twins[probe]
        if not twins:
            del self._by_identity[identity]
        return not twins

    def set_probes(self, probes: Iterable[Probe]) -> None:
        """Watch exactly ``probes``: adds what is new, then removes the rest."""
        wanted = set(probes)
        for probe in wanted - self._watches.keys():
            self.add(probe)
        for probe in self._watches.keys() - wanted:
            self.remove(probe)

    def state(self, probe: Probe) -> CheckState:
        """Return what is known of a watched probe; ``KeyError`` if it isn't watched."""
        return self._watches[probe].state

    @property
    def waiting(self) -> int:
        """How many checks are due but wait for a place; more than 0 for long means overload."""
        return sum(not watch.removed for watch in self._waiting)

    async def run(self) -> None:
        """Check until `stop` is called or the task is cancelled; leaves no check in flight."""
        self._loop = asyncio.get_running_loop()
        for watch in self._watches.values():
            self._begin(watch, self._loop)
        try:
            await self._stopped.wait()
        finally:
            self._loop = None
            for watch in self._watches.values():
                self._end(watch)
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Make `run` return."""
        self._stopped.set()

    def _begin(self, watch: _Watch, loop: asyncio.AbstractEventLoop) -> None:
        watch.due = first_start(watch.probe, watch.state.status, loop.time())
        watch.timer = loop.call_at(watch.due, self._fell_due, watch)

    def _end(self, watch: _Watch) -> None:
        watch.removed = True
        if watch.timer is not None:
            watch.timer.cancel()
        if watch.task is not None:
            watch.task.cancel()

    def _fell_due(self, watch: _Watch) -> None:
        self._waiting.append(watch)
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and self._free > 0:
            watch = self._waiting.popleft()
            if watch.removed:
                continue
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._check(watch))
            watch.task = task
            self._tasks.add(task)
            task.add_done_callback(partial(self._finished, watch))

    async def _check(self, watch: _Watch) -> None:
        result = await _safely(watch)
        if watch.removed:
            return
        # Said once per streak: what keeps one check from being made often keeps all of them.
        if isinstance(result, Inconclusive) and not watch.inconclusive:
            _log.warning("check could not be made", probe=str(watch.probe), message=result.message)
        watch.inconclusive = isinstance(result, Inconclusive)
        before = watch.state
        probe = watch.probe
        watch.state = observe(before, result, rise=probe.rise, fall=probe.fall, now=self._clock())
        if watch.state.status is not before.status:
            self._on_transition(probe, watch.state)

    def _finished(self, watch: _Watch, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free += 1
        watch.task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = self._error or error
            self._stopped.set()
        if self._loop is None:
            return
        if not watch.removed:
            following = next_start if watch.started_before else second_start
            watch.started_before = True
            watch.due = following(watch.probe, watch.due, self._loop.time())
            watch.timer = self._loop.call_at(watch.due, self._fell_due, watch)
        self._start_waiting()


async def _safely(watch: _Watch) -> Result:
    """Make the check; a fault of ours in it must not take real servers out, so it decides nothing."""
    try:
        return await run_check(watch.check, watch.probe)
    except Exception as error:
        if not watch.inconclusive:
            _log.exception("check broke", probe=str(watch.probe))
        return Inconclusive(f"{watch.probe}: the check itself broke: {error!r}")
