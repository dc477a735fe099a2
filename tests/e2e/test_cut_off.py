"""Nothing that happens in the cluster can leave the machine."""

from __future__ import annotations

import subprocess

from lab.docker import BRIDGE
from lab.kind.cluster import CONTROL_PLANE

SOMEWHERE = "198.18.0.1"  # of a network for benchmarks (RFC 2544): on no wire here


def test_before_the_first_node_starts_there_is_no_interface_that_leads_out(bare_network, docker):
    assert [name for name in bare_network if name != "lo"] == [BRIDGE]
    assert docker.run("container", "ls", "--all", "--quiet") == ""


def test_there_is_no_route_out_for_what_nodes_send(cluster):
    routes = subprocess.run(["ip", "route", "show", "default"], capture_output=True, text=True, check=True)
    try_it = f"import socket; socket.create_connection(({SOMEWHERE!r}, 80), timeout=5)"

    done = subprocess.run(
        ["nsenter", f"--net=/proc/{cluster.docker.pid(CONTROL_PLANE)}/ns/net", "python3", "-c", try_it],
        capture_output=True,
        text=True,
        check=False,
    )

    assert routes.stdout == ""
    assert "Network is unreachable" in done.stderr
