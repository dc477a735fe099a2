"""What a node is asked to be, and what it says when it has retired."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lvs_agent.model.duty import Duty, duty_from_node
from lvs_agent.report.statuses import node_status
from lvs_api.lvsnode import LVSNode

SPEC = {"director": {"pools": ["edge"]}, "realServer": {"addresses": ["198.51.100.200"]}}


@pytest.mark.parametrize(
    ("retire", "duty"),
    [(False, Duty(frozenset({"edge"}), ("198.51.100.200",))), (True, Duty())],
    ids=["as the operator asks", "nothing, for one that retires"],
)
def test_a_nodes_duty_is(retire: bool, duty: Duty):
    node = msgspec.convert({"metadata": {"name": "a"}, "spec": {**SPEC, "retire": retire}}, LVSNode)

    assert duty_from_node(node) == duty


@pytest.mark.parametrize(
    ("left", "errors", "said"),
    [
        (None, (), []),
        (0, (), [("True", "NothingLeft", "nothing of this agent is left in the kernel")]),
        (3, (), [("False", "Removing", "3 items left")]),
        (1, ("busy",), [("False", "Removing", "1 items left: busy")]),
    ],
    ids=["not retiring", "nothing left", "something left", "something in the way"],
)
def test_a_node_that_retires_says_what_is_left(left: int | None, errors: tuple[str, ...], said: list[Any]):
    status = node_status(
        generation=4,
        kernel="6.1",
        ipvs="1.2.1",
        addresses=(),
        carried=(),
        sysctls=(),
        errors=errors,
        left=left,
        since="2026-01-01T00:00:00Z",
    )

    retired = [one for one in status.conditions if one.type == "Retired"]
    assert [(one.status, one.reason, one.message) for one in retired] == said
