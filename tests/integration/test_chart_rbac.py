"""What each service account may do: all it needs, and of everything else the API server serves, nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import pytest
import yaml

from lab.apiserver import ApiServer
from tests.integration.helmlab import CHART, NAMESPACE, Helm, settings
from tests.integration.rbac_probe import VERBS, Probe, Resource

Need: TypeAlias = dict[str, set[str]]

READ = {"list", "watch"}
OBJECTS = ("virtualservices", "realservers", "directorpools", "lvsnodes")

# What an API server allows every service account: to ask about itself, and whom to trust.
EVERYBODY: Need = {
    "selfsubjectaccessreviews.authorization.k8s.io": {"create"},
    "selfsubjectrulesreviews.authorization.k8s.io": {"create"},
    "selfsubjectreviews.authentication.k8s.io": {"create"},
    "clustertrustbundles.certificates.k8s.io": {"get", "list", "watch"},
}
# Anywhere, on objects of any name.
NEEDS: dict[str, Need] = {
    "lvs-agent": {
        **{f"{name}.lvs-operator.io": READ for name in OBJECTS},
        "virtualservices.lvs-operator.io/status": {"patch"},
        "realservers.lvs-operator.io/status": {"patch"},
        "lvsnodes.lvs-operator.io/status": {"patch"},
        "endpointslices.discovery.k8s.io": READ,
    },
    "lvs-operator": {
        **{f"{name}.lvs-operator.io": READ for name in OBJECTS},
        "lvsnodes.lvs-operator.io": READ | {"create", "patch", "delete"},
        "virtualservices.lvs-operator.io/status": {"patch"},
        "realservers.lvs-operator.io/status": {"patch"},
        "directorpools.lvs-operator.io/status": {"patch"},
        "nodes": READ,
        "namespaces": READ,
        "endpointslices.discovery.k8s.io": READ,
    },
    "lvs-retire": {
        "lvsnodes.lvs-operator.io": {"list", "patch", "delete"},
    },
}
# On the operator's Deployment, which has this name in the release's namespace.
OPERATOR = "lvs-operator"
NEEDS_OF_OPERATOR: dict[str, Need] = {
    "lvs-retire": {"deployments.apps": {"get"}, "deployments.apps/scale": {"patch"}},
}
# Verbs that no request has for its own, and that give all the others away.
POWERS = [
    ("impersonate", "", "users"),
    ("impersonate", "", "serviceaccounts"),
    ("bind", "rbac.authorization.k8s.io", "clusterroles"),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
    ("approve", "certificates.k8s.io", "signers"),
    ("*", "*", "*"),
]


@pytest.fixture
def accounts(api_server: ApiServer, helm: Helm) -> Iterator[ApiServer]:
    """The chart's service accounts with their roles, also of the one that is there for an uninstallation only."""
    values = settings("crds.install=false directorPool.create=false")
    helm("install", "lvs", CHART, "--namespace", NAMESPACE, "--create-namespace", *values)
    hooks = yaml.safe_load_all(helm("get", "hooks", "lvs", "--namespace", NAMESPACE).stdout)
    retire = yaml.safe_dump_all([item for item in hooks if item["kind"] not in ("Job", "Pod")])
    api_server.apply(retire)
    yield api_server
    api_server.kubectl("delete", "-f", "-", input=retire)
    helm("uninstall", "lvs", "--namespace", NAMESPACE, "--no-hooks")


@pytest.mark.parametrize("account", NEEDS)
@pytest.mark.parametrize(
    ("namespace", "name"),
    [(NAMESPACE, "anything"), (NAMESPACE, OPERATOR), ("default", OPERATOR)],
    ids=["its namespace", "the operator's Deployment", "elsewhere"],
)
def test_an_account_may_do_what_it_needs_and_nothing_else(accounts: ApiServer, account, namespace, name):
    there = NEEDS_OF_OPERATOR.get(account, {}) if (namespace, name) == (NAMESPACE, OPERATOR) else {}
    need = _merged(EVERYBODY, NEEDS[account], there)
    probe = Probe(accounts, accounts.service_account_token(NAMESPACE, account))

    resources = probe.resources()
    allowed = {
        (verb, resource.key)
        for resource in resources
        for verb in VERBS
        if probe.allows(verb, resource, namespace=namespace, name=name)
    }
    probe.close()

    assert allowed == {(verb, key) for key, verbs in need.items() for verb in verbs}
    assert len(resources) > 100


@pytest.mark.parametrize("account", NEEDS)
def test_an_account_may_read_what_it_needs_in_all_namespaces_at_once(accounts: ApiServer, account):
    probe = Probe(accounts, accounts.service_account_token(NAMESPACE, account))

    refused = {
        (verb, resource.key)
        for resource in probe.resources()
        for verb in READ & NEEDS[account].get(resource.key, set())
        if not probe.allows(verb, resource, namespace="", name="anything")
    }
    probe.close()

    assert refused == set()


@pytest.mark.parametrize("account", NEEDS)
def test_an_account_has_no_power_to_become_another_or_to_give_itself_rights(accounts: ApiServer, account):
    probe = Probe(accounts, accounts.service_account_token(NAMESPACE, account))

    granted = [verb for verb, group, name in POWERS if probe.may(verb, Resource(group, name, "v1", False))]
    probe.close()

    assert granted == []


def _merged(*needs: Need) -> Need:
    merged: Need = {}
    for need in needs:
        for key, verbs in need.items():
            merged[key] = merged.get(key, set()) | verbs
    return merged
