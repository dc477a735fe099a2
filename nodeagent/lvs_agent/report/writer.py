"""Writes statuses to the API server as this node's own field manager, as the outbox decides."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import time
from collections.abc import Callable

from lvs_agent.report.outbox import Limits, Outbox, Reported, Send, StatusValue, Target
from lvs_agent.source.connection import Connection
from lvs_agent.source.trouble import ApiTrouble, Complaints, Refused, Request
from lvs_api import API_VERSION, GROUP
from lvs_api.meta import ObjectKey

__all__ = ["StatusWriter", "field_manager", "status_request"]

# validation.FieldManagerMaxLength in apimachinery/pkg/apis/meta/v1.
FIELD_MANAGER_MAX = 128


class StatusWriter:
    """Keeps the statuses in the API server up to date with the latest ones put in.

    Parameters
    ----------
    connection
        The way to the API server.
    node_name
        This node; its field manager is named after it.
    clock
        Tells the time in seconds; it must not go back.
    limits
        How fast statuses go out.
    """

    def __init__(
        self,
        connection: Connection,
        node_name: str,
        clock: Callable[[], float] = time.monotonic,
        limits: Limits | None = None,
    ) -> None:
        self._connection = connection
        self._manager = field_manager(node_name)
        self._clock = clock
        self._outbox = Outbox(limits)
        self._news = asyncio.Event()
        self._complaints = Complaints()

    def put(self, kind: Reported, key: ObjectKey, status: StatusValue, urgent: bool, uid: str = "") -> None:
        """Say what this node's part of an object's status is; it replaces all that was said before.

        Parameters
        ----------
        kind
            The object's kind.
        key
            The object's key.
        status
            This node's part, as JSON values; it must not be changed afterwards.
        urgent
            True: it goes out at once. False: at a bounded rate.
        uid
            The object's uid, if known: an equal status is written again on a new object of the same name.
        """
        self._outbox.put(Target(kind, key), status, self._clock(), urgent=urgent, uid=uid)
        self._news.set()

    def drop(self, kind: Reported, key: ObjectKey) -> None:
        """Take this node's part out of an object's status."""
        self._outbox.drop(Target(kind, key), self._clock())
        self._news.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as writes:
            while True:
                self._news.clear()
                decision = self._outbox.next(self._clock())
                if isinstance(decision, Send):
                    writes.create_task(self._write(decision), name=f"write status of {decision.target}")
                else:
                    await self._wait(decision.until)

    async def _wait(self, until: float) -> None:
        seconds = None if until == math.inf else max(until - self._clock(), 0.0)
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def _write(self, send: Send) -> None:
        request, body = status_request(send, self._manager)
        subject = f"status of {send.target}"
        try:
            await self._connection.apply(request, body)
        except ApiTrouble as trouble:
            if isinstance(trouble, Refused) and trouble.not_found:
                self._outbox.absent(send, self._clock())
                self._complaints.settled(subject)
            elif trouble.everywhere:
                self._complaints.about(subject, trouble)
                self._outbox.lost(send, self._clock(), random.random(), trouble.retry_after)  # noqa: S311
            else:
                self._complaints.about(subject, trouble)
                self._outbox.refused(send, self._clock(), random.random())  # noqa: S311
        else:
            self._outbox.applied(send, self._clock())
            self._complaints.settled(subject)
        self._news.set()


def field_manager(node_name: str) -> str:
    """Return the name under which a node's agent owns its fields, the same after each restart."""
    name = f"lvs-agent-{node_name}"
    if len(name) <= FIELD_MANAGER_MAX:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: FIELD_MANAGER_MAX - len(digest) - 1]}-{digest}"


def status_request(send: Send, manager: str) -> tuple[Request, dict[str, object]]:
    """Return the request and the body that apply a status server-side.

    Fields that this manager applied before and that are not in the body go away, so an empty status takes back
    all of them and nothing of other managers.
    """
    kind, key = send.target
    namespace = f"namespaces/{key.namespace}/" if key.namespace else ""
    metadata = {"name": key.name}
    if key.namespace:
        metadata["namespace"] = key.namespace
    request = Request(
        "patch",
        f"{kind.PLURAL}/status.{GROUP}",
        f"/apis/{API_VERSION}/{namespace}{kind.PLURAL}/{key.name}/status",
        {"fieldManager": manager, "force": "true"},
    )
    body: dict[str, object] = {"apiVersion": API_VERSION, "kind": kind.KIND, "metadata": metadata}
    # A status that is there but empty becomes null when the last field goes, which the schema then refuses.
    if send.status:
        body["status"] = dict(send.status)
    return request, body
