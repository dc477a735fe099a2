"""A real server that fails is out and comes back by itself, and an agent's restart changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from lab.processes import requests, wait_until
from lab.topologies import one_subnet
from tests.integration.fileslab import FilesLab, entries
from tests.integration.manifests import director_pool, real_server, several, virtual_service

VIP = "198.51.100.200"
ONE, TWO = "198.51.100.21", "198.51.100.22"
HTTP = {"type": "HTTP", "interval": "500ms", "timeout": "400ms", "rise": 2, "fall": 2, "http": {"path": "/healthz"}}
TCP = {"type": "TCP", "interval": "500ms", "timeout": "400ms", "rise": 2, "fall": 2}


def checked(check: dict[str, Any], **spec: Any) -> str:
    return several(
        director_pool(["198.51.100.192/27"]),
        virtual_service(VIP, healthCheck=check, **spec),
        real_server("one", ONE),
        real_server("two", TWO),
    )


def fail(lab: FilesLab, behaviour: str) -> None:
    if behaviour == "gone":
        lab.servers["rs-1"].stop()
    else:
        lab.servers["rs-1"].behave(behaviour)


def mend(lab: FilesLab, behaviour: str) -> None:
    if behaviour == "gone":
        lab.servers["rs-1"].start()
    else:
        lab.servers["rs-1"].behave("ok")


@pytest.mark.parametrize(
    ("check", "behaviour", "quiescent", "while_out"),
    [
        pytest.param(HTTP, "gone", True, [f"{ONE} 0", f"{TWO} 1"], id="HTTP, process gone, weight 0"),
        pytest.param(HTTP, "error", False, [f"{TWO} 1"], id="HTTP, answers 500, removed"),
        pytest.param(HTTP, "silent", True, [f"{ONE} 0", f"{TWO} 1"], id="HTTP, accepts and stays silent, weight 0"),
        pytest.param(TCP, "gone", False, [f"{TWO} 1"], id="TCP, process gone, removed"),
    ],
)
def test_a_real_server_that_stops_answering_is_out_and_comes_back_by_itself(
    files_lab, check, behaviour, quiescent, while_out
):
    lab = files_lab(one_subnet())
    lab.write(checked(check, quiescent=quiescent))
    lab.wait_for_table(f"{ONE} 1", f"{TWO} 1")
    lab.ready(2, VIP)

    fail(lab, behaviour)
    lab.wait_for_table(*while_out)
    replies = requests(lab.network["client"], VIP, 50)
    mend(lab, behaviour)
    lab.wait_for_table(f"{ONE} 1", f"{TWO} 1")

    assert replies.failures == {}
    assert replies.servers == {"rs-2": 50}


def test_a_restart_of_the_agent_changes_nothing_and_what_is_down_stays_down(files_lab):
    lab = files_lab(one_subnet())
    lab.write(checked(HTTP))
    lab.wait_for_table(f"{ONE} 1", f"{TWO} 1")
    lab.ready(2, VIP)
    fail(lab, "error")
    lab.wait_for_table(f"{ONE} 0", f"{TWO} 1")
    before = lab.director.dump()

    for end in (lab.agents["director-1"].stop, lab.agents["director-1"].kill):
        end()
        assert requests(lab.network["client"], VIP, 20).failures == {}
        said = lab.log_position()
        lab.agents["director-1"].restart()
        lab.wait_for_log("all objects are known", since=said)
        assert entries(lab.director) == [f"{ONE} 0", f"{TWO} 1"]
        assert requests(lab.network["client"], VIP, 20).failures == {}

    assert lab.director.dump() == before
    mend(lab, "error")
    wait_until(lambda: entries(lab.director) == [f"{ONE} 1", f"{TWO} 1"], "the real server to come back")
