"""Requests at a steady rate, each on a connection of its own, whatever becomes of the ones before.

Usage: httpload.py ADDRESS PORT RATE SECONDS
           RATE requests a second until a line comes on standard input or SECONDS are over; prints "loading" with the
           first reply, and in the end {"sent", "servers" (replies by server), "failures" (by kind of error),
           "seconds", "slowest" (seconds)}.
"""

from __future__ import annotations

import asyncio
import collections
import json
import sys
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"
TIMEOUT = 5.0


class Load:
    """Counts what comes of requests."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._servers: collections.Counter[str] = collections.Counter()
        self._failures: collections.Counter[str] = collections.Counter()
        self._slowest = 0.0

    async def run(self, rate: float, seconds: float, stop: asyncio.Event) -> dict[str, object]:
        """Make requests until told to stop; wait for those under way; return the counts."""
        began, sent = time.monotonic(), 0
        async with asyncio.TaskGroup() as under_way:
            while not stop.is_set() and time.monotonic() - began < seconds:
                under_way.create_task(self._request())
                sent += 1
                await asyncio.sleep(max(0.0, began + sent / rate - time.monotonic()))
            took = time.monotonic() - began
        return {
            "sent": sent,
            "servers": self._servers,
            "failures": self._failures,
            "seconds": took,
            "slowest": self._slowest,
        }

    async def _request(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                server = await self._ask()
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            self._failures[f"{type(error).__name__}: {error}"] += 1
        else:
            if not self._servers:
                print("loading", flush=True)
            self._servers[server] += 1
        self._slowest = max(self._slowest, time.monotonic() - began)

    async def _ask(self) -> str:
        reader, writer = await asyncio.open_connection(self._address, self._port)
        try:
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            return str(json.loads(await reader.readexactly(length))["server"])
        finally:
            writer.close()


async def main() -> None:
    """Load a service as the command line says."""
    address, port, rate, seconds = sys.argv[1:5]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    print(json.dumps(await Load(address, int(port)).run(float(rate), float(seconds), stop)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
