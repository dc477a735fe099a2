"""Which VirtualServices a RealServer or an EndpointSlice concerns, found without looking at all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from lvs_api.discovery import EndpointSlice
from lvs_api.meta import LabelSelector, ObjectKey, ObjectMeta
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import RealServerSource

__all__ = ["ObjectGraph"]

_Label = tuple[str, str, str]  # namespace, key, value


class ObjectGraph:
    """RealServers and EndpointSlices, and the VirtualServices that use them.

    Every method that changes something returns the keys of the VirtualServices whose real servers may differ.
    """

    def __init__(self) -> None:
        self._sources: dict[ObjectKey, RealServerSource] = {}
        self._real_servers: dict[ObjectKey, RealServer] = {}
        self._slices: dict[ObjectKey, EndpointSlice] = {}
        self._members: dict[ObjectKey, set[ObjectKey]] = {}
        self._users: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)
        self._selecting: defaultdict[_Label, set[ObjectKey]] = defaultdict(set)
        self._selecting_any: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        self._labelled: defaultdict[_Label, set[ObjectKey]] = defaultdict(set)
        self._in_namespace: defaultdict[str, set[ObjectKey]] = defaultdict(set)
        self._followers: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)
        self._slices_of: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)

    def put_service(self, key: ObjectKey, source: RealServerSource) -> frozenset[ObjectKey]:
        """Take in where a VirtualService's real servers come from."""
        if self._sources.get(key) == source:
            return frozenset()
        self.remove_service(key)
        self._sources[key] = source
        self._members[key] = set()
        if source.selector is not None:
            self._watchers(key.namespace, source.selector).add(key)
            for server in self._candidates(key.namespace, source.selector):
                if source.selector.matches(self._real_servers[server].metadata.labels):
                    self._members[key].add(server)
                    self._users[server].add(key)
        if source.service is not None:
            self._followers[ObjectKey(key.namespace, source.service.name)].add(key)
        return frozenset({key})

    def remove_service(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Take a VirtualService out."""
        source = self._sources.pop(key, None)
        if source is None:
            return frozenset()
        if source.selector is not None:
            self._watchers(key.namespace, source.selector).discard(key)
        if source.service is not None:
            self._followers[ObjectKey(key.namespace, source.service.name)].discard(key)
        for server in self._members.pop(key):
            self._users[server].discard(key)
        return frozenset({key})

    def put_real_server(self, server: RealServer) -> frozenset[ObjectKey]:
        """Take a RealServer in, new or changed."""
        key = server.metadata.key
        before = self._real_servers.get(key)
        if before is not None and _resolved_part(before) == _resolved_part(server):
            self._real_servers[key] = server
            return frozenset()
        affected = self.remove_real_server(key)
        self._real_servers[key] = server
        for label in _labels(server.metadata):
            self._labelled[label].add(key)
        self._in_namespace[key.namespace].add(key)
        users = {
            user
            for user in self._selectors_of(server.metadata)
            if (selector := self._sources[user].selector) is not None and selector.matches(server.metadata.labels)
        }
        for user in users:
            self._members[user].add(key)
        self._users[key] = users
        return affected | users

    def remove_real_server(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Take a RealServer out."""
        server = self._real_servers.pop(key, None)
        if server is None:
            return frozenset()
        for label in _labels(server.metadata):
            self._labelled[label].discard(key)
        self._in_namespace[key.namespace].discard(key)
        users = self._users.pop(key, set())
        for user in users:
            self._members[user].discard(key)
        return frozenset(users)

    def put_slice(self, piece: EndpointSlice) -> frozenset[ObjectKey]:
        """Take an EndpointSlice in, new or changed."""
        key = piece.metadata.key
        affected = self.remove_slice(key)
        self._slices[key] = piece
        self._slices_of[piece.service].add(key)
        return affected | self._followers[piece.service]

    def remove_slice(self, key: ObjectKey) -> frozenset[ObjectKey]:
        """Take an EndpointSlice out."""
        piece = self._slices.pop(key, None)
        if piece is None:
            return frozenset()
        self._slices_of[piece.service].discard(key)
        return frozenset(self._followers[piece.service])

    def real_servers(self, service: ObjectKey) -> list[RealServer]:
        """Return the RealServers that a VirtualService selects."""
        return [self._real_servers[key] for key in sorted(self._members.get(service, ()))]

    def slices(self, service: ObjectKey) -> list[EndpointSlice]:
        """Return the EndpointSlices that a VirtualService follows."""
        source = self._sources.get(service)
        if source is None or source.service is None:
            return []
        followed = self._slices_of[ObjectKey(service.namespace, source.service.name)]
        return [self._slices[key] for key in sorted(followed)]

    def users(self, real_server: ObjectKey) -> frozenset[ObjectKey]:
        """Return the VirtualServices that select a RealServer."""
        return frozenset(self._users.get(real_server, ()))

    def all_real_servers(self) -> Iterable[RealServer]:
        """Return every RealServer."""
        return self._real_servers.values()

    def _watchers(self, namespace: str, selector: LabelSelector) -> set[ObjectKey]:
        """Return the index entry that holds services with this selector: by its first label, if it has one."""
        for key, value in selector.match_labels.items():
            return self._selecting[(namespace, key, value)]
        return self._selecting_any[namespace]

    def _candidates(self, namespace: str, selector: LabelSelector) -> set[ObjectKey]:
        for key, value in selector.match_labels.items():
            return self._labelled[(namespace, key, value)]
        return self._in_namespace[namespace]

    def _selectors_of(self, meta: ObjectMeta) -> Iterator[ObjectKey]:
        for label in _labels(meta):
            yield from self._selecting.get(label, ())
        yield from self._selecting_any.get(meta.namespace, ())


def _labels(meta: ObjectMeta) -> Iterator[_Label]:
    for key, value in meta.labels.items():
        yield (meta.namespace, key, value)


def _resolved_part(server: RealServer) -> tuple[object, ...]:
    return (server.metadata.labels, server.spec, server.status.address)
