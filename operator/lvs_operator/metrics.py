"""Metrics of the operator, read off what it knows at the moment it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["OperatorMetrics"]


class OperatorMetrics(Collector):
    """Tells how the operator is doing.

    Parameters
    ----------
    unready
        What stands in the way of being ready; empty if nothing does.
    objects
        How many objects are known, by kind.
    writes
        How many writes there were to the API server, by result.
    """

    def __init__(
        self,
        unready: Callable[[], str],
        objects: Callable[[], Mapping[str, int]],
        writes: Callable[[], Mapping[str, int]],
    ) -> None:
        self._unready = unready
        self._objects = objects
        self._writes = writes

    def collect(self) -> Iterator[Metric]:
        """Give all metrics."""
        build = GaugeMetricFamily("lvs_operator_build_info", "The version that runs.", labels=["version"])
        build.add_metric([version("lvs-operator")], 1)
        yield build
        yield GaugeMetricFamily(
            "lvs_operator_ready", "Whether everything was listed and decided upon once.", value=not self._unready()
        )
        objects = GaugeMetricFamily("lvs_operator_objects", "Objects that are known.", labels=["kind"])
        for kind, count in sorted(self._objects().items()):
            objects.add_metric([kind], count)
        yield objects
        writes = CounterMetricFamily("lvs_operator_writes", "Writes to the API server.", labels=["result"])
        for result, count in sorted(self._writes().items()):
            writes.add_metric([result], count)
        yield writes
