"""HTTP check: a GET request is answered with one of the wanted statuses."""

from __future__ import annotations

import aiohttp
from yarl import URL

from lvs_agent.health.checks.errors import CheckFailedError
from lvs_agent.health.probe import Probe

__all__ = ["check"]

# An answer that breaks off or stalls on its way is a failure, so the body is read, but a large one not to its end.
BODY_BOUND = 64 * 1024

# asyncio.timeout in run_check bounds the whole check; aiohttp's own timers would only add to it.
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None)


async def check(probe: Probe) -> None:
    """Send one GET request on a connection of its own; follows no redirect, looks nothing up, uses no proxy.

    Raises
    ------
    CheckFailedError
        If the answer has another status, or is none that HTTP knows.
    OSError
        If the connection doesn't open or breaks.
    """
    try:
        status = await _get(probe)
    except aiohttp.ServerDisconnectedError as error:
        raise CheckFailedError("ConnectionClosed", f"{probe}: connection closed before an answer") from error
    except aiohttp.ClientPayloadError as error:
        raise CheckFailedError("BadResponse", f"{probe}: the answer broke off") from error
    except aiohttp.ClientResponseError as error:
        raise CheckFailedError("BadResponse", f"{probe}: the answer is not HTTP") from error
    if not probe.accepts(status):
        raise CheckFailedError("UnexpectedStatus", f"{probe} answered {status}, wanted {probe.wanted}")


async def _get(probe: Probe) -> int:
    """Return the status of the answer, after its body or the first part of it."""
    headers = {"User-Agent": "lvs-agent", "Accept": "*/*", "Connection": "close"}
    if probe.host:
        headers["Host"] = probe.host
    path, _, query = probe.path.partition("?")
    # Encoded already: the request carries the path as the object has it, byte for byte.
    url = URL.build(scheme="http", authority=probe.endpoint, path=path, query_string=query, encoded=True)
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=1),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMEOUT,
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
        ) as session,
        session.get(url, headers=headers, allow_redirects=False) as answer,
    ):
        if probe.accepts(answer.status):
            await _read(answer)
        return answer.status


async def _read(answer: aiohttp.ClientResponse) -> None:
    """Read the body to its end or to `BODY_BOUND` bytes, whichever comes first."""
    left = BODY_BOUND
    while left > 0 and (part := await answer.content.read(left)):
        left -= len(part)
