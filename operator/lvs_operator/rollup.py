"""The status of a VirtualService: the verdict on it, and what its director says, rolled up."""

from __future__ import annotations

from typing import NamedTuple

from lvs_api.admission import Admitted, Refused, Verdict
from lvs_api.resolve import Resolution
from lvs_api.virtualservice import (
    RealServerCounts,
    RealServerSource,
    VirtualService,
    VirtualServiceDirector,
    VirtualServiceSpec,
    VirtualServiceStatus,
)
from lvs_operator.conditions import Conditions, ConditionStatus

__all__ = ["ports_text", "service_status"]


class _Finding(NamedTuple):
    """A condition without its name and time."""

    status: ConditionStatus
    reason: str
    message: str


def service_status(
    service: VirtualService, verdict: Verdict, running: Resolution | None, director: str, now: str
) -> VirtualServiceStatus:
    """Roll up what is known about a virtual service.

    Parameters
    ----------
    running
        What directors run: the service as it was last accepted; None if it never was.
    director
        The node that directs its pool; empty where there is none.
    now
        RFC 3339 text.
    """
    before, generation = service.status, service.metadata.generation
    report = next((entry for entry in before.directors if director and entry.node == director), None)
    counts = _counts(running, report) if running else None
    accepted, programmed = _accepted(verdict), _programmed(verdict, director, report)
    ready = _ready(service, accepted, programmed, director, counts)
    conditions = Conditions(before.conditions, generation, now)
    found = {"Accepted": accepted, "Programmed": programmed, "Ready": ready}
    return VirtualServiceStatus(
        observed_generation=generation,
        addresses=verdict.addresses if isinstance(verdict, Admitted) else before.addresses,
        director_pool=verdict.pool if isinstance(verdict, Admitted) else before.director_pool,
        ports=ports_text(verdict.spec) if isinstance(verdict, Admitted) else before.ports,
        real_servers=counts,
        active_connections=report.active_connections if report else 0,
        inactive_connections=report.inactive_connections if report else 0,
        conditions=tuple(conditions.make(type_, *finding) for type_, finding in found.items()),
    )


def ports_text(spec: VirtualServiceSpec) -> str:
    """Write ports as people do: 80/TCP,443/TCP; port 0 is every port."""
    return ",".join(f"{port.port or '*'}/{port.protocol}" for port in spec.ports)


def _counts(running: Resolution, report: VirtualServiceDirector | None) -> RealServerCounts:
    servers = [server for service in running.services for server in service.real_servers]
    total = len({server.address for server in servers})
    # Healthy ones are the director's to count; it may not have seen yet that one has gone.
    healthy = min(report.healthy, total) if report else 0
    return RealServerCounts(
        total=total,
        healthy=healthy,
        draining=len({server.address for server in servers if server.weight == 0 or not server.accepts}),
        summary=f"{healthy}/{total}",
    )


def _accepted(verdict: Verdict) -> _Finding:
    match verdict:
        case Admitted(pool=pool, addresses=addresses):
            return _Finding("True", "Accepted", f"has {', '.join(addresses)} of DirectorPool {pool}")
        case Refused(reason=reason):
            return _Finding("False", reason.value, str(verdict))


def _programmed(verdict: Verdict, director: str, report: VirtualServiceDirector | None) -> _Finding:
    if isinstance(verdict, Refused):
        return _Finding("False", "NotAccepted", "directors keep what was last accepted, if anything was")
    if not director:
        return _Finding("False", "NoDirector", f"no node directs DirectorPool {verdict.pool}")
    if report is None:
        return _Finding("False", "NotReported", f"director {director} has not reported yet; does its agent run?")
    if report.observed_generation != verdict.generation:
        message = f"director {director} is at generation {report.observed_generation} of {verdict.generation}"
        return _Finding("False", "Pending", message)
    if not report.programmed:
        return _Finding("False", "KernelDiffers", f"director {director}: {report.message or 'its kernel differs'}")
    return _Finding("True", "Programmed", f"the kernel of director {director} matches")


def _ready(
    service: VirtualService,
    accepted: _Finding,
    programmed: _Finding,
    director: str,
    counts: RealServerCounts | None,
) -> _Finding:
    if accepted.status != "True":
        return _Finding("False", "NotAccepted", accepted.message)
    if not director:
        return _Finding("False", "NoDirector", programmed.message)
    if counts is None or not counts.total:
        return _Finding("False", "NoRealServers", _nobody(service))
    if programmed.status != "True":
        return _Finding("False", "NotProgrammed", programmed.message)
    if not counts.healthy:
        return _Finding("False", "NoHealthyRealServers", f"none of {counts.total} real servers is healthy")
    return _Finding("True", "Ready", f"{counts.healthy} of {counts.total} real servers are healthy")


def _nobody(service: VirtualService) -> str:
    source = service.spec.real_servers
    wanted = [text for text in (_selected(source), _followed(source)) if text]
    return f"nothing to forward to: {' and '.join(wanted)}"


def _selected(source: RealServerSource) -> str:
    if source.selector is None:
        return ""
    labels = ", ".join(f"{key}={value}" for key, value in sorted(source.selector.match_labels.items()))
    return f"no usable RealServer of this namespace has the labels {labels}" if labels else "no usable RealServer"


def _followed(source: RealServerSource) -> str:
    if source.service is None:
        return ""
    port = f" with port {source.service.port}" if source.service.port else ""
    return f"Service {source.service.name} of this namespace has no endpoint{port}"
