"""What specifications of the operator need: objects as kubectl shows them, and a stand-in for an agent's report."""

from __future__ import annotations

import json
from typing import Any

from lab.apiserver import ApiServer
from tests.integration.manifests import API_VERSION

__all__ = ["Objects", "condition"]


class Objects:
    """The objects in an API server."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        """Return one object; it has to be there."""
        found: dict[str, Any] = json.loads(
            self.server.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--show-managed-fields").stdout
        )
        return found

    def all(self, *kinds: str) -> list[dict[str, Any]]:
        """Return all objects of these kinds."""
        words = ("get", ",".join(kinds), "--all-namespaces", "-o", "json", "--show-managed-fields")
        found: list[dict[str, Any]] = json.loads(self.server.kubectl(*words).stdout)["items"]
        return found

    def names(self, kind: str) -> set[str]:
        """Return the names of all objects of a kind."""
        return {one["metadata"]["name"] for one in self.all(kind)}

    def status(self, kind: str, name: str) -> dict[str, Any]:
        """Return the status of one object."""
        found: dict[str, Any] = self.get(kind, name).get("status", {})
        return found

    def condition(self, kind: str, name: str, type_: str) -> dict[str, Any]:
        """Return a condition of one object."""
        return condition(self.get(kind, name), type_)

    def duty(self, node: str) -> tuple[list[str], list[str]]:
        """Return the pools a node directs and the VIPs it carries as a real server."""
        spec = self.get("lvsnode", node)["spec"]
        return spec["director"].get("pools", []), spec["realServer"].get("addresses", [])

    def versions(self) -> dict[str, str]:
        """Return the resourceVersion of everything the operator may write."""
        kinds = ("virtualservices", "realservers", "directorpools", "lvsnodes")
        return {
            f"{one['kind']} {one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in self.all(*kinds)
        }

    def report(self, kind: str, name: str, node: str, **entry: Any) -> None:
        """Apply what the agent of a node says, as the agent does: its own entry, as its own field manager."""
        body = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {"name": name, "namespace": "default"},
            "status": {"directors": [{"node": node, **entry}]},
        }
        words = ("apply", "--server-side", "--subresource=status", f"--field-manager=lvs-agent-{node}", "-f", "-")
        self.server.kubectl(*words, input=json.dumps(body))


def condition(thing: dict[str, Any], type_: str) -> dict[str, Any]:
    """Return a condition of an object; it has to be there."""
    found: dict[str, Any] = next(one for one in thing["status"]["conditions"] if one["type"] == type_)
    return found
