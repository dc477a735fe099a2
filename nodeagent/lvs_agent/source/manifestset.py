"""All manifest files together: which objects they amount to, with the last good state where a file is broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from lvs_agent.source.documents import Identity, ParsedFile, Problem, identity_of, parse_file
from lvs_agent.source.events import ApiObject

__all__ = ["ManifestChange", "ManifestSet", "SavedObject"]


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
        self._objects: dict[str, dict[Identity, ApiObject]] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._seen: dict[str, int] = {}  # hash of the content that was read last
        self._holders: dict[Identity, list[str]] = {}  # the first one counts
        for one in saved:
            self._objects.setdefault(one.file, {})[identity_of(one.object)] = one.object
            self._holders.setdefault(identity_of(one.object), []).append(one.file)

    @property
    def files(self) -> frozenset[str]:
        """The files that objects are known from."""
        return frozenset(self._objects)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong now, by file."""
        return tuple(problem for name in sorted(self._problems) for problem in self._problems[name]) + self._twice()

    def update(self, files: Mapping[str, bytes | None]) -> ManifestChange:
        """Take files in: their content, or None for one that is gone.

        An object that a file no longer has is removed, unless some document of that file can't be read or
        the file is empty: it may be half written. An object that is wrong keeps its last good state. One that
        two files have is that of the file that had it first.
        """
        before: dict[Identity, ApiObject | None] = {}
        for name in sorted(files):
            content = files[name]
            if content is not None and self._seen.get(name) == hash(content):
                continue
            old = self._objects.get(name, {})
            new = {} if content is None else self._merge(name, old, parse_file(name, content))
            self._seen[name] = hash(content)
            for identity in old.keys() | new.keys():
                before.setdefault(identity, self._effective(identity))
            self._replace(name, old, new, gone=content is None)
        put: list[SavedObject] = []
        removed: list[Identity] = []
        for identity, was in before.items():
            now = self._effective(identity)
            if now is None and was is not None:
                removed.append(identity)
            elif now is not None and now != was:
                put.append(SavedObject(self._holders[identity][0], now))
        return ManifestChange(tuple(put), tuple(removed))

    def _merge(self, name: str, old: Mapping[Identity, ApiObject], parsed: ParsedFile) -> dict[Identity, ApiObject]:
        self._problems[name] = parsed.problems
        stays = old.keys() if parsed.unreadable else parsed.held & old.keys()
        return {
            **{identity: old[identity] for identity in stays},
            **{identity_of(document.object): document.object for document in parsed.documents},
        }

    def _replace(
        self, name: str, old: Mapping[Identity, ApiObject], new: dict[Identity, ApiObject], *, gone: bool
    ) -> None:
        for identity in old.keys() - new.keys():
            self._holders[identity].remove(name)
            if not self._holders[identity]:
                del self._holders[identity]
        for identity in new.keys() - old.keys():
            self._holders.setdefault(identity, []).append(name)
        if gone:
            self._objects.pop(name, None)
            self._problems.pop(name, None)
            self._seen.pop(name, None)
        else:
            self._objects[name] = new

    def _effective(self, identity: Identity) -> ApiObject | None:
        holders = self._holders.get(identity)
        return self._objects[holders[0]][identity] if holders else None

    def _twice(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(
                other, 0, 0, f"{kind} {key}", "", "", f"is in {holders[0]} already, which counts; remove one of them"
            )
            for (kind, key), holders in sorted(self._holders.items())
            for other in holders[1:]
        )
