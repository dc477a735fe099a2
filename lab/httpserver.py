"""A web server for real servers in the lab: says who it is and whom it serves; misbehaves on request.

Usage: httpserver.py NAME [PORT]. Each path but /healthz is answered with {"server": NAME, "client": ADDRESS}.
Its behaviour is read from standard input, one word a line: ``ok``, ``error`` (answers 500) or ``silent``
(accepts and never answers). Connections are kept open for further requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys


class Server:
    """Answers as its behaviour says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.behaviour = "ok"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if self.behaviour == "silent":
                    await asyncio.sleep(3600)
                status = b"500 Internal Server Error" if self.behaviour == "error" else b"200 OK"
                body = json.dumps({"server": self.name, "client": writer.get_extra_info("peername")[0]}).encode()
                writer.write(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
                    status, len(body), body,
                ))  # fmt: skip
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def obey(self) -> None:
        """Take the next word from standard input."""
        word = sys.stdin.readline().strip()
        if word:
            self.behaviour = word
            print(f"now {word}", flush=True)
        else:
            asyncio.get_running_loop().remove_reader(sys.stdin)


async def main() -> None:
    """Serve until ended."""
    server = Server(sys.argv[1])
    listener = await asyncio.start_server(server.serve, "0.0.0.0", int((sys.argv[2:] or ["80"])[0]), backlog=512)
    with contextlib.suppress(PermissionError):  # in a pod, it is nothing that can be waited for
        asyncio.get_running_loop().add_reader(sys.stdin, server.obey)
    print("ready", flush=True)
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
