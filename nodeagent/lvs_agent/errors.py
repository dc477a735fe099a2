"""Errors that end the agent or a command of it, each with what to do about it."""

from __future__ import annotations

__all__ = ["AgentError"]


class AgentError(Exception):
    """Base of errors whose text alone is shown to the person at the command line."""
