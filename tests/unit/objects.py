"""Short ways to write the objects that specifications are about."""

from __future__ import annotations

import msgspec

from lvs_api.admission import Admitted, admit_together
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService

POOL_RANGE = "198.51.100.192/27"
VIP = "198.51.100.200"


def pool(name: str = "edge", **spec: object) -> DirectorPool:
    return msgspec.convert(
        {
            "metadata": {"name": name},
            "spec": {"nodeNames": ["d1"], "interface": "eth0", "addresses": [POOL_RANGE], **spec},
        },
        DirectorPool,
    )


def service(
    name: str = "web", *, namespace: str = "shop", created: str = "2026-01-01T00:00:00Z", **spec: object
) -> VirtualService:
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": namespace, "generation": 1, "creationTimestamp": created},
            "spec": {
                "addresses": [VIP],
                "ports": [{"port": 80}],
                "realServers": {"selector": {"matchLabels": {"app": "web"}}},
                **spec,
            },
        },
        VirtualService,
    )


def real_server(
    name: str, address: str, *, namespace: str = "shop", labels: dict[str, str] | None = None, **spec: object
) -> RealServer:
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": namespace, "labels": labels or {"app": "web"}},
            "spec": {"address": address, **spec},
        },
        RealServer,
    )


def endpoint_slice(
    name: str,
    endpoints: list[dict[str, object]],
    *,
    service_name: str = "web",
    port: int = 8080,
    port_name: str = "http",
) -> EndpointSlice:
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "labels": {"kubernetes.io/service-name": service_name},
            },
            "addressType": "IPv4",
            "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
            "endpoints": endpoints,
        },
        EndpointSlice,
    )


def admitted(**spec: object) -> Admitted:
    one = service(**spec)
    verdict = admit_together([one], {"edge": pool(addresses=["0.0.0.0/0", "::/0"])}, {}, frozenset())[one.metadata.key]
    assert isinstance(verdict, Admitted), verdict
    return verdict
