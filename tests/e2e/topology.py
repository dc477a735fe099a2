"""Who is where: the wire carries the nodes' own network and those of clients and VIPs."""

from __future__ import annotations

from lab.kind.cluster import WORKERS

DIRECTOR, *REAL_SERVERS = WORKERS

# DR: client and VIPs on one network, which real servers reach as well.
CLIENT_DR = "203.0.113.10/24"
VIPS_DR = "203.0.113.192/26"
# NAT: real servers reach the client's network through the director.
CLIENT_NAT = "198.51.100.10/24"
VIPS_NAT = "198.51.100.192/26"

PORT = 8080
