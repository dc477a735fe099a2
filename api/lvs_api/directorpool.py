"""DirectorPool: the nodes that direct, the interface their VIPs live on, and who may use which addresses."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from lvs_api.columns import Column
from lvs_api.fields import AddressRange, Duration, InterfaceName, Name
from lvs_api.meta import Condition, LabelSelector, ObjectMeta, Spec, Status
from lvs_api.rules import Rule, not_supported_yet
from lvs_api.virtualservice import Forwarding, HealthCheck, Scheduler

__all__ = [
    "DirectorPool",
    "DirectorPoolSpec",
    "DirectorPoolStatus",
    "HighAvailability",
    "PoolDefaults",
    "SyncDaemon",
]


class SyncDaemon(Spec, frozen=True):
    """Connection synchronisation between the directors of a pool."""

    id: Annotated[int, Meta(ge=0, le=255, description="SyncID of ipvsadm --start-daemon.")]


class HighAvailability(Spec, frozen=True):
    """How directors of a pool stand in for each other."""

    RULES: ClassVar = (
        Rule("self.mode == 'None'", "mode VRRP is not supported yet; use None", ".mode"),
        not_supported_yet("advertInterval"),
        not_supported_yet("virtualRouterIDs"),
        not_supported_yet("preempt"),
        not_supported_yet("sync"),
    )

    mode: Annotated[Literal["None", "VRRP"], Meta(description="None: one node of the pool directs.")] = "None"
    advert_interval: Annotated[Duration | None, Meta(description="VRRP's heartbeat.")] = None
    virtual_router_ids: (
        Annotated[
            tuple[Annotated[int, Meta(ge=1, le=255)], ...],
            Meta(max_length=255, description="VRIDs, RFC 9568."),
        ]
        | None
    ) = msgspec.field(default=None, name="virtualRouterIDs")
    preempt: Annotated[bool | None, Meta(description="Whether a better director takes over from a working one.")] = None
    sync: SyncDaemon | None = None


class PoolDefaults(Spec, frozen=True):
    """Settings for virtual services of the pool that have none of their own."""

    forwarding: Forwarding | None = None
    scheduler: Scheduler | None = None
    health_check: HealthCheck | None = None


class DirectorPoolSpec(Spec, frozen=True, kw_only=True):
    """What an administrator says about a pool."""

    RULES: ClassVar = (
        Rule(
            "has(self.nodeSelector) || has(self.nodeNames)",
            "set nodeSelector or nodeNames, or the pool has no directors",
        ),
        not_supported_yet("defaults"),
    )

    node_selector: Annotated[LabelSelector | None, Meta(description="Nodes with these labels direct.")] = None
    node_names: (
        Annotated[
            tuple[Name, ...],
            Meta(max_length=256, description="Nodes by name; the way without Kubernetes."),
        ]
        | None
    ) = None
    interface: Annotated[InterfaceName, Meta(description="Where VIPs live on a director: eth0, or lo behind a router.")]
    addresses: Annotated[
        tuple[AddressRange, ...],
        Meta(min_length=1, max_length=64, description="Addresses VIPs may come from."),
    ]
    namespace_selector: Annotated[LabelSelector, Meta(description="Namespaces that may use the pool; empty: all.")] = (
        LabelSelector()
    )
    high_availability: HighAvailability = HighAvailability()
    defaults: PoolDefaults | None = None


class DirectorPoolStatus(Status, frozen=True):
    """What programs say about a pool."""

    LIST_MAP_KEYS: ClassVar = {"conditions": "type"}

    observed_generation: int = 0
    director: Annotated[str, Meta(description="The node that directs now.")] = ""
    virtual_services: Annotated[int, Meta(ge=0, description="How many virtual services use the pool.")] = 0
    conditions: tuple[Condition, ...] = ()


class DirectorPool(Status, frozen=True, kw_only=True):
    """Nodes that direct."""

    KIND: ClassVar = "DirectorPool"
    PLURAL: ClassVar = "directorpools"
    SHORT_NAMES: ClassVar = ("ldp",)
    NAMESPACED: ClassVar = False
    COLUMNS: ClassVar = (
        Column("Interface", ".spec.interface"),
        Column("Director", ".status.director"),
        Column("Services", ".status.virtualServices", "integer"),
        Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    )

    metadata: ObjectMeta
    spec: DirectorPoolSpec
    status: DirectorPoolStatus = DirectorPoolStatus()
