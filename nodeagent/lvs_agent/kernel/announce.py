"""Tells neighbours that an address lives here now: gratuitous ARP and unsolicited neighbour advertisements."""

from __future__ import annotations

import fcntl
import socket
import struct

from lvs_agent.kernel.errors import KernelError, NoSuchInterface
from lvs_agent.state import AddressKey

__all__ = ["AnnouncementFailed", "announce", "gratuitous_arp", "neighbour_advertisement"]

ETH_P_ARP = 0x0806
BROADCAST = b"\xff" * 6
# A frame may get lost; RFC 5227 (ANNOUNCE_NUM) and RFC 4861 (MAX_NEIGHBOR_ADVERTISEMENT) say two and three times.
REPETITIONS = 3

_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET = struct.Struct("!6s6sH")
_ADVERTISEMENT = struct.Struct("!BBHI16sBB6s")

# linux/sockios.h, linux/if.h, linux/if_arp.h
SIOCGIFFLAGS = 0x8913
SIOCGIFHWADDR = 0x8927
IFF_LOOPBACK = 0x8
IFF_NOARP = 0x80
ARPHRD_ETHER = 1


class AnnouncementFailed(KernelError):
    """An address is in place, but its neighbours could not be told."""

    def __init__(self, key: AddressKey, reason: str) -> None:
        self.key = key
        self.reason = reason
        super().__init__(f"{key} is in place but could not be announced: {reason}")


def gratuitous_arp(hardware: bytes, address: str, *, reply: bool) -> bytes:
    """Return an Ethernet frame that says who has an IPv4 address.

    Parameters
    ----------
    hardware
        The interface's six bytes.
    reply
        An ARP reply; otherwise a request (RFC 5944 section 4.6 allows both, and some systems heed only one).
    """
    packed = socket.inet_aton(address)
    target = hardware if reply else bytes(6)
    body = _ARP.pack(1, 0x0800, 6, 4, 2 if reply else 1, hardware, packed, target, packed)
    return _ETHERNET.pack(BROADCAST, hardware, ETH_P_ARP) + body


def neighbour_advertisement(hardware: bytes, address: str) -> bytes:
    """Return an ICMPv6 message (RFC 4861 section 7.2.6) that says who has an IPv6 address.

    The kernel adds the checksum. The override flag is set, so that neighbours replace what they knew.
    """
    override = 0x20000000
    return _ADVERTISEMENT.pack(136, 0, 0, override, socket.inet_pton(socket.AF_INET6, address), 2, 1, hardware)


def announce(key: AddressKey) -> None:
    """Announce an address to the link its interface is on; nothing happens on a link without neighbours, such as lo.

    Raises
    ------
    NoSuchInterface
        If the interface is gone.
    AnnouncementFailed
        If a frame could not be sent, as when the link is down.
    """
    hardware = _hardware_address(key.interface)
    if hardware is None:
        return
    try:
        if ":" in key.address:
            _send_advertisements(key, hardware)
        else:
            _send_arp(key, hardware)
    except OSError as error:
        raise AnnouncementFailed(key, str(error.strerror or error)) from error


def _send_arp(key: AddressKey, hardware: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as link:
        link.bind((key.interface, 0))
        for _time in range(REPETITIONS):
            link.send(gratuitous_arp(hardware, key.address, reply=False))
            link.send(gratuitous_arp(hardware, key.address, reply=True))


def _send_advertisements(key: AddressKey, hardware: bytes) -> None:
    index = socket.if_nametoindex(key.interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6) as link:
        # RFC 4861 section 7.1.2: neighbours drop an advertisement that has passed a router.
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        link.bind((key.address, 0, 0, index))
        for _time in range(REPETITIONS):
            link.sendto(neighbour_advertisement(hardware, key.address), ("ff02::1", 0, 0, index))


def _hardware_address(interface: str) -> bytes | None:
    """Return an Ethernet interface's hardware address, None where there is no ARP.

    Asked by ioctl, since /sys shows the interfaces of the network namespace it was mounted in.
    """
    request = struct.pack("16s24x", interface.encode())
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
            flags = struct.unpack_from("=H", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request), 16)[0]
            kind, hardware = struct.unpack_from("=H6s", fcntl.ioctl(any_socket, SIOCGIFHWADDR, request), 16)
    except OSError:
        raise NoSuchInterface(interface) from None
    if kind != ARPHRD_ETHER or flags & (IFF_LOOPBACK | IFF_NOARP):
        return None
    address: bytes = hardware
    return address
