"""The API server as a source: one reflector per kind, their events gathered into batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from lvs_agent.source.connection import Connection
from lvs_agent.source.events import ApiObject, Changes, Put, Removed
from lvs_agent.source.kinds import Collection, followed
from lvs_agent.source.reflector import SILENCE_SECONDS, Reflector
from lvs_agent.source.trouble import Complaints
from lvs_api.meta import ObjectKey

__all__ = ["ClusterSource", "Gathered"]


class Gathered:
    """Events that wait to be taken: of each object the latest only, so that a slow reader costs no memory."""

    def __init__(self) -> None:
        self._events: dict[tuple[type[ApiObject], ObjectKey], Put | Removed] = {}

    def add(self, events: list[Put | Removed]) -> None:
        """Put events in; an event replaces an earlier one of the same object."""
        for event in events:
            target = (
                (type(event.object), event.object.metadata.key)
                if isinstance(event, Put)
                else (
                    event.kind,
                    event.key,
                )
            )
            self._events.pop(target, None)
            self._events[target] = event

    def take(self) -> tuple[Put | Removed, ...]:
        """Take all events out."""
        events = tuple(self._events.values())
        self._events.clear()
        return events


class ClusterSource:
    """Follows VirtualServices, RealServers, DirectorPools, EndpointSlices and the node's own LVSNode.

    Parameters
    ----------
    connection
        The way to the API server.
    node_name
        The name of this node's LVSNode.
    silence
        Seconds without a byte after which a watch is taken for dead; more than a minute, the distance of the
        API server's bookmarks.
    """

    def __init__(self, connection: Connection, node_name: str, silence: float = SILENCE_SECONDS) -> None:
        self._connection = connection
        self._collections = followed(node_name)
        self._silence = silence

    async def changes(self) -> AsyncGenerator[Changes, None]:
        """Yield batches for ever; close the generator to stop.

        Trouble with the API server is logged and waited out. An object is only ever removed on the word of the
        API server: a deletion it reported, or a complete list without the object.
        """
        gathered, missing, news = Gathered(), set(self._collections), asyncio.Event()

        def emit(events: list[Put | Removed]) -> None:
            gathered.add(events)
            news.set()

        complaints = Complaints()
        tasks: list[asyncio.Task[None]] = []
        for collection in self._collections:

            def listed(collection: Collection[ApiObject] = collection) -> None:
                if collection in missing:
                    missing.discard(collection)
                    if not missing:
                        news.set()

            reflector = Reflector(collection, self._connection, emit, listed, complaints, self._silence)
            task = asyncio.create_task(reflector.run(), name=f"follow {collection.resource}")
            task.add_done_callback(lambda _: news.set())
            tasks.append(task)
        try:
            while True:
                await news.wait()
                news.clear()
                for task in tasks:
                    if task.done():
                        task.result()
                events = gathered.take()
                yield Changes(events, complete=not missing)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
