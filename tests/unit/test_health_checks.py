"""What TCP and HTTP checks find out about real servers on loopback."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable

import msgspec
import pytest

from lvs_agent.health.checks import check_for, run_check
from lvs_agent.health.checks.errors import result_of
from lvs_agent.health.checks.tcp import connects_to_itself
from lvs_agent.health.probe import Probe
from lvs_agent.health.state import Failed, Inconclusive, Passed, Result
from tests.unit.health_servers import (
    Behaviour,
    answers,
    breaks_off,
    endless,
    garbage,
    hangs_up,
    resets,
    serving,
    silent,
    trickles,
    until,
)


def tcp(port: int, timeout: float = 20.0) -> Probe:
    return Probe(kind="TCP", address="127.0.0.1", port=port, interval=60, timeout=timeout, rise=1, fall=1)


def http(
    port: int,
    *,
    timeout: float = 20.0,
    path: str = "/healthz",
    host: str = "",
    statuses: tuple[tuple[int, int], ...] = ((200, 299),),
) -> Probe:
    return Probe(
        kind="HTTP",
        address="127.0.0.1",
        port=port,
        interval=60,
        timeout=timeout,
        rise=1,
        fall=1,
        path=path,
        host=host,
        statuses=statuses,
    )


async def run(probe: Probe) -> Result:
    return await run_check(check_for(probe.kind), probe)


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def test_a_tcp_check_passes_where_something_listens_and_closes_its_connection() -> None:
    async with serving(silent) as server:
        result = await run(tcp(server.port))

        assert isinstance(result, Passed)
        await until(lambda: server.opened == 1 and server.open == 0)


@pytest.mark.parametrize("probe", [tcp, http])
async def test_nobody_listening_is_connection_refused(probe: Callable[..., Probe]) -> None:
    port = unused_port()

    result = await run(probe(port))

    assert isinstance(result, Failed)
    assert result.reason == "ConnectionRefused"
    assert result.message.endswith(": connection refused")
    assert f"127.0.0.1:{port}" in result.message


@pytest.mark.parametrize("probe", [tcp, http])
async def test_a_full_backlog_is_a_timeout(probe: Callable[..., Probe]) -> None:
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())

        result = await run(probe(listener.getsockname()[1], timeout=0.2))

    assert isinstance(result, Failed)
    assert result.reason == "Timeout"
    assert result.message.endswith("no answer within 200ms")


def test_a_connection_that_opened_to_itself_is_known() -> None:
    with socket.socket() as alone, socket.socket() as other, socket.create_server(("127.0.0.1", 0)) as listener:
        alone.bind(("127.0.0.1", 0))
        alone.connect(alone.getsockname())
        other.connect(listener.getsockname())

        assert connects_to_itself(alone)
        assert not connects_to_itself(other)


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_an_http_check_passes_on_a_wanted_status(status: int) -> None:
    async with serving(answers(status)) as server:
        assert isinstance(await run(http(server.port)), Passed)


@pytest.mark.parametrize(
    ("behaviour", "reason", "words"),
    [
        pytest.param(answers(500), "UnexpectedStatus", "/healthz answered 500, wanted 200-299", id="answers 500"),
        pytest.param(silent, "Timeout", "no answer within 500ms", id="accepts and stays silent"),
        pytest.param(trickles, "Timeout", "no answer within 500ms", id="sends byte by byte"),
        pytest.param(resets, "ConnectionReset", "connection reset", id="resets"),
        pytest.param(hangs_up, "ConnectionClosed", "connection closed before an answer", id="hangs up"),
        pytest.param(garbage, "BadResponse", "the answer is not HTTP", id="speaks another protocol"),
        pytest.param(breaks_off, "BadResponse", "the answer broke off", id="breaks off in the body"),
    ],
)
async def test_an_http_check_says_in_a_word_and_a_sentence_why_it_failed(
    behaviour: Behaviour, reason: str, words: str
) -> None:
    async with serving(behaviour) as server:
        result = await run(http(server.port, timeout=0.5))

        assert isinstance(result, Failed)
        assert (result.reason, result.message.endswith(words)) == (reason, True), result
        assert result.message.startswith(f"HTTP GET http://127.0.0.1:{server.port}/healthz")
        await until(lambda: server.open == 0)


@pytest.mark.parametrize("probe", [tcp, http])
async def test_a_real_server_may_have_an_ipv6_address(probe: Callable[..., Probe]) -> None:
    async with serving(answers(200), "::1") as server:
        result = await run(msgspec.structs.replace(probe(server.port), address="::1"))

        assert isinstance(result, Passed)
        assert all(f"\r\nHost: [::1]:{server.port}\r\n".encode() in request for request in server.requests)


async def test_a_huge_body_is_not_read_to_its_end() -> None:
    async with serving(endless) as server:
        assert isinstance(await run(http(server.port)), Passed)
        await until(lambda: server.opened == 1 and server.open == 0)


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    async with serving(answers(302, headers=b"Location: /elsewhere\r\n")) as server:
        assert isinstance(await run(http(server.port, statuses=((302, 302),))), Passed)
        assert len(server.requests) == 1


async def test_the_request_carries_path_and_host_as_the_object_has_them() -> None:
    path = "/a//b/../%7e?x=%2F&y=a+b"
    async with serving(answers(200)) as server:
        await run(http(server.port, path=path, host="shop.example"))

        lines = server.requests[0].decode().split("\r\n")
    assert lines[0] == f"GET {path} HTTP/1.1"
    assert [line for line in lines if line.startswith("Host:")] == ["Host: shop.example"]
    assert "Connection: close" in lines


async def test_an_environment_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    async with serving(answers(200)) as server:
        assert isinstance(await run(http(server.port)), Passed)


@pytest.mark.parametrize("probe", [tcp, http])
async def test_no_open_files_left_on_this_node_says_nothing_about_the_real_server(probe: Callable[..., Probe]) -> None:
    async with serving(answers(200)) as server:
        assert isinstance(await run(probe(server.port)), Passed)
        await until(lambda: server.open == 0)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
        try:
            result = await run(probe(server.port))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert isinstance(result, Inconclusive)
    assert "Too many open files" in result.message


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EHOSTUNREACH, "Unreachable"),
        (errno.ENETUNREACH, "Unreachable"),
        (errno.ECONNREFUSED, "ConnectionRefused"),
        (errno.ECONNRESET, "ConnectionReset"),
        (errno.EPIPE, "ConnectionReset"),
        (errno.ETIMEDOUT, "Timeout"),
        (errno.EACCES, "ConnectionFailed"),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else value,
)
def test_errors_of_the_way_or_the_other_side_are_failures(code: int, reason: str) -> None:
    result = result_of(OSError(code, os.strerror(code)), tcp(80))

    assert isinstance(result, Failed)
    assert result.reason == reason


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL], ids=errno.errorcode.get)
def test_errors_of_this_node_are_inconclusive(code: int) -> None:
    assert isinstance(result_of(OSError(code, os.strerror(code)), tcp(80)), Inconclusive)


async def test_checks_leave_no_task_behind() -> None:
    async with serving(silent) as server:
        before = asyncio.all_tasks()
        await run(http(server.port, timeout=0.1))
        await until(lambda: server.open == 0)

        assert asyncio.all_tasks() <= before


def test_aiohttp_is_loaded_only_when_an_http_check_exists() -> None:
    code = (
        "import sys; from lvs_agent.health.monitor import Monitor; from lvs_agent.health.checks import check_for;"
        "check_for('TCP'); assert 'aiohttp' not in sys.modules; check_for('HTTP'); assert 'aiohttp' in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
