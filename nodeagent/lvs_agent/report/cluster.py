"""Turns news from the agent into statuses of the objects it is about, and hands them to the writer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from lvs_agent.desired import LOOPBACK
from lvs_agent.health.monitor import Monitor
from lvs_agent.health.state import CheckState
from lvs_agent.ipvs import DestinationCounters, DestinationKey
from lvs_agent.model.node import REAL_SERVER_DUTY
from lvs_agent.report.statuses import Finding, findings, node_status, real_server_entry, rfc3339, service_entry
from lvs_agent.report.writer import StatusWriter
from lvs_agent.state import AddressKey, ItemKey, SysctlKey
from lvs_api.lvsnode import LVSNode, SysctlFact
from lvs_api.meta import ObjectKey
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService

if TYPE_CHECKING:
    from collections.abc import Callable

    from lvs_agent.agent import Agent
    from lvs_api.resolve import ResolvedRealServer

__all__ = ["ClusterReporter"]


class ClusterReporter:
    """Reports to the API server.

    Parameters
    ----------
    agent
        Whose state is reported.
    monitor
        Where the outcome of checks is.
    clock
        Unix time in seconds.
    """

    def __init__(self, agent: Agent, monitor: Monitor, writer: StatusWriter, clock: Callable[[], float]) -> None:
        self._agent = agent
        self._monitor = monitor
        self._writer = writer
        self._clock = clock
        self._counters: dict[DestinationKey, DestinationCounters] = {}
        self._found: dict[ObjectKey, list[Finding]] = {}
        self._services_of: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)
        self._node_errors: tuple[str, ...] | None = None
        self._node_since = ""

    def changed(self, services: Iterable[ObjectKey], *, urgent: bool) -> None:
        """Note that there is news about these virtual services."""
        real_servers: set[ObjectKey] = set()
        for key in services:
            real_servers |= self._service_changed(key, urgent)
        for real_server in real_servers:
            self._real_server_changed(real_server, urgent)

    def node_changed(self) -> None:
        """Note that there is news about the node."""
        agent = self._agent
        if agent.facts is None:
            return
        ledger, node = agent.applier.ledger, agent.model.node_name
        errors = tuple(sorted(set(agent.errors.values())))
        if errors != self._node_errors:
            self._node_errors, self._node_since = errors, rfc3339(self._clock())
        status = node_status(
            generation=agent.model.node_generation,
            kernel=agent.facts.kernel,
            ipvs=agent.facts.ipvs,
            addresses=agent.own_addresses(),
            carried=(
                key.address
                for key in agent.model.desired.contribution(REAL_SERVER_DUTY)
                if isinstance(key, AddressKey) and key.interface == LOOPBACK and key in agent.actual.view
            ),
            sysctls=(
                SysctlFact(name=key.path, value=str(agent.actual.view.get(key, "")), original=original)
                for key in ledger.owned()
                if isinstance(key, SysctlKey) and (original := ledger.original(key)) is not None
            ),
            errors=errors,
            left=len(ledger.owned()) if agent.model.retires else None,
            since=self._node_since,
        )
        self._writer.put(LVSNode, ObjectKey("", node), _plain(status), urgent=True)

    def take_counters(self, counters: dict[DestinationKey, DestinationCounters]) -> None:
        """Take in connection counts."""
        self._counters = counters

    async def run(self) -> None:
        """Send what is to be sent until cancelled."""
        await self._writer.run()

    def _service_changed(self, key: ObjectKey, urgent: bool) -> set[ObjectKey]:
        """Report a virtual service; return the RealServers that it uses or used."""
        before = self._found.pop(key, [])
        for finding in before:
            if finding.server.real_server:
                self._services_of[finding.server.real_server].discard(key)
        resolution = self._agent.model.directed_resolution(key)
        if resolution is None:
            if before:
                self._writer.drop(VirtualService, key)
            return _real_servers(before)

        def check(server: ResolvedRealServer) -> CheckState | None:
            probe = self._agent.model.probe(resolution.admitted, server)
            return self._monitor.state(probe) if probe else None

        found = self._found[key] = findings(resolution, check)
        for finding in found:
            if finding.server.real_server:
                self._services_of[finding.server.real_server].add(key)
        entry = service_entry(self._agent.model.node_name, resolution, found, self._errors_of(key), self._counters)
        self._put(VirtualService, key, entry, urgent)
        return _real_servers(before) | _real_servers(found)

    def _real_server_changed(self, key: ObjectKey, urgent: bool) -> None:
        services = self._services_of.get(key)
        if not services:
            self._services_of.pop(key, None)
            self._writer.drop(RealServer, key)
            return
        found = [
            finding for service in services for finding in self._found[service] if finding.server.real_server == key
        ]
        entry = real_server_entry(self._agent.model.node_name, found, self._counters)
        self._put(RealServer, key, entry, urgent)

    def _put(
        self, kind: type[VirtualService] | type[RealServer], key: ObjectKey, entry: msgspec.Struct, urgent: bool
    ) -> None:
        status = {"directors": [_plain(entry)]}
        self._writer.put(kind, key, status, urgent=urgent, uid=self._agent.model.uid(kind, key))

    def _errors_of(self, service: ObjectKey) -> list[str]:
        agent = self._agent
        return [
            message for item, message in agent.errors.items() if service in agent.model.desired.owners(_holder(item))
        ]


def _holder(item: ItemKey) -> ItemKey:
    return item.service if isinstance(item, DestinationKey) else item


def _real_servers(found: Iterable[Finding]) -> set[ObjectKey]:
    return {finding.server.real_server for finding in found if finding.server.real_server}


def _plain(status: msgspec.Struct) -> dict[str, object]:
    """Give a status in the form that is applied, without fields that have their default value."""
    plain: dict[str, object] = msgspec.to_builtins(status)
    return plain
