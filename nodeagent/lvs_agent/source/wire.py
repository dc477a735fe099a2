"""Decodes list pages, watch lines and refusals of the API server, straight into the API types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from lvs_agent.source.events import ApiObject
from lvs_api.meta import ObjectKey, ObjectMeta

__all__ = ["Decoded", "ListPage", "ObjectDecoder", "Refusal", "Undecodable", "WatchLine", "lines", "refusal"]

T = TypeVar("T", bound=ApiObject)


class ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    """metav1.ListMeta: the version a watch goes on from, and the token of the next page."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class ListPage(msgspec.Struct, frozen=True):
    """One page of a list, its items not yet decoded."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class WatchLine(msgspec.Struct, frozen=True):
    """metav1.WatchEvent: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR with an object not yet decoded."""

    type: str
    object: msgspec.Raw


class Refusal(msgspec.Struct, frozen=True):
    """metav1.Status, as the API server answers when it refuses."""

    code: int = 0
    reason: str = ""
    message: str = ""


class _MetaOnly(msgspec.Struct, frozen=True):
    metadata: ObjectMeta


class Decoded(msgspec.Struct, Generic[T], frozen=True):
    """An object as the API server has it."""

    object: T


class Undecodable(msgspec.Struct, frozen=True):
    """An object that is there, but does not have the form this version of the agent knows."""

    meta: ObjectMeta
    problem: str


class ObjectDecoder(Generic[T]):
    """Decodes the objects of one kind; made once, since a decoder is costlier to make than to use."""

    def __init__(self, kind: type[T]) -> None:
        self._object = msgspec.json.Decoder(kind)
        self._meta = msgspec.json.Decoder(_MetaOnly)

    def decode(self, raw: msgspec.Raw) -> Decoded[T] | Undecodable:
        """Decode one object.

        Raises
        ------
        msgspec.DecodeError
            If not even its metadata can be read.
        """
        try:
            return Decoded(self._object.decode(raw))
        except msgspec.DecodeError as error:
            return Undecodable(self.meta(raw), str(error))

    def meta(self, raw: msgspec.Raw) -> ObjectMeta:
        """Decode the metadata only."""
        return self._meta.decode(raw).metadata

    def key(self, raw: msgspec.Raw) -> ObjectKey:
        """Decode the key only."""
        return self.meta(raw).key


def lines(buffer: bytearray) -> Iterator[bytes]:
    """Take the complete lines out of a buffer; what is left is the start of the next one."""
    end = buffer.rfind(b"\n") + 1
    complete = bytes(buffer[:end])
    del buffer[:end]
    for line in complete.split(b"\n"):
        if line:
            yield line


def refusal(body: bytes, code: int) -> Refusal:
    """Decode a refusal; a body in another form (from a proxy, say) still gives one with the HTTP status."""
    try:
        decoded = msgspec.json.decode(body, type=Refusal)
    except msgspec.DecodeError:
        return Refusal(code, "", body[:200].decode(errors="replace").strip())
    return Refusal(decoded.code or code, decoded.reason, decoded.message)
