"""A web client for the lab: many requests, or one connection held for long.

Usage: httpclient.py many ADDRESS PORT COUNT
           COUNT requests, each on a connection of its own; prints what came back as one JSON object:
           servers (replies by server), clients (addresses that servers saw), failures (by kind of error).
       httpclient.py hold ADDRESS PORT SECONDS
           One connection, a request every 20 ms, until a line comes on standard input or SECONDS are over;
           prints {"server", "replies", "longest_gap", "error"}.
"""

from __future__ import annotations

import collections
import json
import select
import socket
import sys
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"
TIMEOUT = 3.0


def ask(connection: socket.socket) -> dict[str, str]:
    """Make a request and return the reply."""
    connection.sendall(REQUEST)
    data = b""
    while b"\r\n\r\n" not in data or len(data) < _whole(data):
        more = connection.recv(4096)
        if not more:
            raise ConnectionResetError("closed by the server")
        data += more
    reply: dict[str, str] = json.loads(data.partition(b"\r\n\r\n")[2])
    return reply


def _whole(data: bytes) -> int:
    head = data.partition(b"\r\n\r\n")[0]
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return len(head) + 4 + length


def many(address: str, port: int, count: int) -> dict[str, object]:
    """Make requests one after the other, each on a connection of its own."""
    servers: collections.Counter[str] = collections.Counter()
    clients: collections.Counter[str] = collections.Counter()
    failures: collections.Counter[str] = collections.Counter()
    for _ in range(count):
        try:
            with socket.create_connection((address, port), timeout=TIMEOUT) as connection:
                reply = ask(connection)
        except OSError as error:
            failures[type(error).__name__] += 1
            if sum(failures.values()) >= 20:
                break
        else:
            servers[reply["server"]] += 1
            clients[reply["client"]] += 1
    return {"servers": servers, "clients": clients, "failures": failures}


def hold(address: str, port: int, seconds: float) -> dict[str, object]:
    """Hold one connection and use it."""
    replies, longest, server, error = 0, 0.0, "", ""
    end = time.monotonic() + seconds
    try:
        with socket.create_connection((address, port), timeout=TIMEOUT) as connection:
            last = time.monotonic()
            while time.monotonic() < end:
                server = ask(connection)["server"]
                replies += 1
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
                if replies == 1:
                    print("holding", flush=True)
                if select.select([sys.stdin], [], [], 0.02)[0]:
                    break
    except OSError as problem:
        error = f"{type(problem).__name__}: {problem}"
    return {"server": server, "replies": replies, "longest_gap": longest, "error": error}


if __name__ == "__main__":
    verb, address, port, number = sys.argv[1:5]
    result = many(address, int(port), int(number)) if verb == "many" else hold(address, int(port), float(number))
    print(json.dumps(result), flush=True)
