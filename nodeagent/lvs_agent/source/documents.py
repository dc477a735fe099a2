"""Reads a manifest file: the objects in it, and what is wrong with it, by document."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import msgspec
import yaml

from lvs_agent.source.events import ApiObject
from lvs_api.meta import ObjectKey
from lvs_api.validation import Invalid, load

__all__ = ["Document", "Identity", "ParsedFile", "Problem", "identity_of", "parse_file"]

# A line that begins with "---" always begins a document (YAML 1.2, 9.1.4): block scalars are indented.
_BOUNDARY = re.compile(rb"^---(?=\s|$)", re.MULTILINE)
# What a reader does not count as the beginning of a document: a boundary by itself, blank lines, comments, directives.
_PRELUDE = re.compile(rb"\A(?:(?:---)?[ \t]*(?:[#%][^\n]*)?\r?\n)*")

Identity = tuple[str, ObjectKey]  # kind and key


class Problem(msgspec.Struct, frozen=True):
    """Something wrong in a file.

    Parameters
    ----------
    document
        Number of the document in the file, from 1; 0 where it is about the file as a whole.
    line
        Line of the file at which the document begins, or at which reading it failed; from 1.
    object
        Kind and name; empty where the document can't be read.
    field, value
        What is at fault; empty where it is the document as a whole.
    message
        What is allowed.
    """

    file: str
    document: int
    line: int
    object: str
    field: str
    value: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}, document {self.document} (line {self.line})" if self.document else self.file
        what = f"{self.value} is not allowed; {self.message}" if self.value else self.message
        return ": ".join(part for part in (where, self.object, self.field, what) if part)


class Document(msgspec.Struct, frozen=True):
    """One good object of a file, and where in the file it stands; 0 where that is not known any longer."""

    number: int
    line: int
    object: ApiObject


class ParsedFile(msgspec.Struct, frozen=True):
    """What a file says.

    Parameters
    ----------
    whole
        Whether every document is good and the file is not blank. If not, an object that is missing may just not have
        been written yet, or be the one that is not good.
    """

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]
    whole: bool


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
    documents: dict[Identity, Document] = {}
    problems: list[Problem] = []
    for number, (line, text) in enumerate(_split(name, content), start=1):
        try:
            read = msgspec.json.decode(text) if name.endswith(".json") else yaml.load(text, _Loader)  # noqa: S506
        except (msgspec.DecodeError, yaml.YAMLError, ValueError) as error:
            at, why = _explain(error)
            problems.append(Problem(name, number, line + at, "", "", "", f"can't be read: {why}"))
            continue
        for one in _objects_in(read):
            try:
                document = Document(number, line, load(one))
            except Invalid as refused:
                problems += (
                    Problem(name, number, line, error.object, error.field, error.value, error.message)
                    for error in refused.errors
                )
                continue
            first = documents.setdefault(identity_of(document.object), document)
            if first is not document:
                problems.append(_twice(name, document, f"document {first.number} (line {first.line})"))
    if not content.strip():
        problems.append(
            Problem(name, 0, 0, "", "", "", "is empty; its objects stay until it is deleted or has something in it")
        )
    return ParsedFile(tuple(documents.values()), tuple(problems), whole=not problems)


def _split(name: str, content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each document that holds something, with the line it begins at."""
    if name.endswith(".json"):
        if content.strip():
            yield 1, content
        return
    starts = [0, *(match.start() for match in _BOUNDARY.finditer(content) if match.start() > 0)]
    line = 1
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        text = content[start:end]
        prelude = _PRELUDE.match(text)
        body = text[prelude.end() :] if prelude else text
        if body.strip() not in {b"", b"---"}:
            yield line + text.count(b"\n") - body.count(b"\n"), body
        line += text.count(b"\n")


def _objects_in(read: Any) -> Iterable[Any]:
    """Return the objects of a document: itself, or the items of a List."""
    if read is None:
        return ()
    if isinstance(read, dict) and read.get("kind") == "List" and isinstance(read.get("items"), list):
        items: list[Any] = read["items"]
        return items
    return (read,)


def _twice(name: str, document: Document, first: str) -> Problem:
    kind, key = identity_of(document.object)
    message = f"is in {first} already, which counts; remove one of them"
    return Problem(name, document.number, document.line, f"{kind} {key}", "", "", message)


class _Loader(yaml.CSafeLoader):
    """Refuses a field that is given twice, as kubectl does; YAML would quietly take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping of a node."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value} is given twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _explain(error: Exception) -> tuple[int, str]:
    """Return how many lines into the document reading failed, and why."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return 0, str(error)
    context = getattr(error, "context", None)
    problem = getattr(error, "problem", None) or "not YAML"
    return mark.line, f"{problem} ({context})" if context else str(problem)
