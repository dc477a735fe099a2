"""What services and destinations look like on the way to the kernel and back, against bytes of a real one."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs_agent.ipvs import (
    Counters,
    Destination,
    DestinationCounters,
    DestinationKey,
    Family,
    ForwardingMethod,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    TunnelFlags,
    TunnelType,
)
from lvs_agent.kernel import codec
from lvs_agent.kernel.attributes import (
    Command,
    CommandAttribute,
    DestinationAttribute,
    ServiceAttribute,
    StatsAttribute,
    attribute,
    attributes,
)
from lvs_agent.kernel.codec import Request
from lvs_agent.kernel.errors import MalformedMessage
from lvs_api.fields import canonical_address
from tests.unit.captured import exchanges, received, sent


def by_address(address: str, port: int, protocol: Protocol = Protocol.TCP) -> ServiceKey:
    return ServiceKey(Family.IPV6 if ":" in address else Family.IPV4, protocol, address, port)


def by_mark(mark: int, family: Family = Family.IPV4) -> ServiceKey:
    return ServiceKey(family, Protocol.NONE, "", 0, mark)


WEB = by_address("198.51.100.200", 80)
WEB6 = by_address("2001:db8::200", 443)
NAT, DR, TUN = ForwardingMethod.NAT, ForwardingMethod.DR, ForwardingMethod.TUN
SIP = by_address("198.51.100.202", 5060, Protocol.UDP)
SH_FLAGS = ServiceFlags.PERSISTENT | ServiceFlags.SCHEDULER_1 | ServiceFlags.SCHEDULER_2

# What each command line of ipvsadm says, in our words.
SERVICES = {
    "-A -t 198.51.100.200:80 -s wrr": (WEB, Service("wrr")),
    "-A -u 198.51.100.200:53 -s rr -o": (
        by_address("198.51.100.200", 53, Protocol.UDP),
        Service("rr", ServiceFlags.ONE_PACKET),
    ),
    "-A --sctp-service 198.51.100.200:3868 -s lc": (
        by_address("198.51.100.200", 3868, Protocol.SCTP),
        Service("lc"),
    ),
    "-A -t 198.51.100.201:0 -s sh -b sh-fallback,sh-port -p 360 -M 255.255.255.0": (
        by_address("198.51.100.201", 0),
        Service("sh", SH_FLAGS, timeout=360, prefix_length=24),
    ),
    "-A -t [2001:db8::200]:443 -s mh -b mh-port -p 300 -M 64": (
        WEB6,
        Service("mh", ServiceFlags.PERSISTENT | ServiceFlags.SCHEDULER_2, timeout=300, prefix_length=64),
    ),
    "-A -t [::ffff:198.51.100.9]:443 -s rr": (
        by_address(canonical_address("::ffff:198.51.100.9"), 443),
        Service("rr", prefix_length=128),
    ),
    "-A -f 7 -s wlc -p 50": (by_mark(7), Service("wlc", ServiceFlags.PERSISTENT, timeout=50)),
    "-A -f 4294967295 -6 -s wlc": (by_mark(0xFFFFFFFF, Family.IPV6), Service("wlc", prefix_length=128)),
    "-A -u 198.51.100.202:5060 -s rr -p 300 --pe sip": (
        SIP,
        Service("rr", ServiceFlags.PERSISTENT, timeout=300, engine="sip"),
    ),
}
GUE_CHECKSUM = Destination(TUN, 1, 0, 0, TunnelType.GUE, 6080, TunnelFlags.CHECKSUM)
GUE_REMOTE_CHECKSUM = Destination(TUN, 1, 0, 0, TunnelType.GUE, 6081, TunnelFlags.REMOTE_CHECKSUM)
GRE_CHECKSUM = Destination(TUN, 1, 0, 0, TunnelType.GRE, 0, TunnelFlags.CHECKSUM)
DESTINATIONS = {
    "-a -t 198.51.100.200:80 -r 198.51.100.21:8080 -m -w 1": (WEB, "198.51.100.21", 8080, Destination(NAT)),
    "-a -t 198.51.100.200:80 -r 198.51.100.22:80 -g -w 65535 -x 100 -y 80": (
        *(WEB, "198.51.100.22", 80),
        Destination(DR, 65535, upper_threshold=100, lower_threshold=80),
    ),
    "-a -t 198.51.100.200:80 -r 198.51.100.23:80 -i -w 0": (WEB, "198.51.100.23", 80, Destination(TUN, 0)),
    "-a -t 198.51.100.200:80 -r 198.51.100.24:80 -i --tun-type gue --tun-port 6080 --tun-csum": (
        *(WEB, "198.51.100.24", 80),
        GUE_CHECKSUM,
    ),
    "-a -t 198.51.100.200:80 -r 198.51.100.25:80 -i --tun-type gue --tun-port 6081 --tun-remcsum": (
        *(WEB, "198.51.100.25", 80),
        GUE_REMOTE_CHECKSUM,
    ),
    "-a -t 198.51.100.200:80 -r 198.51.100.26:80 -i --tun-type gre --tun-csum": (
        *(WEB, "198.51.100.26", 80),
        GRE_CHECKSUM,
    ),
    "-a -t 198.51.100.200:80 -r [2001:db8::27]:80 -i": (WEB, "2001:db8::27", 80, Destination(TUN)),
    "-a -t [2001:db8::200]:443 -r [2001:db8::21]:443 -g -w 3": (WEB6, "2001:db8::21", 443, Destination(DR, 3)),
    "-a -t [2001:db8::200]:443 -r 198.51.100.28:443 -i": (WEB6, "198.51.100.28", 443, Destination(TUN)),
    "-a -f 7 -r 198.51.100.21:0 -g": (by_mark(7), "198.51.100.21", 0, Destination(DR)),
}
OTHERS = {
    "-e -t 198.51.100.200:80 -r 198.51.100.22:80 -g -w 5": codec.set_destination(
        DestinationKey(WEB, "198.51.100.22", 80), Destination(DR, 5)
    ),
    "-E -t 198.51.100.200:80 -s wlc": codec.set_service(WEB, Service("wlc")),
    "-d -t 198.51.100.200:80 -r 198.51.100.22:80": codec.del_destination(DestinationKey(WEB, "198.51.100.22", 80)),
    "-d -t [2001:db8::200]:443 -r [2001:db8::21]:443": codec.del_destination(DestinationKey(WEB6, "2001:db8::21", 443)),
    "-D -f 7": codec.del_service(by_mark(7)),
    "-D -t [2001:db8::200]:443": codec.del_service(WEB6),
    "-Z -t 198.51.100.200:80": codec.zero(WEB),
    "-Z": codec.zero(),
    "-C": codec.flush(),
}
REQUESTS = (
    {line: codec.new_service(key, service) for line, (key, service) in SERVICES.items()}
    | {
        line: codec.new_destination(DestinationKey(service, address, port), destination)
        for line, (service, address, port, destination) in DESTINATIONS.items()
    }
    | OTHERS
)


def flat(payload: bytes) -> dict[tuple[int, int], bytes]:
    """Return the attributes in the nested ones of a request."""
    found = {(outer, inner): value for outer, nested in attributes(payload) for inner, value in attributes(nested)}
    if found.get((CommandAttribute.DEST, DestinationAttribute.ADDR_FAMILY)) == struct.pack("=H", Family.IPV4):
        # ipvsadm leaves in the other twelve bytes what happened to be there; the kernel does not look at them.
        found[CommandAttribute.DEST, DestinationAttribute.ADDR] = found[
            CommandAttribute.DEST, DestinationAttribute.ADDR
        ][:4]
    return found


@pytest.mark.parametrize(("command_line", "ours"), REQUESTS.items(), ids=REQUESTS)
def test_every_attribute_of_a_request_is_what_ipvsadm_sends(command_line: str, ours: Request) -> None:
    theirs = flat(sent(command_line, ours.command))

    assert {kind: theirs.get(kind) for kind in flat(ours.payload)} == flat(ours.payload)


def test_the_captured_command_lines_use_every_command() -> None:
    used = {command for exchange in exchanges().values() for _direction, command, _payload in exchange}

    assert used == set(Command)


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        (CommandAttribute.SERVICE, ServiceAttribute),
        (CommandAttribute.DEST, DestinationAttribute),
    ],
    ids=["service", "destination"],
)
def test_the_captured_messages_carry_every_attribute(
    kind: CommandAttribute, of: type[ServiceAttribute | DestinationAttribute]
) -> None:
    seen = {
        inner
        for exchange in exchanges().values()
        for _direction, command, payload in exchange
        if command not in (Command.SET_INFO, Command.SET_CONFIG)
        for outer, inner in flat(payload)
        if outer == kind
    }

    assert seen == set(of)


def test_a_dump_of_a_real_kernel_shows_each_service_as_it_was_made() -> None:
    expected = dict(SERVICES.values())
    expected[WEB] = Service("wlc")  # -E changed it before the dump

    decoded = [codec.decode_service(payload) for payload in received("-Sn", Command.NEW_SERVICE)]

    assert {key: service for key, service, _counters in decoded} == expected


def test_a_dump_of_a_real_kernel_shows_each_destination_as_it_was_made() -> None:
    expected = {(address, port): value for _service, address, port, value in DESTINATIONS.values()}
    expected["198.51.100.22", 80] = Destination(DR, 5)  # -e changed it before the dump

    decoded = [codec.decode_destination(WEB, payload) for payload in received("-Sn", Command.NEW_DEST)]

    assert {(key.address, key.port): value for key, value, _counters in decoded} == expected


def test_a_service_of_a_real_kernel_carries_its_counters() -> None:
    decoded = [codec.decode_service(payload) for payload in received("-Sn", Command.NEW_SERVICE)]

    counters = {key: counters for key, _service, counters in decoded}
    assert counters[WEB].connections == 3
    assert counters[WEB].packets_in >= 3 * 3
    assert counters[WEB].bytes_out >= 3 * 1000
    assert counters[SIP] == Counters()


def test_a_destination_of_a_real_kernel_carries_its_counters() -> None:
    decoded = [codec.decode_destination(WEB, payload) for payload in received("-Sn", Command.NEW_DEST)]

    counters = {(key.address, key.port): counters for key, _value, counters in decoded}
    assert counters["198.51.100.21", 8080].inactive == 3
    assert counters["198.51.100.21", 8080].totals.connections == 3
    assert counters["198.51.100.22", 80] == DestinationCounters()


def test_an_attribute_of_a_newer_kernel_is_passed_over() -> None:
    payload = codec.new_service(WEB, Service("wrr")).payload
    (_kind, fields) = next(attributes(payload))

    decoded = codec.decode_service(attribute(CommandAttribute.SERVICE, fields + attribute(200, b"new")))

    assert decoded[:2] == (WEB, Service("wrr"))


def test_a_flag_without_a_name_is_shown() -> None:
    payload = codec.new_service(WEB, Service("wrr", ServiceFlags(0x4000))).payload

    _key, service, _counters = codec.decode_service(payload)

    assert service.flags == 0x4000


def test_the_kernels_own_hashed_flag_is_hidden() -> None:
    payload = codec.new_service(WEB, Service("wrr", ServiceFlags(0x0002))).payload

    _key, service, _counters = codec.decode_service(payload)

    assert service.flags is ServiceFlags.NONE


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        attribute(CommandAttribute.SERVICE, b""),
        attribute(CommandAttribute.DEST, b""),
        attribute(CommandAttribute.SERVICE, b"\xff\x00\x01\x00"),
        attribute(CommandAttribute.SERVICE, attribute(ServiceAttribute.AF, b"\x02")),
        attribute(CommandAttribute.SERVICE, attribute(ServiceAttribute.AF, struct.pack("=H", 99))),
    ],
    ids=["nothing", "no attributes", "another kind", "a length beyond the end", "a short number", "unknown family"],
)
def test_a_message_that_cannot_be_read_is_an_error_of_its_own(payload: bytes) -> None:
    with pytest.raises(MalformedMessage, match="cannot be read"):
        codec.decode_service(payload)


ports = st.integers(0, 0xFFFF)
addresses = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))
protocols = st.sampled_from([Protocol.TCP, Protocol.UDP, Protocol.SCTP])
services_by_address = st.builds(by_address, addresses, ports, protocols)
services_by_mark = st.builds(by_mark, st.integers(1, 0xFFFFFFFF), st.sampled_from(Family))
service_keys = st.one_of(services_by_address, services_by_mark)
names = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=15)
service_values = st.builds(
    Service,
    scheduler=names,
    flags=st.integers(0, 0xFFFFFFFF).map(lambda bits: ServiceFlags(bits & ~0x2)),
    timeout=st.integers(0, 0xFFFFFFFF),
    prefix_length=st.integers(0, 32),
    engine=st.one_of(st.just(""), names),
)
thresholds = st.integers(0, 0xFFFFFFFF)
destination_values = st.one_of(
    st.builds(Destination, st.sampled_from([NAT, DR, ForwardingMethod.LOCAL]), ports, thresholds, thresholds),
    st.builds(
        Destination,
        *(st.just(TUN), ports, thresholds, thresholds),
        *(st.sampled_from(TunnelType), ports, st.integers(0, 3).map(TunnelFlags)),
    ),
)


@given(service_keys, service_values)
def test_a_service_comes_back_as_it_went(key: ServiceKey, service: Service) -> None:
    assert codec.decode_service(codec.new_service(key, service).payload)[:2] == (key, service)


@given(service_keys, addresses, ports, destination_values)
def test_a_destination_comes_back_as_it_went(
    service: ServiceKey, address: str, port: int, destination: Destination
) -> None:
    key = DestinationKey(service, address, port)

    decoded = codec.decode_destination(service, codec.new_destination(key, destination).payload)

    assert decoded[:2] == (key, destination)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=10, max_size=10), st.booleans())
def test_counters_are_read_with_and_without_the_padding_some_machines_need(numbers: list[int], padded: bool) -> None:
    padding = attribute(StatsAttribute.PAD, b"") if padded else b""
    block = b"".join(
        padding + attribute(kind, struct.pack("=Q", number)) for kind, number in enumerate(numbers, start=1)
    )
    fields = next(attributes(codec.new_service(WEB, Service("rr")).payload))[1]

    _key, _service, counters = codec.decode_service(
        attribute(CommandAttribute.SERVICE, fields + attribute(ServiceAttribute.STATS64, block))
    )

    assert list(msgspec.structs.astuple(counters)) == numbers
