"""What following a real API server promises, whatever happens to the API server or the way to it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml
from structlog.testing import capture_logs

from lab.apiserver import ApiServer
from lvs_agent.source.cluster import ClusterSource
from lvs_agent.source.connection import Connection
from lvs_agent.source.events import ApiObject, Put, Removed
from lvs_agent.source.trouble import Request
from lvs_api import API_VERSION
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService
from tests.integration.admin import DEADLINE, Admin, real_server, until, virtual_service
from tests.integration.relay import relay_to

NODE = "director-1"


class Follower:
    """Reads a source and keeps what it says."""

    def __init__(self, source: ClusterSource) -> None:
        self._source = source
        self._news = asyncio.Condition()
        self.objects: dict[tuple[type[ApiObject], ObjectKey], ApiObject] = {}
        self.removed: list[Removed] = []
        self.batches = 0
        self.complete = False
        self.complete_ever_taken_back = False

    async def run(self) -> None:
        async with aclosing(self._source.changes()) as batches:
            async for batch in batches:
                async with self._news:
                    self._take(batch.events)
                    self.batches += 1
                    self.complete_ever_taken_back |= self.complete and not batch.complete
                    self.complete = batch.complete
                    self._news.notify_all()

    def _take(self, events: tuple[Put | Removed, ...]) -> None:
        for event in events:
            if isinstance(event, Put):
                self.objects[type(event.object), event.object.metadata.key] = event.object
            else:
                self.removed.append(event)
                del self.objects[event.kind, event.key]

    async def until(self, condition: Callable[[Follower], bool]) -> None:
        async with asyncio.timeout(DEADLINE), self._news:
            await self._news.wait_for(lambda: condition(self))

    def names(self, kind: type[ApiObject], namespace: str = "") -> set[str]:
        return {key.name for held, key in self.objects if held is kind and key.namespace == namespace}

    def server(self, namespace: str, name: str) -> RealServer:
        found = self.objects[RealServer, ObjectKey(namespace, name)]
        assert isinstance(found, RealServer)
        return found


@asynccontextmanager
async def following(way: Path | Connection, silence: float = 150.0) -> AsyncIterator[Follower]:
    connection = way if isinstance(way, Connection) else await Connection.open(way)
    follower = Follower(ClusterSource(connection, NODE, silence))
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(follower.run())
            yield follower
            task.cancel()
    finally:
        await connection.close()


@pytest.fixture
def admin(api_server: ApiServer) -> Admin:
    return Admin(api_server)


@pytest.fixture
async def newer_schema(admin: Admin) -> AsyncIterator[None]:
    """CRDs of a version to come, whose RealServers have a field that this agent does not know."""
    field = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/colour"

    async def patch(operation: dict[str, object]) -> None:
        words = ("patch", "crd", "realservers.lvs-operator.io", "--type=json", "-p", json.dumps([operation]))
        await admin.kubectl(*words)

    await patch({"op": "add", "path": field, "value": {"type": "string"}})
    yield
    await patch({"op": "remove", "path": field})


async def test_the_first_complete_batch_has_every_kind(api_server: ApiServer, admin: Admin) -> None:
    shop = await admin.namespace()
    pool = {"interface": "eth0", "addresses": ["198.51.100.192/27"], "nodeNames": [NODE]}
    endpoint_slice = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-abc", "namespace": shop, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["198.51.100.21"], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }
    await admin.apply(
        virtual_service(shop, "web"),
        real_server(shop, "web-1"),
        {"apiVersion": API_VERSION, "kind": "DirectorPool", "metadata": {"name": shop}, "spec": pool},
        {"apiVersion": API_VERSION, "kind": "LVSNode", "metadata": {"name": NODE}, "spec": {}},
        {"apiVersion": API_VERSION, "kind": "LVSNode", "metadata": {"name": "another-node"}, "spec": {}},
        endpoint_slice,
    )

    async with following(api_server.admin_kubeconfig) as follower:
        await follower.until(lambda f: f.complete)

    assert follower.names(VirtualService, shop) == {"web"}
    assert follower.names(RealServer, shop) == {"web-1"}
    assert shop in follower.names(DirectorPool)
    assert follower.names(EndpointSlice, shop) == {"web-abc"}
    assert follower.names(LVSNode) == {NODE}
    assert not follower.complete_ever_taken_back


async def test_changes_and_deletions_are_told(api_server: ApiServer, admin: Admin) -> None:
    shop = await admin.namespace()
    await admin.apply(real_server(shop, "web-1"), real_server(shop, "web-2"))
    async with following(api_server.admin_kubeconfig) as follower:
        await follower.until(lambda f: f.complete)

        await admin.apply(real_server(shop, "web-1", weight=3))
        await follower.until(lambda f: f.server(shop, "web-1").spec.weight == 3)
        await admin.kubectl("-n", shop, "delete", "realserver", "web-2")
        await follower.until(lambda f: f.names(RealServer, shop) == {"web-1"})

    assert follower.removed == [Removed(RealServer, ObjectKey(shop, "web-2"))]


async def test_1200_objects_are_listed_over_several_pages(api_server: ApiServer, admin: Admin) -> None:
    shop = await admin.namespace()
    names = {f"web-{number}" for number in range(1200)}
    await make_real_servers(api_server.admin_kubeconfig, shop, names)

    async with following(api_server.admin_kubeconfig) as follower:
        await follower.until(lambda f: f.complete)

    assert follower.names(RealServer, shop) == names
    await admin.kubectl("-n", shop, "delete", "realservers", "--all", "--wait=false")


async def test_a_list_whose_pages_expire_half_way_is_begun_again_and_complete(
    api_server: ApiServer, admin: Admin
) -> None:
    shop = await admin.namespace()
    names = {f"web-{number}" for number in range(600)}
    await make_real_servers(api_server.admin_kubeconfig, shop, names)

    class CompactedBetweenPages(Connection):
        """The real connection, on which etcd forgets the first page's version before the second is asked for."""

        compacted = False

        async def read(self, request: Request) -> bytes:
            body = await super().read(request)
            if request.resource.startswith("realservers") and not self.compacted:
                self.compacted = True
                await admin.apply(real_server(shop, "web-0", weight=2))
                await compact(api_server.etcd_url)
                await asyncio.to_thread(api_server.restart)
            return body

    with capture_logs() as logs:
        async with following(CompactedBetweenPages(api_server.admin_kubeconfig)) as follower:
            await follower.until(lambda f: f.complete)

    assert any(entry["event"] == "listing_again" for entry in logs)
    assert follower.names(RealServer, shop) == names
    assert follower.removed == []
    await admin.kubectl("-n", shop, "delete", "realservers", "--all", "--wait=false")


