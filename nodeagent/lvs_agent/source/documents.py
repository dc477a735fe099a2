"""Reads a manifest file: the objects in it, and what is wrong with it, by document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import yaml
from lvs_api.validation import Invalid, load

from lvs_agent.source.events import ApiObject
from lvs_api.meta import ObjectKey

__all__ = ["Document", "Identity", "ParsedFile", "Problem", "identity_of", "parse_file"]

# A line that begins with "---" always begins a document (YAML 1.2, 9.1.4): block scalars are indented.
_BOUNDARY = re.compile(rb"^---(?=\s|$)", re.MULTILINE)

Identity = tuple[str, ObjectKey]  # kind and key


class Problem(msgspec.Struct, frozen=True):
    """Something wrong in a file.

    Parameters
    ----------
    document
        Number of the document in the file, from 1.
    line
        Line of the file at which the document begins, or at which reading it failed; from 1.
    object
        Kind and name; empty where the document can't be read.
    field, value
        What is at fault; empty where it is the document as a whole.
    """

    file: str
    document: int
    line: int
    object: str
    field: str
    value: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}, document {self.document} (line {self.line})"
        shown = ": ".join(part for part in (self.object, self.field, self.value) if part)
        return f"{where}: {shown}: {self.message}" if shown else f"{where}: {self.message}"


class Document(msgspec.Struct, frozen=True):
    """One good object of a file."""

    number: int
    line: int
    object: ApiObject


class ParsedFile(msgspec.Struct, frozen=True):
    """What a file says.

    Parameters
    ----------
    held
        Objects that the file names but whose documents are not good: their last good state is to stay.
    unreadable
        Whether some document can't even be told apart from others, or there is none at all: then an object
        that is missing may just not have been written yet.
    """

    documents: tuple[Document, ...]
    held: frozenset[Identity]
    problems: tuple[Problem, ...]
    unreadable: bool


def identity_of(one: ApiObject) -> Identity:
    """Return kind and key of an object."""
    return type(one).__name__, one.metadata.key


def parse_file(name: str, content: bytes) -> ParsedFile:
    """Read a file; a document that is not good does not hide the others.

    Parameters
    ----------
    name
        Of the file, for messages. One that ends in .json holds one JSON document.
    """
    documents: list[Document] = []
    held: set[Identity] = set()
    problems: list[Problem] = []
    unreadable, empty = False, True
    for number, (line, text) in enumerate(_split(name, content), start=1):
        try:
            read = msgspec.json.decode(text) if name.endswith(".json") else yaml.load(text, yaml.CSafeLoader)
        except (msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
            unreadable, empty = True, False
            at, why = _explain(error)
            problems.append(Problem(name, number, line + at, "", "", "", f"can't be read: {why}"))
            continue
        for content_of_one in _objects_in(read):
            empty = False
            try:
                documents.append(Document(number, line, load(content_of_one)))
            except Invalid as error:
                problems += [
                    Problem(name, number, line, one.object, one.field, one.value, one.message) for one in error.errors
                ]
                identity = _identity_in(content_of_one)
                if identity is None:
                    unreadable = True
                else:
                    held.add(identity)
    if empty:
        problems.append(Problem(name, 1, 1, "", "", "", "is empty; its objects stay until it is deleted or filled"))
    return ParsedFile(tuple(documents), frozenset(held), tuple(problems), unreadable or empty)


def _split(name: str, content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each document with the line it begins at."""
    if name.endswith(".json"):
        yield 1, content
        return
    starts = [0, *(match.start() for match in _BOUNDARY.finditer(content) if match.start() > 0)]
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        text = content[start:end]
        if _BOUNDARY.sub(b"", text, count=1).strip():
            yield content.count(b"\n", 0, start) + 1, text


def _objects_in(read: Any) -> Iterable[Any]:
    """Return the objects of a document: itself, or the items of a List."""
    if read is None:
        return ()
    if isinstance(read, dict) and read.get("kind") == "List" and isinstance(read.get("items"), list):
        items: list[Any] = read["items"]
        return items
    return (read,)


def _identity_in(read: Any) -> Identity | None:
    """Return which object a document is about, as far as it says."""
    metadata = read.get("metadata") if isinstance(read, dict) else None
    kind = read.get("kind") if isinstance(read, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(kind, str) or not isinstance(name, str):
        return None
    namespace = metadata.get("namespace", "" if kind in {"DirectorPool", "LVSNode"} else "default")
    return (kind, ObjectKey(namespace, name)) if isinstance(namespace, str) else None


def _explain(error: Exception) -> tuple[int, str]:
    """Return how many lines into the document reading failed, and why."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return 0, str(error)
    context = getattr(error, "context", None)
    problem = getattr(error, "problem", None) or "not YAML"
    return mark.line, f"{problem} ({context})" if context else str(problem)
