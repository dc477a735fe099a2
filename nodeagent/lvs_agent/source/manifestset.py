"""All manifest files together: which objects they amount to, with the last good state where a file is broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec

from lvs_agent.source.documents import Document, Identity, ParsedFile, Problem, identity_of, parse_file
from lvs_agent.source.events import ApiObject

__all__ = ["ManifestChange", "ManifestSet", "SavedObject"]

_Content: TypeAlias = dict[Identity, Document]


class SavedObject(msgspec.Struct, frozen=True):
    """A good object and the file it came from."""

    file: str
    object: ApiObject


class ManifestChange(msgspec.Struct, frozen=True):
    """What changed in all files together."""

    put: tuple[SavedObject, ...]
    removed: tuple[Identity, ...]


class ManifestSet:
    """Objects by file.

    Parameters
    ----------
    saved
        The last good objects from before a restart: a file that is broken now still has them.
    """

    def __init__(self, saved: Iterable[SavedObject] = ()) -> None:
        self._files: dict[str, _Content] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._parsed: dict[str, tuple[int, ParsedFile]] = {}  # by file, with the hash of what was parsed
        self._taken: dict[str, int] = {}  # by file, the hash of what was taken in last
        self._holders: dict[Identity, list[str]] = {}  # the first one counts
        for one in saved:
            identity = identity_of(one.object)
            self._files.setdefault(one.file, {})[identity] = Document(0, 0, one.object)
            self._holders.setdefault(identity, []).append(one.file)

    @property
    def files(self) -> frozenset[str]:
        """The files that are known."""
        return frozenset(self._files.keys() | self._taken.keys())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong now, by file."""
        return tuple(problem for name in sorted(self._problems) for problem in self._problems[name]) + self._twice()

    def doubtful(self, files: Mapping[str, bytes | None]) -> tuple[str, ...]:
        """Name the files that look as if they were being written: objects would go, or a last line has no end.

        They are worth a second look before they are taken in.
        """
        return tuple(sorted(name for name, content in files.items() if self._is_doubtful(name, content)))

    def update(self, files: Mapping[str, bytes | None]) -> ManifestChange:
        """Take files in: their content, or None for one that is gone.

        An object that a file no longer has is removed, unless something is wrong with that file or it is blank: it
        may be half written. An object that is wrong keeps its last good state. One that two files have is that of
        the file that had it first.
        """
        before: dict[Identity, SavedObject | None] = {}
        for name in sorted(files):
            content = files[name]
            if content is not None and self._taken.get(name) == hash(content):
                continue
            old = self._files.get(name, {})
            new = self._after(name, content)
            for identity in old.keys() | new.keys():
                before.setdefault(identity, self._effective(identity))
            self._replace(name, old, new)
            self._note(name, content)
        put: list[SavedObject] = []
        removed: list[Identity] = []
        for identity, was in before.items():
            now = self._effective(identity)
            if now is None and was is not None:
                removed.append(identity)
            elif now is not None and now != was:
                put.append(now)
        return ManifestChange(tuple(put), tuple(removed))

    def _is_doubtful(self, name: str, content: bytes | None) -> bool:
        if content is not None and self._taken.get(name) == hash(content):
            return False
        unended = content is not None and not name.endswith(".json") and not content.endswith(b"\n")
        return unended or bool(self._files.get(name, {}).keys() - self._after(name, content).keys())

    def _after(self, name: str, content: bytes | None) -> _Content:
        """Return what a file has once this is taken in."""
        if content is None:
            return {}
        parsed = self._parse(name, content)
        good = {identity_of(document.object): document for document in parsed.documents}
        return good if parsed.whole else {**self._files.get(name, {}), **good}

    def _parse(self, name: str, content: bytes) -> ParsedFile:
        key, parsed = self._parsed.get(name, (None, None))
        if parsed is None or key != hash(content):
            parsed = parse_file(name, content)
            self._parsed[name] = (hash(content), parsed)
        return parsed

    def _note(self, name: str, content: bytes | None) -> None:
        _, parsed = self._parsed.pop(name, (None, None))
        if content is None or parsed is None:
            self._problems.pop(name, None)
            self._taken.pop(name, None)
        else:
            self._problems[name] = parsed.problems
            self._taken[name] = hash(content)

    def _replace(self, name: str, old: _Content, new: _Content) -> None:
        for identity in old.keys() - new.keys():
            self._holders[identity].remove(name)
            if not self._holders[identity]:
                del self._holders[identity]
        for identity in new.keys() - old.keys():
            self._holders.setdefault(identity, []).append(name)
        if new:
            self._files[name] = new
        else:
            self._files.pop(name, None)

    def _effective(self, identity: Identity) -> SavedObject | None:
        holders = self._holders.get(identity)
        return SavedObject(holders[0], self._files[holders[0]][identity].object) if holders else None

    def _twice(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(
                other,
                self._files[other][identity].number,
                self._files[other][identity].line,
                f"{identity[0]} {identity[1]}",
                "",
                "",
                f"is in {holders[0]} already, which counts; remove one of them",
            )
            for identity, holders in sorted(item for item in self._holders.items() if len(item[1]) > 1)
            for other in holders[1:]
        )
