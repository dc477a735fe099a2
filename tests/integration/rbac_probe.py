"""Tries verbs on resources of an API server, one by one, with somebody's token."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lab.apiserver import ApiServer

__all__ = ["VERBS", "Probe", "Resource"]

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")

_METHODS = {
    "get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH",
    "delete": "DELETE", "deletecollection": "DELETE",
}  # fmt: skip
_OF_COLLECTIONS = frozenset({"list", "watch", "create", "deletecollection"})


class Resource(msgspec.Struct, frozen=True, order=True):
    """A resource that an API server serves, with its subresource if it is one."""

    group: str
    name: str
    version: str
    namespaced: bool

    @property
    def key(self) -> str:
        """Its name as roles have it: ``deployments.apps/scale``."""
        name, slash, part = self.name.partition("/")
        return f"{name}.{self.group}{slash}{part}" if self.group else self.name


class Probe:
    """One connection to an API server, which stays open: there are thousands of requests to make."""

    def __init__(self, server: ApiServer, token: str) -> None:
        (cluster,) = json.loads(server.kubeconfig_for(token))["clusters"]
        authority = base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode()
        self._where = urlsplit(server.url)
        self._context = ssl.create_default_context(cadata=authority)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._connection = self._connect()

    def resources(self) -> list[Resource]:
        """Return all resources that are served, each once, whatever its versions."""
        found: dict[tuple[str, str], Resource] = {}
        for path, group, version in self._versions():
            for item in self._get(path)["resources"]:
                resource = Resource(group, item["name"], version, item["namespaced"])
                found.setdefault((group, item["name"]), resource)
        return sorted(found.values())

    def allows(self, verb: str, resource: Resource, *, namespace: str, name: str) -> bool:
        """Say whether a request gets past authorization; where none can be formed, what the API server answers.

        Without a namespace, objects of all namespaces are meant. Nothing is changed.
        """
        if "/" in resource.name and verb in ("list", "watch", "deletecollection"):
            return self.may(verb, resource, namespace=namespace, name=name)
        status, answer = self._request(_METHODS[verb], _path(verb, resource, namespace, name))
        if status in (401, 500, 503):
            raise AssertionError(f"{verb} {resource.key}: {status} {answer}")
        # Admission says Forbidden as well, but does not say of a user that it cannot do a thing.
        return not (status == 403 and f"cannot {verb} resource" in answer)

    def may(self, verb: str, resource: Resource, *, namespace: str = "", name: str = "") -> bool:
        """Return what the API server answers when it is asked instead of tried."""
        kind, _, part = resource.name.partition("/")
        attributes = {
            "verb": verb, "group": resource.group, "resource": kind, "subresource": part,
            "namespace": namespace, "name": name,
        }  # fmt: skip
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        _, answer = self._request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json.dumps(review))
        return bool(json.loads(answer)["status"]["allowed"])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _versions(self) -> Iterator[tuple[str, str, str]]:
        yield "/api/v1", "", "v1"
        for group in self._get("/apis")["groups"]:
            for version in group["versions"]:
                yield f"/apis/{version['groupVersion']}", group["name"], version["version"]

    def _get(self, path: str) -> Any:
        status, answer = self._request("GET", path)
        assert status == 200, answer
        return json.loads(answer)

    def _request(self, method: str, path: str, body: str = "{}") -> tuple[int, str]:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {**self._headers, "Content-Type": kind}
        self._connection.request(method, path, None if method == "GET" else body, headers)
        reply = self._connection.getresponse()
        if "watch=true" in path and reply.status == 200:
            # A watch that is allowed has no end to be read.
            self._connection.close()
            self._connection = self._connect()
            return reply.status, ""
        answer = reply.read().decode(errors="replace")
        if reply.will_close:
            self._connection.close()
        return reply.status, answer

    def _connect(self) -> http.client.HTTPSConnection:
        assert self._where.hostname
        return http.client.HTTPSConnection(self._where.hostname, self._where.port, context=self._context, timeout=30)


def _path(verb: str, resource: Resource, namespace: str, name: str) -> str:
    kind, _, part = resource.name.partition("/")
    path = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    if resource.namespaced and namespace:
        path += f"/namespaces/{namespace}"
    path += f"/{kind}"
    if part:
        path += f"/{name}/{part}"
    elif verb not in _OF_COLLECTIONS:
        path += f"/{name}"
    if verb == "watch":
        return f"{path}?watch=true"
    return path if _METHODS[verb] == "GET" else f"{path}?dryRun=All"
