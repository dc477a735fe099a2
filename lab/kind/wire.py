"""What is on the wire that nodes share, besides their own network."""

from __future__ import annotations

__all__ = ["CLIENT_NETWORKS", "FORWARDED_PORTS"]

# VIPs and clients for DR; VIPs and clients for NAT, which real servers reach through the director.
CLIENT_NETWORKS = ("203.0.113.0/24", "198.51.100.0/24")
# Of servers in a node's kernel: the agent's probes and metrics, and web servers.
FORWARDED_PORTS = (9567, 8080)
