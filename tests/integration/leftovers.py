"""Empties an API server between tests."""

from __future__ import annotations

import msgspec

from lab.apiserver import ApiServer

# Namespaces that an API server has from the start, or that it makes again.
OWN_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


def remove_objects(server: ApiServer) -> None:
    """Remove what tests have made: objects of our kinds, Services with their slices, namespaces."""
    kinds = server.kubectl("api-resources", "--api-group=lvs-operator.io", "-o", "name").stdout.split()
    kinds += ["services", "endpointslices.discovery.k8s.io"]
    listed = server.kubectl("get", ",".join(kinds), "--all-namespaces", "-o", "json", "--ignore-not-found").stdout
    items = msgspec.json.decode(listed).get("items", []) if listed.strip() else []
    ours = [item for item in items if item["metadata"]["name"] != "kubernetes"]
    if ours:
        text = msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": ours}).decode()
        server.kubectl("delete", "--ignore-not-found", "--wait=true", "-f", "-", input=text)
    names = server.kubectl("get", "namespaces", "-o", "name").stdout.split()
    for name in names:
        namespace = name.removeprefix("namespace/")
        if namespace not in OWN_NAMESPACES:
            _finish_namespace(server, namespace)


def _finish_namespace(server: ApiServer, name: str) -> None:
    """Delete a namespace; there is no controller here that would take its finalizer off."""
    server.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
    empty = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}}
    text = msgspec.json.encode(empty).decode()
    server.kubectl("replace", "--raw", f"/api/v1/namespaces/{name}/finalize", "-f", "-", input=text, check=False)
