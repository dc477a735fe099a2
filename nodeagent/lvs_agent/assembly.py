"""Puts the parts together for each verb of the command line; what the parts do is theirs."""

from __future__ import annotations

import asyncio
import datetime
import math
import resource
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from pathlib import Path

import msgspec

from lvs_agent.actual import ActualState
from lvs_agent.agent import Agent, Reporter, Timing
from lvs_agent.applier import Applier
from lvs_agent.diff import diff
from lvs_agent.health.monitor import Monitor
from lvs_agent.health.probe import Probe
from lvs_agent.health.state import CheckState, unknown
from lvs_agent.ipvs import Destination, Service
from lvs_agent.kernel.node import NodeKernel
from lvs_agent.ledger import Ledger
from lvs_agent.memory import Memory
from lvs_agent.model.admissions import AdmissionByFiles, AdmissionByOperator, Admissions
from lvs_agent.model.node import NodeModel
from lvs_agent.origin import Origin
from lvs_agent.report.silent import SilentReporter
from lvs_agent.source.files import follow_files, read_files_once
from lvs_agent.state import AddressKey, Operation, Sysctl, SysctlKey
from lvs_agent.statedir import StateDirLock
from lvs_agent.table import NodeView, view
from lvs_api.admission import Admitted
from lvs_api.meta import ObjectKey
from lvs_common.listen import Listen

__all__ = ["Report", "clean_up", "look", "make_plan", "run_agent"]


class Report(msgspec.Struct, frozen=True):
    """Operations, planned or done, and what stands in the way."""

    operations: tuple[str, ...]
    problems: tuple[str, ...]

    def as_text(self) -> str:
        """Lay it out in lines."""
        lines = list(self.operations) or ["nothing to do"]
        return "\n".join([*lines, *(f"problem: {problem}" for problem in self.problems)])


