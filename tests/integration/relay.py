"""A TCP relay in front of the API server, so that a test can cut or silence one agent's way to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import yaml


class Relay:
    """Passes bytes on to the API server that a kubeconfig names, as long as the test lets it."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._original = yaml.safe_load(kubeconfig.read_text())
        server = urlsplit(self._original["clusters"][0]["cluster"]["server"])
        self._upstream = (server.hostname or "127.0.0.1", server.port or 443)
        self._listener: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._port = 0
        self.connections = 0
        self.kubeconfig = folder / "through-the-relay.kubeconfig"

    async def open(self) -> None:
        """Let connections through."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]
        cluster = self._original["clusters"][0]["cluster"]
        cluster |= {"server": f"https://127.0.0.1:{self._port}", "tls-server-name": self._upstream[0]}
        self.kubeconfig.write_text(yaml.safe_dump(self._original))

    async def cut(self) -> None:
        """Break all connections and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await self._listener.wait_closed()

    def silence(self) -> None:
        """Leave connections open and pass nothing on."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass everything on again."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, up_writer}
        try:
            await asyncio.gather(self._pass_on(reader, up_writer), self._pass_on(up_reader, writer))
        except OSError:
            pass
        finally:
            self._writers -= {writer, up_writer}
            writer.transport.abort()
            up_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def relay_to(kubeconfig: Path, folder: Path) -> AsyncIterator[Relay]:
    """Open a relay for the time of a test."""
    relay = Relay(kubeconfig, folder)
    await relay.open()
    try:
        yield relay
    finally:
        relay.resume()
        await relay.cut()
