"""What writing statuses to a real API server promises, with several writers on one object and trouble on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from lab.apiserver import ApiServer
from lvs_agent.report.outbox import Limits
from lvs_agent.report.writer import StatusWriter
from lvs_agent.source.connection import Connection
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey
from lvs_api.virtualservice import VirtualService
from tests.integration.admin import DEADLINE, Admin, until, virtual_service
from tests.integration.relay import relay_to

QUICK = Limits(interval=0.2)


@asynccontextmanager
async def writing(kubeconfig: Path, node: str, limits: Limits = QUICK) -> AsyncIterator[StatusWriter]:
    connection = await Connection.open(kubeconfig)
    writer = StatusWriter(connection, node, limits=limits)
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(writer.run())
            yield writer
            task.cancel()
    finally:
        await connection.close()


@pytest.fixture
def admin(api_server: ApiServer) -> Admin:
    return Admin(api_server)


@pytest.fixture
async def web(admin: Admin) -> ObjectKey:
    """A VirtualService that nobody has written a status on."""
    shop = await admin.namespace()
    await admin.apply(virtual_service(shop, "web"))
    return ObjectKey(shop, "web")


def entry(node: str, healthy: int) -> dict[str, Any]:
    return {"directors": [{"node": node, "healthy": healthy}]}


async def directors(admin: Admin, key: ObjectKey) -> dict[str, int]:
    text = await admin.kubectl("-n", key.namespace, "get", "virtualservice", key.name, "-o", "json")
    listed = json.loads(text).get("status", {}).get("directors", [])
    return {element["node"]: element.get("healthy", 0) for element in listed}


async def eventually(look: Callable[[], Awaitable[object]], expected: object) -> None:
    seen: object = None
    try:
        async with asyncio.timeout(DEADLINE):
            while (seen := await look()) != expected:
                pass
    except TimeoutError:
        assert seen == expected


async def test_two_directors_write_on_one_virtual_service_and_never_meet(
    api_server: ApiServer, admin: Admin, web: ObjectKey
) -> None:
    async with (
        writing(api_server.admin_kubeconfig, "n1") as first,
        writing(api_server.admin_kubeconfig, "n2") as second,
    ):
        first.put(VirtualService, web, entry("n1", 3), urgent=True)
        second.put(VirtualService, web, entry("n2", 2), urgent=True)
        await eventually(lambda: directors(admin, web), {"n1": 3, "n2": 2})

        first.put(VirtualService, web, entry("n1", 1), urgent=True)
        await eventually(lambda: directors(admin, web), {"n1": 1, "n2": 2})


async def test_a_director_that_leaves_takes_back_its_own_entry_only(
    api_server: ApiServer, admin: Admin, web: ObjectKey
) -> None:
    async with (
        writing(api_server.admin_kubeconfig, "n1") as first,
        writing(api_server.admin_kubeconfig, "n2") as second,
    ):
        first.put(VirtualService, web, entry("n1", 3), urgent=True)
        second.put(VirtualService, web, entry("n2", 2), urgent=True)
        await eventually(lambda: directors(admin, web), {"n1": 3, "n2": 2})

        first.drop(VirtualService, web)

        await eventually(lambda: directors(admin, web), {"n2": 2})


async def test_an_agent_that_was_restarted_still_owns_what_it_wrote_before(
    api_server: ApiServer, admin: Admin, web: ObjectKey
) -> None:
    async with writing(api_server.admin_kubeconfig, "n1") as writer:
        writer.put(VirtualService, web, entry("n1", 3), urgent=True)
        await eventually(lambda: directors(admin, web), {"n1": 3})

    async with writing(api_server.admin_kubeconfig, "n1") as writer:
        writer.drop(VirtualService, web)
        await eventually(lambda: directors(admin, web), {})


async def test_what_others_wrote_into_the_status_stays(api_server: ApiServer, admin: Admin, web: ObjectKey) -> None:
    rollup = {"status": {"addresses": ["198.51.100.200"]}}
    await admin.kubectl(
        *("-n", web.namespace, "patch", "virtualservice", web.name),
        *("--subresource=status", "--type=merge", "-p", json.dumps(rollup)),
    )
    async with writing(api_server.admin_kubeconfig, "n1") as writer:
        writer.put(VirtualService, web, entry("n1", 3), urgent=True)
        await eventually(lambda: directors(admin, web), {"n1": 3})
        writer.drop(VirtualService, web)
        await eventually(lambda: directors(admin, web), {})

    written = await admin.kubectl("-n", web.namespace, "get", "virtualservice", web.name, "-o", "json")
    assert json.loads(written)["status"]["addresses"] == ["198.51.100.200"]


async def test_the_status_of_a_cluster_wide_object_is_written(
    api_server: ApiServer, admin: Admin, web: ObjectKey
) -> None:
    node = web.namespace
    await admin.apply({"apiVersion": "lvs-operator.io/v1alpha1", "kind": "LVSNode", "metadata": {"name": node}})
    async with writing(api_server.admin_kubeconfig, node) as writer:
        writer.put(LVSNode, ObjectKey("", node), {"kernel": "6.1.0"}, urgent=True)

        async def kernel() -> str:
            return await admin.kubectl("get", "lvsnode", node, "-o", "jsonpath={.status.kernel}")

        await eventually(kernel, "6.1.0")
    await admin.kubectl("delete", "lvsnode", node)


async def test_what_changed_while_the_api_server_was_away_arrives_once_it_is_back(
    api_server: ApiServer, admin: Admin, web: ObjectKey, tmp_path: Path
) -> None:
    async with relay_to(api_server.admin_kubeconfig, tmp_path) as relay, writing(relay.kubeconfig, "n1") as writer:
        writer.put(VirtualService, web, entry("n1", 3), urgent=True)
        await eventually(lambda: directors(admin, web), {"n1": 3})
        await relay.cut()

        with capture_logs() as logs:
            writer.put(VirtualService, web, entry("n1", 2), urgent=True)
            await until(lambda: bool(logs))
        writer.put(VirtualService, web, entry("n1", 1), urgent=True)
        await relay.open()

        await eventually(lambda: directors(admin, web), {"n1": 1})


async def test_an_object_that_was_deleted_is_forgotten_and_holds_up_nothing(
    api_server: ApiServer, admin: Admin, web: ObjectKey
) -> None:
    async with writing(api_server.admin_kubeconfig, "n1") as writer:
        with capture_logs() as logs:
            writer.put(VirtualService, ObjectKey(web.namespace, "gone"), entry("n1", 3), urgent=True)
            writer.drop(VirtualService, ObjectKey(web.namespace, "gone-too"))
            writer.put(VirtualService, web, entry("n1", 3), urgent=False)
            await eventually(lambda: directors(admin, web), {"n1": 3})

    assert logs == []


async def test_an_object_made_anew_under_the_same_name_gets_its_status(
    api_server: ApiServer, admin: Admin, web: ObjectKey
) -> None:
    async with writing(api_server.admin_kubeconfig, "n1") as writer:
        writer.put(VirtualService, web, entry("n1", 3), urgent=True, uid=await uid(admin, web))
        await eventually(lambda: directors(admin, web), {"n1": 3})
        await admin.kubectl("-n", web.namespace, "delete", "virtualservice", web.name)
        await admin.apply(virtual_service(web.namespace, web.name))

        writer.put(VirtualService, web, entry("n1", 3), urgent=True, uid=await uid(admin, web))

        await eventually(lambda: directors(admin, web), {"n1": 3})


async def test_a_writer_without_the_right_says_which_right_it_lacks(
    api_server: ApiServer, admin: Admin, web: ObjectKey, tmp_path: Path
) -> None:
    await admin.kubectl("-n", web.namespace, "create", "serviceaccount", "agent")
    token = (await admin.kubectl("-n", web.namespace, "create", "token", "agent")).strip()
    config = yaml.safe_load(api_server.admin_kubeconfig.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))

    async with writing(kubeconfig, "n1") as writer:
        with capture_logs() as logs:
            writer.put(VirtualService, web, entry("n1", 3), urgent=True)
            await until(lambda: bool(logs))

    assert "the verb patch on resource virtualservices/status of API group lvs-operator.io" in logs[0]["advice"]


async def test_a_status_that_does_not_fit_the_schema_is_told_and_the_next_one_is_written(
    api_server: ApiServer, admin: Admin, web: ObjectKey
) -> None:
    async with writing(api_server.admin_kubeconfig, "n1") as writer:
        with capture_logs() as logs:
            writer.put(VirtualService, web, {"directors": [{"healthy": 3}]}, urgent=True)
            await until(lambda: bool(logs))
        writer.put(VirtualService, web, entry("n1", 3), urgent=True)

        await eventually(lambda: directors(admin, web), {"n1": 3})

    assert "node" in logs[0]["advice"]


async def uid(admin: Admin, key: ObjectKey) -> str:
    return await admin.kubectl("-n", key.namespace, "get", "virtualservice", key.name, "-o", "jsonpath={.metadata.uid}")
