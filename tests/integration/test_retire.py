"""Before the product goes, every node undoes what its agent did; and both programs say how they are doing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.apiserver import ApiServer
from lab.processes import HttpServer, requests, wait_until
from lab.topologies import one_subnet
from lab.topology import Host, Network, Plan
from tests.integration.manifests import director_pool, real_server, several, virtual_service

VIP = "198.51.100.200"
NODES = ("director-1", "rs-1", "rs-2")
LISTEN = "127.0.0.1:9567"


class Serving:
    """A service with direct routing that works, and what the hosts were like before."""

    def __init__(self, hosts: Network, server: ApiServer, processes: Any) -> None:
        self.hosts, self.server = hosts, server
        self.before = {name: hosts[name].dump() for name in NODES}
        self.servers = [HttpServer(hosts[name]) for name in NODES[1:]]
        kubeconfig = server.admin_kubeconfig.read_text()
        for name in NODES:
            server.add_node(name, hosts[name].address())
        self.agents = {
            name: processes.agent(hosts[name], kubeconfig=kubeconfig, options=("--listen", LISTEN)) for name in NODES
        }
        self.operator = processes.operator(server.admin_kubeconfig)
        server.apply(
            several(
                director_pool(["198.51.100.192/27"]),
                virtual_service(VIP),
                real_server("one", "198.51.100.21"),
                real_server("two", "198.51.100.22"),
            )
        )
        wait_until(self._replies, "replies from both real servers", 60)

    def _replies(self) -> bool:
        carried = all(VIP in self.hosts[name].run("ip", "addr", "show", "lo").stdout for name in NODES[1:])
        return carried and len(requests(self.hosts["client"], VIP, 4).servers) == 2

    def retire(self, timeout: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.prefix) / "bin" / "lvs-operator"
        words = [str(program), "retire", "--kubeconfig", str(self.server.admin_kubeconfig), "--timeout", timeout]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)

    def lvs_nodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.server.kubectl("get", "lvsnodes", "-o", "json").stdout)["items"]
        return found


@pytest.fixture
def serving(network: Callable[[Plan], Network], api_server: ApiServer, processes: Any) -> Serving:
    return Serving(network(one_subnet()), api_server, processes)


def test_nodes_that_retire_are_as_they_were_and_the_service_says_that_it_is_not_ready(serving: Serving):
    done = serving.retire("60s")
    serving.operator.stop()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 nodes are clean" in done.stdout
    assert {name: serving.hosts[name].dump() for name in NODES} == serving.before
    status = json.loads(serving.server.kubectl("get", "lvs", "web", "-o", "json").stdout)["status"]
    assert [one["status"] for one in status["conditions"] if one["type"] == "Ready"] == ["False"]
    assert not status.get("directors")


def test_a_node_whose_agent_does_not_answer_is_named_and_the_rest_can_go_on_later(serving: Serving):
    serving.agents["rs-2"].kill()

    first = serving.retire("5s")
    serving.agents["rs-2"].restart()
    second = serving.retire("60s")

    assert (first.returncode, second.returncode) == (1, 0), first.stdout + second.stdout + second.stderr
    assert "rs-2: its agent has not answered" in first.stderr
    assert "lvs-agent cleanup" in first.stderr
    assert serving.hosts["rs-2"].dump() == serving.before["rs-2"]


def test_a_node_that_is_no_longer_asked_to_retire_takes_up_its_duty_again(serving: Serving):
    def ask(retire: bool) -> None:
        patch = json.dumps({"spec": {"retire": retire}})
        serving.server.kubectl("patch", "lvsnode", "director-1", "--type=merge", "--patch", patch)

    director = serving.hosts["director-1"]
    ask(True)
    wait_until(lambda: director.dump() == serving.before["director-1"], "nothing being left")
    ask(False)

    wait_until(lambda: len(requests(serving.hosts["client"], VIP, 4).servers) == 2, "replies", 60)


def test_an_agent_is_ready_once_its_kernel_matches_and_stays_so_without_the_api_server(serving: Serving):
    director = serving.hosts["director-1"]
    assert _ask(director, "/readyz").startswith("200")

    serving.server.stop()
    answers = [_ask(director, path) for path in ("/readyz", "/healthz")]
    serving.server.start()

    assert [answer[:3] for answer in answers] == ["200", "200"]


def test_an_agents_metrics_show_the_services_of_its_node(serving: Serving):
    director, real_server_host = serving.hosts["director-1"], serving.hosts["rs-1"]
    connections = 'lvs_service_connections_total{service="default/web"} '

    def counted() -> bool:
        [line] = [line for line in _ask(director, "/metrics").splitlines() if line.startswith(connections)]
        return float(line.removeprefix(connections)) >= 4

    wait_until(counted, "connections being counted", 60)
    assert 'lvs_service_real_servers{service="default/web",state="healthy"} 2.0' in _ask(director, "/metrics")
    assert "lvs_service_real_servers{" not in _ask(real_server_host, "/metrics")


def test_an_agent_without_an_api_server_is_alive_and_says_what_it_waits_for(
    network: Callable[[Plan], Network], processes: Any, api_server: ApiServer
):
    host = network(one_subnet())["director-1"]
    api_server.stop()
    processes.agent(host, kubeconfig=api_server.admin_kubeconfig.read_text(), options=("--listen", LISTEN))

    unready = wait_until(lambda: _ask(host, "/readyz"), "an answer")
    alive = _ask(host, "/healthz")
    api_server.start()

    assert (unready, alive[:3]) == ("503 waits until every object is known", "200")
    wait_until(lambda: _ask(host, "/readyz").startswith("200"), "being ready", 60)


def _ask(host: Host, path: str) -> str:
    """Return the status and the text of an agent's answer; empty where there is none."""
    words = ("curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}", f"http://{LISTEN}{path}")
    text, _, status = host.run(*words, check=False).stdout.rpartition("\n")
    return f"{status} {text.strip()}" if status != "000" else ""
