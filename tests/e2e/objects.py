"""Objects that the tests apply, as plain values."""

from __future__ import annotations

import tempfile
from pathlib import Path
from shutil import copy
from typing import Any

from lab.docker import Docker
from tests.e2e.topology import PORT

__all__ = ["WEB_IMAGE", "real_server", "service", "virtual_service", "web_image", "web_servers"]

WEB_IMAGE = "lvs-lab/web:1"
API_VERSION = "lvs-operator.io/v1alpha1"
CHECK = {"type": "HTTP", "interval": "1s", "timeout": "1s", "rise": 1, "fall": 2, "http": {"path": "/healthz"}}


def web_image(docker: Docker, base: str, program: Path) -> str:
    """Make the image of a web server that says which node it is on."""
    name = f"{WEB_IMAGE}-plain"
    with tempfile.TemporaryDirectory() as folder:
        copy(program, folder)
        Path(folder, "Dockerfile").write_text(
            f'FROM {base}\nUSER 0\nCOPY {program.name} /srv/\nENTRYPOINT ["python3", "/srv/{program.name}"]\nCMD []\n'
        )
        docker.run("build", "--quiet", "--tag", name, folder)
    return name


def web_servers(name: str = "web", replicas: int = 2) -> dict[str, Any]:
    """A Deployment of web servers on their nodes' network, one a node."""
    container = {
        "name": "web",
        "image": WEB_IMAGE,
        "imagePullPolicy": "Never",
        "args": ["$(NODE_NAME)", str(PORT)],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        "securityContext": {"privileged": True},
    }
    pod = {
        "hostNetwork": True,
        "nodeSelector": {"lab/real-server": "true"},
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            # They share a port of the node's: a new one can't start before the old one has gone.
            "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def service(name: str = "web") -> dict[str, Any]:
    """A Service that selects them."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "clusterIP": "None",
            "selector": {"app": name},
            "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
        },
    }


def virtual_service(vip: str, name: str = "web", *, method: str = "DR", **spec: Any) -> dict[str, Any]:
    """A VirtualService whose real servers are RealServers, unless ``realServers`` says otherwise."""
    content = {
        "addresses": [vip],
        "ports": [{"port": PORT}],
        "forwarding": {"method": method},
        "scheduler": {"name": "rr"},
        "realServers": {"selector": {"matchLabels": {"app": name}}},
        "healthCheck": CHECK,
        **spec,
    }
    return _object("VirtualService", name, {}, content)


def real_server(name: str, *, app: str = "web", **spec: Any) -> dict[str, Any]:
    """A RealServer: ``address`` or ``nodeName`` is among what is given."""
    return _object("RealServer", name, {"app": app}, spec)


def _object(kind: str, name: str, labels: dict[str, str], spec: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": "default", "labels": labels}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
