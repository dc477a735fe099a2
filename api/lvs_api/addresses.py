"""Ranges of addresses: what a DirectorPool may hand out, and which address is the first free one."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable
from functools import cache
from typing import NamedTuple

__all__ = ["Range", "contains", "first_free", "parse_range"]

_VERSION: dict[int, type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]] = {
    4: ipaddress.IPv4Address,
    6: ipaddress.IPv6Address,
}


class Range(NamedTuple):
    """Consecutive addresses of one family, both ends included."""

    family: int
    first: int
    last: int


@cache
def parse_range(text: str) -> Range:
    """Read a CIDR block, a range ``first-last`` or one address.

    Raises
    ------
    ValueError
        If the text is none of these, mixes families, or runs backwards.
    """
    low, dash, high = text.partition("-")
    if not dash:
        network = ipaddress.ip_network(text, strict=False)
        return Range(network.version, int(network.network_address), int(network.broadcast_address))
    first, last = ipaddress.ip_address(low.strip()), ipaddress.ip_address(high.strip())
    if first.version != last.version or int(first) > int(last):
        raise ValueError(f"{text!r} must run from a lower to a higher address of one family")
    return Range(first.version, int(first), int(last))


def contains(ranges: Iterable[str], address: str) -> bool:
    """Tell whether an address lies in one of the ranges."""
    wanted = ipaddress.ip_address(address)
    return any(
        candidate.family == wanted.version and candidate.first <= int(wanted) <= candidate.last
        for candidate in map(parse_range, ranges)
    )


def first_free(ranges: Iterable[str], taken: Container[str]) -> str | None:
    """Return the lowest address, in the order of the ranges, that is not taken; None where all are."""
    for family, first, last in map(parse_range, ranges):
        for number in range(first, last + 1):
            address = str(_VERSION[family](number))
            if address not in taken:
                return address
    return None
