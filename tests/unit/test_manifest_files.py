"""Manifest files on a real file system: what is picked up, and what is never lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lvs_agent.source.events import Changes, Put, Removed
from lvs_agent.source.files import NoManifests, follow_files, read_files_once

DEADLINE = 30.0


def rs(name: str, weight: int = 1) -> str:
    return (
        "---\napiVersion: lvs-operator.io/v1alpha1\nkind: RealServer\n"
        f"metadata:\n  name: {name}\n  namespace: shop\n"
        f"spec:\n  address: 198.51.100.21\n  weight: {weight}\n"
    )


class Follower:
    """Applies what a source says, as the agent does."""

    def __init__(self, source: AsyncIterator[Changes]) -> None:
        self._source = source
        self.weights: dict[str, int] = {}
        self.removed: list[str] = []
        self.seen: set[tuple[str, int]] = set()

    async def take(self) -> None:
        for event in (await anext(self._source)).events:
            match event:
                case Put(object=one):
                    self.weights[one.metadata.name] = one.spec.weight  # type: ignore[union-attr]
                    self.seen.add((one.metadata.name, one.spec.weight))  # type: ignore[union-attr]
                case Removed(key=key):
                    del self.weights[key.name]
                    self.removed.append(key.name)

    async def until(self, weights: dict[str, int]) -> None:
        async with asyncio.timeout(DEADLINE):
            while self.weights != weights:
                await self.take()


@asynccontextmanager
async def following(path: Path, state: Path, *, polling: bool = False) -> AsyncIterator[Follower]:
    async with aclosing(follow_files(path, state, polling=polling)) as source:
        follower = Follower(source)
        await follower.take()
        yield follower


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "manifests"
    made.mkdir()
    return made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def test_the_first_reading_is_complete(folder, state):
    (folder / "a.yaml").write_text(rs("one") + rs("two"))
    (folder / "b.json").write_text("{}")
    (folder / "c.yml").write_text(rs("three"))

    async with following(folder, state) as follower:
        assert follower.weights.keys() == {"one", "two", "three"}


async def test_a_file_that_is_changed_added_or_deleted_is_picked_up(folder, state):
    (folder / "a.yaml").write_text(rs("one"))

    async with following(folder, state) as follower:
        (folder / "a.yaml").write_text(rs("one", 5))
        await follower.until({"one": 5})
        (folder / "b.yaml").write_text(rs("two"))
        await follower.until({"one": 5, "two": 1})
        (folder / "a.yaml").unlink()
        await follower.until({"two": 1})


async def test_a_file_replaced_by_renaming_is_never_missing(folder, state):
    (folder / "a.yaml").write_text(rs("one"))

    async with following(folder, state) as follower:
        (folder / ".a.yaml.new").write_text(rs("one", 7))
        (folder / ".a.yaml.new").rename(folder / "a.yaml")
        await follower.until({"one": 7})

        assert follower.removed == []


async def test_files_of_a_config_map_are_picked_up_when_their_folder_is_swapped(folder, state):
    for name, weight in (("..1", 1), ("..2", 2)):
        (folder / name).mkdir()
        (folder / name / "a.yaml").write_text(rs("one", weight))
    (folder / "..data").symlink_to("..1")
    (folder / "a.yaml").symlink_to("..data/a.yaml")

    async with following(folder, state) as follower:
        (folder / "..new").symlink_to("..2")
        (folder / "..new").rename(folder / "..data")
        await follower.until({"one": 2})

        assert follower.removed == []


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(0, id="emptied first"),
        pytest.param(len(rs("one", 10)), id="between two documents"),
        pytest.param(len(rs("one", 10) + rs("two", 20)) - 2, id="within a number"),
    ],
)
async def test_a_file_written_in_pieces_never_takes_away_what_comes_later(folder, state, cut):
    whole = rs("one", 10) + rs("two", 20)
    (folder / "a.yaml").write_text(whole)

    with capture_logs() as logs:
        async with following(folder, state) as follower:
            taking = asyncio.ensure_future(follower.until({"one": 10, "two": 20, "three": 1}))
            (folder / "a.yaml").write_text(whole[:cut])
            async with asyncio.timeout(DEADLINE):
                while not any("half written" in line["event"] or "not usable" in line["event"] for line in logs):  # noqa: ASYNC110 - what is waited for is a line of the log
                    await asyncio.sleep(0.01)
            (folder / "a.yaml").write_text(whole)
            (folder / "b.yaml").write_text(rs("three"))
            await taking

            assert follower.removed == []
            assert follower.seen == {("one", 10), ("two", 20), ("three", 1)}


async def test_a_single_file_may_be_followed(folder, state):
    (folder / "a.yaml").write_text(rs("one"))
    (folder / "b.yaml").write_text(rs("two"))

    async with following(folder / "a.yaml", state) as follower:
        (folder / "b.yaml").write_text(rs("two", 2))
        (folder / "a.yaml").write_text(rs("one", 3))
        await follower.until({"one": 3})


async def test_a_hidden_file_and_an_editors_copy_are_not_read(folder, state):
    (folder / "a.yaml").write_text(rs("one"))
    for name in (".a.yaml.swp", ".b.yaml", "a.yaml~", "#a.yaml#", "a.yaml.bak", "README"):
        (folder / name).write_text(rs("two"))

    async with following(folder, state) as follower:
        assert follower.weights == {"one": 1}


async def test_after_a_restart_what_is_broken_has_its_last_good_state(folder, state):
    (folder / "a.yaml").write_text(rs("one", 5) + rs("two", 6))
    async with following(folder, state):
        pass

    (folder / "a.yaml").write_text(rs("one", 7) + "---\nkind: [broken\n")

    async with following(folder, state) as follower:
        assert follower.weights == {"one": 7, "two": 6}


async def test_a_folder_that_is_gone_takes_no_object_with_it(folder, state):
    (folder / "a.yaml").write_text(rs("one"))
    async with following(folder, state):
        pass

    folder.rename(folder.with_name("elsewhere"))

    async with following(folder, state) as follower:
        assert follower.weights == {"one": 1}


async def test_a_path_with_nothing_at_it_is_an_error_that_says_so(folder, state):
    with pytest.raises(NoManifests, match="wrong: there is no such file or folder"):
        async with following(folder / "wrong", state):
            pass
    with pytest.raises(NoManifests):
        read_files_once(folder / "wrong", state)


async def test_where_the_kernel_reports_no_changes_files_are_read_all_the_time(folder, state):
    (folder / "a.yaml").write_text(rs("one"))

    async with following(folder, state, polling=True) as follower:
        (folder / "a.yaml").write_text(rs("one", 15))
        await follower.until({"one": 15})


async def test_closing_the_source_ends_it_at_once(folder, state):
    async with asyncio.timeout(DEADLINE):
        async with following(folder, state):
            pass


async def test_a_reader_that_is_cancelled_leaves_nothing_behind(folder, state):
    async with following(folder, state) as follower:
        waiting = asyncio.ensure_future(follower.take())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    assert len(asyncio.all_tasks()) == 1


def test_reading_once_writes_nothing_and_says_what_is_wrong(folder, state):
    (folder / "a.yaml").write_text(rs("one") + rs("two", -1))

    events, problems = read_files_once(folder, state)

    assert [event.object.metadata.name for event in events if isinstance(event, Put)] == ["one"]
    [problem] = problems
    assert f"{folder}/a.yaml, document 2 (line 11): RealServer shop/two: spec.weight: -1 is not allowed" in problem
    assert not os.path.lexists(state)
