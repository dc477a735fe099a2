"""Tables of services and real servers, as manifests for the agent and as rules for ipvsadm."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["SERVERS", "address", "pool", "rules", "service_document", "shared_manifest", "vip"]

API_VERSION = "lvs-operator.io/v1alpha1"
SERVERS = 10


def vip(number: int) -> str:
    """Return the VIP of a service."""
    return f"10.200.{number // 250}.{number % 250 + 1}"


def address(service: int, server: int) -> str:
    """Return the address of a real server."""
    return f"10.{100 + service // 2500}.{service // 10 % 250}.{service % 10 * 25 + server + 1}"


def pool() -> dict[str, Any]:
    """Return the pool of all services."""
    spec = {"nodeNames": ["director-1"], "interface": "lo", "addresses": ["10.200.0.0/16"]}
    return _object("DirectorPool", "edge", "", spec, {})


def service_document(number: int, app: str, **spec: Any) -> dict[str, Any]:
    """Return a VirtualService."""
    content = {
        "addresses": [vip(number)],
        "ports": [{"port": 80}],
        "forwarding": {"method": "NAT"},
        "scheduler": {"name": "wrr"},
        "realServers": {"selector": {"matchLabels": {"app": app}}},
        **spec,
    }
    return _object("VirtualService", f"s{number}", "bench", content, {})


def server_document(service: int, server: int, app: str, weight: int = 1) -> dict[str, Any]:
    """Return a RealServer."""
    spec = {"address": address(service, server), "weight": weight}
    return _object("RealServer", f"{app}-{server}", "bench", spec, {"app": app})


def shared_manifest(services: int) -> str:
    """Return services that all have the same real servers."""
    return _list(
        pool(),
        *(service_document(number, "all") for number in range(services)),
        *(server_document(0, server, "all") for server in range(SERVERS)),
    )


def own_manifest(service: int, weight: int = 1) -> str:
    """Return one service with real servers of its own, the first of them at a weight."""
    app = f"s{service}"
    return _list(
        service_document(service, app),
        *(server_document(service, server, app, weight if server == 0 else 1) for server in range(SERVERS)),
    )


def rules(services: int) -> str:
    """Return the table of ``shared_manifest`` as ``ipvsadm -R`` takes it."""
    lines = []
    for number in range(services):
        lines.append(f"-A -t {vip(number)}:80 -s wrr")
        lines += [f"-a -t {vip(number)}:80 -r {address(0, server)}:80 -m -w 1" for server in range(SERVERS)]
    return "\n".join(lines) + "\n"


def _object(kind: str, name: str, namespace: str, spec: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    metadata = {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        **({"labels": labels} if labels else {}),
    }
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _list(*objects: dict[str, Any]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
