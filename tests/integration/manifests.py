"""Objects as YAML, for tests that apply them by file or by kubectl."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["director_pool", "real_server", "several", "virtual_service"]

API_VERSION = "lvs-operator.io/v1alpha1"


def director_pool(addresses: list[str], interface: str = "eth0", name: str = "edge", **spec: Any) -> dict[str, Any]:
    return _object(
        "DirectorPool",
        {"name": name},
        {"nodeNames": ["director-1"], "interface": interface, "addresses": addresses, **spec},
    )


def virtual_service(vip: str | None = None, name: str = "web", *, method: str = "DR", **spec: Any) -> dict[str, Any]:
    content = {
        **({"addresses": [vip]} if vip else {}),
        "ports": [{"port": 80}],
        "forwarding": {"method": method},
        "scheduler": {"name": "rr"},
        "realServers": {"selector": {"matchLabels": {"app": name}}},
        **spec,
    }
    return _object("VirtualService", {"name": name, "namespace": "default"}, content)


def real_server(name: str, address: str, *, app: str = "web", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "labels": {"app": app}}
    return _object("RealServer", metadata, {"address": address, **spec})


def several(*objects: dict[str, Any]) -> str:
    """JSON is YAML; a document for each object."""
    return "".join(f"---\n{json.dumps(one, indent=1)}\n" for one in objects)


def _object(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
