"""When a write counts as one that does not last."""

from __future__ import annotations

from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey
from lvs_operator.intents import Apply
from lvs_operator.repeats import WINDOW, Repeats
from lvs_operator.resources import Target


def write(pool: str, node: str = "d1") -> Apply:
    return Apply(Target(LVSNode, ObjectKey("", node)), {}, {"spec": {"director": {"pools": [pool]}}})


def test_the_same_write_in_a_row_is_counted_for_each_object_on_its_own() -> None:
    repeats = Repeats()

    assert [repeats.count(write("edge"), now) for now in (0.0, 1.0, 2.0)] == [0, 1, 2]
    assert repeats.count(write("edge", "d2"), 2.0) == 0


def test_another_write_in_between_starts_anew() -> None:
    repeats = Repeats()

    assert [repeats.count(write(pool), 0.0) for pool in ("edge", "edge", "core", "edge")] == [0, 1, 0, 0]


def test_what_is_long_ago_counts_no_more() -> None:
    repeats = Repeats()
    repeats.count(write("edge"), 0.0)
    repeats.count(write("edge", "d2"), WINDOW)

    assert repeats.count(write("edge"), WINDOW) == 0
