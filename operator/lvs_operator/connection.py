"""An authenticated connection to the API server: list, apply and delete, each failure as an ApiTrouble."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import yaml
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey, ObjectMeta
from lvs_operator.intents import Apply, Delete
from lvs_operator.resources import RESOURCES, Resource, resource_of
from lvs_operator.troubles import KindMissing, NoConfiguration, Refused, Unreachable

__all__ = ["FIELD_MANAGER", "Connection", "Credentials"]

FIELD_MANAGER = "lvs-operator"

# "Server-Side Apply" in the Kubernetes documentation; JSON is YAML, so the body may be either.
APPLY_TYPE = "application/apply-patch+yaml"
# "Receiving resources as ..." in the Kubernetes API concepts: a list without specs and statuses.
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE = 500
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"

LIMITS = aiohttp.ClientTimeout(total=30.0, sock_connect=10.0)


class Credentials(msgspec.Struct, frozen=True):
    """Where the API server is and what it knows us by; absent parts are None."""

    server: str
    ca_path: str | None = None
    ca_data: str | bytes | None = None
    insecure: bool = False
    token: str | None = None
    username: str | None = None
    password: str | None = None
    certificate_path: str | None = None
    private_key_path: str | None = None
    proxy_url: str | None = None


class _Said(msgspec.Struct, frozen=True):
    message: str = ""


class _Entry(msgspec.Struct, frozen=True):
    metadata: ObjectMeta


class _ListMeta(msgspec.Struct, frozen=True):
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, frozen=True):
    metadata: _ListMeta = _ListMeta()
    items: list[_Entry] | None = None


class _LVSNodes(msgspec.Struct, frozen=True):
    items: list[LVSNode]


class _DeploymentStatus(msgspec.Struct, frozen=True):
    replicas: int = 0


class _Deployment(msgspec.Struct, frozen=True):
    status: _DeploymentStatus = _DeploymentStatus()


class _Served(msgspec.Struct, frozen=True):
    name: str


class _Group(msgspec.Struct, frozen=True):
    resources: list[_Served] = []


class Connection:
    """The way to one API server; credentials that it no longer accepts are read again from where they came.

    Parameters
    ----------
    kubeconfig
        Path of a kubeconfig file; None inside a cluster.
    """

    def __init__(self, kubeconfig: Path | None) -> None:
        self._kubeconfig = kubeconfig
        self._client: ApiClient | None = None

    async def close(self) -> None:
        """Close all sockets."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call]

    async def credentials(self) -> Credentials:
        """Read the credentials anew, for a client of its own.

        Raises
        ------
        NoConfiguration
            If they cannot be read.
        """
        found = await _configuration(self._kubeconfig)
        bearer: str = await found.get_api_key_with_prefix("BearerToken") or ""
        return Credentials(
            server=found.host,
            ca_path=found.ssl_ca_cert,
            ca_data=found.ca_cert_data,
            insecure=not found.verify_ssl,
            token=bearer.rpartition(" ")[2] or None,  # after "Bearer", or "bearer" in a pod
            username=found.username or None,
            password=found.password or None,
            certificate_path=found.cert_file,
            private_key_path=found.key_file,
            proxy_url=found.proxy,
        )

    async def require_kinds(self) -> None:
        """Make sure that the API server is there and serves all that is watched.

        Raises
        ------
        ApiTrouble
            If not.
        """
        missing: list[str] = []
        for path in sorted({resource.group_path for resource in RESOURCES}):
            wanted = [resource for resource in RESOURCES if resource.group_path == path]
            try:
                group = msgspec.json.decode(await self._request("GET", path, "discover", path), type=_Group)
                served = {resource.name for resource in group.resources}
            except Refused as trouble:
                if not trouble.not_found:
                    raise
                served = set()
            missing += [resource.qualified for resource in wanted if resource.plural not in served]
        if missing:
            raise KindMissing(missing)

    async def uids(self, resource: Resource) -> dict[ObjectKey, str]:
        """List which objects there are.

        Raises
        ------
        ApiTrouble
            If there is no answer, or an error.
        """
        found: dict[ObjectKey, str] = {}
        params = {"limit": str(PAGE)}
        while True:
            path = f"{resource.path()}?{urlencode(params)}"
            body = await self._request("GET", path, "list", resource.qualified, {"Accept": METADATA_ONLY})
            page = msgspec.json.decode(body, type=_Page)
            found.update((entry.metadata.key, entry.metadata.uid) for entry in page.items or ())
            if not page.metadata.continue_:
                return found
            params["continue"] = page.metadata.continue_

    async def lvs_nodes(self) -> list[LVSNode]:
        """List all LVSNodes.

        Raises
        ------
        ApiTrouble
            If there is no answer, or an error.
        """
        resource = resource_of(LVSNode)
        body = await self._request("GET", resource.path(), "list", resource.qualified)
        return msgspec.json.decode(body, type=_LVSNodes).items

    async def scale_down(self, namespace: str, deployment: str) -> None:
        """Ask for no pods of a Deployment.

        Raises
        ------
        ApiTrouble
            If there is no answer, or an error.
        """
        path = f"{DEPLOYMENTS.format(namespace)}/{deployment}/scale"
        headers = {"Content-Type": "application/merge-patch+json"}
        await self._request("PATCH", path, "patch", "deployments/scale.apps", headers, {"spec": {"replicas": 0}})

    async def pods_of(self, namespace: str, deployment: str) -> int:
        """Return how many pods a Deployment has.

        Raises
        ------
        ApiTrouble
            If there is no answer, or an error.
        """
        path = f"{DEPLOYMENTS.format(namespace)}/{deployment}"
        body = await self._request("GET", path, "get", "deployments.apps")
        return msgspec.json.decode(body, type=_Deployment).status.replicas

    async def apply(self, intent: Apply, manager: str = FIELD_MANAGER) -> Mapping[str, Any]:
        """Apply server-side, as a field manager, and return the object as it is then.

        Raises
        ------
        ApiTrouble
            If there is no answer, or an error.
        """
        kind, key = intent.target
        resource = resource_of(kind)
        params = urlencode({"fieldManager": manager, "force": "true"})
        metadata = {"name": key.name, **({"namespace": key.namespace} if key.namespace else {}), **intent.metadata}
        body = {"apiVersion": resource.api_version, "kind": kind.__name__, "metadata": metadata, **intent.fields}
        subject = resource.qualified.replace(".", f"/{intent.subresource}.", 1) if intent.subresource else ""
        answer = await self._request(
            "PATCH",
            f"{resource.path(key, intent.subresource)}?{params}",
            "patch",
            subject or resource.qualified,
            {"Content-Type": APPLY_TYPE},
            body,
        )
        written: Mapping[str, Any] = msgspec.json.decode(answer)
        return written

    async def delete(self, intent: Delete) -> None:
        """Delete an object; one that is gone already, or another one of that name, is left as it is.

        Raises
        ------
        ApiTrouble
            If there is no answer, or an error.
        """
        kind, key = intent.target
        resource = resource_of(kind)
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": intent.uid}}
        try:
            await self._request("DELETE", resource.path(key), "delete", resource.qualified, body=body)
        except Refused as trouble:
            if not trouble.not_found:
                raise

    async def _request(
        self,
        method: str,
        path: str,
        verb: str,
        subject: str,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        client = await self._current()
        server = str(client.configuration.host)
        sent = {"Accept": "application/json", "User-Agent": FIELD_MANAGER, **(headers or {})}
        try:
            await client.update_params_for_auth(sent, [], ["BearerToken"], "", "", None)
            answer = await client.rest_client.request(  # type: ignore[no-untyped-call]
                method, f"{server}{path}", headers=sent, body=body, _request_timeout=LIMITS
            )
            async with answer.response as response:
                content: bytes = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(server, error) from error
        if response.status >= 400:
            trouble = Refused(verb, subject, response.status, _said(content), _retry_after(response.headers))
            if trouble.credentials_rejected and self._client is client:
                await self.close()  # the next request reads them again
            raise trouble
        return content

    async def _current(self) -> ApiClient:
        if self._client is None:
            configuration = await _configuration(self._kubeconfig)
            self._client = self._client or ApiClient(configuration)
        return self._client


async def _configuration(kubeconfig: Path | None) -> Configuration:
    configuration = Configuration()
    origin = "the pod's service account" if kubeconfig is None else str(kubeconfig)
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig), client_configuration=configuration, persist_config=False
            )
    except (config.ConfigException, OSError, ssl.SSLError, yaml.YAMLError, ValueError, TypeError) as error:
        raise NoConfiguration(origin, error) from error
    return configuration


def _said(body: bytes) -> str:
    """Return what the API server says; a body in another form (from a proxy, say) is shown as it is."""
    try:
        return msgspec.json.decode(body, type=_Said).message
    except msgspec.DecodeError:
        return body[:200].decode(errors="replace").strip()


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds of a Retry-After header (RFC 9110 section 10.2.3); the API server never sends dates."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0
