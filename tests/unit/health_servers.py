"""Real servers on loopback that answer, or fail to, in the ways that health checks must tell apart."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["Behaviour", "RealServer", "answers", "endless", "garbage", "hangs_up", "resets", "serving", "silent"]
__all__ += ["breaks_off", "trickles", "until"]

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RealServer:
    """A TCP server whose behaviour can be changed while it runs."""

    def __init__(self, behaviour: Behaviour, address: str) -> None:
        self.address = address
        self.behaviour = behaviour
        self.opened = 0
        self.open = 0
        self.requests: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; on the same port as before, if there was one."""
        self._server = await asyncio.start_server(self._serve, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listening socket and all connections, as if the process were gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.opened += 1
        self.open += 1
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await self.behaviour(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(behaviour: Behaviour, address: str = "127.0.0.1") -> AsyncIterator[RealServer]:
    """Run a real server for as long as the block lasts."""
    server = RealServer(behaviour, address)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def answers(status: int, body: bytes = b"", headers: bytes = b"") -> Behaviour:
    """Answers every request with this status."""

    async def behaviour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = f"Content-Length: {len(body)}\r\n".encode()
        writer.write(f"HTTP/1.1 {status} Text\r\n".encode() + length + headers + b"\r\n" + body)
        await writer.drain()

    return behaviour


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Accepts, reads, and never says a word; goes when the other side does."""
    await reader.read()


async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes in good order without an answer."""
    writer.close()


async def resets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes with RST: SO_LINGER of 0 seconds, socket(7)."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks another protocol."""
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    await writer.drain()


async def breaks_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promises more than it sends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()


async def trickles(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never stalls, and never gets to the end of its headers either."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers 200 with a body that goes on for as long as somebody reads."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def until(condition: Callable[[], bool], deadline: float = 30.0) -> None:
    """Return once the condition holds; fail at the deadline (seconds)."""
    async with asyncio.timeout(deadline):
        while not condition():  # noqa: ASYNC110 - what is waited for often happens in the kernel
            await asyncio.sleep(0.005)
