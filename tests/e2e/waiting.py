"""Questions to the API server that tests wait on."""

from __future__ import annotations

from typing import Any

import msgspec

from lab.kind.client import Client
from lab.kind.cluster import Cluster
from lab.processes import wait_until

__all__ = ["condition", "object_of", "wait_for_replies", "wait_ready"]


def object_of(cluster: Cluster, kind: str, name: str) -> dict[str, Any]:
    """Return an object as the API server has it."""
    return msgspec.json.decode(cluster.kubectl("get", kind, name, "--output", "json").stdout)


def condition(cluster: Cluster, kind: str, name: str, of_type: str) -> dict[str, Any]:
    """Return a condition of an object."""
    found = object_of(cluster, kind, name)["status"]["conditions"]
    [one] = [one for one in found if one["type"] == of_type]
    return one


def wait_ready(cluster: Cluster, name: str, healthy: int, seconds: float = 90) -> None:
    """Wait until a VirtualService is Ready with so many healthy real servers."""

    def seen() -> bool:
        status = object_of(cluster, "virtualservice", name)["status"]
        ready = [one["status"] for one in status["conditions"] if one["type"] == "Ready"]
        assert (ready, status["realServers"]["healthy"]) == (["True"], healthy), status
        return True

    wait_until(seen, f"VirtualService {name} Ready with {healthy} healthy real servers", seconds)


def wait_for_replies(client: Client, vip: str, port: int, servers: set[str], seconds: float = 60) -> None:
    """Wait until a VIP answers from exactly these servers, with no failure."""

    def seen() -> bool:
        replies = client.requests(vip, 3 * len(servers), port)
        assert (set(replies.servers), replies.failures) == (servers, {})
        return True

    wait_until(seen, f"replies from {sorted(servers)} through {vip}", seconds)
