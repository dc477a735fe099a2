"""The kinds that the operator watches: their types, and where the API server has them."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from lvs_api import API_VERSION
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice, Namespace, Node
from lvs_api.lvsnode import LVSNode
from lvs_api.meta import ObjectKey
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService

__all__ = ["RESOURCES", "ApiObject", "Kind", "Resource", "Target", "resource_named", "resource_of"]

ApiObject: TypeAlias = VirtualService | RealServer | DirectorPool | LVSNode | Node | Namespace | EndpointSlice
Kind: TypeAlias = (
    type[VirtualService]
    | type[RealServer]
    | type[DirectorPool]
    | type[LVSNode]
    | type[Node]
    | type[Namespace]
    | type[EndpointSlice]
)


class Target(NamedTuple):
    """Names one object of any kind."""

    kind: Kind
    key: ObjectKey

    def __str__(self) -> str:
        return f"{self.kind.__name__} {self.key}"


class Resource(NamedTuple):
    """Where the API server has the objects of a kind.

    Parameters
    ----------
    api_version
        Group and version, as in an object's apiVersion.
    """

    kind: Kind
    api_version: str
    plural: str

    @property
    def group(self) -> str:
        """The API group, empty for core."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def group_path(self) -> str:
        """Absolute path of group and version."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    @property
    def qualified(self) -> str:
        """The name that RBAC and kubectl know, such as endpointslices.discovery.k8s.io."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, key: ObjectKey | None = None, subresource: str = "") -> str:
        """Return the absolute path of one object, or of all of them."""
        if key is None:
            return f"{self.group_path}/{self.plural}"
        namespace = f"/namespaces/{key.namespace}" if key.namespace else ""
        tail = f"/{subresource}" if subresource else ""
        return f"{self.group_path}{namespace}/{self.plural}/{key.name}{tail}"


RESOURCES: tuple[Resource, ...] = (
    Resource(VirtualService, API_VERSION, VirtualService.PLURAL),
    Resource(RealServer, API_VERSION, RealServer.PLURAL),
    Resource(DirectorPool, API_VERSION, DirectorPool.PLURAL),
    Resource(LVSNode, API_VERSION, LVSNode.PLURAL),
    Resource(Node, "v1", "nodes"),
    Resource(Namespace, "v1", "namespaces"),
    Resource(EndpointSlice, "discovery.k8s.io/v1", "endpointslices"),
)

_BY_KIND = {resource.kind: resource for resource in RESOURCES}
_BY_NAME = {(resource.group, resource.plural): resource for resource in RESOURCES}


def resource_of(kind: Kind) -> Resource:
    """Return where objects of a kind are."""
    return _BY_KIND[kind]


def resource_named(group: str, plural: str) -> Resource:
    """Return the resource with this group and plural name.

    Raises
    ------
    LookupError
        If it is none of those watched.
    """
    return _BY_NAME[(group, plural)]
