"""Says what an error met during a check tells about the real server, if it tells anything at all."""

from __future__ import annotations

import errno
import os

from lvs_agent.health.probe import Probe
from lvs_agent.health.state import Failed, Inconclusive, Result

__all__ = ["CheckFailedError", "result_of"]

# This node lacks something (descriptors, memory, a free local port): real servers must not leave for that.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EADDRINUSE})

_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.ENONET})
_RESET = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})


class CheckFailedError(Exception):
    """The real server did not answer as wanted.

    Parameters
    ----------
    reason
        One word in CamelCase, for a condition.
    message
        A sentence for the person who reads ``kubectl describe``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def result_of(error: OSError, probe: Probe) -> Result:
    """Return what ``error`` means for the real server that ``probe`` asked."""
    code = error.errno
    if code is None and isinstance(error, TimeoutError):
        return Failed("Timeout", f"{probe}: no answer within {_duration(probe.timeout)}")
    text = os.strerror(code) if code else str(error) or type(error).__name__
    if code in _OURS:
        return Inconclusive(f"{probe}: this node could not make the check: {text}")
    if code == errno.ETIMEDOUT:
        return Failed("Timeout", f"{probe}: no answer before the kernel gave up")
    if code == errno.ECONNREFUSED:
        return Failed("ConnectionRefused", f"{probe}: connection refused")
    if code in _RESET:
        return Failed("ConnectionReset", f"{probe}: connection reset")
    if code in _UNREACHABLE:
        return Failed("Unreachable", f"{probe}: {text}")
    return Failed("ConnectionFailed", f"{probe}: {text}")


def _duration(seconds: float) -> str:
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
