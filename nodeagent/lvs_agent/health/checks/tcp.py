"""TCP check: a connection to the real server opens."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

from lvs_agent.health.probe import Probe
from lvs_api.fields import family_of

__all__ = ["check", "connects_to_itself"]


async def check(probe: Probe) -> None:
    """Open a connection and close it again; raises ``OSError`` if it doesn't open."""
    family = socket.AF_INET6 if family_of(probe.address) == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
        await asyncio.get_running_loop().sock_connect(connection, (probe.address, probe.port))
        if connects_to_itself(connection):
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def connects_to_itself(connection: socket.socket) -> bool:
    """Tell whether both ends are this socket, which says nothing of a real server.

    With nobody listening on a local port, the kernel may pick that very port as the source; the
    connection then opens to itself (simultaneous open, RFC 9293 section 3.5).
    """
    return bool(connection.getsockname() == connection.getpeername())
