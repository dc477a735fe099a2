"""What a person with kubectl does in these tests, and the objects that person writes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from lvs_api import API_VERSION

DEADLINE = 60.0


class ApiServer(Protocol):
    """What these tests need of the fixture ``api``: a real API server that they may stop and start again."""

    kubeconfig: Path  # of an administrator
    kubectl: Path
    etcd_url: str  # http, with etcd's JSON gateway

    def stop(self) -> None:
        """End kube-apiserver; etcd keeps its data."""

    def start(self) -> None:
        """Start kube-apiserver at the same address; return when it is ready."""


class Admin:
    """What a person with kubectl does."""

    def __init__(self, kubectl: Path, kubeconfig: Path) -> None:
        self._kubectl = kubectl
        self._kubeconfig = kubeconfig

    async def kubectl(self, *words: str, given: object = None) -> str:
        done = await asyncio.to_thread(self._run, words, given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def namespace(self) -> str:
        name = f"shop-{uuid.uuid4().hex[:8]}"
        await self.kubectl("create", "namespace", name)
        return name

    async def apply(self, *objects: dict[str, Any]) -> None:
        await self.kubectl("apply", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": objects})

    async def apply_once_served(self, manifest: dict[str, Any]) -> None:
        """Apply an object with a field that the API server is only about to know."""
        async with asyncio.timeout(DEADLINE):
            while (done := await asyncio.to_thread(self._run, ("apply", "-f", "-"), manifest)).returncode != 0:
                assert "unknown field" in done.stderr, done.stderr

    def _run(self, words: tuple[str, ...], given: object) -> subprocess.CompletedProcess[str]:
        command = [str(self._kubectl), "--kubeconfig", str(self._kubeconfig), *words]
        text = json.dumps(given) if given else None
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


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
