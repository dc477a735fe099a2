"""Conditions as Kubernetes wants them: the time of transition moves only when the status does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from lvs_api.meta import Condition

__all__ = ["ConditionStatus", "Conditions", "status_of"]

ConditionStatus: TypeAlias = Literal["True", "False", "Unknown"]


class Conditions:
    """Makes the conditions of one object from those it has.

    Parameters
    ----------
    before
        The conditions that the object has.
    generation
        The generation that the new conditions are about.
    now
        RFC 3339 text.
    """

    def __init__(self, before: Iterable[Condition], generation: int, now: str) -> None:
        self._before = {condition.type: condition for condition in before}
        self._generation = generation
        self._now = now

    def make(self, type_: str, status: ConditionStatus, reason: str, message: str) -> Condition:
        """Make one condition."""
        before = self._before.get(type_)
        unchanged = before is not None and before.status == status and before.last_transition_time
        return Condition(
            type=type_,
            status=status,
            reason=reason,
            message=message,
            last_transition_time=before.last_transition_time if before and unchanged else self._now,
            observed_generation=self._generation,
        )


def status_of(truth: bool | None) -> ConditionStatus:
    """Return how a condition writes true, false and not known (None)."""
    if truth is None:
        return "Unknown"
    return "True" if truth else "False"
