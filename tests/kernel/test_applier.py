"""Kernel and ledger together: what is ours is known before it exists, and a kill at any instruction is healed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from lvs_agent.applier import Applier
from lvs_agent.diff import diff
from lvs_agent.ipvs import Destination, DestinationKey, Family, ForwardingMethod, Protocol, Service, ServiceKey
from lvs_agent.kernel.errors import ItemExists, NoSuchInterface, NoSuchSysctl
from lvs_agent.kernel.node import NodeKernel
from lvs_agent.ledger import Ledger
from lvs_agent.state import Action, Address, AddressKey, ItemKey, Operation, State, Sysctl, SysctlKey
from tests.kernel.namespaces import new_namespace, run

WEB = ServiceKey(Family.IPV4, Protocol.TCP, "198.51.100.200", 80)
DNS = ServiceKey(Family.IPV4, Protocol.UDP, "198.51.100.200", 53)
WEB_1 = DestinationKey(WEB, "198.51.100.21", 80)
WEB_2 = DestinationKey(WEB, "198.51.100.22", 80)
VIP = AddressKey("eth0", "198.51.100.200", 32)
FORWARD = SysctlKey("net/ipv4/ip_forward")
ETH0_FORWARDING = Path("/proc/sys/net/ipv4/conf/eth0/forwarding")
DR = ForwardingMethod.DR

DESIRED: State = {
    FORWARD: Sysctl("1"),
    VIP: Address(announce=False),
    WEB: Service("wrr"),
    WEB_1: Destination(DR, 1),
    WEB_2: Destination(DR, 3),
    DNS: Service("rr"),
}


@pytest.fixture(autouse=True)
def _namespace() -> Iterator[None]:
    with new_namespace() as namespace, namespace.entered():
        run("ip link add eth0 type veth peer name eth1")
        run("ip link set eth0 up")
        run("ip link set eth1 up")
        yield


@pytest.fixture
def kernel() -> Iterator[NodeKernel]:
    with NodeKernel() as kernel:
        yield kernel


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "state")
    yield ledger
    ledger.close()


def create(key: ItemKey) -> Operation:
    return Operation(Action.CREATE, key, None, DESIRED[key])


def everything() -> list[str]:
    settings = [f"{path} {path.read_text()}" for path in sorted(Path("/proc/sys/net/ipv4/conf").glob("*/*forwarding"))]
    settings += [Path("/proc/sys", FORWARD.path).read_text()]
    settings += [Path("/proc/sys/net/ipv4/conf/all/accept_redirects").read_text()]
    return [*settings, run("ip -o -4 addr"), run("ipvsadm-save -n")]


def converge(kernel: NodeKernel, ledger: Ledger, desired: State) -> None:
    """Bring the kernel from whatever it is to what is desired, as the agent's full comparison does."""
    actual = kernel.read({key for key in {*desired, *ledger.owned(), *DESIRED} if isinstance(key, SysctlKey)})
    keys = {*desired, *ledger.owned(), *(key for key in actual if isinstance(key, DestinationKey))}
    plan = diff(desired, actual, ledger, keys)
    outcomes = Applier(kernel, ledger).apply(plan.operations)
    assert [outcome for outcome in outcomes if outcome.error] == []


def test_all_kinds_of_items_are_made_and_undone_without_a_trace(kernel: NodeKernel, ledger: Ledger) -> None:
    ETH0_FORWARDING.write_text("1")
    before = everything()

    converge(kernel, ledger, DESIRED)
    state = kernel.read([FORWARD])
    made = {key: state[key] for key in DESIRED}
    owned = set(ledger.owned())
    converge(kernel, ledger, {})

    assert made == {**DESIRED, FORWARD: "1", VIP: Address()}
    assert owned == {FORWARD, VIP, WEB, DNS}
    assert ledger.owned() == ()
    assert everything() == before


def test_foreign_items_survive_all_that_is_done_to_ours(kernel: NodeKernel, ledger: Ledger) -> None:
    run("ipvsadm -A -t 198.51.100.99:80 -s sh")
    run("ipvsadm -a -t 198.51.100.99:80 -r 198.51.100.21:80 -g -w 7")
    run("ip addr add 198.51.100.99/32 dev eth0")
    Path("/proc/sys/net/ipv4/conf/eth0/arp_ignore").write_text("3")
    before = everything()

    converge(kernel, ledger, DESIRED)
    converge(kernel, ledger, {})

    assert everything() == before
    assert Path("/proc/sys/net/ipv4/conf/eth0/arp_ignore").read_text() == "3\n"


@pytest.mark.parametrize("key", [WEB, VIP], ids=str)
def test_what_somebody_else_made_first_does_not_become_ours(
    kernel: NodeKernel, ledger: Ledger, key: ServiceKey | AddressKey
) -> None:
    run("ipvsadm -A -t 198.51.100.200:80 -s sh")
    run("ip addr add 198.51.100.200/32 dev eth0")
    before = everything()

    (outcome,) = Applier(kernel, ledger).apply([create(key)])

    assert isinstance(outcome.error, ItemExists)
    assert not ledger.owns(key)
    assert everything() == before


def test_what_was_ours_stays_ours_if_a_reading_missed_it(kernel: NodeKernel, ledger: Ledger) -> None:
    applier = Applier(kernel, ledger)
    applier.apply([create(WEB)])

    (outcome,) = applier.apply([create(WEB)])

    assert isinstance(outcome.error, ItemExists)
    assert ledger.owns(WEB)


