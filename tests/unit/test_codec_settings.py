"""What sync daemons, time-outs and the version look like on the way to the kernel and back."""

from __future__ import annotations

import pytest

from lvs_agent.kernel import settings
from lvs_agent.kernel.attributes import Command, CommandAttribute, DaemonAttribute, attributes
from lvs_agent.kernel.codec import Request
from lvs_agent.kernel.errors import MalformedMessage
from lvs_agent.kernel.settings import Daemon, DaemonState, Info, Timeouts
from tests.unit.captured import exchanges, received, sent

MASTER_LINE = (
    "--start-daemon master --mcast-interface link0 --syncid 5 --sync-maxlen 1400"
    " --mcast-group 239.1.2.3 --mcast-port 8849 --mcast-ttl 2"
)
BACKUP_LINE = "--start-daemon backup --mcast-interface link0 --syncid 6 --mcast-group ff02::5"
MASTER = Daemon(DaemonState.MASTER, "link0", 5, 1400, "239.1.2.3", 8849, 2)
BACKUP = Daemon(DaemonState.BACKUP, "link0", 6, group="ff02::5")
TIMEOUTS = Timeouts(tcp=901, tcp_fin=121, udp=301)

REQUESTS = {
    MASTER_LINE: settings.new_daemon(MASTER),
    BACKUP_LINE: settings.new_daemon(BACKUP),
    "--stop-daemon master": settings.del_daemon(DaemonState.MASTER),
    "--stop-daemon backup": settings.del_daemon(DaemonState.BACKUP),
    "--set 901 121 301": settings.set_timeouts(TIMEOUTS),
    "-L --timeout": settings.get_timeouts(),
    "-L --daemon": settings.get_daemons(),
}


def flat(payload: bytes) -> dict[tuple[int, ...], bytes]:
    found: dict[tuple[int, ...], bytes] = {}
    for outer, value in attributes(payload):
        if outer == CommandAttribute.DAEMON:
            found |= {(outer, inner): nested for inner, nested in attributes(value)}
        else:
            found[(outer,)] = value
    return found


@pytest.mark.parametrize(("command_line", "ours"), REQUESTS.items(), ids=REQUESTS)
def test_every_attribute_of_a_request_is_what_ipvsadm_sends(command_line: str, ours: Request) -> None:
    theirs = flat(sent(command_line, ours.command))

    assert {kind: theirs.get(kind) for kind in flat(ours.payload)} == flat(ours.payload)


def test_running_daemons_are_read_with_the_values_the_kernel_chose() -> None:
    decoded = [settings.decode_daemon(payload) for payload in received("-L --daemon", Command.NEW_DAEMON)]

    chosen = Daemon(DaemonState.BACKUP, "link0", 6, max_length=1452, group="ff02::5", port=8848, ttl=1)
    assert decoded == [MASTER, chosen]


def test_the_captured_daemons_carry_every_attribute() -> None:
    seen = {kind[1] for payload in received("-L --daemon", Command.NEW_DAEMON) for kind in flat(payload)}

    assert seen == set(DaemonAttribute)


def test_time_outs_are_read_as_they_were_set() -> None:
    (payload,) = received("-L --timeout", Command.SET_CONFIG)

    assert settings.decode_timeouts(payload) == TIMEOUTS


def test_the_version_is_read_as_ipvsadm_prints_it() -> None:
    replies = [
        payload
        for exchange in exchanges().values()
        for _direction, command, payload in exchange
        if command is Command.SET_INFO
    ]

    assert [settings.decode_info(payload) for payload in replies] == [Info("1.2.1", 4096)]


@pytest.mark.parametrize("decode", [settings.decode_timeouts, settings.decode_info], ids=["time-outs", "version"])
def test_a_number_of_another_width_is_an_error(decode: object) -> None:
    assert callable(decode)
    with pytest.raises(MalformedMessage, match="2 bytes in place of 4"):
        decode(bytes.fromhex("0600040085030000"))


def test_a_daemon_without_a_state_is_an_error() -> None:
    with pytest.raises(MalformedMessage, match="sync daemon cannot be read"):
        settings.decode_daemon(bytes.fromhex("04000300"))
