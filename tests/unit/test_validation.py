"""What is said to the documents of manifest files; ``api_cases`` has most of it, as the API server says the same."""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs_api import API_VERSION
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice
from lvs_api.expressions import is_cidr, is_ip, scope, unfulfilled
from lvs_api.fields import seconds
from lvs_api.kinds import KINDS
from lvs_api.realserver import RealServer, RealServerStatus
from lvs_api.schema import RULES_KEY, schema_of
from lvs_api.validation import Invalid, load
from lvs_api.virtualservice import Forwarding, VirtualService
from tests.unit.api_cases import CASES, Case

ACCEPTED = [pytest.param(case, id=case.name) for case in CASES if case.field is None]
REFUSED = [pytest.param(case, id=case.name) for case in CASES if case.field is not None]


def real_server(metadata: object = None, **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "RealServer",
        "metadata": {"name": "web-1"} if metadata is None else metadata,
        "spec": {"address": "198.51.100.21", **spec},
    }


def refusal(document: object) -> Invalid:
    with pytest.raises(Invalid) as caught:
        load(document)
    return caught.value


def rules(schema: dict[str, Any]) -> Iterator[dict[str, str]]:
    yield from schema.get(RULES_KEY, ())
    below = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for one in filter(None, below):
        yield from rules(one)


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_the_api_server_accepts_is_accepted(case: Case):
    assert type(load(case.object)).__name__ == case.object["kind"]


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_api_server_refuses_is_refused_with_the_field_and_what_is_allowed(case: Case):
    errors = refusal(case.object).errors

    at_fault = [error for error in errors if error.field.startswith(str(case.field))]
    assert any(case.words.lower() in str(error).lower() for error in at_fault), errors


def test_every_rule_has_an_object_that_breaks_it():
    said = {error.message for case in CASES if case.field is not None for error in refusal(case.object).errors}

    assert {rule["message"] for kind in KINDS for rule in rules(schema_of(kind))} - said == set()


@pytest.mark.parametrize("case", [*ACCEPTED, *REFUSED])
def test_a_document_is_never_changed_by_reading_it(case: Case):
    document = copy.deepcopy(case.object)

    with suppress(Invalid):
        load(document)

    assert document == case.object


@pytest.mark.parametrize("kind", KINDS, ids=[kind.KIND for kind in KINDS])
def test_every_rule_is_language_that_can_be_evaluated(kind):
    for rule in rules(schema_of(kind)):
        unfulfilled(rule["rule"], scope({}))


def test_a_sentence_names_the_object_the_field_the_value_and_what_is_allowed():
    [error] = refusal(real_server({"name": "web-1", "namespace": "shop"}, weight=65536)).errors

    assert str(error) == "RealServer shop/web-1: spec.weight: 65536 is not allowed; must be at most 65535"


def test_all_that_is_wrong_is_said_at_once():
    errors = refusal(real_server({"name": "Web"}, weight=-1, port=70000, wieght=1)).errors

    assert {error.field for error in errors} == {"metadata.name", "spec.weight", "spec.port", "spec.wieght"}


def test_a_typing_error_is_answered_with_the_field_that_was_meant():
    [error] = refusal(real_server(wieght=1)).errors

    assert (error.field, error.message) == ("spec.wieght", "unknown field; did you mean weight?")


def test_a_long_value_is_shortened_in_a_sentence():
    [error] = refusal(real_server(address="w" * 5000)).errors

    assert len(str(error)) < 250


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        pytest.param({"kind": "RealServer"}, "apiVersion", API_VERSION, id="no apiVersion"),
        pytest.param(
            {"apiVersion": "lvs-operator.io/v2", "kind": "RealServer"}, "apiVersion", API_VERSION, id="another version"
        ),
        pytest.param({"apiVersion": API_VERSION, "kind": "RealSrever"}, "kind", "RealServer", id="another kind"),
        pytest.param({"apiVersion": API_VERSION, "kind": ["RealServer"]}, "kind", "RealServer", id="a list as a kind"),
        pytest.param({"apiVersion": "v1", "kind": "Service"}, "apiVersion", "discovery.k8s.io/v1", id="a core kind"),
        pytest.param("just text", "", "must be an object", id="text"),
        pytest.param([], "", "must be an object", id="a list"),
    ],
)
def test_a_document_of_a_kind_that_is_not_known_is_told_which_are(document, field, words):
    [error] = refusal(document).errors

    assert error.field == field
    assert words in error.message


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        pytest.param({}, "metadata.name", id="no name"),
        pytest.param("web", "metadata.name", id="no metadata but a word"),
        pytest.param({"name": 7}, "metadata.name", id="a number"),
        pytest.param({"name": "web_1"}, "metadata.name", id="an underscore"),
        pytest.param({"name": "-web"}, "metadata.name", id="a hyphen in front"),
        pytest.param({"name": "web..1"}, "metadata.name", id="two dots"),
        pytest.param({"name": "web\n"}, "metadata.name", id="a line break"),
        pytest.param({"name": "web", "namespace": "my.shop"}, "metadata.namespace", id="a namespace with a dot"),
        pytest.param({"name": "web", "namespace": "s" * 64}, "metadata.namespace", id="a namespace of 64 characters"),
        pytest.param({"name": "web", "labels": ["app"]}, "metadata.labels", id="a list of labels"),
        pytest.param({"name": "web", "labels": {"a b": "x"}}, "metadata.labels", id="a label's key with a space"),
        pytest.param({"name": "web", "annotations": {"a": 1}}, "metadata.annotations.a", id="an annotation's number"),
    ],
)
def test_names_have_the_form_that_kubernetes_asks_for(metadata, field):
    assert [error.field for error in refusal(real_server(metadata)).errors] == [field]


