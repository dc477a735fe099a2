"""Where there is no API server, nobody waits for a report: what needs attention is in the log."""

from __future__ import annotations

from collections.abc import Iterable

from lvs_agent.ipvs import DestinationCounters, DestinationKey
from lvs_api.meta import ObjectKey

__all__ = ["SilentReporter"]


class SilentReporter:
    """Takes news in and says nothing."""

    def changed(self, services: Iterable[ObjectKey], *, urgent: bool) -> None:
        """Note that there is news about these virtual services."""

    def node_changed(self) -> None:
        """Note that there is news about the node."""

    def take_counters(self, counters: dict[DestinationKey, DestinationCounters]) -> None:
        """Take in connection counts."""

    async def run(self) -> None:
        """Send what is to be sent: nothing."""
