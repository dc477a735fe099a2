"""Evaluates CEL rules as the API server does, with the functions that Kubernetes adds to the language."""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import cel

__all__ = ["is_cidr", "is_ip", "scope", "unfulfilled"]

_PREFIX_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")


class _Program(Protocol):
    """A compiled expression."""

    def execute(self, scope: cel.Context, /) -> object:
        """Return what the expression comes to."""


def is_ip(text: str) -> bool:
    """Tell whether this is an address to Kubernetes: without a zone, and no IPv4 address in IPv6 form.

    See https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-address-library.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return isinstance(address, ipaddress.IPv4Address) or (address.scope_id is None and address.ipv4_mapped is None)


def is_cidr(text: str) -> bool:
    """Tell whether this is an address with a prefix length in its plainest form.

    See https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cidr-library.
    """
    address, slash, length = text.partition("/")
    if not (slash and is_ip(address) and _PREFIX_LENGTH.fullmatch(length)):
        return False
    return int(length) <= ipaddress.ip_address(address).max_prefixlen


def scope(value: object) -> cel.Context:
    """Return what a rule about ``value`` sees: the value as ``self``, and the functions of Kubernetes."""
    context: cel.Context = _library().Context({"self": value})
    for name, function in _FUNCTIONS.items():
        context.add_function(name, function)
    return context


def unfulfilled(expression: str, seen: cel.Context) -> bool:
    """Tell whether a value breaks a rule; one that the rule can't be applied to breaks it, as to the API server.

    Raises
    ------
    ValueError
        If the expression is not CEL.
    """
    program = _compiled(expression)
    try:
        return program.execute(seen) is not True
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
        return True


@cache
def _compiled(expression: str) -> _Program:
    program: _Program = _library().compile(expression)
    return program


@cache
def _library() -> Any:
    """Load the library when the first rule is read: an agent in a cluster never does."""
    # It loads its own command line with it, a terminal toolkit of some 0.2 s, unless that is there already.
    sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
    import cel

    return cel


# An address stays text here; what ip() adds on the API server is that its argument is one.
def _ip(text: str) -> str:
    if not is_ip(text):
        raise ValueError(f"{text!r} is not an address")
    return text


def _family(address: str) -> int:
    return ipaddress.ip_address(address).version


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "isIP": is_ip,
    "isCIDR": is_cidr,
    "ip": _ip,
    "family": _family,
    "split": _split,
}
