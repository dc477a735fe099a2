"""Reads fixtures/ipvs.txt: the messages that ipvsadm and a real kernel exchanged, by ipvsadm's command line."""

from __future__ import annotations

from pathlib import Path

from lvs_agent.kernel.attributes import Command

FIXTURES = Path(__file__).parent / "fixtures" / "ipvs.txt"

Exchange = list[tuple[str, Command, bytes]]


def exchanges() -> dict[str, Exchange]:
    """Return direction, command and payload of each message."""
    found: dict[str, Exchange] = {}
    current: Exchange = []
    for line in FIXTURES.read_text().splitlines():
        if line.startswith("$ ipvsadm "):
            current = found.setdefault(line.removeprefix("$ ipvsadm "), [])
        elif line and not line.startswith("#"):
            direction, command, payload = f"{line} ".split(" ", 2)
            current.append((direction, Command[command], bytes.fromhex(payload)))
    return found


def sent(command_line: str, command: Command) -> bytes:
    """Return the payload that ipvsadm sent with a command."""
    (payload,) = (
        payload for direction, found, payload in exchanges()[command_line] if (direction, found) == ("sent", command)
    )
    return payload


def received(command_line: str, command: Command) -> list[bytes]:
    """Return the payloads of the kernel's messages of a command."""
    return [
        payload
        for direction, found, payload in exchanges()[command_line]
        if (direction, found) == ("received", command)
    ]
