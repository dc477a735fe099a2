"""Manifest files as a source: read, watched, and their last good objects kept on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog
import watchfiles

from lvs_agent.errors import AgentError
from lvs_agent.journal import Journal
from lvs_agent.source.documents import Identity, Problem, identity_of
from lvs_agent.source.events import ApiObject, Changes, Put, Removed
from lvs_agent.source.manifestset import ManifestChange, ManifestSet, SavedObject
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice
from lvs_api.lvsnode import LVSNode
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService

__all__ = ["FILE_NAME", "NoManifests", "follow_files", "read_files_once"]

log = structlog.get_logger(__name__)

FILE_NAME = "objects.jsonl"
SUFFIXES = frozenset({".yaml", ".yml", ".json"})
KINDS: dict[str, type[ApiObject]] = {
    kind.__name__: kind for kind in (VirtualService, RealServer, DirectorPool, LVSNode, EndpointSlice)
}

# Long enough for an editor to write a file as a whole, short enough not to be felt; milliseconds.
DEBOUNCE = 50
# Who writes a file in pieces has gone on by then: a file that has lost objects is looked at again; seconds.
SETTLE = 0.5
# How often files are read where the kernel does not report changes; seconds.
POLL = 1.0
# A change that the kernel did not report is found within this time; milliseconds.
RESCAN = 30_000


class NoManifests(AgentError):
    """There is nothing at the path that was given, and no object is known from it either."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: there is no such file or folder; give one with manifests, which may be empty")


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
    """Read all files; return the objects and what is wrong. Nothing is written.

    Raises
    ------
    NoManifests
        If there is nothing at the path, and no object is known from it either.
    """
    path = path.absolute()
    saved = _Store(state_dir).saved()
    _demand(path, saved)
    manifests = ManifestSet(saved)
    change = manifests.update(_read_all(path, manifests.files))
    gone = set(change.removed)
    kept = [one for one in saved if identity_of(one.object) not in gone]
    return (*(Put(one.object) for one in (*kept, *change.put)),), tuple(map(str, manifests.problems))


async def follow_files(path: Path, state_dir: Path, *, polling: bool = False) -> AsyncGenerator[Changes, None]:
    """Yield all objects, then what changes, for ever; close the generator to stop.

    A file that looks as if it were being written (see `ManifestSet.doubtful`) is looked at again after SETTLE.

    Parameters
    ----------
    polling
        Whether to read files every second rather than when the kernel reports a change, as some network file systems
        need.

    Raises
    ------
    NoManifests
        If there is nothing at the path, and no object is known from it either.
    """
    path = await asyncio.to_thread(path.absolute)
    store = _Store(state_dir)
    saved = store.saved()
    await asyncio.to_thread(_demand, path, saved)
    manifests = ManifestSet(saved)
    stop = asyncio.Event()
    reports = _reports(path, stop, polling=polling)
    # The watch is on before the first reading, so that no change falls between the two.
    upcoming = asyncio.ensure_future(anext(reports))
    try:
        await asyncio.sleep(0)
        change = await _take_in(path, manifests, frozenset())
        await asyncio.to_thread(store.keep, change)
        said = _complain(manifests.problems, ())
        yield Changes((*(Put(one.object) for one in saved), *_events(change)), complete=True)
        while True:
            touched = await upcoming
            upcoming = asyncio.ensure_future(anext(reports))
            change = await _take_in(path, manifests, touched)
            said = _complain(manifests.problems, said)
            if change.put or change.removed:
                await asyncio.to_thread(store.keep, change)
                yield Changes(_events(change), complete=True)
    finally:
        stop.set()
        await asyncio.gather(upcoming, return_exceptions=True)
        await reports.aclose()


async def _take_in(path: Path, manifests: ManifestSet, touched: frozenset[Path]) -> ManifestChange:
    contents = await asyncio.to_thread(_read_touched, path, manifests.files, touched)
    while doubtful := await asyncio.to_thread(manifests.doubtful, contents):
        log.info("may be half written; looked at again before it counts", files=doubtful)
        await asyncio.sleep(SETTLE)
        seen, contents = contents, await asyncio.to_thread(_read_touched, path, manifests.files, touched)
        if contents == seen:
            break
    return await asyncio.to_thread(manifests.update, contents)


async def _reports(path: Path, stop: asyncio.Event, *, polling: bool) -> AsyncGenerator[frozenset[Path], None]:
    """Yield the files that were touched; none at all where it is time to look at every one."""
    if not polling:
        try:
            async with aclosing(_watch(path, stop)) as touched_files:
                async for touched in touched_files:
                    yield touched
        except OSError as error:
            # Most often the limit of fs.inotify.max_user_instances.
            log.warning("the kernel does not report changes of files; they are read every second", why=str(error))
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL)
        yield frozenset()


async def _watch(path: Path, stop: asyncio.Event) -> AsyncGenerator[frozenset[Path], None]:
    folder = await asyncio.to_thread(lambda: path if path.is_dir() else path.parent)
    reports = watchfiles.awatch(
        folder,
        watch_filter=lambda _, name: _matters(Path(name), path),
        debounce=DEBOUNCE,
        step=DEBOUNCE // 2,
        rust_timeout=RESCAN,
        yield_on_timeout=True,
        recursive=False,
        stop_event=stop,
    )
    async with aclosing(reports):
        async for reported in reports:
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


def _demand(path: Path, saved: Sequence[SavedObject]) -> None:
    if not saved and not path.exists():
        raise NoManifests(path)


def _is_manifest(name: Path, path: Path) -> bool:
    """Tell whether a file is to be read: a hidden one, or an editor's, is not."""
    return name == path or (path.is_dir() and name.suffix in SUFFIXES and not name.name.startswith((".", "#")))


def _matters(name: Path, path: Path) -> bool:
    """Tell whether a change may be one of manifests: ``..data`` is what a ConfigMap's files are links into."""
    return _is_manifest(name, path) or name.name.startswith("..")


def _read_touched(path: Path, known: Iterable[str], touched: frozenset[Path]) -> dict[str, bytes | None]:
    """Read what was touched; everything if it is not clear what that means, as with a folder's links."""
    if touched and all(_is_manifest(one, path) for one in touched):
        return _read(touched)
    return _read_all(path, known)


def _read_all(path: Path, known: Iterable[str]) -> dict[str, bytes | None]:
    """Read every file; those known before that are gone have None."""
    files = [Path(one) for one in known]
    folder = path.is_dir() or any(one.parent == path for one in files)
    try:
        present = [one for one in path.iterdir() if _is_manifest(one, path)] if folder else [path]
    except OSError as error:
        log.warning("can't be listed; the last good state stays", path=str(path), why=error.strerror)
        return {}
    return _read({*present, *files})


def _read(files: Iterable[Path]) -> dict[str, bytes | None]:
    """Read these files; None is for one that is gone. One that can't be read is left out: nothing is known of it."""
    contents: dict[str, bytes | None] = {}
    for one in files:
        try:
            contents[str(one)] = one.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            contents[str(one)] = None
        except OSError as error:
            log.warning("can't be read; the last good state stays", file=str(one), why=error.strerror)
    return contents
