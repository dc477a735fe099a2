"""What following a collection promises, without any connection: lists, events, objects that make no sense."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs_agent.source.cluster import Gathered
from lvs_agent.source.events import Put, Removed
from lvs_agent.source.mirror import Mirror
from lvs_agent.source.wire import Decoded, ObjectDecoder, Undecodable, lines, refusal
from lvs_api.meta import ObjectKey, ObjectMeta
from lvs_api.realserver import RealServer, RealServerSpec

WEB_1, WEB_2 = ObjectKey("shop", "web-1"), ObjectKey("shop", "web-2")


def server(key: ObjectKey, weight: int = 1, version: str = "1") -> RealServer:
    return RealServer(
        metadata=ObjectMeta(name=key.name, namespace=key.namespace, resource_version=version),
        spec=RealServerSpec(address="198.51.100.21", weight=weight),
    )


def not_understood(key: ObjectKey) -> Undecodable:
    return Undecodable(ObjectMeta(name=key.name, namespace=key.namespace), "unknown field `colour`")


def test_a_second_list_emits_only_what_differs() -> None:
    mirror = Mirror(RealServer)
    mirror.replace([Decoded(server(WEB_1)), Decoded(server(WEB_2))])

    events = mirror.replace([Decoded(server(WEB_1)), Decoded(server(WEB_2, weight=3, version="2"))])

    assert events == [Put(server(WEB_2, weight=3, version="2"))]


def test_an_object_missing_from_a_complete_list_is_removed() -> None:
    mirror = Mirror(RealServer)
    mirror.replace([Decoded(server(WEB_1)), Decoded(server(WEB_2))])

    assert mirror.replace([Decoded(server(WEB_2))]) == [Removed(RealServer, WEB_1)]


def test_an_object_that_is_no_longer_understood_keeps_its_last_good_version() -> None:
    mirror = Mirror(RealServer)
    mirror.replace([Decoded(server(WEB_1))])

    assert mirror.replace([not_understood(WEB_1)]) == []
    assert WEB_1 in mirror


def test_an_object_that_was_never_understood_is_never_removed_either() -> None:
    mirror = Mirror(RealServer)
    mirror.replace([not_understood(WEB_1)])

    assert mirror.remove(WEB_1) == []


KEYS = st.sampled_from([WEB_1, WEB_2, ObjectKey("shop", "web-3")])
CONTENTS = st.dictionaries(KEYS, st.integers(0, 3))


@given(st.lists(CONTENTS, min_size=1))
def test_whoever_follows_the_events_has_what_was_listed_last(lists: list[dict[ObjectKey, int]]) -> None:
    mirror, follower, gathered = Mirror(RealServer), dict[ObjectKey, int](), Gathered()
    for contents in lists:
        gathered.add(mirror.replace(Decoded(server(key, weight)) for key, weight in contents.items()))

    for event in gathered.take():
        if isinstance(event, Removed):
            follower.pop(event.key, None)
        else:
            assert isinstance(event.object, RealServer)
            follower[event.object.metadata.key] = event.object.spec.weight

    assert follower == lists[-1]


def test_a_slow_reader_gets_the_latest_of_each_object_once() -> None:
    gathered = Gathered()
    gathered.add([Put(server(WEB_1, weight=1)), Put(server(WEB_2))])
    gathered.add([Removed(RealServer, WEB_2), Put(server(WEB_1, weight=2))])

    assert gathered.take() == (Removed(RealServer, WEB_2), Put(server(WEB_1, weight=2)))
    assert gathered.take() == ()


def test_an_object_with_a_field_of_a_newer_version_is_named_together_with_the_field() -> None:
    raw = {"metadata": {"name": "web-1", "namespace": "shop"}, "spec": {"address": "198.51.100.21", "colour": "red"}}

    decoded = ObjectDecoder(RealServer).decode(msgspec.Raw(json.dumps(raw).encode()))

    assert isinstance(decoded, Undecodable)
    assert decoded.meta.key == WEB_1
    assert "colour" in decoded.problem


@given(st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line)), st.integers(1, 7))
def test_watch_lines_arrive_whole_however_the_network_cuts_them(sent: list[bytes], size: int) -> None:
    stream = b"".join(line + b"\n" for line in sent)
    buffer, received = bytearray(), list[bytes]()

    for start in range(0, len(stream), size):
        buffer += stream[start : start + size]
        received.extend(lines(buffer))

    assert received == sent
    assert buffer == b""


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param(
            b'{"kind":"Status","code":410,"reason":"Expired","message":"too old"}', 410, "too old", id="Status"
        ),
        pytest.param(b"<html>Bad Gateway</html>", 502, "<html>Bad Gateway</html>", id="a proxy's page"),
        pytest.param(b"", 502, "", id="nothing"),
    ],
)
def test_a_refusal_is_understood_whoever_answers(body: bytes, code: int, message: str) -> None:
    told = refusal(body, code)

    assert (told.code, told.message) == (code, message)
