"""Which node directs a pool."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs_api.discovery import Node
from lvs_operator.placement import eligible, place
from tests.unit.objects import pool

SELECTED = {"nodeSelector": {"matchLabels": {"director": "yes"}}, "nodeNames": None}


def node(name: str, ready: str | None = "True", **labels: str) -> Node:
    conditions = [{"type": "Ready", "status": ready}] if ready else None
    return msgspec.convert({"metadata": {"name": name, "labels": labels}, "status": {"conditions": conditions}}, Node)


def nodes(*some: Node) -> dict[str, Node]:
    return {one.metadata.name: one for one in some}


CASES = [
    ("the first by name, where nobody directs yet", {"nodeNames": ["d2", "d1"]}, nodes(), [], "d1"),
    ("the current one, for as long as it can", {"nodeNames": ["d1", "d2"]}, nodes(), ["d2"], "d2"),
    ("nobody who is not eligible any more", {"nodeNames": ["d1"]}, nodes(node("d2")), ["d2"], "d1"),
    ("a Node with the labels", SELECTED, nodes(node("a"), node("b", director="yes")), [], "b"),
    ("one that is ready, of those with the labels", SELECTED, nodes(node("a", "False", director="yes"),
     node("b", director="yes")), [], "b"),
    ("one that is ready, in place of the current one", SELECTED, nodes(node("a", director="yes"),
     node("b", "Unknown", director="yes")), ["b"], "a"),
    ("the current one, where nobody is ready", SELECTED, nodes(node("a", "False", director="yes"),
     node("b", "Unknown", director="yes")), ["b"], "b"),
    ("nobody, where nobody is ready and nobody directs", SELECTED, nodes(node("a", "False", director="yes")), [], ""),
    ("one of which nothing is known", SELECTED, nodes(node("a", None, director="yes")), [], "a"),
    ("a machine that is no Node", {"nodeNames": ["machine"]}, nodes(node("a")), [], "machine"),
    ("nobody, where nobody has the labels", SELECTED, nodes(node("a")), ["a"], ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "known", "current", "director"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_pool_is_directed_by(
    spec: dict[str, object], known: dict[str, Node], current: list[str], director: str
) -> None:
    assert place(pool(**spec), known, current).director == director


def test_who_could_have_directed_is_told() -> None:
    known = nodes(node("a", "False", director="yes"), node("b", "False", director="yes"))

    placement = place(pool(**SELECTED), known, [])

    assert (placement.reason, placement.message) == ("NoReadyNode", "no Node is ready of a, b")


NAMES = st.sampled_from(["a", "b", "c", "d"])


@given(
    st.lists(NAMES, min_size=1, unique=True),
    st.dictionaries(NAMES, st.sampled_from(["True", "False", "Unknown"])),
    st.lists(NAMES),
)
def test_who_was_chosen_is_chosen_again(named: list[str], ready: dict[str, str], current: list[str]) -> None:
    known = {name: node(name, state) for name, state in ready.items()}
    some_pool = pool(nodeNames=named)

    first = place(some_pool, known, current)

    assert first.director in {*eligible(some_pool, known), ""}
    assert place(some_pool, known, [first.director, *current]) == first