def test_a_namespace_that_is_left_out_is_default():
    assert load(real_server()).metadata.namespace == "default"


def test_a_kind_of_the_cluster_has_no_namespace():
    document = {
        "apiVersion": API_VERSION,
        "kind": "DirectorPool",
        "metadata": {"name": "edge", "namespace": "shop"},
        "spec": {"nodeNames": ["d1"], "interface": "eth0", "addresses": ["198.51.100.192/27"]},
    }

    pool = load(document)

    assert isinstance(pool, DirectorPool)
    assert pool.metadata.namespace == ""


def test_defaults_are_filled_in_as_by_the_api_server():
    service = load(
        {
            "apiVersion": API_VERSION,
            "kind": "VirtualService",
            "metadata": {"name": "web"},
            "spec": {
                "ports": [{"port": 80}],
                "realServers": {"service": {"name": "web"}},
                "healthCheck": {"type": "HTTP", "http": None},
                "persistence": {},
            },
        }
    )

    assert isinstance(service, VirtualService)
    assert service.spec.forwarding == Forwarding("DR")
    assert service.spec.ports[0].protocol == "TCP"
    assert service.spec.persistence is not None
    assert service.spec.persistence.timeout == "360s"
    assert service.spec.health_check is not None
    assert service.spec.health_check.http is None


def test_an_object_saved_from_a_cluster_is_read_without_its_status():
    saved = real_server(
        {
            "name": "web-1",
            "namespace": "shop",
            "uid": "7a0f",
            "resourceVersion": "42",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
        }
    )

    read = load({**saved, "status": {"state": "Unhealthy", "of a later version": True}})

    assert isinstance(read, RealServer)
    assert read.status == RealServerStatus()
    assert read.metadata.generation == 3


def test_endpoint_slices_may_be_given_and_what_is_not_read_of_them_is_passed_over():
    read = load(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "http"}],
            "endpoints": [{"addresses": ["198.51.100.21"], "hints": {}, "conditions": {"ready": True}}],
        }
    )

    assert isinstance(read, EndpointSlice)
    assert read.endpoints is not None
    assert read.endpoints[0].addresses == ("198.51.100.21",)


def test_an_endpoint_slice_of_the_wrong_form_is_refused_by_its_field():
    document = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1"},
        "endpoints": [{"addresses": "198.51.100.21"}],
    }

    assert [error.field for error in refusal(document).errors] == ["endpoints[0].addresses"]


@given(st.ip_addresses())
def test_every_address_in_its_canonical_spelling_is_one_unless_it_is_ipv4_in_disguise(address):
    disguised = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None

    assert is_ip(str(address)) is not disguised


@given(st.text(max_size=50))
def test_any_text_is_an_address_or_is_not(text):
    assert is_ip(text) in {True, False}
    assert is_cidr(text) in {True, False}


@given(st.from_regex(r"([0-9]{1,12}(\.[0-9]{1,6})?(ms|s|m|h)){1,3}", fullmatch=True))
def test_a_length_of_time_means_the_same_to_rules_and_to_the_agent(text):
    length = seconds(text)

    for bound in (0.5, 60.0, 2_678_400.0):
        if abs(length - bound) > 1e-3:
            longer = not unfulfilled(f"duration(self) > duration('{bound:f}s')", scope(text))
            assert longer is (length > bound)


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-1, 70000), st.floats(), st.text(max_size=8), st.dates())
JUNK = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "apiVersion",
                    "kind",
                    "metadata",
                    "spec",
                    "name",
                    "labels",
                    "ports",
                    "port",
                    "realServers",
                    "http",
                    80,
                    None,
                ]
            ),
            below,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from([kind.KIND for kind in KINDS]), JUNK, JUNK)
def test_whatever_stands_in_a_document_it_is_read_or_refused(kind, metadata, spec):
    with suppress(Invalid):
        read = load({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})

        assert type(read).__name__ == kind
