"""Runs a pod's command in the kernel beside its node, as if it ran here; put before the command in an image.

Its output, its signals and its exit code are this process's own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from types import FrameType
from typing import NoReturn

from lab.guest import receive, send
from lab.kind.door import NAME

__all__ = ["main"]

SECONDS_TO_WAIT = 60.0


def main() -> NoReturn:
    """Run the command that follows the program's name."""
    kernel = _connect()
    send(kernel, b"R", json.dumps({"argv": sys.argv[1:], "env": dict(os.environ)}).encode())

    def hand_on(number: int, _: FrameType | None) -> None:
        send(kernel, b"S", str(number).encode())

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, hand_on)
    outputs = {b"O": sys.stdout.fileno(), b"E": sys.stderr.fileno()}
    while (frame := receive(kernel)) is not None:
        kind, body = frame
        if kind in outputs:
            os.write(outputs[kind], body)
        elif kind == b"X":
            code = int(body)
            sys.exit(code if code >= 0 else 128 - code)
        else:
            sys.exit(f"{' '.join(sys.argv[1:])}: {body.decode()}")
    sys.exit("the kernel has gone")


def _connect() -> socket.socket:
    """Connect; a node that starts may start pods before its kernel is up."""
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while True:
        kernel = socket.socket(socket.AF_UNIX)
        try:
            kernel.connect(NAME)
        except ConnectionRefusedError:
            kernel.close()
            if time.monotonic() > deadline:
                sys.exit(f"no kernel answers on this node within {SECONDS_TO_WAIT:g} s")
            time.sleep(0.2)
        else:
            return kernel
