"""Addresses on interfaces: added, announced and removed, and nobody else's touched."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from lvs_agent.kernel.addresses import Addresses
from lvs_agent.kernel.announce import AnnouncementFailed, announce
from lvs_agent.kernel.errors import ItemExists, NoSuchInterface
from lvs_agent.state import AddressKey
from tests.kernel.namespaces import Namespace, new_namespace, run

VIP = AddressKey("eth0", "198.51.100.200", 32)
VIP6 = AddressKey("eth0", "2001:db8::200", 128)
LOOPBACK_VIP = AddressKey("lo", "198.51.100.200", 32)
ETH_P_ALL = 0x0003


@pytest.fixture
def peer() -> Iterator[Namespace]:
    with new_namespace() as peer:
        yield peer


@pytest.fixture(autouse=True)
def _director(peer: Namespace) -> Iterator[None]:
    """A director whose eth0 is linked to the peer's."""
    with new_namespace() as director, director.entered():
        run(f"ip link add eth0 type veth peer name eth0 netns {peer.path}")
        run("ip addr add 198.51.100.1/24 dev eth0")
        run("ip link set eth0 up")
        with peer.entered():
            run("ip link set eth0 up")
        yield


@pytest.fixture
def addresses() -> Iterator[Addresses]:
    addresses = Addresses()
    yield addresses
    addresses.close()


@pytest.mark.parametrize("key", [VIP, VIP6, LOOPBACK_VIP], ids=str)
def test_an_address_is_added_and_removed_without_a_trace(addresses: Addresses, key: AddressKey) -> None:
    before = run("ip -o addr")

    addresses.add(key)
    with_it = addresses.read()
    addresses.remove(key)

    assert key in with_it
    assert run("ip -o addr") == before


def test_a_ipv6_address_serves_at_once(addresses: Addresses) -> None:
    addresses.add(VIP6)

    assert "tentative" not in run("ip -6 addr show dev eth0 to 2001:db8::200")
    assert "nodad" in run("ip -6 addr show dev eth0 to 2001:db8::200")


def test_every_address_of_every_interface_is_listed(addresses: Addresses) -> None:
    run("ip addr add 198.51.100.77/24 dev eth0")
    run("ip addr add 10.1.1.1 peer 10.1.1.2/32 dev eth0")

    listed = {str(key) for key in addresses.read() if not key.address.startswith("fe80:")}

    assert listed == {
        "address 127.0.0.1/8 on lo",
        "address ::1/128 on lo",
        "address 198.51.100.1/24 on eth0",
        "address 198.51.100.77/24 on eth0",
        "address 10.1.1.1/32 on eth0",
    }


def test_an_address_that_is_there_is_not_taken_over(addresses: Addresses) -> None:
    run("ip addr add 198.51.100.200/32 dev eth0")

    with pytest.raises(ItemExists, match="/32 on eth0 exists already"):
        addresses.add(VIP)


def test_an_interface_that_is_not_there_is_named(addresses: Addresses) -> None:
    with pytest.raises(NoSuchInterface, match="'eth9'"):
        addresses.add(AddressKey("eth9", "198.51.100.200", 32))


@pytest.mark.parametrize("key", [VIP, AddressKey("eth9", "198.51.100.200", 32)], ids=["address", "interface"])
def test_removing_what_is_gone_is_done(addresses: Addresses, key: AddressKey) -> None:
    addresses.remove(key)


def test_neighbours_are_told_by_gratuitous_arp_who_has_an_address(peer: Namespace, addresses: Addresses) -> None:
    addresses.add(VIP)
    with peer.entered():
        listener = listening()
    hardware = own_hardware_address()

    announce(VIP)

    frames = [parse_arp(frame) for frame in received(listener, 6, lambda frame: frame[12:14] == b"\x08\x06")]
    vip = socket.inet_aton("198.51.100.200")
    request = (b"\xff" * 6, hardware, 1, hardware, vip, bytes(6), vip)
    reply = (b"\xff" * 6, hardware, 2, hardware, vip, hardware, vip)
    assert frames == [request, reply] * 3


def test_a_neighbour_that_knew_the_address_elsewhere_learns_the_new_place(
    peer: Namespace, addresses: Addresses
) -> None:
    hardware = ":".join(f"{byte:02x}" for byte in own_hardware_address())
    with peer.entered():
        run("ip addr add 198.51.100.2/24 dev eth0")
        run("ip neigh add 198.51.100.200 lladdr 02:00:00:00:00:99 dev eth0 nud stale")
    addresses.add(VIP)

    announce(VIP)

    with peer.entered():
        assert f"lladdr {hardware}" in run("ip neigh show 198.51.100.200")


def test_neighbours_are_told_by_advertisements_who_has_an_ipv6_address(peer: Namespace, addresses: Addresses) -> None:
    addresses.add(VIP6)
    with peer.entered():
        listener = listening()
    hardware = own_hardware_address()

    announce(VIP6)

    target = socket.inet_pton(socket.AF_INET6, "2001:db8::200")
    frames = received(listener, 3, lambda frame: frame[20:21] == b"\x3a" and frame[54:55] == b"\x88")
    for frame in frames:
        destination, hop_limit = frame[38:54], frame[21]
        flags, told = struct.unpack("!I16s", frame[58:78])
        assert destination == socket.inet_pton(socket.AF_INET6, "ff02::1")
        assert hop_limit == 255
        assert frame[22:38] == target
        assert (flags, told) == (0x20000000, target)
        assert frame[78:86] == b"\x02\x01" + hardware


def test_nothing_is_announced_on_lo(addresses: Addresses) -> None:
    addresses.add(LOOPBACK_VIP)

    announce(LOOPBACK_VIP)


def test_an_announcement_on_a_link_that_is_down_says_so(addresses: Addresses) -> None:
    addresses.add(VIP)
    run("ip link set eth0 down")

    with pytest.raises(AnnouncementFailed, match="could not be announced: Network is down"):
        announce(VIP)


def listening() -> socket.socket:
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    listener.bind(("eth0", ETH_P_ALL))
    listener.settimeout(20)
    return listener


def received(listener: socket.socket, count: int, wanted: object) -> list[bytes]:
    assert callable(wanted)
    frames: list[bytes] = []
    with listener:
        while len(frames) < count:
            frame = listener.recv(2048)
            if wanted(frame):
                frames.append(frame)
    return frames


def parse_arp(frame: bytes) -> tuple[bytes, bytes, int, bytes, bytes, bytes, bytes]:
    destination, source = frame[:6], frame[6:12]
    _kinds, operation, *rest = struct.unpack("!6sH6s4s6s4s", frame[14:42])
    return (destination, source, operation, *rest)


def own_hardware_address() -> bytes:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind(("eth0", 0))
        hardware: bytes = link.getsockname()[4]
        return hardware
