"""The roles every cluster has: there, complete, and mended at a start without undoing what somebody meant."""

from __future__ import annotations

import pytest
from tests.unit.pocketkube.resources.direct import registry

from pocketkube import bootstrap_policy, objects
from pocketkube.bootstrap_policy import AUTOUPDATE
from pocketkube.client import Client
from pocketkube.objects import Obj

EXTRA = {"verbs": ["get"], "apiGroups": ["acme.io"], "resources": ["widgets"]}


@pytest.fixture
def client() -> Client:
    made = Client(registry(), "test")
    for name in ("kube-system", "kube-public"):
        made.create("namespaces", {"metadata": {"name": name}})
    bootstrap_policy.install(made)
    return made


def bare(obj: Obj) -> Obj:
    return {**obj, "metadata": {key: obj["metadata"][key] for key in ("name", "labels", "annotations")}}


def test_all_of_it_is_there_and_marked(client: Client) -> None:
    names = {objects.name(role) for role in client.list("clusterroles")}
    assert {"cluster-admin", "admin", "edit", "view", "system:node", "system:auth-delegator"} <= names
    for resource in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
        for obj in client.list(resource):
            assert objects.labels(obj)["kubernetes.io/bootstrapping"] == "rbac-defaults"
            assert objects.annotations(obj) == {AUTOUPDATE: "true"}


def test_every_binding_binds_a_role_that_is_there(client: Client) -> None:
    for binding in [*client.list("clusterrolebindings"), *client.list("rolebindings")]:
        resource = {"Role": "roles", "ClusterRole": "clusterroles"}[binding["roleRef"]["kind"]]
        namespace = objects.namespace(binding) if resource == "roles" else ""
        assert client.find(resource, namespace, binding["roleRef"]["name"]) is not None


def test_another_start_changes_nothing(client: Client) -> None:
    before = client.registry.store.revision
    bootstrap_policy.install(client)
    assert client.registry.store.revision == before


def test_what_is_missing_comes_back_and_what_was_added_stays(client: Client) -> None:
    role = bare(client.get("clusterroles", "", "system:basic-user"))
    binding = bare(client.get("clusterrolebindings", "", "system:discovery"))
    client.delete("clusterroles", ("", "system:discovery"))
    friend = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "friend"}
    client.patch("clusterroles", ("", "system:basic-user"), lambda copy: copy.update(rules=[EXTRA]))
    client.patch("clusterrolebindings", ("", "system:discovery"), lambda copy: copy.update(subjects=[friend]))
    client.patch("clusterroles", ("", "view"), lambda copy: copy["metadata"].update(labels={"mine": "x"}))
    bootstrap_policy.install(client)
    assert client.find("clusterroles", "", "system:discovery") is not None
    rules = client.get("clusterroles", "", "system:basic-user")["rules"]
    assert rules[0] == EXTRA
    assert bootstrap_policy.covers(rules, role["rules"]) == []
    assert client.get("clusterrolebindings", "", "system:discovery")["subjects"] == [friend, *binding["subjects"]]
    labels = objects.labels(client.get("clusterroles", "", "view"))
    assert labels["mine"] == "x"
    assert "rbac.authorization.k8s.io/aggregate-to-edit" in labels


def test_what_somebody_keeps_as_it_is_stays(client: Client) -> None:
    def keep(copy: Obj) -> None:
        copy["metadata"]["annotations"] = {AUTOUPDATE: "false"}
        copy["subjects"] = []

    client.patch("clusterrolebindings", ("", "system:discovery"), keep)
    bootstrap_policy.install(client)
    assert not client.get("clusterrolebindings", "", "system:discovery").get("subjects")


def test_a_binding_of_another_role_is_made_anew(client: Client) -> None:
    client.delete("clusterrolebindings", ("", "system:discovery"))
    role = {"kind": "ClusterRole", "name": "cluster-admin"}
    client.create("clusterrolebindings", {"metadata": {"name": "system:discovery"}, "roleRef": role})
    bootstrap_policy.install(client)
    assert client.get("clusterrolebindings", "", "system:discovery")["roleRef"]["name"] == "system:discovery"
