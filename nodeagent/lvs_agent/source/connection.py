"""An authenticated connection to the API server: read, stream and apply, each failure as an ApiTrouble."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import yaml

from lvs_agent.source.trouble import UNAUTHORIZED, NoConfiguration, Refused, Request, Unreachable
from lvs_agent.source.wire import refusal

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

__all__ = ["Connection"]

CONNECT_SECONDS = 10.0
LIST_SECONDS = 60.0
WRITE_SECONDS = 15.0

# "Server-Side Apply" in the Kubernetes documentation; JSON is YAML, so the body may be either.
APPLY_TYPE = "application/apply-patch+yaml"


class Connection:
    """The way to one API server, from a kubeconfig file or the pod's service account.

    The Kubernetes client takes close to a second to import, so it is imported on the first request only.
    Credentials that the API server no longer accepts are read again from where they came.

    Parameters
    ----------
    kubeconfig
        Path of a kubeconfig file; None inside a cluster.
    """

    def __init__(self, kubeconfig: Path | None) -> None:
        self._kubeconfig = kubeconfig
        self._way: _Way | None = None
        self._opening = asyncio.Lock()

    @classmethod
    async def open(cls, kubeconfig: Path | None) -> Connection:
        """Read the configuration; no packet is sent yet.

        Raises
        ------
        NoConfiguration
            If it is missing or cannot be read.
        """
        connection = cls(kubeconfig)
        await connection._current()
        return connection

    async def close(self) -> None:
        """Close all sockets."""
        way, self._way = self._way, None
        if way is not None:
            await way.close()

    async def read(self, request: Request) -> bytes:
        """Return the whole answer to a GET.

        Raises
        ------
        ApiTrouble
            If there is no answer, or an error.
        """
        limits = aiohttp.ClientTimeout(total=LIST_SECONDS, sock_connect=CONNECT_SECONDS)
        async with self._answer("GET", request, limits) as response:
            return await response.read()

    @asynccontextmanager
    async def stream(self, request: Request, silence: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a GET whose answer goes on; the pieces come as they arrive, not cut at line ends.

        Parameters
        ----------
        request
            What to ask for.
        silence
            Seconds without a byte after which the connection is taken for dead.

        Raises
        ------
        ApiTrouble
            If there is no answer, or an error, or the stream breaks.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        async with self._answer("GET", request, limits) as response:
            yield response.content.iter_any()

    async def apply(self, request: Request, body: dict[str, Any]) -> None:
        """Apply an object, or one of its subresources, server-side.

        Raises
        ------
        ApiTrouble
            If there is no answer, or an error.
        """
        limits = aiohttp.ClientTimeout(total=WRITE_SECONDS, sock_connect=CONNECT_SECONDS)
        async with self._answer("PATCH", request, limits, body) as response:
            await response.read()

    @asynccontextmanager
    async def _answer(
        self, method: str, request: Request, limits: aiohttp.ClientTimeout, body: dict[str, Any] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        way = await self._current()
        server = str(way.client.configuration.host)
        headers = {"Accept": "application/json", "User-Agent": "lvs-agent"}
        if body is not None:
            headers["Content-Type"] = APPLY_TYPE
        url = f"{server}{request.path}?{urlencode(request.params)}"
        try:
            async with way.used():
                await way.client.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
                answer = await way.client.rest_client.request(  # type: ignore[no-untyped-call]
                    method, url, headers=headers, body=body, _request_timeout=limits
                )
                async with answer.response as response:
                    await _check(request, response)
                    yield response
        except Refused as error:
            if error.code == UNAUTHORIZED:
                await self._renew(way)
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(server, error) from error

    async def _current(self) -> _Way:
        async with self._opening:
            if self._way is None:
                self._way = _Way(await _client(self._kubeconfig))
            return self._way

    async def _renew(self, way: _Way) -> None:
        """Have the next request read the credentials again, unless another one has already done so."""
        if self._way is way:
            self._way = None
            await way.retire()


class _Way:
    """A client with the credentials of one reading; it is closed only when the last request on it is over."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        self._users = 0
        self._retired = False

    @asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if self._retired and not self._users:
                await self.close()

    async def retire(self) -> None:
        self._retired = True
        if not self._users:
            await self.close()

    async def close(self) -> None:
        await self.client.close()  # type: ignore[no-untyped-call]


async def _check(request: Request, response: aiohttp.ClientResponse) -> None:
    if response.status >= 400:
        raise Refused(request, refusal(await response.read(), response.status), _retry_after(response.headers))


async def _client(kubeconfig: Path | None) -> ApiClient:
    from kubernetes.aio import config
    from kubernetes.aio.client import ApiClient, Configuration

    configuration = Configuration()
    origin = "the pod's service account" if kubeconfig is None else str(kubeconfig)
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig), client_configuration=configuration, persist_config=False
            )
        return ApiClient(configuration)
    except (config.ConfigException, OSError, ssl.SSLError, yaml.YAMLError, ValueError, TypeError) as error:
        raise NoConfiguration(origin, error) from error


def _retry_after(headers: Any) -> float:
    """Return the seconds of a Retry-After header (RFC 9110 section 10.2.3); the API server never sends dates."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0
