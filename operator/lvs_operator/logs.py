"""How the operator logs: lines for people or JSON for collectors, always on standard error, kopf's among them."""

from __future__ import annotations

import logging
import sys
import time
from typing import Literal, TypeAlias

import structlog

__all__ = ["LogFormat", "configure"]

LogFormat: TypeAlias = Literal["auto", "text", "json"]

REPEAT_AFTER = 30.0  # seconds


class _Seldom(logging.Filter):
    """Lets one place of a library speak twice a minute: kopf complains of each attempt for each kind."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, now = (record.pathname, record.lineno), time.monotonic()
        if now - self._said.get(place, -REPEAT_AFTER) < REPEAT_AFTER:
            return False
        self._said[place] = now
        return True


def configure(log_format: LogFormat, *, verbose: bool) -> None:
    """Set logging up for the process.

    Parameters
    ----------
    log_format
        ``auto``: text on a terminal, else JSON.
    verbose
        Show debug messages as well.
    """
    terminal = sys.stderr.isatty()
    as_text = log_format == "text" or (log_format == "auto" and terminal)
    renderer = structlog.dev.ConsoleRenderer(colors=terminal) if as_text else structlog.processors.JSONRenderer()
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = [structlog.processors.format_exc_info, renderer]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    if not verbose:
        handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
