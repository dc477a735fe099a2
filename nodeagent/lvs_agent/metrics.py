"""Metrics of the agent, read off what it knows at the moment it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lvs_agent.health.monitor import Monitor
from lvs_agent.health.state import CheckState
from lvs_agent.ipvs import DestinationCounters
from lvs_agent.report.statuses import Finding, Lookup, findings
from lvs_api.meta import ObjectKey

if TYPE_CHECKING:
    from lvs_agent.agent import Agent
    from lvs_api.resolve import Resolution, ResolvedRealServer

__all__ = ["AgentMetrics"]

_NOTHING = DestinationCounters()
# Name, what it counts, and where the kernel counts it.
_TOTALS = (
    ("lvs_service_connections", "Connections since the service is in the kernel.", "connections"),
    ("lvs_service_in_packets", "Packets from clients.", "packets_in"),
    ("lvs_service_out_packets", "Packets to clients, where they pass the director.", "packets_out"),
    ("lvs_service_in_bytes", "Bytes from clients.", "bytes_in"),
    ("lvs_service_out_bytes", "Bytes to clients, where they pass the director.", "bytes_out"),
)


class AgentMetrics(Collector):
    """Tells how the agent and the services that its node directs are doing."""

    def __init__(self, agent: Agent, monitor: Monitor) -> None:
        self._agent = agent
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        """Give all metrics."""
        agent = self._agent
        build = GaugeMetricFamily("lvs_agent_build_info", "The version that runs.", labels=["version"])
        build.add_metric([version("lvs-operator")], 1)
        yield build
        yield GaugeMetricFamily(
            "lvs_agent_ready", "Whether the kernel was compared with all objects once.", value=not agent.unready()
        )
        yield GaugeMetricFamily(
            "lvs_agent_items_owned",
            "Services, addresses and settings in the ledger.",
            value=len(agent.applier.ledger.owned()),
        )
        yield GaugeMetricFamily(
            "lvs_agent_items_in_error",
            "Items that the kernel or somebody else stands in the way of.",
            value=len(agent.errors),
        )
        yield GaugeMetricFamily(
            "lvs_agent_last_resync_timestamp_seconds", "When everything was last compared.", value=agent.last_resync
        )
        operations = CounterMetricFamily("lvs_agent_operations", "Changes to the kernel.", labels=["result"])
        for result, count in agent.operations.items():
            operations.add_metric([result], count)
        yield operations
        yield from self._services()

    def _services(self) -> Iterator[Metric]:
        servers = GaugeMetricFamily(
            "lvs_service_real_servers", "Real servers of a VirtualService.", labels=["service", "state"]
        )
        connections = GaugeMetricFamily(
            "lvs_service_current_connections", "Connections right now.", labels=["service", "state"]
        )
        totals = [(CounterMetricFamily(name, text, labels=["service"]), field) for name, text, field in _TOTALS]
        for key in sorted(self._agent.model.resolutions):
            resolution = self._agent.model.directed_resolution(key)
            if resolution is not None:
                found = findings(resolution, self._check_of(resolution))
                _add_service(key, found, self._counted(found), servers, connections)
                for family, field in totals:
                    counted = (getattr(one.totals, field) for one in self._counted(found))
                    family.add_metric([str(key)], sum(counted))
        yield servers
        yield connections
        yield from (family for family, _ in totals)

    def _check_of(self, resolution: Resolution) -> Lookup:
        def check(server: ResolvedRealServer) -> CheckState | None:
            probe = self._agent.model.probe(resolution.admitted, server)
            return self._monitor.state(probe) if probe else None

        return check

    def _counted(self, found: list[Finding]) -> list[DestinationCounters]:
        return [self._agent.counters.get(finding.key, _NOTHING) for finding in found]


def _add_service(
    key: ObjectKey,
    found: list[Finding],
    counted: list[DestinationCounters],
    servers: GaugeMetricFamily,
    connections: GaugeMetricFamily,
) -> None:
    everybody = {finding.server.address for finding in found}
    unhealthy = {finding.server.address for finding in found if not finding.is_healthy}
    servers.add_metric([str(key), "total"], len(everybody))
    servers.add_metric([str(key), "healthy"], len(everybody - unhealthy))
    connections.add_metric([str(key), "active"], sum(one.active for one in counted))
    connections.add_metric([str(key), "inactive"], sum(one.inactive for one in counted))
