"""VirtualService: a VIP, its ports, and how connections to them reach real servers."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lvs_api.columns import Column
from lvs_api.fields import Duration, IPAddress, Name, Port, PortNumber
from lvs_api.meta import Condition, LabelSelector, ObjectMeta, Spec, Status
from lvs_api.realserver import ForwardingMethodName, Thresholds
from lvs_api.rules import Rule, not_supported_yet

__all__ = [
    "Drain",
    "Fallback",
    "Forwarding",
    "HTTPCheck",
    "HealthCheck",
    "Persistence",
    "RealServerSource",
    "Scheduler",
    "ServicePort",
    "ServiceReference",
    "SlowStart",
    "Tunnel",
    "VirtualService",
    "VirtualServiceDirector",
    "VirtualServiceSpec",
    "VirtualServiceStatus",
]

ProtocolName = Literal["TCP", "UDP", "SCTP"]

# The schedulers of net/netfilter/ipvs/Kconfig, by the names that ipvsadm -s takes.
SchedulerName = Literal["rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "twos"]
SchedulerFlag = Literal["sh-port", "sh-fallback", "mh-port", "mh-fallback"]


class ServicePort(Spec, frozen=True, kw_only=True):
    """One port of the VIP."""

    name: Annotated[
        str,
        Meta(
            max_length=15,
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$",
            description="Name; needed with several.",
        ),
    ] = ""
    port: Port
    protocol: Annotated[ProtocolName, Meta(description="Transport protocol.")] = "TCP"


class Tunnel(Spec, frozen=True):
    """How packets are wrapped under TUN."""

    type: Annotated[Literal["IPIP", "GUE", "GRE"], Meta(description="Encapsulation.")] = "IPIP"
    port: Annotated[PortNumber | None, Meta(description="UDP port, GUE only.")] = None
    checksum: Annotated[bool, Meta(description="Whether the outer header carries a checksum.")] = False


class Forwarding(Spec, frozen=True):
    """How the director hands packets to real servers."""

    RULES: ClassVar = (
        Rule(
            "self.method == 'NAT' || self.method == 'DR'",
            "method TUN and FULLNAT are not supported yet; use NAT or DR",
            ".method",
        ),
        not_supported_yet("tunnel"),
    )

    method: Annotated[
        ForwardingMethodName,
        Meta(
            description="NAT: replies return through the director. DR: real servers carry the VIP and reply directly."
        ),
    ] = "DR"
    tunnel: Tunnel | None = None


class Scheduler(Spec, frozen=True):
    """How a real server is chosen for a new connection."""

    RULES: ClassVar = (
        Rule(
            "!has(self.flags) || self.flags.all(f, f.startsWith(self.name + '-'))",
            "flags must belong to the scheduler: sh-port and sh-fallback to sh, mh-port and mh-fallback to mh",
            ".flags",
        ),
    )

    name: Annotated[SchedulerName, Meta(description="A scheduler by ipvsadm's name.")] = "wlc"
    flags: Annotated[tuple[SchedulerFlag, ...], Meta(max_length=2, description="Flags by ipvsadm's names.")] = ()


class Persistence(Spec, frozen=True):
    """Keeps a client at one real server."""

    RULES: ClassVar = (
        Rule(
            "self.scope == 'Port'",
            "scope VirtualService and Client are not supported yet; use Port",
            ".scope",
        ),
        not_supported_yet("engine"),
        Rule("duration(self.timeout) >= duration('1s')", "timeout must be 1s or more", ".timeout"),
    )

    scope: Annotated[
        Literal["Port", "VirtualService", "Client"],
        Meta(description="What a client is kept together for: one port, all ports of the VIP, everything."),
    ] = "Port"
    timeout: Annotated[Duration, Meta(description="How long after the last connection; whole seconds.")] = "360s"
    prefix_length: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=128,
                description="Clients of one network count as one; left out: each address on its own.",
            ),
        ]
        | None
    ) = None
    engine: Annotated[Literal["sip"] | None, Meta(description="Persistence engine: sip keeps a Call-ID together.")] = (
        None
    )


class ServiceReference(Spec, frozen=True):
    """A Service of the same namespace whose EndpointSlices are followed."""

    name: Annotated[Name, Meta(description="Name of the Service.")]
    port: Annotated[
        str,
        Meta(
            max_length=63,
            description="Name of the Service's port; may be left out where the Service has one.",
        ),
    ] = ""


class RealServerSource(Spec, frozen=True):
    """Where real servers come from; both may be given."""

    RULES: ClassVar = (Rule("has(self.selector) || has(self.service)", "set selector, service, or both"),)

    selector: Annotated[LabelSelector | None, Meta(description="RealServers of this namespace with these labels.")] = (
        None
    )
    service: ServiceReference | None = None


class HTTPCheck(Spec, frozen=True):
    """What an HTTP check asks and what it takes for an answer."""

    path: Annotated[str, Meta(max_length=1024, pattern=r"^/[!-~]*$", description="Path and query.")] = "/"
    host: Annotated[str, Meta(max_length=253, pattern=r"^[!-~]*$", description="Host header; left out: the RIP.")] = ""
    statuses: Annotated[
        tuple[Annotated[str, Meta(max_length=7, pattern=r"^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$")], ...],
        Meta(min_length=1, max_length=16, description="Statuses that pass: 200 or 200-299."),
    ] = ("200-299",)


class HealthCheck(Spec, frozen=True, kw_only=True):
    """How directors find out whether a real server answers."""

    RULES: ClassVar = (
        Rule("self.type == 'HTTP' || !has(self.http)", "http may only be set with type HTTP", ".http"),
        Rule("self.via == 'RIP'", "via VIP is not supported yet; use RIP", ".via"),
        Rule("duration(self.interval) >= duration('100ms')", "interval must be 100ms or more", ".interval"),
        Rule("duration(self.timeout) >= duration('10ms')", "timeout must be 10ms or more", ".timeout"),
        # Otherwise a failed real server could stay for longer than interval x fall + timeout.
        Rule(
            "duration(self.timeout) <= duration(self.interval)",
            "timeout must not be longer than interval",
            ".timeout",
        ),
    )

    type: Annotated[Literal["TCP", "HTTP"], Meta(description="TCP: a connection opens. HTTP: a request is answered.")]
    via: Annotated[
        Literal["RIP", "VIP"],
        Meta(description="RIP: straight to the real server. VIP: along the path of clients."),
    ] = "RIP"
    port: Annotated[PortNumber | None, Meta(description="Port to check; left out: the one that takes traffic.")] = None
    interval: Annotated[Duration, Meta(description="From the start of a check to the start of the next.")] = "5s"
    timeout: Annotated[Duration, Meta(description="A check that takes longer has failed.")] = "1s"
    rise: Annotated[int, Meta(ge=1, le=100, description="Passes in a row that bring a real server back.")] = 2
    fall: Annotated[int, Meta(ge=1, le=100, description="Failures in a row that take a real server out.")] = 3
    http: Annotated[HTTPCheck | None, Meta(description="With type HTTP only.")] = None


class Fallback(Spec, frozen=True):
    """The sorry server: takes connections while no real server can."""

    address: IPAddress
    port: Annotated[PortNumber | None, Meta(description="Left out: the service's port.")] = None


class Drain(Spec, frozen=True):
    """How a real server leaves."""

    deadline: Annotated[Duration, Meta(description="How long its connections may last.")] = "5m"
    on_deadline: Annotated[Literal["Delete", "Keep"], Meta(description="What happens then.")] = "Delete"


class SlowStart(Spec, frozen=True):
    """How a real server comes back."""

    duration: Annotated[Duration, Meta(description="Time from the first to the full weight.")] = "30s"


class VirtualServiceSpec(Spec, frozen=True, kw_only=True):
    """What a user says about one virtual service."""

    RULES: ClassVar = (
        not_supported_yet("firewallMark"),
        not_supported_yet("fallback"),
        not_supported_yet("drain"),
        not_supported_yet("slowStart"),
        not_supported_yet("quorum"),
        Rule(
            "(has(self.ports) && self.ports.size() > 0) || has(self.firewallMark)",
            "ports must hold at least one entry",
            ".ports",
        ),
        Rule(
            "!has(self.addresses) || self.addresses.size() < 2"
            " || !(isIP(self.addresses[0]) && isIP(self.addresses[1]))"
            " || ip(self.addresses[0]).family() != ip(self.addresses[1]).family()",
            "addresses may hold at most one IPv4 and one IPv6 address",
            ".addresses",
        ),
        Rule(
            "!has(self.ports) || self.ports.all(p,"
            " self.ports.exists_one(q, q.port == p.port && q.protocol == p.protocol))",
            "ports must not name a port and protocol twice",
            ".ports",
        ),
        Rule(
            "!has(self.ports) || self.ports.all(p, p.port != 0) || has(self.persistence)",
            "port 0 (every port) needs persistence, so that a client's ports stay together",
            ".ports",
        ),
        Rule(
            "!has(self.healthCheck) || has(self.healthCheck.port)"
            " || !has(self.ports) || self.ports.all(p, p.port != 0)",
            "healthCheck.port must be set with port 0 (every port)",
            ".healthCheck",
        ),
        Rule(
            "!self.onePacket || (has(self.ports) && self.ports.all(p, p.protocol == 'UDP'))",
            "onePacket works with UDP only",
            ".onePacket",
        ),
    )

    director_pool: Annotated[
        Name | None, Meta(description="The pool whose nodes direct; may be left out where there is one.")
    ] = None
    addresses: Annotated[
        tuple[IPAddress, ...],
        Meta(max_length=2, description="The VIPs, at most one per family; left out: one is allocated."),
    ] = ()
    ports: Annotated[tuple[ServicePort, ...], Meta(max_length=64, description="Ports of the VIP.")] = ()
    firewall_mark: (
        Annotated[int, Meta(ge=1, le=4294967295, description="Packets with this mark, in place of ports.")] | None
    ) = None
    forwarding: Forwarding = Forwarding()
    scheduler: Scheduler = Scheduler()
    persistence: Annotated[Persistence | None, Meta(description="Left out: each connection is on its own.")] = None
    one_packet: Annotated[bool, Meta(description="Each UDP packet is scheduled on its own.")] = False
    real_servers: RealServerSource
    health_check: Annotated[HealthCheck | None, Meta(description="Left out: real servers are taken for healthy.")] = (
        None
    )
    quiescent: Annotated[bool, Meta(description="A failed real server gets weight 0 (true) or leaves (false).")] = True
    fallback: Fallback | None = None
    drain: Drain | None = None
    slow_start: SlowStart | None = None
    quorum: (
        Annotated[
            int,
            Meta(ge=1, le=65535, description="Healthy real servers below which the fallback takes over."),
        ]
        | None
    ) = None
    thresholds: Annotated[Thresholds | None, Meta(description="For real servers that set none of their own.")] = None


class VirtualServiceDirector(Status, frozen=True):
    """What one director did for the virtual service; each agent applies its own entry."""

    node: Annotated[str, Meta(max_length=253)]
    observed_generation: int = 0
    programmed: Annotated[bool, Meta(description="Whether the kernel of this node matches.")] = False
    message: Annotated[str, Meta(max_length=1024, description="Why not, or what stands in the way.")] = ""
    total: Annotated[int, Meta(ge=0)] = 0
    healthy: Annotated[int, Meta(ge=0)] = 0
    active_connections: Annotated[int, Meta(ge=0)] = 0
    inactive_connections: Annotated[int, Meta(ge=0)] = 0


class RealServerCounts(Status, frozen=True):
    """How many real servers there are and how they fare."""

    total: Annotated[int, Meta(ge=0)] = 0
    healthy: Annotated[int, Meta(ge=0)] = 0
    draining: Annotated[int, Meta(ge=0)] = 0
    summary: Annotated[str, Meta(description="healthy/total")] = ""


class VirtualServiceStatus(Status, frozen=True):
    """What programs say about one virtual service."""

    LIST_MAP_KEYS: ClassVar = {"directors": "node", "conditions": "type"}

    observed_generation: int = 0
    addresses: Annotated[tuple[str, ...], Meta(description="The VIPs in use.")] = ()
    director_pool: Annotated[str, Meta(description="The pool in use.")] = ""
    ports: Annotated[str, Meta(description="The ports, as 80/TCP,443/TCP.")] = ""
    real_servers: RealServerCounts | None = None
    active_connections: Annotated[int, Meta(ge=0)] = 0
    inactive_connections: Annotated[int, Meta(ge=0)] = 0
    conditions: tuple[Condition, ...] = ()
    directors: tuple[VirtualServiceDirector, ...] = ()


class VirtualService(Status, frozen=True, kw_only=True):
    """A VIP with its ports and the real servers behind it."""

    KIND: ClassVar = "VirtualService"
    PLURAL: ClassVar = "virtualservices"
    SHORT_NAMES: ClassVar = ("lvs",)
    NAMESPACED: ClassVar = True
    COLUMNS: ClassVar = (
        Column("Address", ".status.addresses[*]"),
        Column("Ports", ".status.ports"),
        Column("Forwarding", ".spec.forwarding.method"),
        Column("Scheduler", ".spec.scheduler.name"),
        Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        Column("Healthy", ".status.realServers.summary"),
        Column("Active", ".status.activeConnections", "integer"),
        Column("Inactive", ".status.inactiveConnections", "integer", wide=True),
        Column("Reason", ".status.conditions[?(@.type=='Ready')].message", wide=True),
        Column("Age", ".metadata.creationTimestamp", "date"),
    )

    metadata: ObjectMeta
    spec: VirtualServiceSpec
    status: VirtualServiceStatus = VirtualServiceStatus()
