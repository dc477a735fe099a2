"""Objects as users write them, and what is said to each: one table for manifest files and for the API server.

Both refuse the same objects. Where the sentence is the rule's own it is the same in both; where it is about form (a
type, a bound, a name) each has its own words, and ``words`` is what the two have in common.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lvs_api import API_VERSION

__all__ = ["CASES", "Case"]


class Case(NamedTuple):
    """One object.

    Attributes
    ----------
    field
        Path of the field at fault; None where the object is accepted.
    words
        Part of the sentence, without regard to upper and lower case.
    """

    name: str
    object: dict[str, Any]
    field: str | None = None
    words: str = ""


def _object(kind: str, spec: object, **metadata: object) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "web", **metadata}, "spec": spec}


def _service(**spec: object) -> dict[str, Any]:
    whole = {"ports": [{"port": 80}], "realServers": {"selector": {"matchLabels": {"app": "web"}}}, **spec}
    return _object("VirtualService", {name: value for name, value in whole.items() if value is not ...})


def _real_server(**spec: object) -> dict[str, Any]:
    whole = {"address": "198.51.100.21", **spec}
    return _object("RealServer", {name: value for name, value in whole.items() if value is not ...})


def _pool(**spec: object) -> dict[str, Any]:
    whole = {"nodeNames": ["d1"], "interface": "eth0", "addresses": ["198.51.100.192/27"], **spec}
    return _object("DirectorPool", {name: value for name, value in whole.items() if value is not ...})


def _without(kind: str, missing: str) -> dict[str, Any]:
    return {name: value for name, value in _object(kind, {}).items() if name != missing}


def _check(**check: object) -> dict[str, Any]:
    return _service(healthCheck={"type": "TCP", **check})


CASES: tuple[Case, ...] = (
    # accepted
    Case("the least a service says", _service()),
    Case(
        "all that a service can say and that works",
        _service(
            directorPool="edge",
            addresses=["198.51.100.200", "2001:db8::1"],
            ports=[
                {"name": "http", "port": 80, "protocol": "TCP"},
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
            forwarding={"method": "NAT"},
            scheduler={"name": "sh", "flags": ["sh-port", "sh-fallback"]},
            persistence={"scope": "Port", "timeout": "5m", "prefixLength": 24},
            onePacket=False,
            realServers={"service": {"name": "web", "port": "http"}},
            healthCheck={
                "type": "HTTP",
                "port": 8080,
                "interval": "1.5s",
                "timeout": "500ms",
                "rise": 1,
                "fall": 5,
                "http": {"path": "/healthz?full=1", "host": "shop.example", "statuses": ["200", "300-399"]},
            },
            quiescent=False,
            thresholds={"upper": 100, "lower": 50},
        ),
    ),
    Case("port 0 with persistence", _service(ports=[{"port": 0}], persistence={})),
    Case("one-packet scheduling of UDP", _service(ports=[{"port": 53, "protocol": "UDP"}], onePacket=True)),
    Case("fields without a value are as if left out", _service(addresses=None, persistence=None, quiescent=None)),
    Case("the same port with two protocols", _service(ports=[{"port": 53, "protocol": p} for p in ("TCP", "UDP")])),
    Case(
        "real servers by expression",
        _service(
            realServers={
                "selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "shop"]}]}
            }
        ),
    ),
    Case("a real server by address", _real_server(port=8080, weight=65535)),
    Case("a whole number with a decimal point", _real_server(weight=80.0)),
    Case("a real server by node", _real_server(address=..., nodeName="n1")),
    Case("a quiescent real server", _real_server(weight=0)),
    Case("a real server with bounds", _real_server(thresholds={"upper": 100})),
    Case("an IPv6 real server", _real_server(address="2001:db8::21")),
    Case(
        "an annotation of a domain in capitals",
        _object("RealServer", {"address": "198.51.100.21"}, annotations={"Example.org/owner": "shop"}),
    ),
    Case("the least a pool says", _pool()),
    Case(
        "a pool with every form of address",
        _pool(
            nodeNames=...,
            nodeSelector={"matchLabels": {"lvs-operator.io/director": "true"}},
            addresses=["198.51.100.192/27", "198.51.100.10-198.51.100.20", "198.51.100.30", "2001:db8::/64"],
            namespaceSelector={"matchLabels": {"team": "shop"}},
            highAvailability={"mode": "None"},
        ),
    ),
    Case(
        "a namespace of a kind that has none is passed over",
        _object("LVSNode", {}, namespace="shop"),
    ),
    Case(
        "a node's duty",
        _object("LVSNode", {"director": {"pools": ["edge"]}, "realServer": {"addresses": ["198.51.100.200"]}}),
    ),
    Case("a node without duty", _without("LVSNode", "spec")),
    # numbers
    Case("port 70000", _service(ports=[{"port": 70000}]), "spec.ports[0].port", "65535"),
    Case("port -1", _service(ports=[{"port": 80}, {"port": -1}]), "spec.ports[1].port", "0"),
    Case("a port in quotes", _service(ports=[{"port": "80"}]), "spec.ports[0].port", "integer"),
    Case("weight -1", _real_server(weight=-1), "spec.weight", "0"),
    Case("weight 65536", _real_server(weight=65536), "spec.weight", "65535"),
    Case("weight 1.5", _real_server(weight=1.5), "spec.weight", "integer"),
    Case("a real server's port 0", _real_server(port=0), "spec.port", "1"),
    Case("rise 0", _check(rise=0), "spec.healthCheck.rise", "1"),
    # words of a list
    Case("an unknown scheduler", _service(scheduler={"name": "fastest"}), "spec.scheduler.name", "wlc"),
    Case("a scheduler in capitals", _service(scheduler={"name": "WRR"}), "spec.scheduler.name", "wrr"),
    Case("an unknown protocol", _service(ports=[{"port": 80, "protocol": "ICMP"}]), "spec.ports[0].protocol", "SCTP"),
    Case("a forwarding method by its option", _service(forwarding={"method": "g"}), "spec.forwarding.method", "NAT"),
    Case("an unknown kind of check", _check(type="PING"), "spec.healthCheck.type", "HTTP"),
    # what is missing or too much
    Case("no real servers", _service(realServers=...), "spec.realServers", "required"),
    Case(
        "real servers without a source", _service(realServers={}), "spec.realServers", "set selector, service, or both"
    ),
    Case("no ports", _service(ports=...), "spec.ports", "ports must hold at least one entry"),
    Case("empty ports", _service(ports=[]), "spec.ports", "ports must hold at least one entry"),
    Case("a port without its number", _service(ports=[{"name": "http"}]), "spec.ports[0].port", "required"),
    Case("a check without its type", _service(healthCheck={}), "spec.healthCheck.type", "required"),
    Case("no spec", _without("VirtualService", "spec"), "spec", "required"),
    Case("an unknown field", _service(schedulr={"name": "rr"}), "spec.schedulr", "unknown field"),
    Case("an unknown field deep inside", _check(http={"pth": "/"}), "spec.healthCheck.http.pth", "unknown field"),
    Case("an unknown field beside spec", {**_service(), "spce": {}}, "spce", "unknown field"),
    Case(
        "an unknown field of metadata",
        _object("RealServer", {"address": "198.51.100.21"}, lables={}),
        "metadata.lables",
        "unknown field",
    ),
    Case("a list in place of one", _service(scheduler=["rr"]), "spec.scheduler", "object"),
    Case("one in place of a list", _service(addresses="198.51.100.200"), "spec.addresses", "array"),
    Case("a number in place of a word", _service(directorPool=7), "spec.directorPool", "string"),
    Case("a word in place of true or false", _service(quiescent="yes"), "spec.quiescent", "boolean"),
    Case("an entry without a value", _service(ports=[None]), "spec.ports[0]", "object"),
    Case(
        "three addresses",
        _service(addresses=["198.51.100.200", "198.51.100.201", "2001:db8::1"]),
        "spec.addresses",
        "at most 2",
    ),
    # addresses
    Case(
        "two addresses of one family",
        _service(addresses=["198.51.100.200", "198.51.100.201"]),
        "spec.addresses",
        "addresses may hold at most one IPv4 and one IPv6 address",
    ),
    Case(
        "a bad address", _service(addresses=["198.51.100.300"]), "spec.addresses[0]", "must be an IPv4 or IPv6 address"
    ),
    Case(
        "an address with a prefix length",
        _real_server(address="198.51.100.21/24"),
        "spec.address",
        "must be an IPv4 or IPv6 address",
    ),
    Case(
        "an address with a leading zero",
        _real_server(address="198.51.100.021"),
        "spec.address",
        "must be an IPv4 or IPv6 address",
    ),
    Case(
        "an address with a zone",
        _real_server(address="fe80::1%eth0"),
        "spec.address",
        "must be an IPv4 or IPv6 address",
    ),
    Case(
        "an IPv4 address written as IPv6",
        _real_server(address="::ffff:198.51.100.21"),
        "spec.address",
        "must be an IPv4 or IPv6 address",
    ),
    Case(
        "a name in place of an address",
        _real_server(address="web.example"),
        "spec.address",
        "must be an IPv4 or IPv6 address",
    ),
    Case("an address longer than any", _real_server(address="2001:db8:" + "0" * 60), "spec.address", "45"),
    Case("neither address nor node", _real_server(address=...), "spec", "set exactly one of address and nodeName"),
    Case("address and node", _real_server(nodeName="n1"), "spec", "set exactly one of address and nodeName"),
    Case("a range that is no range", _pool(addresses=["198.51.100.10-"]), "spec.addresses[0]", "must be a CIDR block"),
    Case("a CIDR block beyond 32", _pool(addresses=["198.51.100.0/33"]), "spec.addresses[0]", "must be a CIDR block"),
    Case(
        "a CIDR block by its mask",
        _pool(addresses=["198.51.100.0/255.255.255.0"]),
        "spec.addresses[0]",
        "must be a CIDR block",
    ),
    Case(
        "a CIDR block with a leading zero",
        _pool(addresses=["198.51.100.0/027"]),
        "spec.addresses[0]",
        "must be a CIDR block",
    ),
    Case("a pool without addresses", _pool(addresses=[]), "spec.addresses", "at least 1"),
    # rules between fields
    Case(
        "one port twice",
        _service(ports=[{"port": 80}, {"port": 80, "protocol": "TCP"}]),
        "spec.ports",
        "ports must not name a port and protocol twice",
    ),
    Case(
        "port 0 without persistence",
        _service(ports=[{"port": 0}]),
        "spec.ports",
        "port 0 (every port) needs persistence",
    ),
    Case(
        "port 0 with a check of no port",
        _service(ports=[{"port": 0}], persistence={}, healthCheck={"type": "TCP"}),
        "spec.healthCheck",
        "healthCheck.port must be set with port 0",
    ),
    Case("one-packet scheduling of TCP", _service(onePacket=True), "spec.onePacket", "onePacket works with UDP only"),
    Case(
        "a flag of another scheduler",
        _service(scheduler={"name": "rr", "flags": ["sh-port"]}),
        "spec.scheduler.flags",
        "flags must belong to the scheduler",
    ),
    Case(
        "http with type TCP", _check(http={"path": "/"}), "spec.healthCheck.http", "http may only be set with type HTTP"
    ),
    Case(
        "a timeout beyond the interval",
        _check(interval="1s", timeout="2s"),
        "spec.healthCheck.timeout",
        "timeout must not be longer than interval",
    ),
    Case(
        "an interval of nothing",
        _check(interval="0s", timeout="0s"),
        "spec.healthCheck.interval",
        "interval must be 100ms or more",
    ),
    Case("a length of time without its unit", _check(interval="5"), "spec.healthCheck.interval", "5"),
    Case(
        "a length of time beyond all",
        _check(interval="99999999999h"),
        "spec.healthCheck.interval",
        "must be 744h",
    ),
    Case(
        "a month and more of persistence",
        _service(persistence={"timeout": "744h1s"}),
        "spec.persistence.timeout",
        "must be 744h",
    ),
    Case(
        "a status that is none",
        _service(healthCheck={"type": "HTTP", "http": {"statuses": ["2xx"]}}),
        "spec.healthCheck.http.statuses[0]",
        "2xx",
    ),
    Case(
        "a lower threshold above the upper",
        _real_server(thresholds={"upper": 10, "lower": 20}),
        "spec.thresholds.lower",
        "lower must be below upper",
    ),
    Case("a pool without directors", _pool(nodeNames=...), "spec", "set nodeSelector or nodeNames"),
    Case("an interface with a line break", _pool(interface="eth0\n"), "spec.interface", "eth0"),
    # what comes later
    Case(
        "a tunnel with NAT",
        _service(forwarding={"method": "NAT", "tunnel": {"type": "IPIP"}}),
        "spec.forwarding.tunnel",
        "tunnel is not supported yet",
    ),
    Case(
        "TUN", _service(forwarding={"method": "TUN"}), "spec.forwarding.method", "TUN and FULLNAT are not supported yet"
    ),
    Case(
        "a firewall mark", _service(ports=..., firewallMark=7), "spec.firewallMark", "firewallMark is not supported yet"
    ),
    Case(
        "a fallback", _service(fallback={"address": "198.51.100.50"}), "spec.fallback", "fallback is not supported yet"
    ),
    Case("draining", _service(drain={}), "spec.drain", "drain is not supported yet"),
    Case("slow start", _service(slowStart={}), "spec.slowStart", "slowStart is not supported yet"),
    Case("a quorum", _service(quorum=2), "spec.quorum", "quorum is not supported yet"),
    Case(
        "a persistence engine",
        _service(persistence={"engine": "sip"}),
        "spec.persistence.engine",
        "engine is not supported yet",
    ),
    Case(
        "persistence over ports",
        _service(persistence={"scope": "Client"}),
        "spec.persistence.scope",
        "scope VirtualService and Client are not supported yet",
    ),
    Case(
        "persistence of less than a second",
        _service(persistence={"timeout": "10ms"}),
        "spec.persistence.timeout",
        "timeout must be 1s or more",
    ),
    Case(
        "a check along the path of clients", _check(via="VIP"), "spec.healthCheck.via", "via VIP is not supported yet"
    ),
    Case("a failover tier", _real_server(priority=0), "spec.priority", "priority is not supported yet"),
    Case("a site", _real_server(zone="east"), "spec.zone", "zone is not supported yet"),
    Case(
        "a real server's own forwarding method",
        _real_server(forwarding="NAT"),
        "spec.forwarding",
        "forwarding is not supported yet",
    ),
    Case("maintenance", _real_server(maintenance=False), "spec.maintenance", "maintenance is not supported yet"),
    Case("VRRP", _pool(highAvailability={"mode": "VRRP"}), "spec.highAvailability.mode", "VRRP is not supported yet"),
    *(
        Case(
            f"{name} of VRRP",
            _pool(highAvailability={name: value}),
            f"spec.highAvailability.{name}",
            f"{name} is not supported yet",
        )
        for name, value in (
            ("advertInterval", "1s"),
            ("virtualRouterIDs", [51]),
            ("preempt", False),
            ("sync", {"id": 1}),
        )
    ),
    Case("defaults of a pool", _pool(defaults={}), "spec.defaults", "defaults is not supported yet"),
    # names
    Case(
        "a name in capitals",
        _object("RealServer", {"address": "198.51.100.21"}, name="Web_1"),
        "metadata.name",
        "RFC 1123",
    ),
    Case(
        "a name longer than any",
        _object("RealServer", {"address": "198.51.100.21"}, name="w" * 254),
        "metadata.name",
        "253",
    ),
    Case(
        "a label of a domain in capitals",
        _object("RealServer", {"address": "198.51.100.21"}, labels={"Example.org/app": "web"}),
        "metadata.labels",
        "example.org/",
    ),
    *(
        Case(
            f"{field} of a domain longer than any",
            _object("RealServer", {"address": "198.51.100.21"}, **{field: {"d" * 254 + "/app": "web"}}),
            f"metadata.{field}",
            "253",
        )
        for field in ("labels", "annotations")
    ),
    Case(
        "a label's value with spaces",
        _object("RealServer", {"address": "198.51.100.21"}, labels={"app": "a b"}),
        "metadata.labels",
        "valid label",
    ),
    Case(
        "a label's value that is a number",
        _object("RealServer", {"address": "198.51.100.21"}, labels={"app": 1}),
        "metadata.labels",
        "string",
    ),
)
