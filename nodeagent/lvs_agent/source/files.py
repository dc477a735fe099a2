"""Manifest files as a source: read, watched, and their last good objects kept on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import structlog
import watchfiles

from lvs_agent.journal import Journal
from lvs_agent.source.documents import Identity, Problem, identity_of
from lvs_agent.source.events import ApiObject, Changes, Put, Removed
from lvs_agent.source.manifestset import ManifestChange, ManifestSet, SavedObject
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice
from lvs_api.lvsnode import LVSNode
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService

__all__ = ["FILE_NAME", "follow_files", "read_files_once"]

log = structlog.get_logger(__name__)

FILE_NAME = "objects.jsonl"
SUFFIXES = frozenset({".yaml", ".yml", ".json"})
KINDS: dict[str, type[ApiObject]] = {
    kind.__name__: kind for kind in (VirtualService, RealServer, DirectorPool, LVSNode, EndpointSlice)
}

# Long enough for an editor to write a file as a whole, short enough not to be felt; milliseconds.
DEBOUNCE = 50
# A change that the kernel did not report is found within this time; milliseconds.
RESCAN = 30_000


class _Entry(msgspec.Struct, frozen=True):
    """An object in the journal."""

    file: str
    kind: str
    content: dict[str, Any]


class _Store:
    """The last good objects on disk."""

    def __init__(self, state_dir: Path) -> None:
        self._journal = Journal(state_dir / FILE_NAME, _Entry)

    def saved(self) -> list[SavedObject]:
        """Return them; those that this version can't read any longer are left out."""
        found = []
        for entry in self._journal.values():
            try:
                found.append(SavedObject(entry.file, msgspec.convert(entry.content, KINDS[entry.kind])))
            except (KeyError, msgspec.ValidationError) as error:
                log.warning("a saved object can't be used", file=entry.file, kind=entry.kind, why=str(error))
        return found

    def keep(self, change: ManifestChange) -> None:
        """Write what changed."""
        puts = {
            _text(identity_of(one.object)): _Entry(one.file, type(one.object).__name__, msgspec.to_builtins(one.object))
            for one in change.put
        }
        self._journal.update(puts, [_text(identity) for identity in change.removed])


def _text(identity: Identity) -> str:
    return f"{identity[0]} {identity[1]}"


def read_files_once(path: Path, state_dir: Path) -> tuple[tuple[Put | Removed, ...], tuple[str, ...]]:
    """Read all files; return the objects and what is wrong. Nothing is written."""
    saved = _Store(state_dir).saved()
    manifests = ManifestSet(saved)
    change = manifests.update(_read_all(path, manifests.files))
    gone = set(change.removed)
    kept = [one for one in saved if identity_of(one.object) not in gone]
    return (*(Put(one.object) for one in (*kept, *change.put)),), tuple(map(str, manifests.problems))


async def follow_files(path: Path, state_dir: Path) -> AsyncGenerator[Changes, None]:
    """Yield all objects, then what changes, for ever; close the generator to stop."""
    store = _Store(state_dir)
    saved = store.saved()
    manifests = ManifestSet(saved)
    async with aclosing(_reports(path)) as reports:
        # The watch is on before the first reading, so that no change falls between the two.
        upcoming = asyncio.ensure_future(anext(reports))
        await asyncio.sleep(0)
        change = manifests.update(await asyncio.to_thread(_read_all, path, manifests.files))
        await asyncio.to_thread(store.keep, change)
        said = _complain(manifests.problems, ())
        yield Changes((*(Put(one.object) for one in saved), *_events(change)), complete=True)
        while True:
            touched = await upcoming
            upcoming = asyncio.ensure_future(anext(reports))
            change = manifests.update(await asyncio.to_thread(_read_touched, path, manifests.files, touched))
            said = _complain(manifests.problems, said)
            if change.put or change.removed:
                await asyncio.to_thread(store.keep, change)
                yield Changes(_events(change), complete=True)


async def _reports(path: Path) -> AsyncGenerator[frozenset[Path], None]:
    """Yield the files that were touched; none at all where it is time to look at every one."""
    folder = await asyncio.to_thread(lambda: path if path.is_dir() else path.parent)
    async for reported in watchfiles.awatch(
        folder, debounce=DEBOUNCE, step=DEBOUNCE // 2, rust_timeout=RESCAN, yield_on_timeout=True, recursive=False
    ):
        yield frozenset(Path(name) for _, name in reported)


def _events(change: ManifestChange) -> tuple[Put | Removed, ...]:
    return (
        *(Removed(KINDS[kind], key) for kind, key in change.removed),
        *(Put(one.object) for one in change.put),
    )


def _complain(problems: tuple[Problem, ...], said: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Log what is newly wrong."""
    for problem in problems:
        if problem not in said:
            log.warning("not usable; the last good state stays", why=str(problem))
    return problems


def _is_manifest(name: Path, path: Path) -> bool:
    """Tell whether a file is to be read: a hidden one, or an editor's, is not."""
    return name == path or (path.is_dir() and name.suffix in SUFFIXES and not name.name.startswith("."))


def _read_all(path: Path, known: Iterable[str]) -> dict[str, bytes | None]:
    """Read every file; those known before that are gone have None."""
    present = [path] if path.is_file() else sorted(one for one in path.iterdir() if _is_manifest(one, path))
    return {**dict.fromkeys(known), **_read(path, map(str, present))}


def _read_touched(path: Path, known: Iterable[str], touched: frozenset[Path]) -> dict[str, bytes | None]:
    """Read what was touched; everything if it is not clear what that means, as with a folder's links."""
    if touched and all(_is_manifest(one, path) for one in touched):
        return _read(path, map(str, touched))
    return _read_all(path, known)


def _read(path: Path, names: Iterable[str]) -> dict[str, bytes | None]:
    """Read these files."""
    contents: dict[str, bytes | None] = {}
    for name in names:
        if _is_manifest(Path(name), path):
            try:
                contents[name] = Path(name).read_bytes()
            except FileNotFoundError:
                contents[name] = None
    return contents
