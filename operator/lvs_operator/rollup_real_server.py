"""The status of a RealServer: its address, whether services can use it, and what directors say, rolled up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from lvs_api.meta import Condition
from lvs_api.realserver import RealServer, RealServerDirector, RealServerStatus
from lvs_api.resolve import RefusedRealServer
from lvs_operator.conditions import Conditions, status_of

__all__ = ["Use", "real_server_status"]


class Use(NamedTuple):
    """How virtual services use a RealServer.

    Parameters
    ----------
    services
        How many select it.
    directors
        The nodes that direct them.
    refused
        Why some of them cannot use it.
    """

    services: int = 0
    directors: Collection[str] = ()
    refused: Sequence[RefusedRealServer] = ()


class _Health(NamedTuple):
    state: Literal["Unknown", "Healthy", "Unhealthy"]
    since: str
    reason: str  # for the condition, one word
    text: str  # for people, short; empty where there is nothing to say


def real_server_status(server: RealServer, address: str, use: Use, now: str) -> RealServerStatus:
    """Roll up what is known about a real server.

    Parameters
    ----------
    address
        The RIP; empty where spec.nodeName names a node whose address is not known.
    now
        RFC 3339 text.
    """
    before, generation = server.status, server.metadata.generation
    reports = [entry for entry in before.directors if entry.node in use.directors]
    health = _health(reports, use, address)
    conditions = Conditions(before.conditions, generation, now)
    return RealServerStatus(
        observed_generation=generation,
        address=address,
        state=health.state,
        since=health.since,
        reason=health.text,
        active_connections=sum(entry.active_connections for entry in reports),
        inactive_connections=sum(entry.inactive_connections for entry in reports),
        conditions=(_accepted(conditions, server, address, use), _healthy(conditions, health)),
    )


def _accepted(conditions: Conditions, server: RealServer, address: str, use: Use) -> Condition:
    if not address:
        message = (
            f"spec.nodeName: {server.spec.node_name}: must be a Node with an InternalIP, or a machine whose LVSNode"
            " has exactly one address in its status; or give spec.address in its place"
        )
        return conditions.make("Accepted", "False", "NoNodeAddress", message)
    if use.refused:
        message = "; ".join(map(str, use.refused))
        return conditions.make("Accepted", "False", "NotUsable", message)
    return conditions.make("Accepted", "True", "Accepted", f"has the address {address}")


def _healthy(conditions: Conditions, health: _Health) -> Condition:
    truth = {"Healthy": True, "Unhealthy": False}.get(health.state)
    return conditions.make("Healthy", status_of(truth), health.reason, health.text)


def _health(reports: Sequence[RealServerDirector], use: Use, address: str) -> _Health:
    """Let the worst director speak: a client can meet any of them."""
    if not reports:
        return _unreported(use, address)
    for state in ("Unhealthy", "Unknown"):
        said = [entry for entry in reports if entry.state == state]
        if said:
            first = min(said, key=lambda entry: (entry.since, entry.node))
            text = f"{first.message or first.reason or 'no check has ended yet'} at director {first.node}"
            return _Health(state, first.since, first.reason or state, text)
    last = max(reports, key=lambda entry: (entry.since, entry.node))
    if last.reason == "NotChecked":
        return _Health("Healthy", last.since, last.reason, last.message)
    return _Health("Healthy", last.since, last.reason or "Healthy", "")


def _unreported(use: Use, address: str) -> _Health:
    if not address:
        return _Health("Unknown", "", "NoNodeAddress", "its node has no known address")
    if not use.services:
        return _Health("Unknown", "", "NotUsed", "no accepted VirtualService selects it")
    if use.refused and len(use.refused) == use.services:
        return _Health("Unknown", "", "NotUsable", "no VirtualService can use it")
    if not use.directors:
        return _Health("Unknown", "", "NoDirector", "no node directs")
    return _Health("Unknown", "", "NotReported", f"not reported yet by director {', '.join(sorted(use.directors))}")
