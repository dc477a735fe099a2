"""What a journal promises: a change that returned is on disk, and a crash at any byte loses nothing older."""

from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvs_agent.journal import SLACK_LINES, Journal, JournalCorrupt, JournalUnwritable


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int = 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "points.jsonl"


def read_again(path: Path) -> dict[str, Point]:
    with Journal(path, Point) as journal:
        return dict(journal)


def test_what_was_put_is_there_after_a_restart(path: Path) -> None:
    with Journal(path, Point) as journal:
        journal.put_many({"a": Point(1), "b": Point(2, 3)})
        journal.update({"b": Point(4), "c": Point(5)}, ["a", "never there"])

    assert read_again(path) == {"b": Point(4), "c": Point(5)}


def test_a_key_that_is_put_and_deleted_in_one_change_is_put(path: Path) -> None:
    with Journal(path, Point) as journal:
        journal.update({"a": Point(1)}, ["a"])

    assert read_again(path) == {"a": Point(1)}


def test_looking_changes_nothing_on_disk(path: Path) -> None:
    assert read_again(path) == {}
    assert not path.parent.exists()


def test_the_folder_and_the_file_are_for_nobody_else(path: Path) -> None:
    with Journal(path, Point) as journal:
        journal.put_many({"a": Point(1)})

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", range(1, 12), ids=lambda cut: f"{cut} bytes missing")
def test_a_last_line_torn_anywhere_is_as_if_never_written(path: Path, cut: int) -> None:
    with Journal(path, Point) as journal:
        journal.put_many({"a": Point(1)})
        journal.put_many({"b": Point(2)})
    os.truncate(path, path.stat().st_size - cut)

    assert read_again(path) == {"a": Point(1)}


def test_writing_goes_on_after_a_torn_line(path: Path) -> None:
    with Journal(path, Point) as journal:
        journal.put_many({"a": Point(1)})
        journal.put_many({"b": Point(2)})
    os.truncate(path, path.stat().st_size - 3)

    with Journal(path, Point) as journal:
        journal.put_many({"c": Point(3)})

    assert read_again(path) == {"a": Point(1), "c": Point(3)}


def test_a_whole_last_line_of_bytes_that_never_arrived_is_torn_as_well(path: Path) -> None:
    with Journal(path, Point) as journal:
        journal.put_many({"a": Point(1)})
    with path.open("ab") as file:
        file.write(bytes(20) + b"\n")

    assert read_again(path) == {"a": Point(1)}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'["a",{"x":1}]\n\0\0\0\0\n["b",{"x":2}]\n', 2),
        (b'["a",{"x":1}]\n["b",{"x":"two"}]\n', 2),
        (b'["a",{"x":\n["b",{"x":2}]\n["c",{"x":2}]\n', 1),
        (b'{"a":{"x":1}}\n["b",{"x":2}]\n', 1),
        (b'["a",{"x":1}]\n["b"', 0),
    ],
    ids=["zeroes", "another type", "half a line", "not a list", "only torn at the end"],
)
def test_a_damaged_line_is_an_error_that_names_it(path: Path, content: bytes, line: int) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    if line == 0:
        assert read_again(path) == {"a": Point(1)}
        return
    with pytest.raises(JournalCorrupt) as caught:
        Journal(path, Point)
    assert (caught.value.path, caught.value.line) == (path, line)
    assert path.read_bytes() == content


def test_a_folder_in_the_files_place_is_an_error_that_names_it(path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(JournalUnwritable, match=r"points\.jsonl cannot be used"):
        Journal(path, Point)


def test_the_file_stays_in_proportion_to_what_it_holds(path: Path) -> None:
    with Journal(path, Point) as journal:
        journal.put_many({"kept": Point(0)})
        for number in range(3 * SLACK_LINES):
            journal.update({"a": Point(number)}, [])

    lines = path.read_bytes().count(b"\n")
    assert lines <= SLACK_LINES + 2 * 2
    assert read_again(path) == {"kept": Point(0), "a": Point(3 * SLACK_LINES - 1)}
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_reader_beside_the_writer_sees_whole_changes_only(path: Path) -> None:
    with Journal(path, Point) as journal:
        for number in range(SLACK_LINES + 10):
            journal.put_many({"a": Point(number)})
            if number % 100 == 0:
                assert read_again(path) == {"a": Point(number)}


def test_a_full_disk_changes_nothing_and_the_next_change_works(path: Path) -> None:
    with Journal(path, Point) as journal:
        journal.put_many({"a": Point(1)})
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
        try:
            with pytest.raises(JournalUnwritable, match="File too large"):
                journal.put_many({"b": Point(2), "c": Point(3)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)

        assert dict(journal) == {"a": Point(1)}
        journal.put_many({"d": Point(4)})

    assert read_again(path) == {"a": Point(1), "d": Point(4)}


keys = st.text(max_size=3)
changes = st.lists(st.tuples(st.dictionaries(keys, st.builds(Point, st.integers(-5, 5))), st.lists(keys)), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=changes, data=st.data())
def test_a_file_cut_anywhere_holds_a_state_that_once_was(tmp_path: Path, changes: list, data: st.DataObject) -> None:
    path = tmp_path / "cut.jsonl"
    path.unlink(missing_ok=True)
    expected: dict[str, Point] = {}
    lines: list[dict[str, Point]] = [{}]
    with Journal(path, Point) as journal:
        for puts, deletes in changes:
            journal.update(puts, deletes)
            for key, value in puts.items():
                expected[key] = value
                lines.append(dict(expected))
            for key in dict.fromkeys(deletes):
                if key in expected and key not in puts:
                    del expected[key]
                    lines.append(dict(expected))
    content = path.read_bytes() if path.exists() else b""
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])

    assert read_again(path) == lines[content[:cut].count(b"\n")]