def test_adopting_and_forgetting_leave_the_kernel_alone(kernel: NodeKernel, ledger: Ledger) -> None:
    run("ipvsadm -A -t 198.51.100.200:80 -s wrr")
    before = everything()
    applier = Applier(kernel, ledger)

    applier.apply([Operation(Action.ADOPT, WEB, DESIRED[WEB], DESIRED[WEB])])
    adopted = ledger.owns(WEB)
    applier.apply([Operation(Action.FORGET, WEB)])

    assert adopted
    assert not ledger.owns(WEB)
    assert everything() == before


def test_a_failure_keeps_no_other_operation_from_being_done(kernel: NodeKernel, ledger: Ledger) -> None:
    absent = AddressKey("eth9", "198.51.100.200", 32)
    setting = SysctlKey("net/ipv4/conf/eth9/arp_ignore")
    operations = [
        create(WEB),
        Operation(Action.CREATE, absent, None, Address()),
        Operation(Action.CREATE, setting, None, Sysctl("1")),
        create(WEB_1),
        create(VIP),
    ]

    outcomes = Applier(kernel, ledger).apply(operations)

    assert [outcome.operation for outcome in outcomes] == operations
    errors = [type(outcome.error) for outcome in outcomes]
    assert errors == [type(None), NoSuchInterface, NoSuchSysctl, type(None), type(None)]
    assert set(ledger.owned()) == {WEB, VIP}
    assert {WEB, WEB_1, VIP} <= set(kernel.read())


def test_deleting_what_somebody_else_deleted_is_done(kernel: NodeKernel, ledger: Ledger) -> None:
    converge(kernel, ledger, DESIRED)
    run("ipvsadm -C")
    run("ip addr del 198.51.100.200/32 dev eth0")

    deletions = [Operation(Action.DELETE, key, DESIRED[key], None) for key in (WEB_1, WEB, VIP, DNS)]
    outcomes = Applier(kernel, ledger).apply(deletions)

    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert ledger.owned() == (FORWARD,)


def test_a_kernel_killed_between_setting_and_ledger_knows_the_original(kernel: NodeKernel, tmp_path: Path) -> None:
    """The entry is on disk before the setting is written, so drift can't become the original."""
    first = Ledger(tmp_path)
    first.enter([], {FORWARD: kernel.sysctl_record(FORWARD, "1")})
    first.close()
    Path("/proc/sys", FORWARD.path).write_text("1")

    ledger = Ledger(tmp_path)
    converge(kernel, ledger, {FORWARD: Sysctl("1")})
    converge(kernel, ledger, {})

    assert Path("/proc/sys", FORWARD.path).read_text() == "0\n"


SEQUENCE: list[State] = [
    DESIRED,
    {**DESIRED, WEB_1: Destination(DR, 0), WEB: Service("wlc")},
    {key: value for key, value in DESIRED.items() if key not in (FORWARD, DNS, WEB_2)},
    {},
]


# Of the modules where the order of ledger and kernel is decided; KILLS of their lines, evenly spread, are tried.
TRACED = ("applier.py", "journal.py", "ledger.py", "node.py", "sysctls.py", "ipvs_table.py", "netlink.py")
KILLS = 25


def test_a_kill_at_any_instruction_is_healed_by_a_restart(tmp_path: Path) -> None:
    ETH0_FORWARDING.write_text("1")
    untouched = everything()
    expected = [seen(tmp_path / "never killed", SEQUENCE[: position + 1]) for position in range(len(SEQUENCE))]
    steps, lines = run_killed_at(tmp_path / "counted", 0)
    assert (steps, everything()) == (len(SEQUENCE), untouched)
    stride = lines // (KILLS + 1)

    for line in range(stride, stride * KILLS + 1, stride):
        state_dir = tmp_path / f"killed at line {line}"
        steps, executed = run_killed_at(state_dir, line)
        assert executed == line
        # The restarted agent first repeats the step it was killed in, then does the others.
        for position in range(steps, len(SEQUENCE)):
            assert seen_after(state_dir, SEQUENCE[position]) == expected[position], f"killed at line {line}"
        assert everything() == untouched, f"killed at line {line}"


def seen_after(state_dir: Path, desired: State) -> list[str]:
    with NodeKernel() as kernel:
        ledger = Ledger(state_dir)
        converge(kernel, ledger, desired)
        ledger.close()
    return everything()


def seen(state_dir: Path, steps: Sequence[State]) -> list[str]:
    """Return what the kernel looks like after some steps, and undo them."""
    result: list[str] = []
    for desired in steps:
        result = seen_after(state_dir, desired)
    seen_after(state_dir, {})
    return result


def run_killed_at(state_dir: Path, line: int) -> tuple[int, int]:
    """Do the sequence in a process that is killed at a line (0: never); return steps finished and lines executed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        executed = 0

        def count(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal executed
            if not frame.f_code.co_filename.endswith(TRACED) or "lvs_agent" not in frame.f_code.co_filename:
                return None
            if event == "line":
                executed += 1
                if executed == line:
                    os.kill(os.getpid(), signal.SIGKILL)
            return count

        status = 1
        try:
            sys.settrace(count)
            for desired in SEQUENCE:
                seen_after(state_dir, desired)
                os.write(writer, b".")
            os.write(writer, str(executed).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    assert status == (0 if line == 0 else signal.SIGKILL), "the process failed by itself"
    return told.count("."), int(told.lstrip(".") or line)
