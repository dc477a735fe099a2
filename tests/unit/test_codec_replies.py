"""When the replies to a dump make a table, and when they do not."""

from __future__ import annotations

import struct

import pytest

from lvs_agent.kernel.errors import MalformedMessage
from lvs_agent.kernel.replies import Dump, DumpState, error_code, messages

IPVS, ERROR, DONE = 28, 2, 3
INTERRUPTED = 0x10
HEADER_OF_IPVS = bytes(4)


def message(kind: int, body: bytes, *, flags: int = 2, sequence: int = 9) -> bytes:
    padded = body + bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + padded


def entry(text: bytes, **header: int) -> bytes:
    return message(IPVS, HEADER_OF_IPVS + text, **header)


def end(code: int = 0, **header: int) -> bytes:
    return message(DONE, struct.pack("=i", -code), **header)


def test_a_dump_is_whole_once_its_end_is_there() -> None:
    dump = Dump(9)

    states = [dump.feed(entry(b"one") + entry(b"two")), dump.feed(entry(b"three")), dump.feed(end())]

    assert states == [DumpState.MORE, DumpState.MORE, DumpState.WHOLE]
    assert dump.bodies == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    "datagrams",
    [
        [entry(b"one", flags=INTERRUPTED), end()],
        [entry(b"one"), end(flags=INTERRUPTED)],
        [entry(b"one") + entry(b"two", flags=INTERRUPTED | 2) + entry(b"three") + end()],
    ],
    ids=["said first", "said at the end", "said in between"],
)
def test_a_dump_that_a_change_ran_into_is_interrupted(datagrams: list[bytes]) -> None:
    dump = Dump(9)

    for datagram in datagrams:
        dump.feed(datagram)

    assert dump.state is DumpState.INTERRUPTED
    assert "NLM_F_DUMP_INTR" in dump.reason


def test_a_truncated_datagram_interrupts_a_dump() -> None:
    dump = Dump(9)

    assert dump.feed(entry(b"one"), truncated=True) is DumpState.INTERRUPTED


@pytest.mark.parametrize("datagram", [message(ERROR, struct.pack("=i", -1)), end(1)], ids=["error", "end"])
def test_a_dump_that_the_kernel_refuses_has_failed(datagram: bytes) -> None:
    dump = Dump(9)

    assert dump.feed(datagram) is DumpState.FAILED
    assert dump.code == 1


@pytest.mark.parametrize(
    "datagrams",
    [[entry(b"one")], [entry(b"one", flags=INTERRUPTED), end()], [entry(b"one"), end(1)]],
    ids=["unfinished", "interrupted", "failed"],
)
def test_a_part_of_a_table_is_never_handed_out(datagrams: list[bytes]) -> None:
    dump = Dump(9)
    for datagram in datagrams:
        dump.feed(datagram)

    with pytest.raises(RuntimeError, match="not whole"):
        _ = dump.bodies


def test_replies_to_an_earlier_request_are_left_aside() -> None:
    dump = Dump(9)

    dump.feed(entry(b"old", sequence=8, flags=INTERRUPTED) + end(sequence=8))
    dump.feed(entry(b"new") + end())

    assert dump.bodies == [b"new"]


@pytest.mark.parametrize("length", [0, 15, 21], ids=["none", "less than a header", "beyond the datagram"])
def test_a_message_with_an_impossible_length_is_an_error(length: int) -> None:
    broken = struct.pack("=IHHII", length, IPVS, 0, 9, 0) + bytes(4)

    with pytest.raises(MalformedMessage, match="datagram cannot be read"):
        list(messages(broken))


def test_an_acknowledgement_is_the_code_zero() -> None:
    assert error_code(struct.pack("=i", 0)) == 0
    assert error_code(struct.pack("=i", -17)) == 17
