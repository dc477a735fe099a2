"""The chart: accepted by a real API server, refuses typos, and its roles are enough and no more."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.apiserver import ApiServer
from lab.processes import HttpServer, requests, wait_until
from lab.topologies import one_subnet
from lab.topology import Network, Plan
from tests.integration.manifests import director_pool, real_server, several, virtual_service

CHART = str(Path(__file__).parents[2] / "deploy" / "helm" / "lvs-operator")
NAMESPACE = "lvs-system"
VIP = "198.51.100.200"


class Helm:
    """helm, with the API server's administrator behind it."""

    def __init__(self, server: ApiServer, home: Path) -> None:
        self._server, self._home = server, home

    def __call__(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(self._server.tools.helm), "--kubeconfig", str(self._server.admin_kubeconfig), *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": str(self._home)})
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done


@pytest.fixture
def helm(api_server: ApiServer, tmp_path: Path) -> Helm:
    return Helm(api_server, tmp_path)


@pytest.fixture
def release(helm: Helm, api_server: ApiServer) -> Iterator[ApiServer]:
    """The chart, installed beside the CRDs that are there already."""
    helm("install", "lvs", CHART, "--namespace", NAMESPACE, "--create-namespace", "--set", "crds.install=false")
    yield api_server
    helm("uninstall", "lvs", "--namespace", NAMESPACE)


def test_helm_finds_nothing_to_complain_of(helm):
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART).stdout


@pytest.mark.parametrize(
    "values",
    [(), ("crds.install=false",), ("crds.keep=false",), ("agent.serviceAccount.name=node-agent",)],
    ids=["defaults", "without CRDs", "CRDs that go with the release", "another name"],
)
def test_what_it_renders_is_accepted_by_the_api_server(helm, api_server, values):
    settings = [word for value in values for word in ("--set", value)]
    rendered = helm("template", "lvs", CHART, "--namespace", "default", *settings).stdout

    done = api_server.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", input=rendered, check=False
    )

    assert done.code == 0, done.stderr
    assert done.stdout.count("customresourcedefinition") == (0 if "crds.install=false" in values else 4)


@pytest.mark.parametrize(
    ("value", "field"),
    [("crds.instal=true", "instal"), ("crds.keep=often", "keep"), ("agent.serviceAccount.name=", "name")],
    ids=["a typo", "a wrong type", "an empty name"],
)
def test_values_that_make_no_sense_are_refused_by_field(helm, value, field):
    done = helm("template", "lvs", CHART, "--set", value, check=False)

    assert done.returncode != 0
    assert field in done.stderr


@pytest.mark.parametrize(
    ("account", "verb", "resource", "allowed"),
    [
        ("lvs-agent", "list", "virtualservices.lvs-operator.io", True),
        ("lvs-agent", "patch", "virtualservices.lvs-operator.io/status", True),
        ("lvs-agent", "patch", "virtualservices.lvs-operator.io", False),
        ("lvs-agent", "create", "lvsnodes.lvs-operator.io", False),
        ("lvs-agent", "patch", "directorpools.lvs-operator.io/status", False),
        ("lvs-agent", "list", "nodes", False),
        ("lvs-agent", "get", "secrets", False),
        ("lvs-operator", "patch", "lvsnodes.lvs-operator.io", True),
        ("lvs-operator", "patch", "virtualservices.lvs-operator.io", False),
        ("lvs-operator", "patch", "lvsnodes.lvs-operator.io/status", False),
        ("lvs-operator", "get", "secrets", False),
        ("lvs-operator", "patch", "nodes", False),
    ],
)
def test_a_service_account_may_do_what_it_needs_and_no_more(release, account, verb, resource, allowed):
    subject = f"system:serviceaccount:{NAMESPACE}:{account}"

    name, _, part = resource.partition("/")
    question = ["auth", "can-i", verb, name, "--as", subject, "--all-namespaces", f"--subresource={part}"]
    said = release.kubectl(*question, check=False).stdout

    assert said.strip() == ("yes" if allowed else "no")


def test_with_the_charts_roles_alone_objects_become_traffic(
    release: ApiServer, network: Callable[[Plan], Network], processes: Any, tmp_path: Path
):
    hosts = network(one_subnet())
    servers = [HttpServer(hosts[name]) for name in ("rs-1", "rs-2")]
    operator_config = tmp_path / "operator.kubeconfig"
    operator_config.write_text(release.kubeconfig_for(release.service_account_token(NAMESPACE, "lvs-operator")))
    agent_config = release.kubeconfig_for(release.service_account_token(NAMESPACE, "lvs-agent"))
    for name in ("director-1", "rs-1", "rs-2"):
        release.add_node(name, hosts[name].address())
        processes.agent(hosts[name], kubeconfig=agent_config)
    processes.operator(operator_config)

    release.apply(
        several(
            director_pool(["198.51.100.192/27"]),
            virtual_service(VIP),
            real_server("one", "198.51.100.21"),
            real_server("two", "198.51.100.22"),
        )
    )
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    wait_until(lambda: release.kubectl("get", "lvs", "web", "-o", ready).stdout == "True", "Ready", 60)
    for name in ("rs-1", "rs-2"):
        on_lo = hosts[name]
        wait_until(lambda on_lo=on_lo: f" {VIP}/32 " in on_lo.run("ip", "addr", "show", "lo").stdout, f"VIP on {name}")

    assert requests(hosts["client"], VIP, 20).servers == {server.name: 10 for server in servers}
