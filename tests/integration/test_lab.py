"""What the lab promises to the tests that stand on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import tools
from lab.apiserver import ApiServer
from lab.errors import CommandFailed, LabError, Overdue
from lab.kernel import Kernel
from lab.processes import HttpServer, hold, requests, wait_until
from lab.topologies import one_subnet
from lab.topology import Host, Network, Plan
from lvs_api import API_VERSION
from tests.integration.leftovers import OWN_NAMESPACES, remove_objects

VIP = "198.51.100.193"
SCHEDULERS = ["rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq"]

Bring = Callable[[Plan], Network]


@pytest.fixture
def net(network: Bring) -> Network:
    return network(one_subnet())


@pytest.fixture
def serving(net: Network) -> Iterator[dict[str, HttpServer]]:
    """DR set up by hand, as it was before this product."""
    for name in ("rs-1", "rs-2"):
        as_real_server(net[name])
    director = net["director-1"]
    director.run("ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
    director.run("ipvsadm", "-A", "-t", f"{VIP}:80", "-s", "rr")
    for name in ("rs-1", "rs-2"):
        director.run("ipvsadm", "-a", "-t", f"{VIP}:80", "-r", net[name].address(), "-g")
    servers = {name: HttpServer(net[name]) for name in ("rs-1", "rs-2")}
    yield servers
    for server in servers.values():
        server.stop()


def as_real_server(host: Host) -> None:
    for setting in ("all/arp_ignore=1", "lo/arp_ignore=1", "all/arp_announce=2", "lo/arp_announce=2"):
        path, _, value = setting.partition("=")
        host.run("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/conf/{path}")
    host.run("ip", "addr", "add", f"{VIP}/32", "dev", "lo")


def get(host: Host, url: str, seconds: float = 1) -> str:
    """Return what became of a request from a host: its status or why there is none."""
    program = f"""
import ssl, urllib.request
try:
    with urllib.request.urlopen({url!r}, timeout={seconds}, context=ssl._create_unverified_context()) as reply:
        print(reply.status, reply.reason, end="")
except OSError as error:
    print(error, end="")
