"""Where a program listens, as its command line says it."""

from __future__ import annotations

import ipaddress
import re

import msgspec

__all__ = ["CannotListen", "Listen", "parse_listen"]

_FORM = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:\[\]]*)):(?P<port>\d{1,5})", re.ASCII)


class Listen(msgspec.Struct, frozen=True):
    """An address and a TCP port.

    Parameters
    ----------
    address
        IPv4 or IPv6; None for every address of the machine.
    port
        From 1 to 65535.
    """

    address: str | None
    port: int

    def __str__(self) -> str:
        address = self.address or ""
        return f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"


class CannotListen(Exception):
    """The address is not this machine's, or the port is taken."""

    def __init__(self, where: Listen, cause: OSError) -> None:
        self.where = where
        super().__init__(f"cannot listen on {where}: {cause.strerror or cause}; choose another with --listen")


def parse_listen(text: str) -> Listen:
    """Read ``ADDRESS:PORT``, ``[ADDRESS]:PORT`` or ``:PORT``.

    Raises
    ------
    ValueError
        If it is none of these; the text says what is allowed.
    """
    found = _FORM.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise ValueError(f"{text!r} is not ADDRESS:PORT, [IPv6 ADDRESS]:PORT or :PORT with a port from 1 to 65535")
    address = found["six"] if found["six"] is not None else found["four"]
    if not address and found["six"] is None:
        return Listen(None, int(found["port"]))
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        parsed = None
    if parsed is None or (parsed.version == 6) is (found["six"] is None):
        raise ValueError(f"{text!r}: {address!r} is no IP address; an IPv6 address stands in brackets") from None
    return Listen(str(parsed), int(found["port"]))
