"""LVSNode: one node's duty, written by the operator, and its facts, written by its agent."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from lvs_api.columns import Column
from lvs_api.fields import IPAddress, Name
from lvs_api.meta import Condition, ObjectMeta, Spec, Status

__all__ = ["DirectorDuty", "LVSNode", "LVSNodeSpec", "LVSNodeStatus", "RealServerDuty", "SysctlFact"]


class DirectorDuty(Spec, frozen=True):
    """The pools this node directs."""

    pools: Annotated[tuple[Name, ...], Meta(max_length=256, description="DirectorPools by name.")] = ()


class RealServerDuty(Spec, frozen=True):
    """The VIPs this node carries as a real server under DR."""

    addresses: Annotated[tuple[IPAddress, ...], Meta(max_length=4096, description="The VIPs.")] = ()


class LVSNodeSpec(Spec, frozen=True, kw_only=True):
    """What the operator asks of a node."""

    director: DirectorDuty = DirectorDuty()
    real_server: RealServerDuty = RealServerDuty()
    retire: Annotated[
        bool,
        Meta(description="Remove all that this node's agent has put into the kernel, and take up nothing more."),
    ] = False


class SysctlFact(Status, frozen=True):
    """A kernel setting that the agent changed."""

    name: Annotated[str, Meta(max_length=256)]
    value: Annotated[str, Meta(max_length=256)]
    original: Annotated[str, Meta(max_length=256, description="What it was before, and will be again.")]


class LVSNodeStatus(Status, frozen=True):
    """What a node's agent found and did."""

    LIST_MAP_KEYS: ClassVar = {"conditions": "type", "sysctls": "name"}

    observed_generation: int = 0
    kernel: Annotated[str, Meta(description="Kernel release.")] = ""
    ipvs: Annotated[str, Meta(description="IPVS version; empty where the kernel has none.")] = ""
    addresses: Annotated[tuple[str, ...], Meta(description="The node's own addresses.")] = ()
    carried: Annotated[tuple[str, ...], Meta(description="VIPs in place as a real server.")] = ()
    sysctls: Annotated[tuple[SysctlFact, ...], Meta(description="Kernel settings that were changed.")] = ()
    conditions: tuple[Condition, ...] = ()


class LVSNode(Status, frozen=True):
    """One node's duty and facts."""

    KIND: ClassVar = "LVSNode"
    PLURAL: ClassVar = "lvsnodes"
    SHORT_NAMES: ClassVar = ("ln",)
    NAMESPACED: ClassVar = False
    COLUMNS: ClassVar = (
        Column("Directs", ".spec.director.pools"),
        Column("Carries", ".spec.realServer.addresses", wide=True),
        Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        Column("Kernel", ".status.kernel"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    )

    metadata: ObjectMeta
    spec: LVSNodeSpec = LVSNodeSpec()
    status: LVSNodeStatus = LVSNodeStatus()
