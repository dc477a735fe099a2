"""Keeps on disk what this agent owns: services, addresses, and settings with the values they had before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from lvs_agent.ipvs import DestinationKey, Family, Protocol, ServiceKey
from lvs_agent.journal import Journal
from lvs_agent.kernel.sysctls import SysctlRecord
from lvs_agent.state import AddressKey, ItemKey, SysctlKey

__all__ = ["Ledger"]

FILE_NAME = "ledger.jsonl"


class _Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of an item: its key, by kind, and of a setting what it takes to put it back."""

    service: ServiceKey | None = None
    address: AddressKey | None = None
    sysctl: SysctlKey | None = None
    record: SysctlRecord | None = None

    def __post_init__(self) -> None:
        if len(self._keys()) != 1:
            raise ValueError("an entry names one item: a service, an address or a sysctl")

    @property
    def key(self) -> ItemKey:
        """The one item the entry is about."""
        return self._keys()[0]

    def _keys(self) -> list[ItemKey]:
        return [key for key in (self.service, self.address, self.sysctl) if key is not None]


class Ledger:
    """Answers "is this ours?"; nobody else guesses.

    Destinations have no entries: one belongs to who owns its service. Opening changes nothing on disk,
    so a ledger may be read while another process writes it; writing is for the holder of the
    ``lvs_agent.statedir.StateDirLock`` only.

    Parameters
    ----------
    state_dir
        The agent's own directory; made by the first change.

    Raises
    ------
    JournalCorrupt, JournalUnwritable
        If the file on disk cannot be read.
    """

    def __init__(self, state_dir: Path) -> None:
        self._journal = Journal(state_dir / FILE_NAME, _Entry)
        self._keys: dict[ItemKey, SysctlRecord | None] = {entry.key: entry.record for entry in self._journal.values()}

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def owns(self, key: ItemKey) -> bool:
        """Tell whether this agent made or adopted the item, or the service that a real server belongs to."""
        return (key.service if isinstance(key, DestinationKey) else key) in self._keys

    def owned(self) -> tuple[ItemKey, ...]:
        """Return the keys of all that has an entry: services, addresses, settings."""
        return tuple(self._keys)

    def original(self, key: SysctlKey) -> str | None:
        """Return the value a setting had before this agent first wrote it; None if it never did."""
        remembered = self._keys.get(key)
        return None if remembered is None else remembered.original

    def record(self, key: SysctlKey) -> SysctlRecord | None:
        """Return what it takes to put a setting back."""
        return self._keys.get(key)

    def enter(self, items: Collection[ServiceKey | AddressKey], settings: Mapping[SysctlKey, SysctlRecord]) -> None:
        """Enter items before the kernel is written, with one sync to disk.

        A setting that has an entry keeps its original value and companions; only what was written is added.

        Raises
        ------
        JournalUnwritable
            If the disk refuses; then nothing has been entered.
        """
        new: dict[ItemKey, SysctlRecord | None] = {key: None for key in items if key not in self._keys}
        for key, fresh in settings.items():
            known = self._keys.get(key)
            merged = fresh if known is None else known.then(fresh.written[-1])
            if merged != known:
                new[key] = merged
        self._journal.put_many({_text(key): _entry(key, remembered) for key, remembered in new.items()})
        self._keys.update(new)

    def forget(self, keys: Collection[ItemKey]) -> None:
        """Forget items, with one sync to disk; those that have no entry are passed over.

        Raises
        ------
        JournalUnwritable
            If the disk refuses; then nothing has been forgotten.
        """
        self._journal.delete_many([_text(key) for key in keys])
        for key in keys:
            self._keys.pop(key, None)


def _entry(key: ItemKey, remembered: SysctlRecord | None) -> _Entry:
    match key:
        case ServiceKey():
            return _Entry(service=key)
        case AddressKey():
            return _Entry(address=key)
        case SysctlKey():
            return _Entry(sysctl=key, record=remembered)
        case DestinationKey():
            raise ValueError(f"{key} has no entry of its own: it belongs to who owns its service")


def _text(key: ItemKey) -> str:
    """Return the text a key has in the file; unlike str() it says everything, in an order that stays."""
    match key:
        case ServiceKey(family=Family() as family, protocol=Protocol() as protocol):
            return f"service {family.value} {protocol.value} {key.address} {key.port} {key.firewall_mark}"
        case AddressKey():
            return f"address {key.interface} {key.address}/{key.prefix_length}"
        case _:
            return str(key)
