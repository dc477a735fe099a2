"""Sends generic netlink requests in batches and hands back one result per request; dumps are whole or an error.

This is the standard library's socket, not pyroute2's: pyroute2's synchronous sockets run an event loop and
acknowledge every single message, and importing pyroute2 takes longer than loading a table of a thousand entries.
All calls block, and belong to one thread at a time.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Sequence

from lvs_agent.kernel.attributes import attribute, attributes
from lvs_agent.kernel.codec import Request
from lvs_agent.kernel.errors import DumpInterrupted, KernelError, KernelSilent
from lvs_agent.kernel.replies import GENERIC_HEADER, NLMSG_ERROR, Dump, DumpState, error_code, messages

__all__ = ["FamilyAbsent", "GenericNetlink", "RequestFailed"]

NETLINK_GENERIC = 16
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10  # linux/netlink.h: an error reply does not repeat the request

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300

# linux/genetlink.h
GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2

# Each error reply takes the receive buffer about 800 bytes: 256 of them fit the default buffer of 212,992.
BATCH_MESSAGES = 256
# The kernel refuses what exceeds the send buffer (net.core.wmem_default, 212,992), its own share included.
BATCH_BYTES = 131_072

# A dump comes in datagrams as large as what the reader offers, up to 32 KiB (netlink_recvmsg, max_recvmsg_len).
RECEIVE_BYTES = 65_536
DUMP_ATTEMPTS = 5

_HEADERS = struct.Struct("=IHHIIBBH")


class FamilyAbsent(KernelError):
    """The kernel has no generic netlink family of that name: its module is not loaded."""

    def __init__(self, family: str) -> None:
        self.family = family
        super().__init__(f"the kernel has no generic netlink family {family}")


class RequestFailed(KernelError):
    """A request for information was answered with an error.

    Parameters
    ----------
    code
        Of errno.h.
    """

    def __init__(self, request: Request, code: int) -> None:
        self.request = request
        self.code = code
        super().__init__(f"the kernel answered {request.command.name} with: {os.strerror(code)}")


class GenericNetlink:
    """One socket to one generic netlink family.

    Parameters
    ----------
    family
        Such as ``IPVS``.
    version
        Of the family's messages.
    receive_buffer
        Bytes; None leaves net.core.rmem_default.

    Raises
    ------
    FamilyAbsent
        If the family's module is not loaded.
    """

    def __init__(self, family: str, version: int, *, receive_buffer: int | None = None) -> None:
        self._version = version
        self._sequence = 0
        self._buffer = bytearray(RECEIVE_BYTES)
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_GENERIC)
        try:
            self._socket.bind((0, 0))
            self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
            if receive_buffer is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self._family_id = self._find(family)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def execute(self, requests: Sequence[Request]) -> list[int | None]:
        """Carry out requests in order, each whatever the others' results are.

        Only the last message of a batch asks for an acknowledgement; the kernel answers errors unasked
        (netlink_rcv_skb in net/netlink/af_netlink.c), so a batch without errors costs one reply.

        Returns
        -------
        list
            Per request: 0 if it is done, the errno of its refusal, or None if its reply may have been lost.
        """
        results: list[int | None] = []
        batch: list[bytes] = []
        size = 0
        last = len(requests) - 1
        first = self._sequence + 1
        for index, (command, payload) in enumerate(requests):
            self._sequence += 1
            length = _HEADERS.size + len(payload)
            size += length
            ends = index == last or len(batch) == BATCH_MESSAGES - 1 or size > BATCH_BYTES
            flags = NLM_F_REQUEST | NLM_F_ACK if ends else NLM_F_REQUEST
            batch.append(
                _HEADERS.pack(length, self._family_id, flags, self._sequence, 0, command, self._version, 0) + payload
            )
            if ends:
                self._socket.send(b"".join(batch))
                results += self._results(first, len(batch))
                batch, size, first = [], 0, self._sequence + 1
        return results

    def query(self, request: Request) -> bytes:
        """Ask for one thing and return what follows the generic netlink header of the answer.

        Raises
        ------
        RequestFailed
            If the answer is an error.
        KernelSilent
            If there is none.
        """
        sequence = self._send(request, NLM_F_REQUEST)
        while True:
            datagram, _truncated = self._receive(request.command.name)
            for kind, _flags, answered, body in messages(datagram):
                if answered != sequence:
                    continue
                if kind == NLMSG_ERROR:
                    raise RequestFailed(request, error_code(body))
                return body[GENERIC_HEADER.size :]

    def dump(self, request: Request) -> list[bytes]:
        """Ask for a whole table and return what follows the generic netlink header of each of its messages.

        Raises
        ------
        DumpInterrupted
            If the table changed or replies were lost, five times in a row; a part is never returned.
        RequestFailed
            If the answer is an error.
        KernelSilent
            If there is none.
        """
        reason = ""
        for _attempt in range(DUMP_ATTEMPTS):
            dump = Dump(self._send(request, NLM_F_REQUEST | NLM_F_DUMP))
            while dump.state is DumpState.MORE:
                try:
                    datagram, truncated = self._receive(request.command.name)
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    dump.lost("replies lost for want of memory (ENOBUFS)")
                else:
                    dump.feed(datagram, truncated=truncated)
            if dump.state is DumpState.WHOLE:
                return dump.bodies
            if dump.state is DumpState.FAILED and dump.code not in (errno.EINTR, errno.EBUSY):
                raise RequestFailed(request, dump.code)
            reason = dump.reason or os.strerror(dump.code)
            self._drain()
        raise DumpInterrupted(request.command.name, DUMP_ATTEMPTS, reason)

    def _find(self, family: str) -> int:
        """Return the number the kernel gave to a family when its module was loaded."""
        self._sequence += 1
        payload = attribute(CTRL_ATTR_FAMILY_NAME, family.encode() + b"\0")
        length = _HEADERS.size + len(payload)
        self._socket.send(
            _HEADERS.pack(length, GENL_ID_CTRL, NLM_F_REQUEST, self._sequence, 0, CTRL_CMD_GETFAMILY, 1, 0) + payload
        )
        datagram, _truncated = self._receive(f"the look-up of {family}")
        for kind, _flags, _sequence, body in messages(datagram):
            if kind == NLMSG_ERROR:
                break
            found = dict(attributes(body[GENERIC_HEADER.size :])).get(CTRL_ATTR_FAMILY_ID)
            if found is not None:
                return int.from_bytes(found, sys.byteorder)
        raise FamilyAbsent(family)

    def _send(self, request: Request, flags: int) -> int:
        self._sequence += 1
        length = _HEADERS.size + len(request.payload)
        header = _HEADERS.pack(length, self._family_id, flags, self._sequence, 0, request.command, self._version, 0)
        self._socket.send(header + request.payload)
        return self._sequence

    def _results(self, first: int, count: int) -> list[int | None]:
        """Read replies until the last of ``count`` requests is answered."""
        results: list[int | None] = [0] * count
        while True:
            try:
                datagram, _truncated = self._receive("a batch")
            except KernelSilent:
                # netlink_rcv_skb does not answer what was interrupted (EINTR).
                return [*results[:-1], None]
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                return self._after_loss(first, results)
            if self._take(datagram, first, results):
                return results

    def _take(self, datagram: bytes, first: int, results: list[int | None]) -> bool:
        """Enter the replies of a datagram into ``results`` and tell whether the last request was answered."""
        ended = False
        for kind, _flags, sequence, body in messages(datagram):
            position = sequence - first
            if kind == NLMSG_ERROR and 0 <= position < len(results):
                results[position] = error_code(body)
                ended = ended or position == len(results) - 1
        return ended

    def _after_loss(self, first: int, results: list[int | None]) -> list[int | None]:
        """Keep what the remaining replies say; of all other requests nothing is known."""
        known: list[int | None] = [None] * len(results)
        for datagram in self._drain():
            self._take(datagram, first, known)
        return [before or after for before, after in zip(results, known, strict=True)]

    def _receive(self, waiting_for: str) -> tuple[bytes, bool]:
        """Return the next datagram; there is no waiting, since the kernel answers before a send returns."""
        try:
            size, _ancillary, received, _address = self._socket.recvmsg_into([self._buffer], 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            raise KernelSilent(waiting_for) from None
        return bytes(memoryview(self._buffer)[:size]), bool(received & socket.MSG_TRUNC)

    def _drain(self) -> list[bytes]:
        """Return what is left in the socket."""
        left = []
        while True:
            try:
                left.append(self._receive("")[0])
            except KernelSilent:
                return left
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
