"""Decides which status to send next, and when: the latest per object, urgent ones first, the rest at a bounded rate."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from lvs_agent.source.backoff import pause
from lvs_api.directorpool import DirectorPool
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService

__all__ = ["Limits", "Outbox", "Reported", "Send", "StatusValue", "Target", "Wait"]

Reported: TypeAlias = type[VirtualService] | type[RealServer] | type[DirectorPool] | type[LVSNode]
StatusValue: TypeAlias = Mapping[str, Any]


class Target(NamedTuple):
    """The object whose status is written."""

    kind: Reported
    key: ObjectKey

    def __str__(self) -> str:
        return f"{self.kind.KIND} {self.key}"


class Limits(msgspec.Struct, frozen=True):
    """How fast statuses go out.

    Attributes
    ----------
    interval
        Seconds between two routine writes of one object.
    per_second
        Routine writes of all objects together; urgent ones are not held up by it.
    burst
        Routine writes that may go out at once after a quiet time.
    in_flight
        Writes under way at the same time.
    """

    interval: float = 10.0
    per_second: float = 20.0
    burst: int = 20
    in_flight: int = 8


class Send(msgspec.Struct, frozen=True):
    """A status to send now; its outcome must be told to the outbox.

    An empty status takes away all that was written before. ``uid`` is the object's, empty where unknown.
    """

    target: Target
    status: StatusValue
    uid: str = ""


class Wait(msgspec.Struct, frozen=True):
    """Nothing to send before ``until``, unless something is put or an outcome arrives."""

    until: float


class _Entry(msgspec.Struct):
    wanted: StatusValue = {}
    uid: str = ""
    leaving: bool = False
    urgent: bool = False
    applied: StatusValue | None = None
    due: float = math.inf
    turn: int | None = None  # of the queue item that counts; None: in no queue
    queued_urgent: bool = False
    last_sent: float = -math.inf
    not_before: float = -math.inf
    failures: int = 0
    in_flight: bool = False

    @property
    def pending(self) -> bool:
        return self.leaving or self.wanted != self.applied


class Outbox:
    """One entry per object, whatever happens to the API server; time comes in as an argument, in seconds."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._entries: dict[Target, _Entry] = {}
        # What has become stale in a queue is passed over when its turn comes.
        self._queues: dict[bool, list[tuple[float, int, Target]]] = {True: [], False: []}
        self._turn = itertools.count()
        self._tokens = float(self._limits.burst)
        self._tokens_at = -math.inf
        self._under_way = 0
        self._server_failures = 0
        self._hold_until = -math.inf

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, target: Target, status: StatusValue, now: float, *, urgent: bool, uid: str = "") -> None:
        """Take in the status an object shall have.

        Parameters
        ----------
        target
            The object.
        status
            All that this writer says about it; it replaces what waited so far.
        now
            The time.
        urgent
            Whether it goes out at once.
        uid
            The object's uid, if known: another one is another object, on which nothing was written yet.
        """
        entry = self._entries.setdefault(target, _Entry())
        if uid != entry.uid:
            entry.uid, entry.applied = uid, None
        entry.wanted, entry.leaving = status, False
        entry.urgent |= urgent and entry.pending
        self._schedule(target, entry, now)

    def drop(self, target: Target, now: float) -> None:
        """Take in that nothing shall be said about an object any more."""
        entry = self._entries.setdefault(target, _Entry())
        entry.wanted, entry.uid, entry.leaving, entry.urgent = {}, "", True, True
        self._schedule(target, entry, now)

    def next(self, now: float) -> Send | Wait:
        """Return what to send now, or when to ask again."""
        # While the API server is in trouble one write at a time finds out whether it is back.
        if self._under_way >= (1 if self._server_failures else self._limits.in_flight):
            return Wait(math.inf)
        if now < self._hold_until:
            return Wait(self._hold_until)
        if (target := self._first(urgent=True, now=now)) is not None:
            return self._sent(target, now)
        until = self._due(urgent=True)
        if (token_at := self._refill(now)) > now:
            return Wait(min(until, max(token_at, self._due(urgent=False))))
        if (target := self._first(urgent=False, now=now)) is not None:
            self._tokens -= 1
            return self._sent(target, now)
        return Wait(min(until, self._due(urgent=False)))

    def applied(self, send: Send, now: float) -> None:
        """Take note that a status has been written."""
        entry = self._landed(send)
        self._answered()
        entry.failures, entry.not_before = 0, -math.inf
        if entry.uid == send.uid:
            entry.applied = send.status
        if entry.leaving and not send.status:
            del self._entries[send.target]
            return
        if entry.wanted == send.status:
            entry.urgent = False
        self._schedule(send.target, entry, now)

    def absent(self, send: Send, now: float) -> None:
        """Take note that the object is not there: there is nothing to write on, unless it has come back since."""
        entry = self._landed(send)
        self._answered()
        if entry.wanted is send.status or entry.leaving:
            del self._entries[send.target]
        else:
            self._schedule(send.target, entry, now)

    def refused(self, send: Send, now: float, jitter: float) -> None:
        """Take note that this status was refused; it, or a newer one, is tried again after a pause."""
        entry = self._landed(send)
        self._answered()
        entry.failures += 1
        entry.not_before = now + pause(entry.failures, jitter)
        self._schedule(send.target, entry, now)

    def lost(self, send: Send, now: float, jitter: float, retry_after: float = 0.0) -> None:
        """Take note that the API server is in trouble; everything waits."""
        entry = self._landed(send)
        if now >= self._hold_until:  # writes that were under way together fail together: that is one failure
            self._server_failures += 1
            self._hold_until = now + max(retry_after, pause(self._server_failures, jitter))
        self._schedule(send.target, entry, now)

    def _schedule(self, target: Target, entry: _Entry, now: float) -> None:
        if entry.in_flight or not entry.pending:
            return
        earliest = now if entry.urgent else max(now, entry.last_sent + self._limits.interval)
        due = max(earliest, entry.not_before)
        if entry.turn is None or due < entry.due or entry.urgent != entry.queued_urgent:
            entry.due, entry.turn, entry.queued_urgent = due, next(self._turn), entry.urgent
            heapq.heappush(self._queues[entry.urgent], (due, entry.turn, target))

    def _first(self, *, urgent: bool, now: float) -> Target | None:
        """Take the first target that is due out of a queue."""
        if self._due(urgent=urgent) > now:
            return None
        return heapq.heappop(self._queues[urgent])[2]

    def _due(self, *, urgent: bool) -> float:
        """Return when the first target of a queue is due, after passing over what has become stale."""
        queue = self._queues[urgent]
        while queue:
            due, turn, target = queue[0]
            entry = self._entries.get(target)
            if entry is not None and entry.turn == turn:
                if entry.pending:
                    return due
                entry.turn, entry.urgent = None, False
            heapq.heappop(queue)
        return math.inf

    def _refill(self, now: float) -> float:
        """Bring the tokens of routine writes up to date; return when there is one."""
        if self._tokens_at > -math.inf:
            gained = (now - self._tokens_at) * self._limits.per_second
            self._tokens = min(self._limits.burst, self._tokens + gained)
        self._tokens_at = now
        return now if self._tokens >= 1 else now + (1 - self._tokens) / self._limits.per_second

    def _sent(self, target: Target, now: float) -> Send:
        entry = self._entries[target]
        entry.turn, entry.in_flight, entry.last_sent = None, True, now
        self._under_way += 1
        return Send(target, entry.wanted, entry.uid)

    def _landed(self, send: Send) -> _Entry:
        self._under_way -= 1
        entry = self._entries[send.target]
        entry.in_flight = False
        return entry

    def _answered(self) -> None:
        self._server_failures, self._hold_until = 0, -math.inf