async def test_an_agent_started_before_the_api_server_waits_and_then_completes(
    api_server: ApiServer, admin: Admin, tmp_path: Path
) -> None:
    shop = await admin.namespace()
    await admin.apply(real_server(shop, "web-1"))
    async with relay_to(api_server.admin_kubeconfig, tmp_path) as relay:
        await relay.cut()
        async with following(relay.kubeconfig) as follower:
            with capture_logs() as logs:
                await until(lambda: any(entry["event"] == "api_trouble" for entry in logs))
            assert not follower.complete

            await relay.open()
            await follower.until(lambda f: f.complete)

        assert follower.names(RealServer, shop) == {"web-1"}


async def test_deletions_made_while_the_agent_was_cut_off_are_noticed_and_nothing_else_is_removed(
    api_server: ApiServer, admin: Admin, tmp_path: Path
) -> None:
    shop = await admin.namespace()
    await admin.apply(*(real_server(shop, f"web-{number}") for number in range(5)))
    async with relay_to(api_server.admin_kubeconfig, tmp_path) as relay, following(relay.kubeconfig) as follower:
        await follower.until(lambda f: f.complete)
        await relay.cut()

        await admin.kubectl("-n", shop, "delete", "realserver", "web-3")
        await relay.open()
        await follower.until(lambda f: bool(f.removed))

    assert follower.removed == [Removed(RealServer, ObjectKey(shop, "web-3"))]
    assert follower.complete
    assert not follower.complete_ever_taken_back


async def test_an_api_server_that_restarts_with_its_history_compacted_costs_a_new_list_and_nothing_else(
    api_server: ApiServer, admin: Admin, tmp_path: Path
) -> None:
    shop = await admin.namespace()
    await admin.apply(*(real_server(shop, f"web-{number}") for number in range(5)))
    async with relay_to(api_server.admin_kubeconfig, tmp_path) as relay, following(relay.kubeconfig) as follower:
        await follower.until(lambda f: f.complete)
        known = dict(follower.objects)
        await relay.cut()
        await admin.kubectl("-n", shop, "delete", "realserver", "web-3")
        await admin.apply(real_server(shop, "web-4", weight=3))

        await compact(api_server.etcd_url)
        await asyncio.to_thread(api_server.restart)
        with capture_logs() as logs:
            await relay.open()
            await follower.until(lambda f: bool(f.removed) and f.server(shop, "web-4").spec.weight == 3)

        assert any(entry["event"] == "listing_again" for entry in logs)
    assert follower.removed == [Removed(RealServer, ObjectKey(shop, "web-3"))]
    untouched = {target: held for target, held in known.items() if target[1].name in {"web-0", "web-1", "web-2"}}
    assert all(follower.objects[target] == held for target, held in untouched.items())
    assert len(untouched) >= 3


