"""How the agent logs: lines for people on a terminal, JSON for collectors, always on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Literal, TypeAlias

# structlog loads rich where it can, 0.1 s and more, to print tracebacks in colour; ours are plain.
sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

del sys.modules["rich"]

__all__ = ["LogFormat", "configure"]

LogFormat: TypeAlias = Literal["auto", "text", "json"]


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
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
