"""Which collections of the API server the agent follows, and their paths."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from lvs_agent.source.events import ApiObject
from lvs_api import API_VERSION, GROUP
from lvs_api.directorpool import DirectorPool
from lvs_api.discovery import EndpointSlice
from lvs_api.lvsnode import LVSNode
from lvs_api.realserver import RealServer
from lvs_api.virtualservice import VirtualService

__all__ = ["Collection", "followed"]

T = TypeVar("T", bound=ApiObject)


class Collection(msgspec.Struct, Generic[T], frozen=True):
    """All objects of one kind that the agent follows.

    Attributes
    ----------
    type
        What its objects are decoded into.
    path
        Path of the collection over all namespaces.
    resource
        Plural name and group, as RBAC rules and ``kubectl`` write it.
    field_selector
        Restricts the collection; empty for all objects.
    """

    type: type[T]
    path: str
    resource: str
    field_selector: str = ""

    @property
    def name(self) -> str:
        """The kind, for people."""
        return self.type.__name__


def followed(node_name: str) -> tuple[Collection[ApiObject], ...]:
    """Return the collections that the agent of a node follows: of LVSNodes its own only."""
    return (
        *(_own(kind) for kind in (VirtualService, RealServer, DirectorPool)),
        _own(LVSNode, f"metadata.name={node_name}"),
        Collection(EndpointSlice, "/apis/discovery.k8s.io/v1/endpointslices", "endpointslices.discovery.k8s.io"),
    )


def _own(
    kind: type[VirtualService] | type[RealServer] | type[DirectorPool] | type[LVSNode], field_selector: str = ""
) -> Collection[ApiObject]:
    return Collection(kind, f"/apis/{API_VERSION}/{kind.PLURAL}", f"{kind.PLURAL}.{GROUP}", field_selector)