async def test_an_api_server_that_restarts_while_it_is_watched_removes_nothing(
    api_server: ApiServer, admin: Admin
) -> None:
    shop = await admin.namespace()
    await admin.apply(real_server(shop, "web-1"))
    async with following(api_server.admin_kubeconfig) as follower:
        await follower.until(lambda f: f.complete)

        await asyncio.to_thread(api_server.restart)
        await admin.apply(real_server(shop, "web-1", weight=7))
        await follower.until(lambda f: f.server(shop, "web-1").spec.weight == 7)

    assert follower.removed == []


async def test_a_connection_that_falls_silent_is_given_up_and_the_watch_goes_on(
    api_server: ApiServer, admin: Admin, tmp_path: Path
) -> None:
    shop = await admin.namespace()
    await admin.apply(real_server(shop, "web-1"))
    async with (
        relay_to(api_server.admin_kubeconfig, tmp_path) as relay,
        following(relay.kubeconfig, silence=2.0) as follower,
    ):
        await follower.until(lambda f: f.complete)
        relay.silence()
        await admin.apply(real_server(shop, "web-1", weight=5))
        before = relay.connections
        await until(lambda: relay.connections > before)

        relay.resume()
        await follower.until(lambda f: f.server(shop, "web-1").spec.weight == 5)

    assert follower.removed == []


async def test_credentials_that_were_renewed_in_the_kubeconfig_are_picked_up(
    api_server: ApiServer, admin: Admin, tmp_path: Path
) -> None:
    shop = await admin.namespace()
    await admin.apply(real_server(shop, "web-1"))
    kubeconfig = tmp_path / "kubeconfig"
    good = yaml.safe_load(api_server.admin_kubeconfig.read_text())
    stale = {**good, "users": [{"name": entry["name"], "user": {"token": "expired"}} for entry in good["users"]]}
    kubeconfig.write_text(yaml.safe_dump(stale))

    async with following(kubeconfig) as follower:
        with capture_logs() as logs:
            await until(lambda: bool(logs))
        kubeconfig.write_text(yaml.safe_dump(good))
        await follower.until(lambda f: f.complete)

    assert "does not accept the agent's credentials" in logs[0]["advice"]
    assert follower.names(RealServer, shop) == {"web-1"}


async def test_an_agent_without_the_right_to_list_says_which_right_it_lacks(
    api_server: ApiServer, admin: Admin, tmp_path: Path
) -> None:
    shop = await admin.namespace()
    await admin.kubectl("-n", shop, "create", "serviceaccount", "agent")
    token = (await admin.kubectl("-n", shop, "create", "token", "agent")).strip()
    config = yaml.safe_load(api_server.admin_kubeconfig.read_text())
    config["users"] = [{"name": entry["name"], "user": {"token": token}} for entry in config["users"]]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))

    async with following(kubeconfig) as follower:
        with capture_logs() as logs:
            await until(lambda: len(logs) >= 5)

    assert any("the verb list on resource realservers of API group lvs-operator.io" in log["advice"] for log in logs)
    assert not follower.complete


async def test_an_object_the_agent_does_not_understand_keeps_its_last_good_version(
    api_server: ApiServer, admin: Admin, newer_schema: None
) -> None:
    shop = await admin.namespace()
    await admin.apply(real_server(shop, "web-1", weight=2), real_server(shop, "web-2"))
    async with following(api_server.admin_kubeconfig) as follower:
        await follower.until(lambda f: f.complete)

        with capture_logs() as logs:
            await admin.apply_once_served(real_server(shop, "web-1", weight=2, colour="red"))
            await until(lambda: any(entry["event"] == "object_not_understood" for entry in logs))
            await admin.kubectl("-n", shop, "delete", "realserver", "web-2")
            await follower.until(lambda f: bool(f.removed))

    (said,) = [entry for entry in logs if entry["event"] == "object_not_understood"]
    assert said["object"] == f"{shop}/web-1"
    assert "colour" in said["problem"]
    assert follower.server(shop, "web-1").spec.weight == 2
    assert follower.removed == [Removed(RealServer, ObjectKey(shop, "web-2"))]


async def make_real_servers(kubeconfig: Path, namespace: str, names: set[str]) -> None:
    connection = await Connection.open(kubeconfig)
    gate = asyncio.Semaphore(32)

    async def make(name: str) -> None:
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/realservers/{name}"
        request = Request("patch", "realservers", path, {"fieldManager": "test"})
        async with gate:
            await connection.apply(request, real_server(namespace, name))

    await asyncio.gather(*(make(name) for name in names))
    await connection.close()


async def compact(etcd_url: str) -> None:
    """Have etcd forget all versions but the latest, through its JSON gateway."""
    async with aiohttp.ClientSession() as session:
        key = base64.b64encode(b"/").decode()
        async with session.post(f"{etcd_url}/v3/kv/range", json={"key": key}) as answer:
            revision = (await answer.json())["header"]["revision"]
        compaction = {"revision": revision, "physical": True}
        async with session.post(f"{etcd_url}/v3/kv/compaction", json=compaction) as answer:
            assert answer.status == 200, await answer.text()
