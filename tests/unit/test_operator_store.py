"""What becomes of objects that cannot be read, and of those that are gone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from lvs_api.meta import ObjectKey
from lvs_api.virtualservice import VirtualService
from lvs_operator.cluster import Cluster
from lvs_operator.intents import Apply
from lvs_operator.resources import Target
from lvs_operator.store import Store
from tests.unit.objects import VIP, pool, service

NOW = "2026-02-02T00:00:00Z"
WEB = Target(VirtualService, ObjectKey("shop", "web"))


def raw(thing: Any, version: str = "1", uid: str = "uid-1", **fields: object) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(thing)
    return {**plain, **fields, "metadata": {**plain["metadata"], "uid": uid, "resourceVersion": version}}


def addresses(cluster: Cluster) -> list[str] | None:
    """Return what is decided for the service; None where nothing is."""
    cluster.touch(WEB)
    for intent in cluster.decide(NOW):
        if intent.target == WEB and isinstance(intent, Apply):
            return list(intent.fields["status"]["addresses"])
    return None


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def store(cluster: Cluster) -> Store:
    store = Store(cluster)
    store.put(type(pool()), raw(pool()))
    store.put(VirtualService, raw(service()))
    return store


BROKEN = [
    pytest.param({"spec": {"ports": "many"}}, id="a field of another type"),
    pytest.param({"spec": {"realServers": {}, "colour": "blue"}}, id="a field that is not known"),
    pytest.param({"status": {"addresses": ["nowhere"]}}, id="an address that is none"),
]


@pytest.mark.parametrize("fields", BROKEN)
def test_of_an_object_that_cannot_be_read_the_last_good_form_stays(
    store: Store, cluster: Cluster, fields: dict[str, Any]
) -> None:
    with capture_logs() as logs:
        store.put(VirtualService, raw(service(), "2", **fields))

    assert [entry["object"] for entry in logs] == ["VirtualService shop/web"]
    assert addresses(cluster) == [VIP]


def test_an_object_that_is_there_already_is_no_news(store: Store) -> None:
    assert store.put(VirtualService, raw(service())) == (WEB, "uid-1", False)
    assert store.put(VirtualService, raw(service(), "2")) == (WEB, "uid-1", True)


def test_a_deletion_of_the_former_object_of_that_name_takes_nothing_away(store: Store, cluster: Cluster) -> None:
    store.put(VirtualService, raw(service(), "3", "uid-2"))

    assert not store.remove(WEB, "uid-1")
    assert addresses(cluster) == [VIP]
    assert store.remove(WEB, "uid-2")
    assert addresses(cluster) is None
