"""A mapping that survives a crash at any instruction: changes are lines appended to a file and synced to disk."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar

import msgspec

from lvs_agent.errors import AgentError

__all__ = ["Journal", "JournalCorrupt", "JournalUnwritable"]

V = TypeVar("V")

# A file is written anew once it has this many lines more than twice its entries: each change then costs,
# over time, less than two lines.
SLACK_LINES = 1_000

_encoder = msgspec.json.Encoder()


class JournalCorrupt(AgentError):
    """A line of a journal cannot be read, and it is not one that a crash has torn."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        super().__init__(
            f"{path}, line {line} cannot be read: {reason}. Nothing was lost by this program: "
            f"repair the line, or move the file away to start with an empty one"
        )


class JournalUnwritable(AgentError):
    """A journal cannot be read from or written to disk; what it held before still holds."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} cannot be used: {reason}")


class Journal(Mapping[str, V], Generic[V]):
    """A persistent mapping from text to values of one msgspec type.

    The file is one JSON array per line: ``["key", value]`` puts, ``["key"]`` deletes. Loading changes
    nothing on disk; the file and its folder (mode 0700) are made by the first change. A last line that a
    crash has torn is as if it had never been written, since its writer had not returned yet.

    Parameters
    ----------
    path
        The file.
    value_type
        Of all values.

    Raises
    ------
    JournalCorrupt
        If a line other than a torn last one cannot be read.
    JournalUnwritable
        If the file cannot be read.
    """

    def __init__(self, path: Path, value_type: type[V]) -> None:
        self._path = path
        self._values: dict[str, V] = {}
        self._lines = 0
        self._size = 0
        self._descriptor: int | None = None
        self._load(value_type)

    def __getitem__(self, key: str) -> V:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __enter__(self) -> Journal[V]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the next change opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def put_many(self, puts: Mapping[str, V]) -> None:
        """Put entries, as ``update`` does."""
        self.update(puts, ())

    def delete_many(self, keys: Collection[str]) -> None:
        """Delete entries, as ``update`` does."""
        self.update({}, keys)

    def update(self, puts: Mapping[str, V], deletes: Collection[str]) -> None:
        """Put and delete entries with one write; it is on disk when this returns.

        Parameters
        ----------
        deletes
            Keys; those that are not there are passed over.

        Raises
        ------
        JournalUnwritable
            If the disk refuses; then nothing has changed, here or there.
        """
        gone = [key for key in dict.fromkeys(deletes) if key in self._values and key not in puts]
        lines = [_encoder.encode((key, value)) for key, value in puts.items()]
        lines += [_encoder.encode((key,)) for key in gone]
        if not lines:
            return
        try:
            self._append(b"\n".join(lines) + b"\n")
        except OSError as error:
            raise JournalUnwritable(self._path, str(error.strerror or error)) from error
        self._lines += len(lines)
        self._values.update(puts)
        for key in gone:
            del self._values[key]
        if self._lines > 2 * len(self._values) + SLACK_LINES:
            self._compact()

    def _load(self, value_type: type[V]) -> None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise JournalUnwritable(self._path, str(error.strerror or error)) from error
        # Types that are only known here can't be spelled for the checker.
        put_decoder = msgspec.json.Decoder(tuple[str, value_type])  # type: ignore[valid-type]
        delete_decoder: msgspec.json.Decoder[tuple[str]] = msgspec.json.Decoder(tuple[str])
        lines = content.split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                self._take(line, put_decoder, delete_decoder)
            except msgspec.MsgspecError as error:
                if number == len(lines) - 1 and not lines[-1] and not _is_json(line):
                    break
                raise JournalCorrupt(self._path, number, str(error)) from error
            self._lines += 1
            self._size += len(line) + 1

    def _take(
        self,
        line: bytes,
        put_decoder: msgspec.json.Decoder[tuple[str, V]],
        delete_decoder: msgspec.json.Decoder[tuple[str]],
    ) -> None:
        try:
            key, value = put_decoder.decode(line)
        except msgspec.ValidationError:
            try:
                (key,) = delete_decoder.decode(line)
            except msgspec.ValidationError:
                put_decoder.decode(line)  # its error is the one that helps
                raise
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def _append(self, data: bytes) -> None:
        descriptor = self._open()
        try:
            _write_all(descriptor, data, self._size)
            os.fdatasync(descriptor)
        except OSError:
            # The file is opened anew, and cut to what is known to be good, by the next change.
            self.close()
            raise
        self._size += len(data)

    def _open(self) -> int:
        if self._descriptor is None:
            _make_folder(self._path.parent)
            new = not self._path.exists()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(descriptor, self._size)
                if new:
                    _sync_folder(self._path.parent)
            except OSError:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
        return self._descriptor

    def _compact(self) -> None:
        """Write the entries to a new file that takes the old one's name; if that fails the old one serves on."""
        data = b"".join(_encoder.encode((key, value)) + b"\n" for key, value in self._values.items())
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _write_all(descriptor, data, 0)
                os.fsync(descriptor)
                os.rename(temporary, self._path)
            except OSError:
                os.close(descriptor)
                raise
        except OSError:
            return
        self.close()
        self._descriptor, self._size, self._lines = descriptor, len(data), len(self._values)
        _sync_folder(self._path.parent)


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.MsgspecError:
        return False
    return True


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
