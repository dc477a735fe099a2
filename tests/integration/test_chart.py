"""What the chart renders: accepted by a real API server, as it promises, and nothing from values that make no sense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.apiserver import CRDS, ApiServer
from tests.integration.helmlab import CHART, NAMESPACE, Helm, one

DEPLOY = Path(CHART).parents[1]
DIGEST = "sha256:" + "0123456789abcdef" * 4

MINIMAL = "crds.install=false uninstall.cleanNodes=false"
PULLED = f"""
image.registry=registry.example:5000/lvs
image.pullSecrets[0]=mirror
operator.image.digest={DIGEST}
agent.image.tag=v2
"""
POOL = """
directorPool.create=true
directorPool.interface=eth0
directorPool.addresses={198.51.100.192/27,198.51.100.10-198.51.100.20}
"""
MONITORED = "metrics.podMonitor.enabled=true metrics.podMonitor.labels.team=edge metrics.podMonitor.interval=15s" + POOL
EVERYTHING = """
fullnameOverride=balancer
crds.keep=false
operator.serviceAccount.name=decider
operator.listenPort=19568
operator.logFormat=json
operator.resources.limits.memory=1Gi
operator.priorityClassName=
operator.nodeSelector.zone=a
operator.tolerations[0].key=infra,operator.tolerations[0].operator=Exists
operator.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1
operator.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key=ssd
operator.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].operator=Exists
operator.extraArgs={--verbose}
operator.extraEnv[0].name=A,operator.extraEnv[0].value=b
operator.podAnnotations.note=text
operator.podLabels.team=edge
agent.serviceAccount.name=doer
agent.listenPort=19567
agent.stateDir=/srv/lvs
agent.adopt=true
agent.maxUnavailable=10%
agent.resources.limits.memory=256Mi
agent.priorityClassName=urgent
agent.nodeSelector.lvs=yes
agent.tolerations[0].key=lvs,agent.tolerations[0].operator=Exists
agent.extraArgs={--resync=120}
agent.extraEnv[0].name=A,agent.extraEnv[0].value=b
agent.podAnnotations.note=text
agent.podLabels.team=edge
uninstall.timeout=1h30m
directorPool.name=core
directorPool.nodeSelector.matchLabels.role=director
directorPool.nodeNames={one,two}
directorPool.namespaceSelector.matchLabels.team=edge
"""


@pytest.fixture
def pod_monitors(api_server: ApiServer) -> Iterator[None]:
    """PodMonitors are served, of any content."""
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "podmonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": "PodMonitor", "plural": "podmonitors", "singular": "podmonitor"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    },
                }
            ],
        },
    }
    api_server.apply(json.dumps(crd))
    api_server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/podmonitors.monitoring.coreos.com")
    yield
    api_server.kubectl("delete", "crd", "podmonitors.monitoring.coreos.com")


def test_helm_finds_nothing_to_complain_of(helm):
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART).stdout


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ("", {"CustomResourceDefinition": 4, "Deployment": 1, "DaemonSet": 1, "Job": 1, "Pod": 1, "Service": 2}),
        (PULLED, {"CustomResourceDefinition": 4, "Deployment": 1, "DaemonSet": 1}),
        (MONITORED, {"PodMonitor": 1, "DirectorPool": 1}),
        (MINIMAL, {"CustomResourceDefinition": 0, "Job": 0, "ServiceAccount": 2, "Role": 0, "Deployment": 1}),
        (EVERYTHING + MONITORED, {"CustomResourceDefinition": 4, "Job": 1, "PodMonitor": 1, "DirectorPool": 1}),
    ],
    ids=["defaults", "images from elsewhere", "a monitor and a pool", "minimal", "everything at once"],
)
def test_what_it_renders_is_accepted_by_the_api_server(helm: Helm, api_server, pod_monitors, values, kinds):
    rendered = helm.template(values, "--api-versions", "lvs-operator.io/v1alpha1/DirectorPool")

    done = api_server.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", input=rendered, check=False
    )

    assert done.code == 0, done.stderr
    names = [line.partition("/")[0].partition(".")[0] for line in done.stdout.splitlines()]
    assert {kind: names.count(kind.lower()) for kind in kinds} == kinds


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("crds.instal=true", "instal"),
        ("operator.image.repo=x", "repo"),
        ("agent.replicas=2", "replicas"),
        ("directorPool.node=x", "node"),
        ("metrics.podMonitor.enable=true", "enable"),
        ("crds.keep=often", "/crds/keep"),
        ("operator.tolerations=all", "/operator/tolerations"),
        ("agent.podLabels.team=1", "/agent/podLabels/team"),
        ("operator.logFormat=xml", "/operator/logFormat"),
        ("operator.image.repository=", "/operator/image/repository"),
        ("agent.image.repository=null", "repository"),
        ("agent.image.digest=sha256:12", "/agent/image/digest"),
        ("agent.serviceAccount.name=", "/agent/serviceAccount/name"),
        ("operator.listenPort=99999", "/operator/listenPort"),
        ("agent.listenPort=http", "/agent/listenPort"),
        ("agent.stateDir=lvs", "/agent/stateDir"),
        ("agent.maxUnavailable=most", "/agent/maxUnavailable"),
        ("uninstall.timeout=5", "/uninstall/timeout"),
        ("metrics.podMonitor.interval=soon", "/metrics/podMonitor/interval"),
        ("directorPool.create=true", "/directorPool/interface"),
        ("directorPool.create=true", "/directorPool/addresses"),
        ("directorPool.nodeSelector.role=director", "role"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_field(helm, value, field):
    done = helm("template", "lvs", CHART, "--set", value, check=False)

    assert done.returncode != 0
    assert field in done.stderr.replace("'", "").replace(".", "/")


def test_the_operators_pod_has_no_rights_on_its_node(helm: Helm):
    for kind in ("Deployment", "Job"):
        pod = one(helm.objects(), kind)["spec"]["template"]["spec"]
        (container,) = pod["containers"]

        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


def test_there_is_never_more_than_one_operator(helm: Helm):
    spec = one(helm.objects(), "Deployment")["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_an_agent_sees_of_its_node_the_network_the_ledger_and_kernel_modules(helm: Helm):
    pod = one(helm.objects(), "DaemonSet")["spec"]["template"]["spec"]

    assert (pod["hostNetwork"], pod["hostPID"], "hostIPC" in pod) == (True, False, False)
    assert pod["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert {volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume} == {
        "/var/lib/lvs-operator",
        "/lib/modules",
    }
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert "readOnly" not in mounts["/var/lib/lvs-operator"]
    assert mounts["/lib/modules"]["readOnly"]


def test_an_agent_runs_on_every_linux_node_whatever_its_taints(helm: Helm):
    pod = one(helm.objects(), "DaemonSet")["spec"]["template"]["spec"]

    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["priorityClassName"] == "system-node-critical"


def test_a_state_directory_elsewhere_is_the_same_on_the_node_in_the_pod_and_for_the_agent(helm: Helm):
    pod = one(helm.objects("agent.stateDir=/srv/lvs"), "DaemonSet")["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "state"]
    assert volume["hostPath"] == {"path": "/srv/lvs", "type": "DirectoryOrCreate"}
    assert {"name": "state", "mountPath": "/srv/lvs"} in container["volumeMounts"]
    assert container["args"][:3] == ["run", "--state-dir", "/srv/lvs"]


@pytest.mark.parametrize(
    ("values", "operator", "agent"),
    [
        ("", "lvs-operator/operator:0.1.0", "lvs-operator/agent:0.1.0"),
        (
            PULLED,
            f"registry.example:5000/lvs/lvs-operator/operator@{DIGEST}",
            "registry.example:5000/lvs/lvs-operator/agent:v2",
        ),
    ],
    ids=["defaults", "registry, digest and tag"],
)
def test_images_are_those_asked_for(helm: Helm, values, operator, agent):
    objects = helm.objects(values)

    assert _images(one(objects, "Deployment")["spec"]["template"]["spec"]) == [operator]
    assert _images(one(objects, "Job")["spec"]["template"]["spec"]) == [operator]
    assert _images(one(objects, "DaemonSet")["spec"]["template"]["spec"]) == [agent]


@pytest.mark.parametrize(("timeout", "seconds"), [("4m", 270), ("90s", 120), ("1h30m", 5430)])
def test_cleaning_nodes_may_take_as_long_as_asked_for_and_a_pull_of_the_image(helm: Helm, timeout, seconds):
    job = one(helm.objects(f"uninstall.timeout={timeout}"), "Job")["spec"]

    assert job["activeDeadlineSeconds"] == seconds
    assert job["template"]["spec"]["containers"][0]["args"] == [
        "retire", "--namespace", "default", "--deployment", "lvs-operator", "--timeout", timeout,
    ]  # fmt: skip


def test_probes_and_services_use_the_port_that_is_listened_on(helm: Helm):
    objects = helm.objects("operator.listenPort=1234 agent.listenPort=5678")

    for kind, name, port in (("Deployment", "lvs-operator", 1234), ("DaemonSet", "lvs-agent", 5678)):
        (container,) = one(objects, kind)["spec"]["template"]["spec"]["containers"]
        assert container["args"][container["args"].index("--listen") + 1] == f":{port}"
        assert container["ports"] == [{"name": "metrics", "containerPort": port}]
        assert {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} == {"metrics"}
        assert [entry["port"] for entry in one(objects, "Service", name)["spec"]["ports"]] == [port]


def test_services_and_the_monitor_select_the_pods(helm: Helm):
    objects = helm.objects(MONITORED)
    labels = {
        kind: one(objects, kind)["spec"]["template"]["metadata"]["labels"] for kind in ("Deployment", "DaemonSet")
    }

    for kind, name in (("Deployment", "lvs-operator"), ("DaemonSet", "lvs-agent")):
        assert one(objects, "Service", name)["spec"]["selector"].items() <= labels[kind].items()
        assert one(objects, "PodMonitor")["spec"]["selector"]["matchLabels"].items() <= labels[kind].items()


def test_the_plain_manifest_is_accepted_by_the_api_server(api_server):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    api_server.apply(json.dumps(namespace))

    done = api_server.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(DEPLOY / "lvs-operator.yaml")
    )

    assert {line.split()[0].rpartition("/")[2] for line in done.stdout.splitlines()} >= {
        NAMESPACE, "lvs-operator", "lvs-agent", "virtualservices.lvs-operator.io",
    }  # fmt: skip


def test_the_crds_alone_are_accepted_by_a_plain_apply(api_server):
    done = api_server.kubectl("apply", "--dry-run=server", "-f", str(CRDS), check=False)

    assert done.code == 0, done.stderr


def _images(pod: dict[str, Any]) -> list[str]:
    return [container["image"] for container in pod["containers"]]
