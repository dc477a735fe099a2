"""The lab's end of a command that runs in the kernel."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

from lab.errors import LabError, Overdue
from lab.guest import receive, send

__all__ = ["GuestProcess", "call"]


def call(connection: socket.socket, request: dict[str, Any]) -> bytes:
    """Make a request that has one answer.

    Raises
    ------
    LabError
        If it failed there, with the reason.
    """
    with connection:
        send(connection, b"R", json.dumps(request).encode())
        frame = receive(connection)
    if frame is None or frame[0] != b"W":
        raise LabError(f"{request['op']} {request['path']}: {frame[1].decode() if frame else 'no answer'}")
    return frame[1]


class GuestProcess:
    """A command that runs, or has run; its output is at hand as it comes."""

    def __init__(
        self, connection: socket.socket, request: dict[str, Any], log: Path | None, live: bool = False
    ) -> None:
        self.argv: list[str] = request["argv"]
        self._connection = connection
        self._log = log.open("ab", buffering=0) if log else None
        self._live = {b"O": 1, b"E": 2} if live else {}
        self._output = {b"O": bytearray(), b"E": bytearray()}
        self._code: int | None = None
        self._problem = ""
        self._failure: LabError | None = None
        self._ended = threading.Event()
        send(connection, b"R", json.dumps(request).encode())
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return bytes(self._output[b"O"]).decode(errors="replace")

    @property
    def stderr(self) -> str:
        """What it has written there so far."""
        return bytes(self._output[b"E"]).decode(errors="replace")

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._result() if self._ended.is_set() else None

    def wait(self, timeout: float) -> int:
        """Wait for its end and return the exit code.

        Raises
        ------
        Overdue
            If it still runs after ``timeout`` seconds; it is then ended.
        LabError
            If it could not be started, or the kernel went away.
        """
        if not self._ended.wait(timeout):
            self._send(b"K")
            self._ended.wait(10)
            raise Overdue(f"the end of {' '.join(self.argv)}", timeout, self.stdout + self.stderr)
        return self._result()

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing happens if it has ended."""
        self._send(b"S", str(int(number)).encode())

    def kill(self) -> None:
        """End it at once, but not what it has started, and wait until it has."""
        self.send_signal(signal.SIGKILL)
        self._ended.wait(10)

    def terminate(self, timeout: float = 20) -> int:
        """Ask it to end and return its exit code."""
        self.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def write(self, data: bytes) -> None:
        """Write to its standard input."""
        for start in range(0, len(data), 65536):
            send(self._connection, b"I", data[start : start + 65536])

    def close_stdin(self) -> None:
        """End its standard input."""
        send(self._connection, b"C")

    def abandon(self, failure: LabError) -> None:
        """Give up on it: its kernel has gone."""
        self._failure = failure
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _send(self, kind: bytes, body: bytes = b"") -> None:
        with contextlib.suppress(OSError):
            send(self._connection, kind, body)

    def _result(self) -> int:
        if self._code is None:
            raise self._failure or LabError(f"{' '.join(self.argv)}: {self._problem or 'the kernel has gone'}")
        return self._code

    def _read(self) -> None:
        try:
            while (frame := receive(self._connection)) is not None:
                kind, body = frame
                if kind in self._output:
                    self._output[kind] += body
                    if self._log:
                        self._log.write(body)
                    if kind in self._live:
                        os.write(self._live[kind], body)
                elif kind == b"X":
                    self._code = int(body)
                else:
                    self._problem = body.decode()
        except OSError as error:
            self._problem = str(error)
        finally:
            self._ended.set()
            self._connection.close()
            if self._log:
                self._log.close()
