"""What the agent remembers across a restart besides its ledger: what was last accepted, and how checks stood."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from lvs_agent.health.probe import Probe
from lvs_agent.health.state import CheckState
from lvs_agent.journal import Journal
from lvs_api.admission import Admitted
from lvs_api.meta import ObjectKey

__all__ = ["Memory"]


class Memory:
    """Two journals in the state directory.

    Parameters
    ----------
    state_dir
        The agent's own directory.
    """

    def __init__(self, state_dir: Path) -> None:
        self._accepted = Journal(state_dir / "accepted.jsonl", Admitted)
        self._health = Journal(state_dir / "health.jsonl", CheckState)

    @property
    def accepted(self) -> dict[ObjectKey, Admitted]:
        """What was last accepted, by VirtualService."""
        return {admitted.key: admitted for admitted in self._accepted.values()}

    @property
    def health(self) -> dict[str, CheckState]:
        """How checks stood, by the identity of their probe."""
        return dict(self._health.items())

    def keep(self, accepted: Mapping[ObjectKey, Admitted | None], unwatched: Collection[str]) -> None:
        """Keep what was accepted, None for what went, and forget the checks that are no longer made."""
        puts = {str(key): admitted for key, admitted in accepted.items() if admitted is not None}
        deletes = [str(key) for key, admitted in accepted.items() if admitted is None]
        if puts or deletes:
            self._accepted.update(puts, deletes)
        if unwatched:
            self._health.update({}, unwatched)

    def keep_health(self, transitions: Iterable[tuple[Probe, CheckState]]) -> None:
        """Keep the outcome of checks."""
        puts = {probe.identity: state for probe, state in transitions}
        if puts:
            self._health.update(puts, ())

    def clear(self) -> None:
        """Forget everything."""
        self._accepted.update({}, [key for key, _ in list(self._accepted.items())])
        self._health.update({}, [key for key, _ in list(self._health.items())])
