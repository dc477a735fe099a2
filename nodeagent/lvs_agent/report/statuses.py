"""What this node says about virtual services, real servers and itself: the statuses, as values."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from lvs_agent.desired import service_key
from lvs_agent.health.state import CheckState, Status
from lvs_agent.ipvs import DestinationCounters, DestinationKey
from lvs_api.lvsnode import LVSNodeStatus, SysctlFact
from lvs_api.meta import Condition
from lvs_api.realserver import RealServerDirector
from lvs_api.resolve import Resolution, ResolvedRealServer
from lvs_api.virtualservice import VirtualServiceDirector

__all__ = ["Finding", "node_status", "real_server_entry", "rfc3339", "service_entry"]

Counted = Mapping[DestinationKey, DestinationCounters]
Lookup = Callable[[ResolvedRealServer], CheckState | None]

_NOTHING = DestinationCounters()
_MESSAGE_LIMIT = 1024  # of the fields in the API types


class Finding(msgspec.Struct, frozen=True):
    """One real server of one service, with the outcome of its check; None where there is no check."""

    key: DestinationKey
    server: ResolvedRealServer
    check: CheckState | None

    @property
    def is_healthy(self) -> bool:
        """Whether it takes connections as far as this node knows."""
        return self.server.accepts and (self.check is None or self.check.status is Status.HEALTHY)


def findings(resolution: Resolution, check: Lookup) -> list[Finding]:
    """List every real server of every VIP and port with the outcome of its check."""
    return [
        Finding(
            DestinationKey(service_key(service.address, service.protocol, service.port), server.address, server.port),
            server,
            check(server),
        )
        for service in resolution.services
        for server in service.real_servers
    ]


def service_entry(
    node: str, resolution: Resolution, found: Sequence[Finding], errors: Sequence[str], counted: Counted
) -> VirtualServiceDirector:
    """Say what this director did for a virtual service.

    Parameters
    ----------
    errors
        What keeps the kernel from matching; none of them means that it does.
    """
    addresses = {finding.server.address for finding in found}
    unhealthy = {finding.server.address for finding in found if not finding.is_healthy}
    connections = [counted.get(finding.key, _NOTHING) for finding in found]
    return VirtualServiceDirector(
        node=node,
        observed_generation=resolution.admitted.generation,
        programmed=not errors,
        message="; ".join(errors)[:_MESSAGE_LIMIT],
        total=len(addresses),
        healthy=len(addresses - unhealthy),
        active_connections=sum(one.active for one in connections),
        inactive_connections=sum(one.inactive for one in connections),
    )


def real_server_entry(node: str, found: Sequence[Finding], counted: Counted) -> RealServerDirector:
    """Say how a real server fares at this director, over all services that use it: the worst check speaks."""
    worst = min(
        (finding.check for finding in found if finding.check is not None),
        key=lambda check: (_SEVERITY[check.status], check.since),
        default=None,
    )
    connections = [counted.get(finding.key, _NOTHING) for finding in found]
    active, inactive = sum(one.active for one in connections), sum(one.inactive for one in connections)
    if worst is None:
        return RealServerDirector(
            node=node,
            state="Healthy",
            reason="NotChecked",
            message="no VirtualService asks for a health check",
            active_connections=active,
            inactive_connections=inactive,
        )
    return RealServerDirector(
        node=node,
        state=worst.status.value,
        since=rfc3339(worst.since) if worst.since else "",
        reason=worst.reason,
        message=worst.message[:_MESSAGE_LIMIT],
        active_connections=active,
        inactive_connections=inactive,
    )


_SEVERITY = {Status.UNHEALTHY: 0, Status.UNKNOWN: 1, Status.HEALTHY: 2}


def node_status(
    *,
    generation: int,
    kernel: str,
    ipvs: str,
    addresses: Iterable[str],
    carried: Iterable[str],
    sysctls: Iterable[SysctlFact],
    errors: Sequence[str],
    left: int | None,
    since: str,
) -> LVSNodeStatus:
    """Say what this node is and has in place.

    Parameters
    ----------
    carried
        VIPs that are in place on this node as a real server.
    errors
        What keeps the kernel from matching.
    left
        How many items are still in the kernel of a node that retires; None for one that does not.
    since
        When that was last different, RFC 3339.
    """
    ready = Condition(
        type="Ready",
        status="False" if errors else "True",
        reason="KernelDiffers" if errors else "KernelMatches",
        message="; ".join(errors)[:_MESSAGE_LIMIT] if errors else "the kernel matches this node's duty",
        last_transition_time=since,
        observed_generation=generation,
    )
    return LVSNodeStatus(
        observed_generation=generation,
        kernel=kernel,
        ipvs=ipvs,
        addresses=tuple(sorted(addresses)),
        carried=tuple(sorted(carried)),
        sysctls=tuple(sorted(sysctls, key=lambda fact: fact.name)),
        conditions=(ready,) if left is None else (ready, _retired(generation, left, errors, since)),
    )


def _retired(generation: int, left: int, errors: Sequence[str], since: str) -> Condition:
    """Say whether a node that retires has nothing left in its kernel."""
    hindered = f": {'; '.join(errors)}"[:_MESSAGE_LIMIT] if errors else ""
    return Condition(
        type="Retired",
        status="False" if left else "True",
        reason="Removing" if left else "NothingLeft",
        message=f"{left} items left{hindered}" if left else "nothing of this agent is left in the kernel",
        last_transition_time=since,
        observed_generation=generation,
    )


def rfc3339(moment: float) -> str:
    """Return a Unix time in seconds as metav1.Time writes it: UTC, whole seconds."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
