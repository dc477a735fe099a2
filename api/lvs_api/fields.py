"""Field types that several kinds share: their bounds, their text forms, and what the text means."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

from lvs_api.rules import Rule, constrained

__all__ = [
    "AddressRange",
    "Duration",
    "IPAddress",
    "InterfaceName",
    "Name",
    "Port",
    "PortNumber",
    "Weight",
    "canonical_address",
    "family_of",
    "seconds",
]

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

IPAddress = Annotated[
    str,
    Meta(
        max_length=45,
        description="An IPv4 or IPv6 address, such as 198.51.100.200.",
        extra_json_schema=constrained(Rule("isIP(self)", "must be an IPv4 or IPv6 address, such as 198.51.100.200")),
    ),
]

AddressRange = Annotated[
    str,
    Meta(
        max_length=91,
        description="A CIDR block (198.51.100.192/27), a range (198.51.100.10-198.51.100.20) or one address.",
        extra_json_schema=constrained(
            Rule(
                "self.contains('-') ? (self.split('-').size() == 2 && self.split('-').all(a, isIP(a)))"
                " : (isCIDR(self) || isIP(self))",
                "must be a CIDR block (198.51.100.192/27), a range (198.51.100.10-198.51.100.20) or one address",
            )
        ),
    ),
]

Duration = Annotated[
    str,
    Meta(
        pattern=DURATION_PATTERN,
        max_length=32,
        description="A length of time as in Kubernetes: 100ms, 5s, 5m, 1h.",
        # ipvsadm's bound for a timeout (MAX_TIMEOUT in ipvsadm.c), 31 days.
        extra_json_schema=constrained(Rule("duration(self) <= duration('744h')", "must be 744h (31 days) or less")),
    ),
]

Port = Annotated[int, Meta(ge=0, le=65535, description="A port number; 0 is every port.")]
PortNumber = Annotated[int, Meta(ge=1, le=65535, description="A port number.")]

# ip_vs keeps a weight as an atomic int; ipvsadm, and so every tool of the field, allows 0..65535.
Weight = Annotated[int, Meta(ge=0, le=65535, description="Share of new connections; 0 takes none.")]

# DNS-1123 label, the form of every Kubernetes object name we refer to by hand.
Name = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]

# IFNAMSIZ in linux/if.h is 16 with the closing NUL; dev_valid_name() forbids '/', ':' and white space.
InterfaceName = Annotated[str, Meta(min_length=1, max_length=15, pattern=r"^[^/:\s]+$")]


def seconds(duration: str) -> float:
    """Return the length of ``duration`` in seconds; its form is already checked by the schema.

    Raises
    ------
    ValueError
        If the text is not a duration.
    """
    parts = _DURATION_PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is not a duration such as 100ms, 5s, 5m or 1h")
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


@lru_cache(maxsize=65536)
def canonical_address(text: str) -> str:
    """Return an address in the one spelling that keys and comparisons use.

    Raises
    ------
    ValueError
        If the text is not an IPv4 or IPv6 address.
    """
    return str(ipaddress.ip_address(text))


def family_of(address: str) -> int:
    """Return 4 or 6 for an address in text form."""
    return 6 if ":" in address else 4
