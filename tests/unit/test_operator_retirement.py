"""How far nodes are with retiring, and what it means for the operator's other decisions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lvs_api.lvsnode import LVSNode
from lvs_operator.nodes import node_writes
from lvs_operator.placement import place
from lvs_operator.retirement import progress_of
from tests.unit.objects import pool

CLEAN = {"type": "Retired", "status": "True", "reason": "NothingLeft", "message": "nothing is left"}
BUSY = {"type": "Retired", "status": "False", "reason": "Removing", "message": "4 items left"}


def lvs_node(name: str = "a", *, retire: bool = True, generation: int = 2, **status: Any) -> LVSNode:
    metadata = {"name": name, "uid": f"uid-{name}", "generation": generation}
    spec = {"director": {"pools": ["edge"]}, "retire": retire}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, LVSNode)


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (lvs_node(observedGeneration=2, conditions=[CLEAN]), ""),
        (lvs_node(), ""),
        (lvs_node(observedGeneration=2, conditions=[BUSY]), "4 items left"),
        (lvs_node(observedGeneration=1, conditions=[CLEAN]), "its agent has not answered"),
        (lvs_node(observedGeneration=2, conditions=[]), "its agent has not answered"),
        (lvs_node(retire=False, observedGeneration=2, conditions=[CLEAN]), "its agent has not answered"),
    ],
    ids=[
        "whose agent says so",
        "where no agent ever reported",
        "whose agent still removes",
        "whose agent spoke before it was asked",
        "whose agent says nothing of it",
        "that was not asked",
    ],
)
def test_a_node_is_clean_or_it_is_said_why_not(node: LVSNode, why: str):
    progress = progress_of([node])

    assert progress.waiting == ((("a", why),) if why else ())
    assert progress.clean == (() if why else ("a",))


def test_progress_reads_as_a_sentence():
    nodes = [lvs_node("b", observedGeneration=2, conditions=[BUSY]), lvs_node("a")]

    assert str(progress_of(nodes)) == "1 of 2 nodes are clean; b: 4 items left"


def test_a_node_that_retires_directs_nothing_and_the_pool_says_so():
    some_pool = pool(nodeNames=["a", "b"])

    assert place(some_pool, {}, ["a"], {"a"}).director == "b"
    assert place(some_pool, {}, ["a"], {"a", "b"}).reason == "NodesRetire"


@pytest.mark.parametrize("retire", [True, False])
def test_whether_a_node_retires_is_left_as_it_is_found(retire: bool):
    found = lvs_node(retire=retire)
    wanted = msgspec.structs.replace(found.spec, retire=False)

    assert list(node_writes({"a": wanted}, {}, {"a": found})) == []
