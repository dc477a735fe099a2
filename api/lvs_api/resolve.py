"""From an admitted VirtualService and the objects it selects to its real servers, for each VIP and port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from lvs_api.admission import Admitted
from lvs_api.discovery import Endpoint, EndpointSlice
from lvs_api.fields import canonical_address, family_of
from lvs_api.meta import ObjectKey
from lvs_api.realserver import RealServer, Thresholds
from lvs_api.virtualservice import ProtocolName

__all__ = ["RefusedRealServer", "Resolution", "ResolvedRealServer", "ResolvedService", "resolve"]

_NO_THRESHOLDS = Thresholds()


class ResolvedRealServer(msgspec.Struct, frozen=True):
    """One real server of one VIP and port.

    Parameters
    ----------
    weight
        As its owner wants it: 0..65535.
    accepts
        False where its owner says that it takes no new connections: an endpoint that is not ready or terminating.
    real_server
        Key of the RealServer object; None for an endpoint of a Service.
    """

    address: str
    port: int
    weight: int
    thresholds: Thresholds
    accepts: bool
    real_server: ObjectKey | None


class ResolvedService(msgspec.Struct, frozen=True):
    """One VIP, protocol and port with its real servers, in the order of their addresses."""

    address: str
    protocol: ProtocolName
    port: int
    real_servers: tuple[ResolvedRealServer, ...]


class RefusedRealServer(msgspec.Struct, frozen=True):
    """Why a selected RealServer takes no part in a VirtualService."""

    real_server: ObjectKey
    field: str
    value: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value}: {self.message}"


class Resolution(msgspec.Struct, frozen=True):
    """What an admitted VirtualService comes to."""

    admitted: Admitted
    services: tuple[ResolvedService, ...]
    refused: tuple[RefusedRealServer, ...]


class _Candidate(msgspec.Struct, frozen=True):
    """A real server before it meets a VIP and port; ``port`` is None where the service's own is meant."""

    address: str
    port: int | None
    weight: int
    thresholds: Thresholds
    accepts: bool
    real_server: ObjectKey | None


def resolve(admitted: Admitted, real_servers: Iterable[RealServer], slices: Iterable[EndpointSlice]) -> Resolution:
    """Work out the real servers of each VIP and port.

    Parameters
    ----------
    real_servers
        The RealServers that the VirtualService selects. One whose node has no known address yet is left out.
    slices
        The EndpointSlices of the Service that it names.
    """
    candidates = list(_from_objects(admitted, real_servers))
    refused = [problem for candidate in candidates if (problem := _refusal(admitted, candidate))]
    out = {problem.real_server for problem in refused}
    named = [candidate for candidate in candidates if candidate.real_server not in out]
    candidates = named + list(_from_slices(admitted, slices))
    services = tuple(
        ResolvedService(vip, port.protocol, port.port, _of_port(admitted, candidates, vip, port.port))
        for vip in admitted.addresses
        for port in admitted.spec.ports
    )
    return Resolution(admitted, services, tuple(refused))


def _from_objects(admitted: Admitted, real_servers: Iterable[RealServer]) -> Iterator[_Candidate]:
    for server in sorted(real_servers, key=lambda one: one.metadata.key):
        address = server.spec.address or server.status.address
        if not address:
            continue
        yield _Candidate(
            address=canonical_address(address),
            port=server.spec.port,
            weight=server.spec.weight,
            thresholds=server.spec.thresholds or admitted.spec.thresholds or _NO_THRESHOLDS,
            accepts=True,
            real_server=server.metadata.key,
        )


def _from_slices(admitted: Admitted, slices: Iterable[EndpointSlice]) -> Iterator[_Candidate]:
    reference = admitted.spec.real_servers.service
    wanted = reference.port if reference else ""
    for piece in slices:
        numbers = [port.port for port in piece.ports or () if port.port and (not wanted or port.name == wanted)]
        if not numbers or piece.address_type not in {"IPv4", "IPv6"}:
            continue
        for endpoint in piece.endpoints or ():
            if endpoint.addresses:
                yield _Candidate(
                    address=canonical_address(endpoint.addresses[0]),
                    port=numbers[0],
                    weight=1,
                    thresholds=admitted.spec.thresholds or _NO_THRESHOLDS,
                    accepts=_is_ready(endpoint),
                    real_server=None,
                )


def _is_ready(endpoint: Endpoint) -> bool:
    # "ready" that is left out means ready; a terminating endpoint is never ready (discovery/v1 types.go).
    return endpoint.conditions.ready is not False and not endpoint.conditions.terminating


def _refusal(admitted: Admitted, candidate: _Candidate) -> RefusedRealServer | None:
    if candidate.real_server is None:
        return None
    if all(family_of(vip) != family_of(candidate.address) for vip in admitted.addresses):
        return RefusedRealServer(
            candidate.real_server,
            "spec.address",
            candidate.address,
            f"VirtualService {admitted.key} has the VIP {', '.join(admitted.addresses)} and forwards by"
            f" {admitted.spec.forwarding.method}; the real server must have an address of the same family",
        )
    own_ports = {port.port for port in admitted.spec.ports}
    if _keeps_port(admitted) and candidate.port is not None and candidate.port not in own_ports:
        return RefusedRealServer(
            candidate.real_server,
            "spec.port",
            str(candidate.port),
            f"VirtualService {admitted.key} forwards by {admitted.spec.forwarding.method}, which leaves the port"
            f" as it is; leave port out or set it to {' or '.join(map(str, sorted(own_ports)))}",
        )
    return None


def _keeps_port(admitted: Admitted) -> bool:
    return admitted.spec.forwarding.method in {"DR", "TUN"}


def _of_port(
    admitted: Admitted, candidates: Iterable[_Candidate], vip: str, port: int
) -> tuple[ResolvedRealServer, ...]:
    """Choose the real servers of one VIP and port; of two with one address and port the first stays."""
    chosen: dict[tuple[str, int], ResolvedRealServer] = {}
    for candidate in candidates:
        # Port 0 is every port: the kernel then keeps the port that the client asked for.
        server_port = port if candidate.port is None or port == 0 else candidate.port
        if family_of(candidate.address) != family_of(vip) or (_keeps_port(admitted) and server_port != port):
            continue
        chosen.setdefault(
            (candidate.address, server_port),
            ResolvedRealServer(
                candidate.address,
                server_port,
                candidate.weight,
                candidate.thresholds,
                candidate.accepts,
                candidate.real_server,
            ),
        )
    return tuple(chosen[key] for key in sorted(chosen))
