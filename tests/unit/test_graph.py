"""Which virtual services an object concerns."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lvs_api.graph import ObjectGraph
from lvs_api.meta import ObjectKey
from lvs_api.virtualservice import RealServerSource
from tests.unit.objects import endpoint_slice, real_server

WEB, API = ObjectKey("shop", "web"), ObjectKey("shop", "api")


def source(**content: object) -> RealServerSource:
    return msgspec.convert(content, RealServerSource)


def selecting(**labels: str) -> RealServerSource:
    return source(selector={"matchLabels": labels})


def test_a_real_server_concerns_the_services_that_select_it():
    graph = ObjectGraph()
    graph.put_service(WEB, selecting(app="web"))
    graph.put_service(API, selecting(app="api"))

    assert graph.put_real_server(real_server("a", "10.0.0.1")) == {WEB}


def test_a_real_server_whose_labels_change_concerns_the_service_it_leaves_and_the_one_it_joins():
    graph = ObjectGraph()
    graph.put_service(WEB, selecting(app="web"))
    graph.put_service(API, selecting(app="api"))
    graph.put_real_server(real_server("a", "10.0.0.1"))

    assert graph.put_real_server(real_server("a", "10.0.0.1", labels={"app": "api"})) == {WEB, API}


def test_a_status_that_moved_concerns_nobody():
    graph = ObjectGraph()
    graph.put_service(WEB, selecting(app="web"))
    server = real_server("a", "10.0.0.1")
    graph.put_real_server(server)

    moved = msgspec.structs.replace(server, status=msgspec.structs.replace(server.status, active_connections=5))

    assert graph.put_real_server(moved) == frozenset()


def test_real_servers_of_another_namespace_are_nobodys_business():
    graph = ObjectGraph()
    graph.put_service(WEB, selecting(app="web"))

    assert graph.put_real_server(real_server("a", "10.0.0.1", namespace="other")) == frozenset()


def test_an_endpoint_slice_concerns_the_services_that_follow_its_service():
    graph = ObjectGraph()
    graph.put_service(WEB, source(service={"name": "web"}))
    piece = endpoint_slice("web-1", [])

    assert graph.put_slice(piece) == {WEB}
    assert graph.remove_slice(piece.metadata.key) == {WEB}


LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"]), max_size=2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("service"), st.sampled_from("xy"), LABELS),
        st.tuples(st.just("server"), st.sampled_from("pqr"), LABELS),
        st.tuples(st.just("no service"), st.sampled_from("xy"), st.just({})),
        st.tuples(st.just("no server"), st.sampled_from("pqr"), st.just({})),
    ),
    max_size=25,
)


@given(STEPS)
def test_after_any_changes_each_service_has_just_the_real_servers_that_its_selector_matches(steps):
    graph, selectors, servers = ObjectGraph(), {}, {}
    for step, name, labels in steps:
        key = ObjectKey("shop", name)
        match step:
            case "service":
                selectors[key] = selecting(**labels)
                graph.put_service(key, selectors[key])
            case "no service":
                selectors.pop(key, None)
                graph.remove_service(key)
            case "server":
                servers[key] = real_server(name, "10.0.0.1", labels=labels or {"none": "yes"})
                graph.put_real_server(servers[key])
            case "no server":
                servers.pop(key, None)
                graph.remove_real_server(key)

    for key, wanted in selectors.items():
        expected = {one.metadata.key for one in servers.values() if wanted.selector.matches(one.metadata.labels)}
        assert {one.metadata.key for one in graph.real_servers(key)} == expected
