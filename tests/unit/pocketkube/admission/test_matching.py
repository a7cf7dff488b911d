"""Which requests rules and selectors are about."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.admission.matching import (
    CREATE,
    DELETE,
    UPDATE,
    Attributes,
    Gvk,
    kind_of,
    matches_policy,
    matches_webhook,
)
from pocketkube.errors import NotFound
from pocketkube.objects import Obj
from pocketkube.registry import Registry


@pytest.fixture
def held() -> Registry:
    found = registry()
    namespace(found, "test")
    return found


def request(held: Registry, resource: str = "deployments", **given: Any) -> Attributes:
    kind = held.resources[resource]
    fields = {"operation": CREATE, "kind": kind_of(kind), "namespace": "test", "name": "web", **given}
    return Attributes(declared=kind, **fields)


def rule(resource: str = "deployments", group: str = "apps", **fields: Any) -> Obj:
    return {"operations": ["*"], "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource], **fields}


def test_all_of_a_rule_must_fit(held: Registry) -> None:
    wanted = request(held)
    assert matches_webhook(held, wanted, {"rules": [rule()]})
    assert matches_webhook(held, wanted, {"rules": [rule("pods", ""), rule("*", "*")]})
    for other in (
        {"operations": [UPDATE, DELETE]},
        {"apiGroups": [""]},
        {"apiVersions": ["v1beta1"]},
        {"resources": ["deployments/scale"]},
        {"scope": "Cluster"},
    ):
        assert matches_webhook(held, wanted, {"rules": [rule(**other)]}) is None
    assert matches_webhook(held, wanted, {"rules": []}) is None


def test_subresources_are_named_or_meant_by_a_wildcard(held: Registry) -> None:
    wanted = request(held, subresource="scale", kind=Gvk("autoscaling", "v1", "Scale"))
    assert matches_webhook(held, wanted, {"rules": [rule("deployments")]}) is None
    assert matches_webhook(held, wanted, {"rules": [rule("*")]}) is None
    for named in ("deployments/scale", "*/scale", "deployments/*", "*/*"):
        found = matches_webhook(held, wanted, {"rules": [rule(named)]})
        assert found is not None
        assert found.kind.kind == "Scale"


def test_a_namespace_is_cluster_scoped_though_it_has_one(held: Registry) -> None:
    wanted = request(held, "namespaces", name="test")
    named = rule("namespaces", "")
    assert matches_webhook(held, wanted, {"rules": [{**named, "scope": "Cluster"}]})
    assert matches_webhook(held, wanted, {"rules": [{**named, "scope": "Namespaced"}]}) is None
    assert matches_webhook(held, wanted, {"rules": [{**named, "scope": "*"}]})


def test_another_version_is_meant_too_when_equivalent(held: Registry) -> None:
    wanted = request(held, "horizontalpodautoscalers")
    old = rule("horizontalpodautoscalers", "autoscaling")
    assert matches_policy(held, wanted, {"resourceRules": [old], "matchPolicy": "Exact"}) is None
    found = matches_policy(held, wanted, {"resourceRules": [old], "matchPolicy": "Equivalent"})
    assert found is not None
    assert found.resource == ("autoscaling", "v1", "horizontalpodautoscalers")
    assert found.kind == ("autoscaling", "v1", "HorizontalPodAutoscaler")
    named = {**old, "resourceNames": ["other"]}
    assert matches_policy(held, wanted, {"resourceRules": [named], "matchPolicy": "Equivalent"}) is None


def test_a_policy_without_rules_is_for_everything_but_what_is_excluded(held: Registry) -> None:
    wanted = request(held)
    assert matches_policy(held, wanted, None)
    assert matches_policy(held, wanted, {})
    assert matches_policy(held, wanted, {"excludeResourceRules": [rule()]}) is None
    assert matches_policy(held, wanted, {"excludeResourceRules": [{**rule(), "resourceNames": ["other"]}]})
    assert matches_policy(held, wanted, {"resourceRules": [{**rule(), "resourceNames": ["web"]}]})


def test_the_namespace_must_have_the_labels(held: Registry) -> None:
    rules = [rule()]
    space = held.get("namespaces", "", "test")
    held.update("namespaces", {**space, "metadata": {**space["metadata"], "labels": {"team": "blue"}}})
    blue, red = ({"matchLabels": {"team": colour}} for colour in ("blue", "red"))
    assert matches_webhook(held, request(held), {"rules": rules, "namespaceSelector": blue})
    assert matches_webhook(held, request(held), {"rules": rules, "namespaceSelector": red}) is None
    nodes = request(held, "nodes", namespace="")
    assert matches_webhook(held, nodes, {"rules": [rule("nodes", "")], "namespaceSelector": red})


def test_a_namespaces_own_labels_count_as_they_are_written(held: Registry) -> None:
    wanted = {"rules": [rule("namespaces", "")], "namespaceSelector": {"matchLabels": {"team": "blue"}}}
    new = {"metadata": {"name": "new", "labels": {"team": "blue"}}}
    assert matches_webhook(held, request(held, "namespaces", namespace="new", name="new", object=new), wanted)
    gone = request(held, "namespaces", namespace="test", name="test", operation=DELETE, old=new)
    assert matches_webhook(held, gone, wanted) is None


def test_a_namespace_that_is_not_there_is_no_error_for_others(held: Registry) -> None:
    wanted = request(held, namespace="nowhere")
    selector = {"matchLabels": {"team": "blue"}}
    assert matches_webhook(held, wanted, {"rules": [rule("pods", "")], "namespaceSelector": selector}) is None
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        matches_webhook(held, wanted, {"rules": [rule()], "namespaceSelector": selector})


def test_the_old_or_the_new_object_must_have_the_labels(held: Registry) -> None:
    wanted = {"rules": [rule()], "objectSelector": {"matchExpressions": [{"key": "watched", "operator": "Exists"}]}}
    labelled, bare = {"metadata": {"labels": {"watched": ""}}}, {"metadata": {}}
    assert matches_webhook(held, request(held, object=labelled), wanted)
    assert matches_webhook(held, request(held, object=bare, old=labelled, operation=UPDATE), wanted)
    assert matches_webhook(held, request(held, object=bare), wanted) is None
    assert matches_webhook(held, request(held), wanted) is None
