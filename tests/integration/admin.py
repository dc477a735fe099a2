"""What a person with kubectl does in these tests, and the objects that person writes."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

from lab.apiserver import ApiServer
from lvs_api import API_VERSION

DEADLINE = 60.0


class Admin:
    """What a person with kubectl does."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api

    async def kubectl(self, *words: str, given: str | None = None) -> str:
        done = await asyncio.to_thread(self._api.kubectl, *words, input=given)
        return done.stdout

    async def namespace(self) -> str:
        name = f"shop-{uuid.uuid4().hex[:8]}"
        await self.kubectl("create", "namespace", name)
        return name

    async def apply(self, *objects: dict[str, Any]) -> None:
        await self.kubectl("apply", "-f", "-", given=as_list(*objects))

    async def apply_once_served(self, manifest: dict[str, Any]) -> None:
        """Apply an object with a field that the API server is only about to know."""
        words = ("apply", "-f", "-")
        async with asyncio.timeout(DEADLINE):
            while True:
                done = await asyncio.to_thread(self._api.kubectl, *words, input=as_list(manifest), check=False)
                if done.code == 0:
                    return
                assert "unknown field" in done.stderr, done.stderr


def as_list(*objects: dict[str, Any]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def real_server(namespace: str, name: str, **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "RealServer",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "web"}},
        "spec": {"address": "198.51.100.21", **spec},
    }


def virtual_service(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": [{"port": 80}], "realServers": {"selector": {"matchLabels": {"app": "web"}}}},
    }


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in logs and sockets
            await asyncio.sleep(0.02)
