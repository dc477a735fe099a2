"""The part of core kinds that decisions read: EndpointSlice, Node, Namespace."""

from __future__ import annotations

from lvs_api.meta import ObjectKey, ObjectMeta, Status

__all__ = ["Endpoint", "EndpointConditions", "EndpointPort", "EndpointSlice", "Namespace", "Node"]

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class EndpointConditions(Status, frozen=True):
    """discovery.k8s.io/v1 EndpointConditions; ``ready`` that is left out means ready."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Status, frozen=True):
    """One endpoint; all its addresses are interchangeable, clients use the first."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    node_name: str | None = None
    zone: str | None = None


class EndpointPort(Status, frozen=True):
    """A port of a slice, named as in the Service."""

    name: str | None = None
    protocol: str | None = None
    port: int | None = None


class EndpointSlice(Status, frozen=True):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: ObjectMeta
    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None

    @property
    def service(self) -> ObjectKey:
        """The Service this slice belongs to."""
        return ObjectKey(self.metadata.namespace, self.metadata.labels.get(SERVICE_NAME_LABEL, ""))


class NodeAddress(Status, frozen=True):
    """core/v1 NodeAddress."""

    type: str = ""
    address: str = ""


class NodeCondition(Status, frozen=True):
    """core/v1 NodeCondition: what the kubelet, or its silence, says."""

    type: str = ""
    status: str = ""


class NodeStatus(Status, frozen=True):
    """core/v1 NodeStatus."""

    addresses: tuple[NodeAddress, ...] | None = None
    conditions: tuple[NodeCondition, ...] | None = None


class Node(Status, frozen=True):
    """core/v1 Node."""

    metadata: ObjectMeta
    status: NodeStatus = NodeStatus()

    @property
    def internal_addresses(self) -> tuple[str, ...]:
        """The addresses of type InternalIP, in the order the kubelet reports them."""
        return tuple(entry.address for entry in self.status.addresses or () if entry.type == "InternalIP")

    @property
    def is_ready(self) -> bool:
        """Whether nothing is known against the node: its condition Ready is True, or not there."""
        return all(entry.status == "True" for entry in self.status.conditions or () if entry.type == "Ready")


class Namespace(Status, frozen=True):
    """core/v1 Namespace."""

    metadata: ObjectMeta