async def run_agent(origin: Origin, state_dir: Path, *, adopt: bool, resync: float, listen: Listen | None) -> None:
    """Run the agent until cancelled.

    Raises
    ------
    StateDirLocked, StateDirUnusable
        If the state directory is in use, or can't be used.
    JournalCorrupt
        If what is kept there can't be read.
    CannotListen
        If nothing can be served where ``listen`` says.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(StateDirLock(state_dir))
        _allow_open_files()
        memory, ledger = Memory(state_dir), Ledger(state_dir)
        kernel, actual = NodeKernel(), ActualState()
        timing = Timing(resync=resync)
        agent: Agent

        def health_changed(probe: Probe, state: CheckState) -> None:
            agent.health_changed(probe, state)

        monitor = Monitor(health_changed, initial=memory.health)
        model = NodeModel(
            origin.node,
            _admissions(origin, memory.accepted),
            memory.accepted,
            in_cluster=origin.in_cluster,
            health=monitor.add,
            actual=actual.view,
        )
        if origin.manifests is None:
            from lvs_agent.report.cluster import ClusterReporter
            from lvs_agent.report.writer import StatusWriter
            from lvs_agent.source.cluster import ClusterSource
            from lvs_agent.source.connection import Connection

            connection = await Connection.open(origin.kubeconfig)
            stack.push_async_callback(connection.close)
            source = ClusterSource(connection, origin.node).changes()
            writer = StatusWriter(connection, origin.node)
            reporter: Callable[[Agent], Reporter] = lambda agent: ClusterReporter(agent, monitor, writer, time.time)  # noqa: E731
        else:
            source = follow_files(origin.manifests, state_dir)
            reporter = lambda _: SilentReporter()  # noqa: E731
            if listen is None:
                timing = msgspec.structs.replace(timing, counters=math.inf)
        agent = Agent(
            source=await stack.enter_async_context(aclosing(source)),
            model=model,
            actual=actual,
            kernel=kernel,
            applier=Applier(kernel, ledger),
            monitor=monitor,
            memory=memory,
            reporter=reporter,
            timing=timing,
            adopt=adopt,
        )
        if listen is not None:
            await stack.enter_async_context(_serving(listen, agent, monitor))
        await agent.run()


def _serving(listen: Listen, agent: Agent, monitor: Monitor) -> AbstractAsyncContextManager[None]:
    # Imported late: who does not listen need not wait for it.
    from lvs_agent.metrics import AgentMetrics
    from lvs_common.endpoint import serving

    return serving(listen, stuck=agent.stuck, unready=agent.unready, metrics=AgentMetrics(agent, monitor))


def make_plan(origin: Origin, state_dir: Path, *, adopt: bool) -> Report:
    """Work out what the agent would do now, and touch nothing: neither kernel nor state directory."""
    memory, ledger, actual = Memory(state_dir), Ledger(state_dir), ActualState()
    remembered = memory.health

    def health(probe: Probe) -> CheckState:
        return remembered.get(probe.identity) or unknown(time.time())

    model = NodeModel(
        origin.node,
        _admissions(origin, memory.accepted),
        memory.accepted,
        in_cluster=origin.in_cluster,
        health=health,
        actual=actual.view,
    )
    # Not within the event loop that follows: the kernel is used synchronously here.
    problems = asyncio.run(_take_all(origin, state_dir, model))
    with NodeKernel() as kernel:
        facts = kernel.facts()
        ours = {key.address for key in ledger.owned() if isinstance(key, AddressKey)}
        model.take_own_addresses(address for address in facts.addresses if address not in ours)
        actual.replace(kernel.read())
        model.settle()
        owned, wanted = ledger.owned(), model.desired.merged
        actual.merge(kernel.read_sysctls(key for key in (*owned, *wanted) if isinstance(key, SysctlKey)))
    keys = {*wanted, *owned, *actual.destinations_of(owned)}
    plan = diff(wanted, actual.view, ledger, keys, adopt=adopt)
    return Report(
        tuple(map(describe, plan.operations)),
        (
            *problems,
            *(f"{key}: {problem}" for key, problem in sorted(model.problems.items())),
            *(f"RealServer {one.real_server}: {one}" for found in model.resolutions.values() for one in found.refused),
            *(obstacle.message for obstacle in plan.obstacles),
        ),
    )


def look(node: str, state_dir: Path) -> NodeView:
    """Read the kernel and say what is there, and whose it is."""
    ledger, memory = Ledger(state_dir), Memory(state_dir)
    with NodeKernel() as kernel:
        facts = kernel.facts()
        state = kernel.read(key for key in ledger.owned() if isinstance(key, SysctlKey))
        return view(
            node=node,
            kernel=facts.kernel,
            ipvs=facts.ipvs,
            state=state,
            counters=kernel.counters(),
            accepted=memory.accepted,
            owns=ledger.owns,
        )


def clean_up(state_dir: Path) -> Report:
    """Remove all that is ours, and forget what was remembered; what could not be removed stays in the ledger."""
    with StateDirLock(state_dir), NodeKernel() as kernel:
        ledger, actual = Ledger(state_dir), ActualState()
        kernel.facts()
        owned = ledger.owned()
        actual.replace(kernel.read(key for key in owned if isinstance(key, SysctlKey)))
        plan = diff({}, actual.view, ledger, owned)
        outcomes = Applier(kernel, ledger).apply(plan.operations)
        problems = tuple(f"{outcome.operation}: {outcome.error}" for outcome in outcomes if outcome.error)
        if not problems:
            Memory(state_dir).clear()
        return Report(tuple(str(one.operation) for one in outcomes if not one.error), problems)


def _allow_open_files() -> None:
    """Each check in flight holds an open file: take as many as this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def describe(operation: Operation) -> str:
    """Give an operation with what changes, for people."""
    match operation:
        case Operation(before=None, after=None):
            return str(operation)
        case Operation(before=None):
            return f"{operation}: {_short(operation.after)}"
        case Operation(after=None):
            return str(operation)
        case _:
            return f"{operation}: {_short(operation.before)} -> {_short(operation.after)}"


def _short(value: object) -> str:
    match value:
        case Destination():
            return f"{value.method.name} weight {value.weight}"
        case Service():
            return value.scheduler + (f" persistent {value.timeout}s" if value.timeout else "")
        case Sysctl():
            return value.value
        case str():
            return value
        case _:
            return "in place"


def _admissions(origin: Origin, accepted: dict[ObjectKey, Admitted]) -> Admissions:
    if origin.in_cluster:
        return AdmissionByOperator()
    return AdmissionByFiles(accepted, lambda: datetime.datetime.now(datetime.UTC).isoformat())


async def _take_all(origin: Origin, state_dir: Path, model: NodeModel) -> tuple[str, ...]:
    """Read until every object is known."""
    if origin.manifests is not None:
        events, problems = read_files_once(origin.manifests, state_dir)
        model.take(events)
        model.forget_absent()
        return problems
    from lvs_agent.source.cluster import ClusterSource
    from lvs_agent.source.connection import Connection

    connection = await Connection.open(origin.kubeconfig)
    try:
        async with aclosing(ClusterSource(connection, origin.node).changes()) as batches:
            async for changes in batches:
                model.take(changes.events)
                if changes.complete:
                    break
    finally:
        await connection.close()
    model.forget_absent()
    return ()
