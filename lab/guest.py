"""Runs commands in the kernel it is started in, for the lab outside it: one TCP connection for each command.

Only the standard library is used and only what starts fast, since a user-mode kernel is slow at start-up.
Frames in both directions: one byte of kind, four of length (big-endian), then that many bytes.
Client to server: R request (JSON), I standard input, C its end, S signal number,
K to end the command and what it has started.
Server to client: O and E output, X exit code, F failure of the request; W answer to a file request.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from typing import Any

HEADER = struct.Struct("!cI")
CLONE_NEWNET = 0x40000000  # linux/sched.h
CHUNK = 65536


def send(connection: socket.socket, kind: bytes, body: bytes = b"") -> None:
    """Send one frame."""
    connection.sendall(HEADER.pack(kind, len(body)) + body)


def receive(connection: socket.socket) -> tuple[bytes, bytes] | None:
    """Receive one frame; None at the end of the connection."""
    head = _exactly(connection, HEADER.size)
    if head is None:
        return None
    kind, length = HEADER.unpack(head)
    body = _exactly(connection, length)
    return None if body is None else (kind, body)


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            return None
        data += more
    return data


def _enter(netns: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {netns}")
    os.close(descriptor)


def _start(request: dict[str, Any]) -> subprocess.Popen[bytes]:
    netns = request.get("netns")
    return subprocess.Popen(
        request["argv"],
        stdin=subprocess.PIPE if request.get("stdin") else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=request.get("cwd") or "/",
        env={**os.environ, **(request.get("env") or {})},
        start_new_session=True,
        preexec_fn=(lambda: _enter(netns)) if netns else None,
    )


def _serve_process(connection: socket.socket, request: dict[str, Any]) -> None:
    process = _start(request)
    given: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_feed, args=(process, given), daemon=True).start()
    try:
        _relay(connection, process, given)
    except ConnectionError:
        _end_all(process)  # its caller has gone, and with it who would have ended it
        raise
    finally:
        given.put(None)
        code = process.wait()
    send(connection, b"X", str(code).encode())


def _feed(process: subprocess.Popen[bytes], given: queue.SimpleQueue[bytes | None]) -> None:
    """Write standard input, at the command's own pace: it may want its output read first."""
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError), process.stdin:
        while (data := given.get()) is not None:
            process.stdin.write(data)
            process.stdin.flush()


def _relay(connection: socket.socket, process: subprocess.Popen[bytes], given: queue.SimpleQueue[bytes | None]) -> None:
    """Pass output on as it comes, and input and signals back, until the command has ended.

    Its end is not that of its outputs: what it leaves behind in the background may hold them open.
    """
    streams = ((process.stdout, b"O"), (process.stderr, b"E"))
    outputs = {stream.fileno(): kind for stream, kind in streams if stream is not None}
    end = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as waiting:
            for descriptor in (end, connection.fileno(), *outputs):
                waiting.register(descriptor, selectors.EVENT_READ)
            ready: set[int] = set()
            while end not in ready:
                ready = {key.fd for key, _ in waiting.select()}
                if connection.fileno() in ready:
                    _take(connection, process, given)
                for descriptor in ready & outputs.keys():
                    if not _pass_on(connection, descriptor, outputs[descriptor]):
                        waiting.unregister(descriptor)
    finally:
        os.close(end)
    for descriptor, kind in outputs.items():
        os.set_blocking(descriptor, False)
        with contextlib.suppress(BlockingIOError):
            while _pass_on(connection, descriptor, kind):
                pass


def _pass_on(connection: socket.socket, descriptor: int, kind: bytes) -> bool:
    data = os.read(descriptor, CHUNK)
    if data:
        send(connection, kind, data)
    return bool(data)


def _take(connection: socket.socket, process: subprocess.Popen[bytes], given: queue.SimpleQueue[bytes | None]) -> None:
    frame = receive(connection)
    if frame is None:
        raise ConnectionError("the caller has gone")
    kind, body = frame
    if kind == b"S":
        _signal(process, int(body))
    elif kind == b"K":
        _end_all(process)
    else:
        given.put(body if kind == b"I" else None)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _serve_file(connection: socket.socket, request: dict[str, Any]) -> None:
    path = request["path"]
    if request["op"] == "read":
        with open(path, "rb") as file:
            send(connection, b"W", file.read())
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.lab"
    with open(temporary, "wb") as file:
        file.write(request["text"].encode())
    os.replace(temporary, path)
    send(connection, b"W")


def _serve(connection: socket.socket) -> None:
    frame = receive(connection)
    if frame is None:
        return
    request = json.loads(frame[1])
    try:
        (_serve_process if request["op"] == "run" else _serve_file)(connection, request)
    except ConnectionError:
        pass
    except OSError as error:
        send(connection, b"F", str(error).encode())
    finally:
        connection.close()


def main() -> None:
    """Listen at the address and port given, until the process is ended."""
    address, port = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with socket.create_server((address, port), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