"""
    return host.run(sys.executable, "-c", program).stdout


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_kernel_has_every_scheduler(net: Network, scheduler: str) -> None:
    director = net["director-1"]

    director.run("ipvsadm", "-A", "-t", f"{VIP}:80", "-s", scheduler)

    assert f"-s {scheduler}" in director.table()


def test_requests_through_the_vip_reach_both_real_servers_with_the_clients_own_address(
    net: Network, serving: dict[str, HttpServer]
) -> None:
    replies = requests(net["client"], VIP, 20)

    assert replies.servers == {"rs-1": 10, "rs-2": 10}
    assert replies.clients == {net["client"].address(): 20}
    assert replies.failures == {}


def test_a_real_server_can_be_told_to_answer_with_an_error_or_not_at_all(
    net: Network, serving: dict[str, HttpServer]
) -> None:
    def status() -> str:
        return get(net["client"], f"http://{net['rs-1'].address()}/")

    seen = []
    for how in ("error", "silent", "ok"):
        serving["rs-1"].behave(how)
        seen.append(status())

    assert seen == ["HTTP Error 500: Internal Server Error", "timed out", "200 OK"]


def test_a_connection_that_is_held_tells_how_it_went(net: Network, serving: dict[str, HttpServer]) -> None:
    connection = hold(net["client"], VIP)

    told = connection.release()

    assert told.server in serving
    assert told.replies >= 1
    assert told.error == ""


def test_a_connection_that_nobody_accepts_is_refused_with_the_reason(net: Network) -> None:
    with pytest.raises(CommandFailed, match="ConnectionRefused"):
        hold(net["client"], net["rs-1"].address())


def test_a_dump_is_the_same_after_things_were_added_and_removed(net: Network) -> None:
    director = net["director-1"]
    before = director.dump()

    director.run("ipvsadm", "-A", "-t", f"{VIP}:80", "-s", "wlc")
    director.run("ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
    director.run("sh", "-c", "echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce")
    between = director.dump()
    director.run("ipvsadm", "-C")
    director.run("ip", "addr", "del", f"{VIP}/32", "dev", "eth0")
    director.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/conf/all/arp_announce")

    assert {VIP in between, "arp_announce:2" in between, "-s wlc" in between} == {True}
    assert director.dump() == before


def test_a_network_leaves_nothing_behind(kernel: Kernel) -> None:
    def links() -> set[str]:
        return {line.split(": ")[1].partition("@")[0] for line in kernel.run(["ip", "-o", "link"]).stdout.splitlines()}

    before = links()
    with Network(kernel, one_subnet()):
        assert links() > before

    wait_until(lambda: links() == before, "the end of all interfaces of the network")
    assert kernel.run(["ip", "netns"]).stdout == ""


@pytest.mark.parametrize("code", [0, 1, 77, 255])
def test_exit_codes_arrive(kernel: Kernel, code: int) -> None:
    assert kernel.run(["sh", "-c", f"exit {code}"], check=False).code == code


def test_a_command_that_fails_is_an_error_with_its_output(kernel: Kernel) -> None:
    with pytest.raises(CommandFailed, match="no good") as caught:
        kernel.run(["sh", "-c", "echo no good >&2; exit 3"])

    assert caught.value.code == 3


def test_a_command_that_is_not_there_is_an_error(kernel: Kernel) -> None:
    with pytest.raises(LabError, match="no-such-program"):
        kernel.run(["no-such-program"])


def test_a_megabyte_goes_in_and_comes_back(kernel: Kernel) -> None:
    text = "0123456789abcde\n" * 65536

    assert kernel.run(["cat"], input=text).stdout == text


def test_output_and_errors_are_kept_apart(kernel: Kernel) -> None:
    done = kernel.run(["sh", "-c", "echo out; echo err >&2"])

    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_signals_arrive(kernel: Kernel, number: signal.Signals) -> None:
    process = kernel.popen(["sleep", "1000"])

    process.send_signal(number)

    assert process.wait(10) == -number


def test_a_killed_command_is_gone(kernel: Kernel) -> None:
    process = kernel.popen(["sh", "-c", "echo $$; exec sleep 1000"])
    pid = wait_until(lambda: process.stdout.strip(), "the command's process id")

    process.kill()

    assert kernel.run(["test", "-e", f"/proc/{pid}"], check=False).code == 1


def test_a_command_that_takes_too_long_is_ended(kernel: Kernel) -> None:
    with pytest.raises(Overdue) as caught:
        kernel.run(["sh", "-c", "echo $$; exec sleep 1000"], timeout=1)

    assert kernel.run(["test", "-e", f"/proc/{str(caught.value.last).strip()}"], check=False).code == 1


def test_a_command_that_takes_too_long_is_ended_with_all_it_has_started(kernel: Kernel) -> None:
    with pytest.raises(Overdue):
        kernel.run(["sh", "-c", "sleep 1002; true"], timeout=0.5)

    gone = ["sh", "-c", "! ps -eo args | grep -x 'sleep 1002'"]
    wait_until(lambda: kernel.run(gone, check=False).code == 0, "the end of what the command has started")


def test_a_command_has_ended_though_what_it_left_behind_goes_on(kernel: Kernel) -> None:
    done = kernel.run(["sh", "-c", "sleep 1003 & echo $!"], timeout=20)

    kernel.run(["kill", done.stdout.strip()])


def test_a_kernel_that_has_gone_fails_its_commands_at_once_and_another_can_come_up() -> None:
    program = """
from lab.errors import LabError
from lab.kernel import boot

kernel = boot()
process = kernel.popen(["sleep", "1000"])
kernel.close()
try:
    process.wait(100)
except LabError as error:
    print(error)
