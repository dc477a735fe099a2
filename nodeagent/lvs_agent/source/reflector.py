"""Follows one collection of the API server: lists it page by page, then watches it, for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import structlog

from lvs_agent.source.backoff import pause
from lvs_agent.source.connection import Connection
from lvs_agent.source.events import ApiObject, Put, Removed
from lvs_agent.source.kinds import Collection
from lvs_agent.source.mirror import Mirror
from lvs_agent.source.trouble import ApiTrouble, Complaints, Refused, Request, Unreadable
from lvs_agent.source.wire import Decoded, ListPage, ObjectDecoder, Undecodable, WatchLine, lines, refusal
from lvs_api.meta import ObjectKey

__all__ = ["SILENCE_SECONDS", "Reflector"]

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=ApiObject)

PAGE_SIZE = 500

# The API server ends a watch after this long; spread, so that nodes do not come back together.
WATCH_SECONDS = (240, 300)

# The API server's watch cache sends a bookmark each minute (defaultBookmarkFrequency in
# apiserver/pkg/storage/cacher): two of them missing is a dead connection.
SILENCE_SECONDS = 150.0

# A watch that lived this long worked, whatever ended it.
WORKED_SECONDS = 5.0


class Reflector(Generic[T]):
    """Keeps a mirror of one collection and emits what changes in it.

    Parameters
    ----------
    collection
        What to follow.
    connection
        The way to the API server.
    emit
        Called with events that arrived together, never with none.
    listed
        Called when a complete list has been taken in and its events emitted.
    complaints
        Told about trouble.
    silence
        Seconds without a byte after which a watch is taken for dead.
    """

    def __init__(
        self,
        collection: Collection[T],
        connection: Connection,
        emit: Callable[[list[Put | Removed]], None],
        listed: Callable[[], None],
        complaints: Complaints,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self._collection = collection
        self._connection = connection
        self._emit = emit
        self._listed = listed
        self._complaints = complaints
        self._silence = silence
        self._mirror = Mirror(collection.type)
        self._decoder = ObjectDecoder(collection.type)
        self._page = msgspec.json.Decoder(ListPage)
        self._line = msgspec.json.Decoder(WatchLine)
        self._not_understood: dict[ObjectKey, str] = {}
        self._version = ""
        self._in_pages = True
        self._worked = False

    async def run(self) -> None:
        """Follow the collection until cancelled."""
        failures = 0
        while True:
            self._worked = False
            trouble = await self._follow()
            if self._worked:
                failures = 0
            if trouble is None and self._worked:
                continue
            failures += 1
            asked = trouble.retry_after if trouble is not None else 0.0
            await asyncio.sleep(max(asked, pause(failures, random.random())))  # noqa: S311

    async def _follow(self) -> ApiTrouble | None:
        """List if need be, then watch until the watch ends; return what ended it, None for the normal end."""
        try:
            if not self._version:
                await self._list()
            await self._watch()
        except ApiTrouble as trouble:
            if isinstance(trouble, Refused) and (trouble.expired or trouble.not_found):
                self._version = ""
            if isinstance(trouble, Refused) and trouble.expired:
                log.info("listing_again", collection=self._collection.resource, why=str(trouble))
            else:
                self._complaints.about(self._collection.resource, trouble)
            return trouble
        return None

    async def _list(self) -> None:
        """Take in the complete collection; nothing is emitted before its last page."""
        found: list[Decoded[T] | Undecodable] = []
        token = ""
        while True:
            request = self._request("list", {"limit": str(PAGE_SIZE)} if self._in_pages else {})
            if token:
                request.params["continue"] = token
            try:
                body = await self._connection.read(request)
                page = self._page.decode(body)
                found.extend(self._decoder.decode(item) for item in page.items or ())
            except msgspec.DecodeError as error:
                raise Unreadable(request, error) from error
            except Refused as error:
                # A collection that cannot be paged through before its version is compacted comes in one piece.
                self._in_pages = not (error.expired and token)
                raise
            token = page.metadata.continue_
            if not token:
                break
        for item in found:
            self._judge(item)
        self._not_understood = {item.meta.key: item.problem for item in found if isinstance(item, Undecodable)}
        events = self._mirror.replace(found)
        self._version = page.metadata.resource_version
        self._in_pages = True
        if events:
            self._emit(events)
        self._listed()

    async def _watch(self) -> None:
        """Take in changes from the last known version on, until the API server ends the watch."""
        request = self._request(
            "watch",
            {
                "watch": "true",
                "resourceVersion": self._version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": str(random.randint(*WATCH_SECONDS)),  # noqa: S311
            },
        )
        async with self._connection.stream(request, self._silence) as pieces:
            self._complaints.settled(self._collection.resource)
            opened = asyncio.get_running_loop().time()
            buffer = bytearray()
            try:
                async for piece in pieces:
                    buffer += piece
                    self._take(request, buffer)
            finally:
                self._worked |= asyncio.get_running_loop().time() - opened >= WORKED_SECONDS

    def _take(self, request: Request, buffer: bytearray) -> None:
        """Take in the complete lines that have arrived, as one batch."""
        events: list[Put | Removed] = []
        try:
            for line in lines(buffer):
                events.extend(self._change(request, self._line.decode(line)))
                self._worked = True
        except msgspec.DecodeError as error:
            self._version = ""
            raise Unreadable(request, error) from error
        finally:
            if events:
                self._emit(events)

    def _change(self, request: Request, line: WatchLine) -> list[Put | Removed]:
        match line.type:
            case "ADDED" | "MODIFIED":
                item = self._decoder.decode(line.object)
                self._judge(item)
                if isinstance(item, Undecodable):
                    self._version = item.meta.resource_version
                    return []
                self._version = item.object.metadata.resource_version
                return self._mirror.put(item.object)
            case "DELETED":
                meta = self._decoder.meta(line.object)
                self._not_understood.pop(meta.key, None)
                self._version = meta.resource_version
                return self._mirror.remove(meta.key)
            case "BOOKMARK":
                self._version = self._decoder.meta(line.object).resource_version
                return []
            case _:
                self._version = ""
                raise Refused(request, refusal(bytes(line.object), 0))

    def _judge(self, item: Decoded[T] | Undecodable) -> None:
        """Say, once, that an object is not understood, and that its last good version stays in force."""
        if isinstance(item, Decoded):
            self._not_understood.pop(item.object.metadata.key, None)
            return
        key = item.meta.key
        if self._not_understood.get(key) == item.problem:
            return
        self._not_understood[key] = item.problem
        log.error(
            "object_not_understood",
            kind=self._collection.name,
            object=str(key),
            problem=item.problem,
            in_force="its last good version" if key in self._mirror else "nothing",
        )

    def _request(self, verb: str, params: dict[str, str]) -> Request:
        if self._collection.field_selector:
            params["fieldSelector"] = self._collection.field_selector
        return Request(verb, self._collection.resource, self._collection.path, params)
