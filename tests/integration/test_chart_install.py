"""The chart, installed for real: its pool comes and goes with the release, and its roles are enough for traffic."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.apiserver import ApiServer
from lab.processes import HttpServer, requests, wait_until
from lab.topologies import one_subnet
from lab.topology import Network, Plan
from tests.integration.helmlab import CHART, NAMESPACE, Helm, settings
from tests.integration.manifests import director_pool, real_server, several, virtual_service

VIP = "198.51.100.200"
# No kubelet here would run the Job that cleans nodes.
NO_JOB = "uninstall.cleanNodes=false"
POOL = f"{NO_JOB} directorPool.create=true directorPool.interface=eth0 directorPool.addresses={{198.51.100.192/27}}"


@pytest.fixture
def empty_api_server(api_server: ApiServer) -> Iterator[ApiServer]:
    """An API server that has never had a CRD."""
    _begin_anew(api_server)
    yield api_server
    _begin_anew(api_server)
    api_server.install_crds()


@pytest.fixture
def api_server_with_crds(api_server: ApiServer, helm: Helm) -> Iterator[ApiServer]:
    """An API server with our CRDs; what a test installs there goes with it."""
    yield api_server
    helm("uninstall", "lvs", "--namespace", NAMESPACE)


def test_a_first_installation_brings_crds_and_pool_at_once(empty_api_server, helm):
    _install(helm, POOL)

    assert _pools(empty_api_server) == {"default": "eth0"}


def test_an_upgrade_changes_the_pool_and_does_not_make_it_anew(empty_api_server, helm):
    _install(helm, POOL)
    before = _uid(empty_api_server)

    _upgrade(helm, POOL + " directorPool.interface=eth1")

    assert _pools(empty_api_server) == {"default": "eth1"}
    assert _uid(empty_api_server) == before


def test_a_pool_goes_with_the_values_that_made_it(empty_api_server, helm):
    _install(helm, POOL)
    _upgrade(helm, POOL)

    _upgrade(helm, NO_JOB)

    assert _pools(empty_api_server) == {}


@pytest.mark.parametrize("upgrades", [0, 1], ids=["installed", "upgraded"])
def test_the_pool_goes_with_the_release_and_the_crds_stay(empty_api_server, helm, upgrades):
    _install(helm, POOL)
    for _ in range(upgrades):
        _upgrade(helm, POOL)

    helm("uninstall", "lvs", "--namespace", NAMESPACE)

    assert _pools(empty_api_server) == {}


def test_crds_that_are_not_kept_go_with_the_release(empty_api_server, helm):
    _install(helm, POOL + " crds.keep=false")

    helm("uninstall", "lvs", "--namespace", NAMESPACE)

    empty_api_server.kubectl("wait", "--for=delete", "crd", "--all", "--timeout=60s")


def test_what_stayed_of_a_release_is_taken_in_by_the_next(empty_api_server, helm):
    _install(helm, NO_JOB)
    helm("uninstall", "lvs", "--namespace", NAMESPACE)

    _install(helm, POOL)

    assert _pools(empty_api_server) == {"default": "eth0"}


def test_what_to_do_next_is_said_when_it_is_installed(helm: Helm, api_server_with_crds):
    without = _install(helm, NO_JOB + " crds.install=false")
    with_pool = _upgrade(helm, POOL + " crds.install=false")

    assert "no director" in without
    assert "no director" not in with_pool
    assert "kubectl get lvs,lrs" in without


def test_with_the_charts_roles_alone_objects_become_traffic(
    api_server_with_crds: ApiServer, helm: Helm, network: Callable[[Plan], Network], processes: Any, tmp_path: Path
):
    api_server = api_server_with_crds
    _install(helm, NO_JOB + " crds.install=false")
    hosts = network(one_subnet())
    servers = [HttpServer(hosts[name]) for name in ("rs-1", "rs-2")]
    operator_config = tmp_path / "operator.kubeconfig"
    operator_config.write_text(api_server.kubeconfig_for(api_server.service_account_token(NAMESPACE, "lvs-operator")))
    agent_config = api_server.kubeconfig_for(api_server.service_account_token(NAMESPACE, "lvs-agent"))
    for name in ("director-1", "rs-1", "rs-2"):
        api_server.add_node(name, hosts[name].address())
        processes.agent(hosts[name], kubeconfig=agent_config)
    processes.operator(operator_config)

    api_server.apply(
        several(
            director_pool(["198.51.100.192/27"]),
            virtual_service(VIP),
            real_server("one", "198.51.100.21"),
            real_server("two", "198.51.100.22"),
        )
    )
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    wait_until(lambda: api_server.kubectl("get", "lvs", "web", "-o", ready).stdout == "True", "Ready", 60)
    for name in ("rs-1", "rs-2"):
        on_lo = hosts[name]
        wait_until(lambda on_lo=on_lo: f" {VIP}/32 " in on_lo.run("ip", "addr", "show", "lo").stdout, f"VIP on {name}")

    assert requests(hosts["client"], VIP, 20).servers == {server.name: 10 for server in servers}


def _install(helm: Helm, values: str) -> str:
    options = ("--namespace", NAMESPACE, "--create-namespace")
    return helm("install", "lvs", CHART, *options, *settings(values)).stdout


def _upgrade(helm: Helm, values: str) -> str:
    return helm("upgrade", "lvs", CHART, "--namespace", NAMESPACE, *settings(values)).stdout


def _pools(server: ApiServer) -> dict[str, str]:
    items = json.loads(server.kubectl("get", "directorpools", "-o", "json").stdout)["items"]
    return {item["metadata"]["name"]: item["spec"]["interface"] for item in items}


def _uid(server: ApiServer) -> str:
    return server.kubectl("get", "directorpool", "default", "-o", "jsonpath={.metadata.uid}").stdout


def _begin_anew(server: ApiServer) -> None:
    server.stop(etcd=True)
    shutil.rmtree(server.directory / "etcd")
    server.start()
