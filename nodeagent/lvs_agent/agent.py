"""The agent's loop: takes in objects and health, makes the kernel match, reports; all policy is in what it calls."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

import msgspec
import structlog

from lvs_agent.actual import ActualState
from lvs_agent.applier import Applier
from lvs_agent.diff import diff
from lvs_agent.health.monitor import Monitor
from lvs_agent.health.probe import Probe
from lvs_agent.health.state import CheckState
from lvs_agent.ipvs import DestinationCounters, DestinationKey
from lvs_agent.kernel.errors import KernelError
from lvs_agent.kernel.node import NodeFacts, NodeKernel
from lvs_agent.kernel.outcome import Outcome
from lvs_agent.memory import Memory
from lvs_agent.model.node import NodeModel
from lvs_agent.source.events import Changes
from lvs_agent.state import Action, AddressKey, ItemKey, SysctlKey
from lvs_api.meta import ObjectKey
from lvs_api.resolve import RefusedRealServer

__all__ = ["Agent", "Reporter", "Timing"]

log = structlog.get_logger(__name__)

# Longest time that a step may take before the agent counts as stuck; seconds.
STUCK = 60.0
# More steps than this at once are summed up in the log.
FEW_STEPS = 20

P = ParamSpec("P")
T = TypeVar("T")


class Timing(msgspec.Struct, frozen=True):
    """How often things are done that no event asks for; seconds.

    Parameters
    ----------
    resync
        Between full comparisons with the kernel.
    counters
        Between readings of connection counts; infinite where nobody wants them.
    retry_first, retry_longest
        Before the first and any further attempt at what the kernel refused.
    """

    resync: float = 60.0
    counters: float = 10.0
    retry_first: float = 0.5
    retry_longest: float = 30.0


class Reporter(Protocol):
    """Tells others what the agent did and found."""

    def changed(self, services: Iterable[ObjectKey], *, urgent: bool) -> None:
        """Note that there is news about these virtual services."""
        ...

    def node_changed(self) -> None:
        """Note that there is news about the node."""
        ...

    def take_counters(self, counters: dict[DestinationKey, DestinationCounters]) -> None:
        """Take in connection counts."""
        ...

    async def run(self) -> None:
        """Send what is to be sent until cancelled."""
        ...


class Agent:
    """Runs one node.

    The kernel is used from one worker thread, so that checks and the API server are served while it works,
    and operations never overtake each other.
    """

    def __init__(
        self,
        *,
        source: AsyncIterator[Changes],
        model: NodeModel,
        actual: ActualState,
        kernel: NodeKernel,
        applier: Applier,
        monitor: Monitor,
        memory: Memory,
        reporter: Callable[[Agent], Reporter],
        timing: Timing,
        adopt: bool,
    ) -> None:
        self.model = model
        self.actual = actual
        self.applier = applier
        self.facts: NodeFacts | None = None
        self.errors: dict[ItemKey, str] = {}
        self._source = source
        self._kernel = kernel
        self._monitor = monitor
        self._memory = memory
        self._timing = timing
        self._adopt = adopt
        self._complete = False
        self._has_read = False
        self._incoming: list[Changes] = []
        self._transitions: list[tuple[Probe, CheckState]] = []
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kernel")
        self._next_resync = 0.0
        self._next_counters = 0.0 if math.isfinite(timing.counters) else math.inf
        self._attempts = 0
        self._told_generation = 0
        self.counters: dict[DestinationKey, DestinationCounters] = {}
        self.operations = {"done": 0, "refused": 0}
        self.last_resync = 0.0
        self._worked_once = False
        self._step_since: float | None = None
        self._said: dict[ObjectKey, str] = {}
        self._said_of_servers: dict[ObjectKey, frozenset[RefusedRealServer]] = {}
        self._reporter = reporter(self)

    async def run(self) -> None:
        """Work until cancelled. The kernel is left as it is."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read_source(), name="source")
                tasks.create_task(self._monitor.run(), name="health")
                tasks.create_task(self._reporter.run(), name="report")
                tasks.create_task(self._work(), name="work")
        finally:
            self._thread.shutdown()

    def health_changed(self, probe: Probe, state: CheckState) -> None:
        """Take in that the outcome of a probe changed; called by the monitor."""
        self._transitions.append((probe, state))
        self._wake.set()

    def stuck(self) -> str:
        """Say what stands in the way of being alive; empty if nothing does."""
        since = self._step_since
        took = 0.0 if since is None else time.monotonic() - since
        return f"the kernel has not answered for {took:.0f} s" if took > STUCK else ""

    def unready(self) -> str:
        """Say what stands in the way of being ready; empty if nothing does, or did once.

        Being ready is about the agent: one service that somebody else stands in the way of must not hold up a rollout.
        """
        if self._worked_once:
            return ""
        if not self._complete:
            return "waits until every object is known"
        return "makes the kernel match" if self._has_read else "the kernel could not be read yet"

    def own_addresses(self) -> tuple[str, ...]:
        """The node's addresses but for the VIPs that this agent put there."""
        if self.facts is None:
            return ()
        ours = {key.address for key in self.applier.ledger.owned() if isinstance(key, AddressKey)}
        return tuple(address for address in self.facts.addresses if address not in ours)

    async def _read_source(self) -> None:
        async for changes in self._source:
            self._incoming.append(changes)
            self._wake.set()

    async def _work(self) -> None:
        while True:
            self._step_since = None
            await self._wait()
            self._step_since = time.monotonic()
            incoming, self._incoming = self._incoming, []
            transitions, self._transitions = self._transitions, []
            for changes in incoming:
                self.model.take(changes.events)
                self._first_complete(changes.complete)
            for probe, state in transitions:
                self.model.take_health(probe)
                log.info("health changed", probe=probe.identity, status=state.status, why=state.message)
            await self._in_thread(self._memory.keep_health, transitions)
            if not self._complete:
                continue
            if time.monotonic() >= self._next_resync:
                await self._resync()
            elif self._has_read:
                await self._converge(self.model.settle())
            self._worked_once = self._worked_once or self._has_read
            if self._has_read and time.monotonic() >= self._next_counters:
                await self._count()

    def _first_complete(self, complete: bool) -> None:
        if complete and not self._complete:
            self._complete = True
            self.model.forget_absent()
            log.info("all objects are known")

    async def _wait(self) -> None:
        """Wait for an event or for the next thing that is due."""
        timeout = None
        if self._complete:
            due = min(self._next_resync, self._next_counters) if self._has_read else self._next_resync
            timeout = max(0.0, due - time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        self._wake.clear()

    async def _resync(self) -> None:
        """Read the kernel anew and compare everything."""
        ledger = self.applier.ledger
        owned = set(ledger.owned())
        wanted = {key for key in self.model.desired.merged if isinstance(key, SysctlKey)}
        sysctls = wanted | {key for key in owned if isinstance(key, SysctlKey)}
        try:
            facts = await self._in_thread(self._kernel.facts)
            state = await self._in_thread(self._kernel.read, sysctls)
        except KernelError as error:
            log.warning("the kernel could not be read; nothing is changed until it can", error=str(error))
            self._retry_later()
            return
        if facts != self.facts:
            self.facts = facts
            self.model.take_own_addresses(self.own_addresses())
            self._reporter.node_changed()
        self.actual.replace(state)
        self._has_read = True
        self.model.settle()
        fresh_sysctls = {key for key in self.model.desired.merged if isinstance(key, SysctlKey)} - sysctls
        if fresh_sysctls:
            self.actual.merge(await self._in_thread(self._kernel.read_sysctls, fresh_sysctls))
        self._next_resync = time.monotonic() + self._timing.resync
        self.last_resync = time.time()
        ours = self.actual.destinations_of(key for key in owned if key in self.actual.view)
        await self._converge({*self.model.desired.merged, *owned, *ours})

    async def _converge(self, keys: set[ItemKey]) -> None:
        """Make the kernel match at these keys."""
        accepted = self.model.drain_accepted()
        unwatched = {probe.identity for probe in self.model.drain_unwanted_probes() if self._monitor.remove(probe)}
        if accepted or unwatched:
            await self._in_thread(self._memory.keep, accepted, unwatched)
        unread = {key for key in keys if isinstance(key, SysctlKey) and key not in self.actual.view}
        if unread:
            self.actual.merge(await self._in_thread(self._kernel.read_sysctls, unread))
        examined = keys
        while examined:
            plan = diff(self.model.desired.merged, self.actual.view, self.applier.ledger, examined, adopt=self._adopt)
            for key in examined:
                self.errors.pop(key, None)
            for obstacle in plan.obstacles:
                self.errors[obstacle.key] = obstacle.message
                log.warning("something is in the way", item=str(obstacle.key), why=obstacle.message)
            started = time.monotonic()
            outcomes = await self._in_thread(self.applier.apply, plan.operations) if plan.operations else []
            took = time.monotonic() - started
            self.actual.take(outcomes)
            self._say_done(outcomes, took)
            examined = {one.operation.key for one in outcomes if one.operation.action is Action.ADOPT and not one.error}
        if not self.errors:
            self._attempts = 0
        touched = self.model.drain_touched()
        if keys or touched:
            self._reporter.changed(touched | self._owners(keys), urgent=True)
        if keys or touched or self._told_generation != self.model.node_generation:
            self._told_generation = self.model.node_generation
            self._reporter.node_changed()
        self._say_problems(touched)

    def _say_problems(self, touched: Iterable[ObjectKey]) -> None:
        """Log what is not accepted, once for each reason."""
        for key in touched:
            resolution = self.model.directed_resolution(key)
            refused = frozenset(resolution.refused) if resolution else frozenset()
            for one in refused - self._said_of_servers.pop(key, frozenset()):
                log.warning("a real server is not used", real_server=str(one.real_server), why=str(one))
            if refused:
                self._said_of_servers[key] = refused
        problems = {key: str(problem) for key, problem in self.model.problems.items()}
        for key, problem in problems.items():
            if self._said.get(key) != problem:
                log.warning("not accepted; its last good state stays", virtual_service=str(key), why=problem)
        self._said = problems

    def _say_done(self, outcomes: Sequence[Outcome], took: float) -> None:
        """Log what was done: each step where they are few, their number where they are many."""
        done = [outcome.operation for outcome in outcomes if outcome.error is None]
        self.operations["done"] += len(done)
        self.operations["refused"] += len(outcomes) - len(done)
        say = log.info if len(done) <= FEW_STEPS else log.debug
        for operation in done:
            say("done", step=str(operation))
        if len(done) > FEW_STEPS:
            log.info("done", steps=len(done), seconds=round(took, 3), first=str(done[0]), last=str(done[-1]))
        for outcome in outcomes:
            if outcome.error is not None:
                self.errors[outcome.operation.key] = str(outcome.error)
                log.warning("the kernel refused", step=str(outcome.operation), error=str(outcome.error))
        if len(done) < len(outcomes):
            self._retry_later()

    def _retry_later(self) -> None:
        self._attempts += 1
        delay = min(self._timing.retry_longest, self._timing.retry_first * 2 ** min(self._attempts - 1, 16))
        self._next_resync = time.monotonic() + delay

    def _owners(self, keys: Iterable[ItemKey]) -> set[ObjectKey]:
        owners = (owner for key in keys for owner in self.model.desired.owners(key))
        return {owner for owner in owners if isinstance(owner, ObjectKey)}

    async def _count(self) -> None:
        self._next_counters = time.monotonic() + self._timing.counters
        try:
            self.counters = await self._in_thread(self._kernel.counters)
        except KernelError as error:
            log.warning("connection counts could not be read", error=str(error))
            return
        self._reporter.take_counters(self.counters)
        self._reporter.changed(self.model.resolutions.keys(), urgent=False)

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        work = functools.partial(call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
