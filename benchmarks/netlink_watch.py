"""Counts the requests that are sent to generic netlink in this network namespace, until SIGTERM; prints the count.

An nlmon interface (drivers/net/nlmon.c) shows all netlink traffic of its namespace to packet sockets.
"""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys

ETH_P_ALL = 0x0003  # linux/if_ether.h
NETLINK_GENERIC = 16  # linux/netlink.h
GENL_ID_CTRL = 0x10  # linux/genetlink.h: families come after it
NLM_F_REQUEST = 0x01
NLM_F_DUMP = 0x300
HEADER = struct.Struct("=IHHII")


def requests(datagram: bytes) -> int:
    """Count the requests in a datagram, dumps aside: those read."""
    found, offset = 0, 0
    while offset + HEADER.size <= len(datagram):
        length, kind, flags, _, _ = HEADER.unpack_from(datagram, offset)
        if length < HEADER.size:
            break
        if kind > GENL_ID_CTRL and flags & NLM_F_REQUEST and flags & NLM_F_DUMP != NLM_F_DUMP:
            found += 1
        offset += (length + 3) & ~3
    return found


def main() -> None:
    """Watch until asked to end."""
    subprocess.run(["ip", "link", "add", "nlmon0", "type", "nlmon"], check=True)
    subprocess.run(["ip", "link", "set", "nlmon0", "up"], check=True)
    count = 0

    def end(*_: object) -> None:
        subprocess.run(["ip", "link", "del", "nlmon0"], check=False)
        print(count, flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(ETH_P_ALL)) as monitor:
        monitor.bind(("nlmon0", 0))
        print("watching", flush=True)
        while True:
            datagram, sender = monitor.recvfrom(1 << 20)
            if sender[1] == NETLINK_GENERIC:
                count += requests(datagram)


if __name__ == "__main__":
    main()
