"""Reads the datagrams a netlink socket receives: which request each answers, what it says, whether a dump is whole."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum

from lvs_agent.kernel.errors import MalformedMessage

__all__ = ["GENERIC_HEADER", "HEADER", "Dump", "DumpState", "error_code", "messages"]

# struct nlmsghdr of linux/netlink.h: length, type, flags, sequence number, port.
HEADER = struct.Struct("=IHHII")
# struct genlmsghdr of linux/genetlink.h: command, version, reserved.
GENERIC_HEADER = struct.Struct("=BBH")

_ERRNO = struct.Struct("=i")

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_DUMP_INTR = 0x10


def messages(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, sequence number and body of each message.

    Raises
    ------
    MalformedMessage
        If a message's length leads out of the datagram.
    """
    offset, end = 0, len(datagram)
    while end - offset >= HEADER.size:
        length, kind, flags, sequence, _port = HEADER.unpack_from(datagram, offset)
        if length < HEADER.size or offset + length > end:
            raise MalformedMessage("datagram", f"a message says {length} bytes, {end - offset} are left")
        yield kind, flags, sequence, datagram[offset + HEADER.size : offset + length]
        offset += (length + 3) & ~3


def error_code(body: bytes) -> int:
    """Return the errno of an NLMSG_ERROR or NLMSG_DONE body, 0 for an acknowledgement."""
    if len(body) < _ERRNO.size:
        return 0
    code: int = _ERRNO.unpack_from(body)[0]
    return -code


class DumpState(Enum):
    """How far a dump has come."""

    MORE = "more"
    WHOLE = "whole"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Dump:
    """Puts the datagrams of one dump together; only a dump that is WHOLE may be used.

    Parameters
    ----------
    sequence
        Of the request; messages that answer others are left aside.
    header
        Bytes of a family's own header, which bodies are given without.
    """

    def __init__(self, sequence: int, header: int = GENERIC_HEADER.size) -> None:
        self._sequence = sequence
        self._header = header
        self._interrupted = ""
        self._bodies: list[bytes] = []
        self.state = DumpState.MORE
        self.code = 0

    @property
    def reason(self) -> str:
        """Why the dump is interrupted."""
        return self._interrupted

    @property
    def bodies(self) -> list[bytes]:
        """What follows the family's own header in each message.

        Raises
        ------
        RuntimeError
            If the dump is not whole: a partial table must not be taken for the table.
        """
        if self.state is not DumpState.WHOLE:
            raise RuntimeError(f"this dump is {self.state.value}, not whole")
        return self._bodies

    def lost(self, reason: str) -> None:
        """Take note that a datagram did not arrive."""
        self._interrupted = reason
        self.state = DumpState.INTERRUPTED

    def feed(self, datagram: bytes, *, truncated: bool = False) -> DumpState:
        """Take one datagram in and return how far the dump has come."""
        if truncated:
            self.lost("a datagram longer than the receive buffer")
            return self.state
        for kind, flags, sequence, body in messages(datagram):
            if sequence != self._sequence:
                continue
            if flags & NLM_F_DUMP_INTR:
                self._interrupted = "the table changed while it was read (NLM_F_DUMP_INTR)"
            if kind in (NLMSG_ERROR, NLMSG_DONE):
                self._end(error_code(body))
                break
            self._bodies.append(body[self._header :])
        return self.state

    def _end(self, code: int) -> None:
        self.code = code
        if code:
            self.state = DumpState.FAILED
        elif self._interrupted:
            self.state = DumpState.INTERRUPTED
        else:
            self.state = DumpState.WHOLE
