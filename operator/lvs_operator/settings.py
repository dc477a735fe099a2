"""How kopf is to behave: it watches, and does nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import kopf

__all__ = ["operator_settings"]


class _Backoffs:
    """Seconds between attempts, without end: kopf gives up, and ends, when they run out."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0, 2.0)
        while True:
            yield 4.0


def operator_settings() -> kopf.OperatorSettings:
    """Return the settings."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # one replica: its Deployment recreates it
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.scanning.disabled = True  # no need to watch CustomResourceDefinitions
    settings.networking.connect_timeout = 10.0
    settings.networking.request_timeout = 60.0
    settings.networking.error_backoffs = _Backoffs()
    settings.watching.connect_timeout = 10.0
    settings.watching.server_timeout = 300  # whole seconds; the API server refuses others
    settings.watching.reconnect_backoff = 0.5
    # kopf would kill the process this long after watching ended; watching starts anew here, and goes on.
    settings.process.ultimate_exiting_timeout = None
    return settings