another = boot()
print(another.run(["echo", "another is up"]).stdout)
another.close()
"""
    done = subprocess.run(
        [sys.executable, "-m", "lab", "enter", "--", sys.executable, "-c", program],
        capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip

    assert "the kernel has gone" in done.stdout, done.stderr
    assert "another is up" in done.stdout, done.stderr


def test_lab_run_starts_a_command_in_the_folder_it_is_called_from_and_ends_with_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "marker").write_text("here")

    done = subprocess.run(
        [sys.executable, "-m", "lab", "run", "--", "sh", "-c", "cat marker; exit 7"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.stdout, done.returncode) == ("here", 7), done.stderr


def test_files_written_there_are_read_there(kernel: Kernel) -> None:
    kernel.write_file("/run/lab/a/b.yaml", "kind: Ünïcode\n")

    assert kernel.read_file("/run/lab/a/b.yaml") == "kind: Ünïcode\n"


def test_the_lab_has_no_way_out_of_the_machine(kernel: Kernel, net: Network) -> None:
    here = set(os.listdir("/sys/class/net"))
    routes = subprocess.run(["ip", "route", "show", "default"], capture_output=True, text=True, check=True).stdout

    assert here <= {"lo", "tap0", "mgmt"} | {name for name in here if name.startswith(("br-", "v"))}
    assert routes == ""
    assert kernel.run(["ip", "route", "show", "default"]).stdout == ""


def test_a_condition_that_does_not_come_true_says_what_was_seen_last() -> None:
    with pytest.raises(Overdue, match=r"the moon: not within 0.1 s; last seen: \[\]"):
        wait_until(list, "the moon", seconds=0.1)


def test_the_api_server_keeps_its_data_when_it_restarts(api_server: ApiServer) -> None:
    api_server.kubectl("create", "namespace", "kept")

    api_server.restart()

    assert api_server.kubectl("get", "namespace", "kept", "-o", "name").stdout == "namespace/kept\n"


def test_a_stopped_api_server_refuses_and_comes_back(api_server: ApiServer) -> None:
    api_server.stop()
    refused = api_server.kubectl("get", "namespaces", check=False)
    api_server.start()

    assert refused.code != 0
    assert "namespace/default" in api_server.kubectl("get", "namespaces", "-o", "name").stdout


def test_hosts_reach_the_api_server(api_server: ApiServer, net: Network) -> None:
    assert get(net["director-1"], f"{api_server.url}/readyz", seconds=10) == "200 OK"


def test_a_service_account_may_do_nothing_until_it_is_allowed_to(api_server: ApiServer, tmp_path: Path) -> None:
    api_server.kubectl("create", "namespace", "lvs")
    api_server.kubectl("-n", "lvs", "create", "serviceaccount", "agent")
    kubeconfig = tmp_path / "agent.kubeconfig"
    kubeconfig.write_text(api_server.kubeconfig_for(api_server.service_account_token("lvs", "agent")))

    words = [str(api_server.tools.kubectl), "--kubeconfig", str(kubeconfig), "get", "nodes"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert "system:serviceaccount:lvs:agent" in done.stderr
    assert "Forbidden" in done.stderr


def test_what_a_test_has_made_is_gone_in_the_next(api_server: ApiServer) -> None:
    def objects(kind: str) -> set[str]:
        return set(api_server.kubectl("get", kind, "-A", "-o", "name").stdout.split())

    api_server.kubectl("create", "namespace", "shop")
    api_server.kubectl("-n", "shop", "create", "service", "clusterip", "web", "--tcp=80")
    pool = {"interface": "eth0", "addresses": ["198.51.100.192/27"], "nodeNames": ["director-1"]}
    api_server.apply(
        json.dumps({"apiVersion": API_VERSION, "kind": "DirectorPool", "metadata": {"name": "edge"}, "spec": pool})
    )

    remove_objects(api_server)

    assert objects("directorpools") == set()
    assert objects("services") == {"service/kubernetes"}
    assert objects("namespaces") == {f"namespace/{name}" for name in OWN_NAMESPACES}


def test_tools_that_are_missing_are_named_with_the_way_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(LabError, match="make tools"):
        tools.find()


def test_a_machine_with_ipvs_of_its_own_needs_no_other_kernel(kernel: Kernel) -> None:
    if subprocess.run(["test", "-e", "/proc/net/ip_vs"], check=False).returncode == 0:
        kernel_there = os.uname().release
        assert kernel.run(["uname", "-r"]).stdout.strip() == kernel_there
        return

    words = [sys.executable, "-m", "lab", "run", "--", "cat", "/proc/net/ip_vs"]
    done = kernel.run(words, cwd=os.getcwd(), env={"LVS_LAB": ""}, timeout=180)

    assert done.stdout.startswith("IP Virtual Server")
