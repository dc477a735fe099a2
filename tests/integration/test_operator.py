"""What the operator promises to people with kubectl and to agents, with a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.apiserver import ApiServer
from lab.processes import Operator, wait_until
from tests.integration.manifests import director_pool, real_server, several, virtual_service
from tests.integration.operator_lab import Objects, condition

# All that the operator asks for; also what its role in a cluster has to hold.
RULES = [
    {
        "apiGroups": ["lvs-operator.io"],
        "resources": ["virtualservices", "realservers", "directorpools", "lvsnodes"],
        "verbs": ["list", "watch"],
    },
    {
        "apiGroups": ["lvs-operator.io"],
        "resources": ["virtualservices/status", "realservers/status", "directorpools/status"],
        "verbs": ["patch"],
    },
    {"apiGroups": ["lvs-operator.io"], "resources": ["lvsnodes"], "verbs": ["create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["nodes", "namespaces"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]
RBAC = "rbac.authorization.k8s.io"
ROLE = (
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator", "namespace": "default"}},
    {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "operator"}, "rules": RULES},
    {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "operator"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "operator"},
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": "default"}],
    },
)

ADMISSION = "admissionregistration.k8s.io"

RANGE = "198.51.100.192/27"
VIP = "198.51.100.200"


@pytest.fixture
def objects(api_server: ApiServer) -> Iterator[Objects]:
    """The objects in the API server; Nodes that a test adds go with it."""
    yield Objects(api_server)
    api_server.start_if_stopped()
    api_server.kubectl("delete", "nodes", "--all")


@pytest.fixture
def operator(objects: Objects, processes: Any) -> Operator:
    """The operator, as a process."""
    started: Operator = processes.operator(objects.server.admin_kubeconfig)
    return started


@pytest.fixture
def apply(objects: Objects) -> Callable[..., None]:
    """Apply objects as a user does."""
    return lambda *manifests: objects.server.apply(several(*manifests))


@pytest.fixture
def always_other_pools(objects: Objects) -> Iterator[None]:
    """A policy of the cluster by which LVSNodes never direct what the operator says."""
    policy = f"{ADMISSION}/v1"
    rule = {
        "apiGroups": ["lvs-operator.io"],
        "apiVersions": ["*"],
        "resources": ["lvsnodes"],
        "operations": ["CREATE", "UPDATE"],
    }
    change = '[JSONPatch{op: "add", path: "/spec/director/pools", value: ["somebody-elses"]}]'
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": change}}],
    }
    objects.server.apply(
        several(
            {"apiVersion": policy, "kind": "MutatingAdmissionPolicy", "metadata": {"name": "pools"}, "spec": spec},
            {
                "apiVersion": policy,
                "kind": "MutatingAdmissionPolicyBinding",
                "metadata": {"name": "pools"},
                "spec": {"policyName": "pools"},
            },
        )
    )
    node = {"apiVersion": "lvs-operator.io/v1alpha1", "kind": "LVSNode", "metadata": {"name": "try"}}
    words = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    wait_until(lambda: "somebody-elses" in objects.server.kubectl(*words, input=json.dumps(node)).stdout, "the policy")
    yield
    both = f"mutatingadmissionpolicies.{ADMISSION},mutatingadmissionpolicybindings.{ADMISSION}"
    objects.server.kubectl("delete", both, "--all")
    wait_until(
        lambda: "somebody-elses" not in objects.server.kubectl(*words, input=json.dumps(node)).stdout, "no policy"
    )


def test_an_accepted_service_gets_its_address_its_pool_and_its_ports(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    apply(
        director_pool([RANGE]), virtual_service(VIP, ports=[{"name": "http", "port": 80}, {"name": "s", "port": 443}])
    )

    accepted = wait_until(lambda: objects.condition("lvs", "web", "Accepted"), "a verdict")

    assert accepted["status"] == "True"
    status = objects.status("lvs", "web")
    assert (status["addresses"], status["directorPool"], status["ports"]) == ([VIP], "edge", "80/TCP,443/TCP")
    assert accepted["observedGeneration"] == status["observedGeneration"] == 1


def test_of_two_services_on_one_vip_and_port_the_older_keeps_it(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    apply(director_pool([RANGE]), virtual_service(VIP, "older"))
    wait_until(lambda: objects.condition("lvs", "older", "Accepted")["status"] == "True", "the older one")
    created = objects.get("lvs", "older")["metadata"]["creationTimestamp"]
    # creationTimestamp counts whole seconds; of two in one second, the first by name is the older.
    apply(virtual_service(VIP, "older-not"))

    refused = wait_until(lambda: objects.condition("lvs", "older-not", "Accepted"), "a verdict")

    assert created <= objects.get("lvs", "older-not")["metadata"]["creationTimestamp"]
    assert (refused["status"], refused["reason"]) == ("False", "AddressInUse")
    assert refused["message"] == (
        f"spec.ports[0]: TCP {VIP}:80: belongs to the older VirtualService default/older; use another address or port"
    )
    assert objects.condition("lvs", "older", "Accepted")["status"] == "True"


def test_an_address_outside_the_pool_is_refused_and_the_last_good_state_stays(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    apply(director_pool([RANGE]), virtual_service(VIP))
    wait_until(lambda: objects.condition("lvs", "web", "Accepted")["status"] == "True", "the good state")

    apply(virtual_service("203.0.113.9"))

    wait_until(lambda: objects.condition("lvs", "web", "Accepted")["status"] == "False", "a refusal")
    thing = objects.get("lvs", "web")
    assert condition(thing, "Accepted")["reason"] == "AddressNotInPool"
    assert condition(thing, "Accepted")["observedGeneration"] == 2
    assert condition(thing, "Accepted")["message"] == (
        f"spec.addresses[0]: 203.0.113.9: must be one of DirectorPool edge: {RANGE}"
    )
    assert condition(thing, "Ready")["message"] == condition(thing, "Accepted")["message"]
    assert thing["status"]["addresses"] == [VIP]


def test_allocated_addresses_are_distinct_and_survive_a_restart(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    names = ["a", "b", "c", "d"]
    apply(director_pool([RANGE]), *(virtual_service(name=name) for name in names))

    def allocated() -> dict[str, Any]:
        return {name: objects.status("lvs", name)["addresses"][0] for name in names}

    before = wait_until(allocated, "addresses for all")
    operator.restart()
    apply(virtual_service(name="e"))
    fifth = wait_until(lambda: objects.status("lvs", "e")["addresses"][0], "an address after the restart")

    assert len({*before.values(), fifth}) == 5
    assert allocated() == before


def test_director_and_real_server_nodes_are_told_their_duty_under_dr(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    for name, address in (("director-1", "198.51.100.2"), ("rs-1", "198.51.100.21"), ("rs-2", "198.51.100.22")):
        objects.server.add_node(name, address)
    apply(
        director_pool([RANGE]),
        virtual_service(VIP),
        virtual_service("198.51.100.201", "nat", method="NAT"),
        real_server("web-1", "198.51.100.21"),
        real_server("nat-1", "198.51.100.22", app="nat"),
    )

    wait_until(lambda: objects.duty("rs-1") == ([], [VIP]), "the duty of the real server under DR")

    wait_until(lambda: objects.duty("director-1") == (["edge"], []), "the duty of the director")
    assert objects.duty("rs-2") == ([], []), "under NAT a real server carries no VIP"
    assert objects.status("ldp", "edge")["director"] == "director-1"
    node, duty = objects.get("node", "rs-1"), objects.get("lvsnode", "rs-1")
    assert [owner["uid"] for owner in duty["metadata"]["ownerReferences"]] == [node["metadata"]["uid"]]


def test_a_machine_that_a_pool_names_has_a_duty_without_being_a_node(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    apply(director_pool([RANGE], nodeNames=["machine-1"]))
    wait_until(lambda: objects.duty("machine-1") == (["edge"], []), "the duty of the machine")

    objects.server.kubectl("delete", "ldp", "edge")

    wait_until(lambda: "machine-1" not in objects.names("lvsnodes"), "the LVSNode to go with its reason")


def test_a_pool_moves_on_when_its_director_is_not_ready_and_stays_where_it_then_is(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    for number in (1, 2):
        objects.server.add_node(f"d{number}", f"198.51.100.{number}", {"director": "yes"})
    apply(director_pool([RANGE], nodeNames=None, nodeSelector={"matchLabels": {"director": "yes"}}))
    wait_until(lambda: objects.duty("d1") == (["edge"], []), "the first by name to direct")

    set_ready(objects, "d1", "Unknown")
    wait_until(lambda: (objects.duty("d1"), objects.duty("d2")) == (([], []), (["edge"], [])), "the other to direct")
    set_ready(objects, "d1", "True")
    objects.server.kubectl("label", "node", "d1", "seen=yes")
    apply(virtual_service(VIP))

    wait_until(lambda: objects.condition("lvs", "web", "Accepted"), "the operator to have seen all that")
    assert objects.duty("d2") == (["edge"], [])
    assert objects.status("ldp", "edge")["director"] == "d2"


def test_what_directors_report_is_rolled_up(operator: Operator, objects: Objects, apply: Callable[..., None]) -> None:
    apply(
        director_pool([RANGE]),
        virtual_service(VIP),
        real_server("web-1", "198.51.100.21"),
        real_server("web-2", "198.51.100.22"),
    )
    wait_until(lambda: objects.status("lvs", "web")["realServers"]["total"] == 2, "two real servers")
    assert objects.condition("lvs", "web", "Programmed")["reason"] == "NotReported"

    counted = {"activeConnections": 7, "inactiveConnections": 3}
    objects.report(
        "VirtualService", "web", "director-1",
        observedGeneration=1, programmed=True, total=2, healthy=1, **counted,
    )  # fmt: skip
    objects.report("VirtualService", "web", "somebody-else", activeConnections=100)
    since = "2026-01-02T03:04:05Z"
    objects.report(
        "RealServer", "web-1", "director-1",
        state="Unhealthy", since=since, reason="BadStatus", message="HTTP 500", **counted,
    )  # fmt: skip
    objects.report("RealServer", "web-2", "director-1", state="Healthy", since=since)

    wait_until(lambda: objects.condition("lvs", "web", "Ready")["status"] == "True", "the service to be ready")
    status = objects.status("lvs", "web")
    assert status["realServers"] == {"total": 2, "healthy": 1, "draining": 0, "summary": "1/2"}
    assert (status["activeConnections"], status["inactiveConnections"]) == (7, 3)
    assert {entry["node"] for entry in status["directors"]} == {"director-1", "somebody-else"}
    wait_until(lambda: objects.status("lrs", "web-1")["state"] == "Unhealthy", "the real server to be unhealthy")
    wait_until(lambda: objects.status("lrs", "web-2")["state"] == "Healthy", "the other to be healthy")
    bad = objects.status("lrs", "web-1")
    assert (bad["since"], bad["reason"]) == (since, "HTTP 500 at director director-1")
    shown = objects.server.kubectl("get", "lvs,lrs").stdout
    assert "1/2" in shown
    assert "HTTP 500 at director director-1" in shown


def test_a_real_server_by_node_name_has_the_address_of_its_node(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    by_node = real_server("web-1", "198.51.100.21")
    by_node["spec"] = {"nodeName": "rs-1"}
    apply(director_pool([RANGE]), virtual_service(VIP), by_node)
    wait_until(lambda: objects.condition("lrs", "web-1", "Accepted")["status"] == "False", "a refusal")
    assert "spec.nodeName: rs-1: must be a Node" in objects.condition("lrs", "web-1", "Accepted")["message"]

    objects.server.add_node("rs-1", "198.51.100.21")

    wait_until(lambda: objects.status("lrs", "web-1").get("address") == "198.51.100.21", "the node's address")
    wait_until(lambda: objects.duty("rs-1") == ([], [VIP]), "the VIP on that node")
    assert objects.condition("lrs", "web-1", "Accepted")["status"] == "True"


def test_a_real_server_that_a_service_cannot_use_says_why(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    apply(director_pool([RANGE]), virtual_service(VIP), real_server("web-1", "198.51.100.21", port=8080))

    refused = wait_until(lambda: objects.condition("lrs", "web-1", "Accepted"), "a verdict")

    wait_until(lambda: objects.condition("lrs", "web-1", "Accepted")["status"] == "False", "a refusal")
    refused = objects.condition("lrs", "web-1", "Accepted")
    assert "spec.port: 8080: VirtualService default/web forwards by DR" in refused["message"]
    assert objects.condition("lvs", "web", "Ready")["reason"] == "NoRealServers"


def test_endpoints_of_a_service_are_counted(operator: Operator, objects: Objects, apply: Callable[..., None]) -> None:
    apply(
        director_pool([RANGE]),
        virtual_service(VIP, method="NAT", realServers={"service": {"name": "web", "port": "http"}}),
    )
    wait_until(lambda: objects.condition("lvs", "web", "Ready")["reason"] == "NoRealServers", "no real server")

    apply(endpoint_slice("web-a", {"10.0.0.1": True, "10.0.0.2": False}))
    apply(endpoint_slice("web-b", {"10.0.0.3": True}))

    wait_until(lambda: objects.status("lvs", "web")["realServers"]["total"] == 3, "three endpoints")
    assert objects.status("lvs", "web")["realServers"]["draining"] == 1
    objects.server.kubectl("delete", "endpointslice", "web-a")
    wait_until(lambda: objects.status("lvs", "web")["realServers"]["total"] == 1, "the endpoint that is left")


def test_a_restart_writes_nothing(operator: Operator, objects: Objects, apply: Callable[..., None]) -> None:
    objects.server.add_node("director-1", "198.51.100.2")
    objects.server.add_node("rs-1", "198.51.100.21")
    apply(
        director_pool([RANGE]),
        virtual_service(VIP),
        virtual_service(VIP, "web-too"),
        virtual_service(name="allocated"),
        real_server("web-1", "198.51.100.21"),
    )
    wait_until(lambda: objects.duty("rs-1") == ([], [VIP]), "the duty")
    objects.report("VirtualService", "web", "director-1", observedGeneration=1, programmed=True, total=1, healthy=1)
    wait_until(lambda: objects.condition("lvs", "web", "Ready")["status"] == "True", "the service to be ready")
    wait_until(lambda: objects.condition("lvs", "web-too", "Accepted"), "a verdict on each")
    wait_until(lambda: objects.status("lvs", "allocated")["addresses"], "a verdict on each")
    before = objects.versions()

    operator.restart()
    apply(virtual_service(name="new"))
    wait_until(lambda: objects.status("lvs", "new")["addresses"], "the operator to have decided upon everything")

    after = objects.versions()
    # The pool counts one service more.
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"DirectorPool edge"}


def test_deleting_everything_leaves_empty_duties_of_nodes_only(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    objects.server.add_node("director-1", "198.51.100.2")
    objects.server.add_node("rs-1", "198.51.100.21")
    other = director_pool([RANGE], name="other", nodeNames=["machine-1"])
    service = virtual_service(VIP, directorPool="edge")
    apply(director_pool([RANGE]), other, service, real_server("web-1", "198.51.100.21"))
    wait_until(lambda: objects.duty("rs-1") == ([], [VIP]), "the duty")
    wait_until(lambda: objects.duty("machine-1") == (["other"], []), "the machine's duty")

    objects.server.kubectl("delete", "lvs,lrs,ldp", "--all")

    wait_until(lambda: objects.names("lvsnodes") == {"director-1", "rs-1"}, "LVSNodes of Nodes only")
    wait_until(lambda: objects.duty("rs-1") == ([], []), "an empty duty")
    wait_until(lambda: objects.duty("director-1") == ([], []), "an empty duty")
    objects.server.kubectl("delete", "node", "rs-1")
    wait_until(lambda: objects.names("lvsnodes") == {"director-1"}, "the LVSNode to go with its Node")


def test_an_lvsnode_that_somebody_else_made_is_never_deleted(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    apply({"apiVersion": "lvs-operator.io/v1alpha1", "kind": "LVSNode", "metadata": {"name": "theirs"}})
    apply(director_pool([RANGE], nodeNames=["theirs"]))
    wait_until(lambda: objects.duty("theirs") == (["edge"], []), "the duty")

    objects.server.kubectl("delete", "ldp", "edge")

    wait_until(lambda: objects.duty("theirs") == ([], []), "an empty duty")
    assert not objects.get("lvsnode", "theirs")["metadata"].get("labels")


def test_nothing_of_the_operators_machinery_is_left_on_objects(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    objects.server.add_node("director-1", "198.51.100.2")
    apply(director_pool([RANGE]), virtual_service(VIP), real_server("web-1", "198.51.100.21"))
    wait_until(lambda: objects.condition("lrs", "web-1", "Healthy"), "all statuses")
    wait_until(lambda: objects.duty("director-1") == (["edge"], []), "all duties")

    for thing in objects.all("lvs", "lrs", "ldp", "lvsnodes", "nodes", "namespaces"):
        metadata = thing["metadata"]
        assert "finalizers" not in metadata
        assert set(metadata.get("annotations", {})) <= {"kubectl.kubernetes.io/last-applied-configuration"}
        ours = [entry for entry in metadata["managedFields"] if entry["manager"] == "lvs-operator"]
        assert all(entry["operation"] == "Apply" for entry in ours)


def test_the_operator_outlives_the_api_server_and_sees_what_it_missed(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    apply(director_pool([RANGE]), virtual_service(VIP), virtual_service("198.51.100.201", "goes"))
    wait_until(lambda: objects.condition("lvs", "goes", "Accepted"), "a verdict")

    objects.server.stop(etcd=True)
    objects.server.start()
    objects.server.kubectl("delete", "lvs", "goes")
    apply(virtual_service("198.51.100.201", "comes"))

    accepted = wait_until(lambda: objects.condition("lvs", "comes", "Accepted")["status"] == "True", "a verdict", 60)
    assert accepted
    wait_until(lambda: objects.status("ldp", "edge")["virtualServices"] == 2, "the deletion to be noticed", 60)
    assert operator.poll() is None


def test_the_operator_waits_for_an_api_server_that_is_not_there_yet(
    objects: Objects, processes: Any, apply: Callable[..., None], tmp_path: Path
) -> None:
    objects.server.stop()
    operator: Operator = processes.operator(objects.server.admin_kubeconfig)
    wait_until(lambda: "cannot be reached" in operator.log.read_text(), "the operator to say so")

    objects.server.start()
    apply(director_pool([RANGE]), virtual_service(VIP))

    wait_until(lambda: objects.condition("lvs", "web", "Accepted")["status"] == "True", "a verdict", 60)
    assert operator.stop() == 0


def test_the_operator_needs_no_rights_beyond_what_it_reads_and_writes(
    objects: Objects, processes: Any, apply: Callable[..., None], tmp_path: Path
) -> None:
    server = objects.server
    apply(*ROLE)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(server.kubeconfig_for(server.service_account_token("default", "operator")))
    operator: Operator = processes.operator(kubeconfig)
    objects.server.add_node("rs-1", "198.51.100.21")
    apply(director_pool([RANGE]), virtual_service(VIP), real_server("web-1", "198.51.100.21"))
    wait_until(lambda: objects.duty("rs-1") == ([], [VIP]), "the duty")
    wait_until(lambda: objects.condition("lrs", "web-1", "Healthy"), "statuses")

    server.kubectl("delete", "node", "rs-1")

    wait_until(lambda: "rs-1" not in objects.names("lvsnodes"), "the LVSNode to go")
    log = operator.log.read_text()
    assert "may not" not in log
    assert "403" not in log


def test_a_crd_older_than_the_operator_holds_up_nothing_else(
    objects: Objects, processes: Any, apply: Callable[..., None], tmp_path: Path
) -> None:
    older = objects.get("crd", "virtualservices.lvs-operator.io")
    status = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    del status["properties"]["ports"]
    older["metadata"] = {"name": older["metadata"]["name"]}
    (tmp_path / "older.json").write_text(json.dumps(older))
    objects.server.install_crds(tmp_path)
    try:
        operator: Operator = processes.operator(objects.server.admin_kubeconfig)
        apply(director_pool([RANGE]), virtual_service(VIP))
        wait_until(lambda: "apply deploy/crds" in operator.log.read_text(), "the operator to say what to do")

        wait_until(lambda: objects.duty("director-1") == (["edge"], []), "the duty of the director")
        assert "status" not in objects.get("lvs", "web")
    finally:
        objects.server.install_crds()

    wait_until(lambda: objects.condition("lvs", "web", "Accepted")["status"] == "True", "a verdict", 60)


def test_what_somebody_changes_by_hand_is_put_right(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    objects.server.add_node("rs-1", "198.51.100.21")
    apply(director_pool([RANGE]), virtual_service(name="web"), real_server("web-1", "198.51.100.21"))
    vips = wait_until(lambda: objects.status("lvs", "web")["addresses"], "an address")
    wait_until(lambda: objects.duty("rs-1") == ([], vips), "the duty")

    duty = {"spec": {"director": {"pools": ["edge"]}, "realServer": {"addresses": ["203.0.113.1"]}}}
    objects.server.kubectl("patch", "lvsnode", "rs-1", "--type=merge", "-p", json.dumps(duty))
    gone = {"status": {"conditions": None, "addresses": None, "directorPool": None}}
    words = ("patch", "lvs", "web", "--subresource=status", "--type=merge", "-p")
    objects.server.kubectl(*words, json.dumps(gone))

    # A list that the operator says nothing about would stay, and make a second director.
    wait_until(lambda: objects.duty("rs-1") == ([], vips), "the duty as it was")
    wait_until(lambda: objects.condition("lvs", "web", "Accepted")["status"] == "True", "the verdict as it was")
    assert objects.status("lvs", "web")["addresses"] == vips


def test_a_write_that_somebody_undoes_each_time_is_told_of_and_holds_up_nothing_else(
    operator: Operator, objects: Objects, apply: Callable[..., None], always_other_pools: None
) -> None:
    apply(director_pool([RANGE], nodeNames=["machine-1"]))

    wait_until(lambda: "write_does_not_last" in operator.log.read_text(), "the operator to tell of it")

    assert objects.duty("machine-1") == (["somebody-elses"], [])
    apply(virtual_service(VIP))
    wait_until(lambda: objects.condition("lvs", "web", "Accepted")["status"] == "True", "a verdict")
    assert operator.log.read_text().count("write_does_not_last") == 1


def test_sigterm_ends_the_operator_while_the_api_server_is_away(
    operator: Operator, objects: Objects, apply: Callable[..., None]
) -> None:
    apply(director_pool([RANGE]), virtual_service(VIP))
    wait_until(lambda: objects.condition("lvs", "web", "Accepted"), "a verdict")

    objects.server.stop()

    assert operator.stop() == 0


def set_ready(objects: Objects, node: str, status: str) -> None:
    ready = {"type": "Ready", "status": status, "reason": "Test", "message": ""}
    words = ("patch", "node", node, "--subresource=status", "--type=strategic", "-p")
    objects.server.kubectl(*words, json.dumps({"status": {"conditions": [ready]}}))


def endpoint_slice(name: str, addresses: dict[str, bool]) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [one], "conditions": {"ready": ready}} for one, ready in addresses.items()],
    }
