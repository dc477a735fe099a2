"""RealServer: one machine behind VIPs, chosen by VirtualServices through its labels."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lvs_api.columns import Column
from lvs_api.fields import IPAddress, Name, PortNumber, Weight
from lvs_api.meta import Condition, ObjectMeta, Spec, Status
from lvs_api.rules import Rule, not_supported_yet

__all__ = ["RealServer", "RealServerDirector", "RealServerSpec", "RealServerStatus", "Thresholds"]

ForwardingMethodName = Literal["NAT", "DR", "TUN", "FULLNAT"]


class Thresholds(Spec, frozen=True):
    """Connection bounds of one real server, as ipvsadm's --u-threshold and --l-threshold."""

    RULES: ClassVar = (
        Rule(
            "self.upper == 0 || self.lower < self.upper",
            "lower must be below upper, or a real server that was full would never take connections again",
            ".lower",
        ),
    )

    upper: Annotated[int, Meta(ge=0, le=65535, description="No new connections above this many; 0 is no bound.")] = 0
    lower: Annotated[
        int,
        Meta(ge=0, le=65535, description="Takes connections again below this many; 0: below 3/4 of upper."),
    ] = 0


class RealServerSpec(Spec, frozen=True, kw_only=True):
    """What a user says about one real server."""

    RULES: ClassVar = (
        Rule("has(self.address) != has(self.nodeName)", "set exactly one of address and nodeName"),
        not_supported_yet("priority"),
        not_supported_yet("zone"),
        not_supported_yet("forwarding"),
        not_supported_yet("maintenance"),
    )

    address: Annotated[IPAddress | None, Meta(description="The RIP.")] = None
    node_name: Annotated[Name | None, Meta(description="A node, in place of its address.")] = None
    port: Annotated[PortNumber | None, Meta(description="Port on the real server; left out: the service's.")] = None
    weight: Weight = 1
    priority: (
        Annotated[
            int,
            Meta(ge=0, le=1000, description="Failover tier; lower takes over when all above are down."),
        ]
        | None
    ) = None
    zone: Annotated[str, Meta(max_length=63, description="Site of the real server.")] | None = None
    thresholds: Thresholds | None = None
    forwarding: Annotated[
        ForwardingMethodName | None, Meta(description="Forwarding method of this real server only.")
    ] = None
    maintenance: Annotated[bool | None, Meta(description="True: takes no new connections.")] = None


class RealServerDirector(Status, frozen=True):
    """What one director sees of the real server; each agent applies its own entry."""

    node: Annotated[str, Meta(max_length=253)]
    state: Annotated[
        Literal["Unknown", "Healthy", "Unhealthy"],
        Meta(description="Outcome of all checks by this director."),
    ] = "Unknown"
    since: Annotated[str, Meta(description="When the state was entered, RFC 3339.")] = ""
    reason: Annotated[str, Meta(max_length=64, description="Why, as one word.")] = ""
    message: Annotated[str, Meta(max_length=1024, description="Why, as a sentence.")] = ""
    active_connections: Annotated[int, Meta(ge=0)] = 0
    inactive_connections: Annotated[int, Meta(ge=0)] = 0


class RealServerStatus(Status, frozen=True):
    """What programs say about one real server."""

    LIST_MAP_KEYS: ClassVar = {"directors": "node", "conditions": "type"}

    observed_generation: int = 0
    address: Annotated[str, Meta(description="The RIP in use; resolved from nodeName if that was given.")] = ""
    state: Annotated[str, Meta(description="Healthy, Unhealthy or Unknown over all directors.")] = ""
    since: Annotated[str, Meta(description="When the state was entered, RFC 3339.")] = ""
    reason: Annotated[str, Meta(description="Why, in short.")] = ""
    active_connections: Annotated[int, Meta(ge=0)] = 0
    inactive_connections: Annotated[int, Meta(ge=0)] = 0
    conditions: tuple[Condition, ...] = ()
    directors: tuple[RealServerDirector, ...] = ()


class RealServer(Status, frozen=True, kw_only=True):
    """One machine behind VIPs."""

    KIND: ClassVar = "RealServer"
    PLURAL: ClassVar = "realservers"
    SHORT_NAMES: ClassVar = ("lrs",)
    NAMESPACED: ClassVar = True
    COLUMNS: ClassVar = (
        Column("Address", ".status.address"),
        Column("Port", ".spec.port", "integer"),
        Column("Weight", ".spec.weight", "integer"),
        Column("State", ".status.state"),
        Column("Since", ".status.since", "date"),
        Column("Reason", ".status.reason"),
        Column("Active", ".status.activeConnections", "integer"),
        Column("Inactive", ".status.inactiveConnections", "integer", wide=True),
        Column("Age", ".metadata.creationTimestamp", "date", wide=True),
    )

    metadata: ObjectMeta
    spec: RealServerSpec
    status: RealServerStatus = RealServerStatus()
