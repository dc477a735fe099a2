"""The monitor against real servers on loopback that come and go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from lvs_agent.health.monitor import Monitor
from lvs_agent.health.probe import Probe
from lvs_agent.health.state import CheckState, Status
from tests.unit.health_servers import Behaviour, RealServer, answers, resets, serving, silent, until

HEALTHY = CheckState(status=Status.HEALTHY, since=12.0, passes=2)
UNHEALTHY = CheckState(status=Status.UNHEALTHY, since=34.0, failures=3, reason="Timeout", message="no answer")


class Transitions:
    """Receives what the monitor reports, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[Probe, CheckState]] = []
        self._arrived: asyncio.Queue[CheckState] = asyncio.Queue()

    def __call__(self, probe: Probe, state: CheckState) -> None:
        self.all.append((probe, state))
        self._arrived.put_nowait(state)

    async def next(self, deadline: float = 30.0) -> CheckState:
        return await asyncio.wait_for(self._arrived.get(), deadline)


@contextlib.asynccontextmanager
async def running(monitor: Monitor) -> AsyncIterator[Monitor]:
    task = asyncio.create_task(monitor.run())
    try:
        yield monitor
    finally:
        monitor.stop()
        await task


def http(server: RealServer, path: str = "/", *, interval: float = 0.05, timeout: float = 0.3) -> Probe:
    return Probe(
        kind="HTTP",
        address="127.0.0.1",
        port=server.port,
        interval=interval,
        timeout=timeout,
        rise=2,
        fall=3,
        path=path,
        statuses=((200, 299),),
    )


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param(None, "ConnectionRefused", id="process gone"),
        pytest.param(answers(500), "UnexpectedStatus", id="answers 500"),
        pytest.param(silent, "Timeout", id="accepts and stays silent"),
        pytest.param(resets, "ConnectionReset", id="resets"),
    ],
)
async def test_a_failing_real_server_is_out_after_fall_checks_and_back_after_rise(
    behaviour: Behaviour | None, reason: str
) -> None:
    transitions = Transitions()
    async with serving(answers(200)) as server, running(Monitor(transitions)) as monitor:
        monitor.add(http(server))
        assert (await transitions.next()).status is Status.HEALTHY

        if behaviour is None:
            await server.stop()
        else:
            server.behaviour = behaviour
        out = await transitions.next()
        assert (out.status, out.reason, out.failures) == (Status.UNHEALTHY, reason, 3)

        server.behaviour = answers(200)
        if behaviour is None:
            await server.start()
        back = await transitions.next()
        assert (back.status, back.passes) == (Status.HEALTHY, 2)


async def test_a_transition_carries_the_time_of_the_clock_and_is_what_state_says() -> None:
    transitions = Transitions()
    async with serving(answers(200)) as server, running(Monitor(transitions, clock=lambda: 99.0)) as monitor:
        probe = http(server, interval=60)
        monitor.add(probe)

        state = await transitions.next()

        assert state.since == 99.0
        assert monitor.state(probe) == state


async def test_probes_added_before_the_monitor_runs_are_checked() -> None:
    transitions = Transitions()
    async with serving(answers(200)) as server:
        monitor = Monitor(transitions)
        monitor.add(http(server))

        async with running(monitor):
            assert (await transitions.next()).status is Status.HEALTHY


async def test_after_a_restart_a_healthy_real_server_stays_until_fall_checks_failed() -> None:
    transitions = Transitions()
    async with serving(answers(500)) as server:
        probe = http(server)
        monitor = Monitor(transitions, initial={probe.identity: HEALTHY})
        assert monitor.add(probe) == HEALTHY

        async with running(monitor):
            out = await transitions.next()

    assert (out.status, out.failures) == (Status.UNHEALTHY, 3)
    assert len(transitions.all) == 1


async def test_after_a_restart_an_unhealthy_real_server_stays_out_until_rise_checks_passed() -> None:
    transitions = Transitions()
    async with serving(answers(200)) as server:
        probe = http(server)
        monitor = Monitor(transitions, initial={probe.identity: UNHEALTHY})
        assert monitor.add(probe) == UNHEALTHY

        async with running(monitor):
            back = await transitions.next()

    assert (back.status, back.passes) == (Status.HEALTHY, 2)


