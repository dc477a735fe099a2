"""A probe says what is checked at one real server, how often, and how many results in a row count."""

from __future__ import annotations

from typing import Literal

import msgspec

from lvs_api.fields import canonical_address, seconds
from lvs_api.virtualservice import HealthCheck, HTTPCheck

__all__ = ["Probe", "endpoint_text", "probe_for"]

# RealServer status messages hold 1024 characters; a path may have as many on its own.
_SHOWN_PATH = 256


class Probe(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """One check of one real server; services whose checks are equal share one probe.

    Parameters
    ----------
    kind
        Which check function runs: a module of ``lvs_agent.health.checks``.
    address
        The RIP, in canonical spelling.
    port
        1..65535.
    interval
        Seconds from the start of a check to the start of the next.
    timeout
        Seconds after which a check has failed, connecting included.
    rise, fall
        Passes in a row that bring a real server back; failures in a row that take it out.
    path, host
        Request target (path and query) and Host header, HTTP only; an empty host stands for the RIP.
    statuses
        Ranges of statuses that pass, both ends included, sorted; HTTP only.
    """

    kind: Literal["TCP", "HTTP"]
    address: str
    port: int
    interval: float
    timeout: float
    rise: int
    fall: int
    path: str = ""
    host: str = ""
    statuses: tuple[tuple[int, int], ...] = ()

    @property
    def identity(self) -> str:
        """The name under which state is kept across configuration changes and restarts.

        Timing and thresholds are not part of it: a real server that is down stays down when only they
        change. No part can contain a space and only the last may be empty, so no two questions share one.
        """
        question = f"{self.kind} {self.endpoint}"
        return question if self.kind == "TCP" else f"{question} {self.path} {self.wanted} {self.host}"

    @property
    def endpoint(self) -> str:
        """Address and port as people write them: 10.0.0.2:80, [2001:db8::2]:80."""
        return endpoint_text(self.address, self.port)

    @property
    def wanted(self) -> str:
        """The statuses that pass, as in the object: 200-299,404."""
        return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in self.statuses)

    def accepts(self, status: int) -> bool:
        """Tell whether an HTTP status passes."""
        return any(low <= status <= high for low, high in self.statuses)

    def __str__(self) -> str:
        if self.kind == "TCP":
            return f"TCP {self.endpoint}"
        path = self.path if len(self.path) <= _SHOWN_PATH else f"{self.path[:_SHOWN_PATH]}..."
        return f"HTTP GET http://{self.endpoint}{path}"


def probe_for(check: HealthCheck, address: str, port: int) -> Probe:
    """Return the probe that ``check`` asks for at one real server.

    Parameters
    ----------
    check
        The health check of a virtual service.
    address
        The RIP, in any spelling.
    port
        The port that takes traffic, 1..65535; used where the check names none.
    """
    http = (check.http or HTTPCheck()) if check.type == "HTTP" else None
    return Probe(
        kind=check.type,
        address=canonical_address(address),
        port=check.port or port,
        interval=seconds(check.interval),
        timeout=seconds(check.timeout),
        rise=check.rise,
        fall=check.fall,
        path=http.path if http else "",
        host=http.host if http else "",
        statuses=tuple(sorted({_status_range(text) for text in http.statuses})) if http else (),
    )


def endpoint_text(address: str, port: int) -> str:
    """Return address and port as one word, an IPv6 address in brackets (RFC 3986 section 3.2.2)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _status_range(text: str) -> tuple[int, int]:
    """Read ``200`` or ``200-299``; the schema has checked the form, but not which end is the lower one."""
    first, _, last = text.partition("-")
    ends = int(first), int(last or first)
    return min(ends), max(ends)