async def test_a_state_from_before_a_restart_is_used_once() -> None:
    async with serving(answers(200)) as server:
        probe = http(server)
        monitor = Monitor(Transitions(), initial={probe.identity: UNHEALTHY})
        monitor.add(probe)
        monitor.remove(probe)

        assert monitor.add(probe).status is Status.UNKNOWN


async def test_a_change_of_timing_keeps_the_state() -> None:
    transitions = Transitions()
    async with serving(answers(500)) as server, running(Monitor(transitions)) as monitor:
        before = http(server)
        monitor.set_probes([before])
        down = await transitions.next()

        after = msgspec.structs.replace(before, interval=60.0, rise=5)
        monitor.set_probes([after])

        assert (monitor.state(after).status, monitor.state(after).since) == (Status.UNHEALTHY, down.since)
        with pytest.raises(KeyError):
            monitor.state(before)


async def test_removing_says_whether_the_state_may_be_forgotten() -> None:
    async with serving(answers(200)) as server:
        monitor = Monitor(Transitions())
        slow, fast = http(server, interval=60), http(server, interval=1)
        monitor.set_probes([slow, fast])

        assert not monitor.remove(slow)
        assert monitor.remove(fast)


async def test_removing_a_probe_ends_its_check_in_flight_and_reports_nothing() -> None:
    transitions = Transitions()
    async with serving(silent) as server, running(Monitor(transitions)) as monitor:
        probe = http(server, timeout=60)
        monitor.add(probe)
        await until(lambda: server.open == 1)

        monitor.remove(probe)

        await until(lambda: server.open == 0)
        assert transitions.all == []


async def test_a_slow_check_is_never_started_twice() -> None:
    async with (
        serving(silent) as slow,
        serving(answers(200)) as quick,
        running(Monitor(Transitions())) as monitor,
    ):
        monitor.add(http(slow, interval=0.01, timeout=60))
        await until(lambda: slow.opened == 1)
        monitor.add(http(quick, interval=0.01))

        await until(lambda: quick.opened == 20)

        assert slow.opened == 1


async def test_checks_beyond_the_bound_wait_and_their_waiting_is_no_timeout() -> None:
    released = asyncio.Event()

    async def answers_when_released(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        await answers(200)(reader, writer)

    transitions = Transitions()
    async with (
        serving(answers_when_released) as server,
        running(Monitor(transitions, concurrency=2)) as monitor,
    ):
        monitor.set_probes([http(server, f"/{number}", interval=0.5, timeout=60) for number in range(10)])
        await until(lambda: server.opened == 2 and monitor.waiting == 8)
        assert server.open == 2

        released.set()
        states = [await transitions.next() for _ in range(10)]

    assert {state.status for state in states} == {Status.HEALTHY}


async def test_no_check_outlives_run() -> None:
    async with serving(silent) as server:
        async with running(Monitor(Transitions())) as monitor:
            monitor.add(http(server, timeout=60))
            await until(lambda: server.open == 1)

        await until(lambda: server.open == 0)


async def test_cancelling_run_ends_the_checks_too() -> None:
    async with serving(silent) as server:
        monitor = Monitor(Transitions())
        monitor.add(http(server, timeout=60))
        task = asyncio.create_task(monitor.run())
        await until(lambda: server.open == 1)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await until(lambda: server.open == 0)


async def test_an_error_of_the_receiver_of_transitions_is_not_swallowed() -> None:
    def broken(probe: Probe, state: CheckState) -> None:
        raise LookupError(f"{probe} is {state.status}")

    async with serving(answers(200)) as server:
        monitor = Monitor(broken)
        monitor.add(http(server))

        with pytest.raises(LookupError, match="is Healthy"):
            await asyncio.wait_for(monitor.run(), 30)


async def test_a_receiver_of_transitions_may_remove_the_probe() -> None:
    gone = asyncio.Event()

    def remove(probe: Probe, state: CheckState) -> None:
        monitor.remove(probe)
        gone.set()

    monitor = Monitor(remove)
    async with serving(answers(200)) as server, running(monitor):
        monitor.add(http(server))

        await asyncio.wait_for(gone.wait(), 30)
