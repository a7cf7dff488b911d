"""FlowSchemas and PriorityLevelConfigurations: defaults, what may not be, and those that every cluster has."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry
from tests.unit.pocketkube.resources.storage_kinds import refused, row

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.flow_spec import configuration
from pocketkube.resources.flow_spec.configuration import FLOWSCHEMAS, LEVELS

RULE = {"subjects": [{"kind": "User", "user": {"name": "jane"}}], "nonResourceRules": []}
RESOURCES = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}


@pytest.fixture
def held() -> Registry:
    return registry()


def schema(name: str = "mine", **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"priorityLevelConfiguration": {"name": "exempt"}, **spec}}


def level(name: str = "mine", **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"type": "Limited", **spec}}


def limited(**more: Any) -> Obj:
    return level(limited={"limitResponse": {"type": "Reject"}, **more})


def queued(**queuing: Any) -> Obj:
    return level(limited={"limitResponse": {"type": "Queue", "queuing": queuing}})


def test_those_that_every_cluster_has_are_valid_and_as_defaults_leave_them(held: Registry) -> None:
    made = 0
    for _, resource, wanted in configuration.wanted():
        spec = objects.copy(wanted["spec"])
        assert held.create(resource, wanted)["spec"] == spec
        made += 1
    assert made == 19


def test_defaults_rows_and_generation(held: Registry) -> None:
    made = objects.copy(held.create(FLOWSCHEMAS, schema()))
    assert row(held, FLOWSCHEMAS, made)[:4] == ["mine", "exempt", 1000, "<none>"]
    assert row(held, FLOWSCHEMAS, made)[5] == "?"
    made["spec"]["distinguisherMethod"] = {"type": "ByUser"}
    changed = held.update(FLOWSCHEMAS, made)
    assert (changed["metadata"]["generation"], row(held, FLOWSCHEMAS, changed)[3]) == (2, "ByUser")
    found = held.create(LEVELS, queued(queues=32))
    assert row(held, LEVELS, found) == ["mine", "Limited", 30, 32, 8, 50]
    assert found["spec"]["limited"]["lendablePercent"] == 0
    assert row(held, LEVELS, held.create(LEVELS, {**limited(), "metadata": {"name": "b"}}))[3:] == ["<none>"] * 3


def test_a_table_shows_schemas_in_the_order_in_which_they_match(held: Registry) -> None:
    found = [held.create(FLOWSCHEMAS, schema(name, matchingPrecedence=n)) for name, n in (("b", 5), ("c", 2), ("a", 5))]
    assert [objects.name(one) for one in held.resources[FLOWSCHEMAS].ordered(found)] == ["c", "a", "b"]


def test_a_status_comes_without_metadata(held: Registry) -> None:
    made = objects.copy(held.create(FLOWSCHEMAS, schema()))
    made["metadata"]["labels"] = {"a": "b"}
    made["status"] = {"conditions": [{"type": "Mine", "status": "True"}]}
    written = held.update(FLOWSCHEMAS, made, subresource="status")
    assert "labels" not in written["metadata"]
    assert written["status"]["conditions"][0]["type"] == "Mine"
    made = {**objects.copy(written), "status": {"conditions": [{"type": "Mine"}, {"type": "Mine"}, {"type": ""}]}}
    assert refused(held, FLOWSCHEMAS, made, update=True, subresource="status") == [
        'status.conditions[1].type: Duplicate value: "Mine"',
        "status.conditions[2].type: Required value",
    ]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (schema(matchingPrecedence=-1), "spec.matchingPrecedence: Invalid value: -1: must be a positive value"),
        (schema(matchingPrecedence=10001), "Invalid value: 10001: must not be greater than 10000"),
        (
            schema(matchingPrecedence=1),
            "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
        ),
        (
            schema(distinguisherMethod={"type": "ByAge"}),
            'spec.distinguisherMethod.type: Unsupported value: {"Type":"ByAge"}: supported values: "ByNamespace", '
            '"ByUser"',
        ),
        (
            schema(priorityLevelConfiguration={"name": ""}),
            "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
        ),
        (schema(priorityLevelConfiguration={"name": "A"}), 'spec.priorityLevelConfiguration.name: Invalid value: "A"'),
    ],
)
def test_what_is_no_flow_schema(held: Registry, wanted: Obj, problem: str) -> None:
    (found,) = refused(held, FLOWSCHEMAS, wanted)
    assert problem in found


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"subjects": []}, "spec.rules[0].subjects: Required value: subjects must contain at least one value"),
        ({"resourceRules": []}, "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules"),
        (
            {"subjects": [{"kind": "Dog"}]},
            'spec.rules[0].subjects[0].kind: Unsupported value: "Dog": supported values: "Group", "ServiceAccount", '
            '"User"',
        ),
        (
            {"subjects": [{"kind": "Group"}]},
            "spec.rules[0].subjects[0].group: Required value: group is required when subject kind is 'Group'",
        ),
        ({"subjects": [{"kind": "User", "user": {"name": ""}}]}, "spec.rules[0].subjects[0].user.name: Required value"),
        (
            {"subjects": [{"kind": "User", "user": {"name": "a"}, "group": {"name": "a"}}]},
            "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
        ),
        (
            {"subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": "*"}}]},
            "serviceAccount.namespace: Required value: must specify namespace for service account",
        ),
        (
            {"resourceRules": [{**RESOURCES, "verbs": []}]},
            "spec.rules[0].resourceRules[0].verbs: Required value: verbs must contain at least one value",
        ),
        (
            {"resourceRules": [{**RESOURCES, "verbs": ["eat"]}]},
            'resourceRules[0].verbs: Unsupported value: ["eat"]: supported values: "create", "delete"',
        ),
        (
            {"resourceRules": [{**RESOURCES, "verbs": ["*", "get"]}]},
            'verbs: Invalid value: ["*","get"]: if \'*\' is present, must not specify other verbs',
        ),
        (
            {"resourceRules": [{**RESOURCES, "apiGroups": []}]},
            "apiGroups: Required value: resource rules must supply at least one api group",
        ),
        (
            {"resourceRules": [{**RESOURCES, "resources": ["*", "pods"]}]},
            "if '*' is present, must not specify other resources",
        ),
        (
            {"resourceRules": [{**RESOURCES, "namespaces": []}]},
            "namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace",
        ),
        (
            {"resourceRules": [{**RESOURCES, "namespaces": ["A"]}]},
            "namespaces[0]: Invalid value: \"A\": each member of this list must be '*' or a DNS-1123 label; a lower",
        ),
        *(
            (
                {"nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": [url]}]},
                f'nonResourceRules[0].nonResourceURLs[0]: Invalid value: "{url}": {why}',
            )
            for url, why in (
                ("", "must not be empty"),
                ("a", "must start with slash"),
                ("/a b", "must not contain white-space"),
                ("/a//b", "must not contain double slash"),
                ("/a*", "wildcard can only do suffix matching"),
            )
        ),
    ],
)
def test_what_is_no_rule(held: Registry, rule: Obj, problem: str) -> None:
    wanted = schema(rules=[{**RULE, "resourceRules": [] if "nonResourceRules" in rule else [RESOURCES], **rule}])
    (found,) = refused(held, FLOWSCHEMAS, wanted)
    assert problem in found


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (level(type="Free"), 'spec.type: Unsupported value: "Free": supported values: "Exempt", "Limited"'),
        (level(type="Exempt"), "spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'ex"),
        (level(), "spec.limited: Required value: must not be empty when type is Limited"),
        (level(limited={"limitResponse": {"type": ""}}), 'spec.limited.limitResponse.type: Unsupported value: ""'),
        (
            level(limited={"limitResponse": {"type": "Queue"}}),
            "queuing: Required value: must not be empty if limited.limitResponse.type is Limited",
        ),
        (
            level(limited={"limitResponse": {"type": "Reject", "queuing": {}}}),
            "queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited",
        ),
        (limited(nominalConcurrencyShares=-1), "nominalConcurrencyShares: Invalid value: -1: must be a non-negative"),
        (limited(lendablePercent=101), "lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive"),
        (limited(borrowingLimitPercent=-1), "Invalid value: -1: if specified, must be a non-negative integer"),
        (queued(queues=-1), "spec.limited.limitResponse.queuing.queues: Invalid value: -1: must be positive"),
        (queued(queues=10_000_001, handSize=1), "must not be greater than 10000000"),
        (queued(queueLengthLimit=-1), "queueLengthLimit: Invalid value: -1: must be positive"),
        (queued(handSize=-1), "handSize: Invalid value: -1: must be positive"),
        (queued(handSize=65), "handSize: Invalid value: 65: should not be greater than queues (64)"),
        (queued(handSize=11), "required entropy bits of deckSize 64 and handSize 11 should not be greater than 60"),
        (
            {
                **limited(),
                "metadata": {
                    "name": "a",
                    "annotations": {"flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares": ""},
                },
            },
            "metadata.annotations: Forbidden: annotation 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares'",
        ),
    ],
)
def test_what_is_no_priority_level(held: Registry, wanted: Obj, problem: str) -> None:
    assert any(problem in found for found in refused(held, LEVELS, wanted))


def test_mandatory_ones_are_as_they_are(held: Registry) -> None:
    for _, resource, wanted in configuration.wanted():
        held.create(resource, wanted)
    found = objects.copy(held.get(FLOWSCHEMAS, "", "exempt"))
    found["spec"]["matchingPrecedence"] = 2
    (problem,) = refused(held, FLOWSCHEMAS, found, update=True)
    assert problem.startswith('spec: Invalid value: {"PriorityLevelConfiguration":{"Name":"exempt"},"MatchingPrecede')
    assert problem.endswith("spec of 'exempt' must equal the fixed value")
    found = objects.copy(held.get(LEVELS, "", "catch-all"))
    found["spec"]["limited"]["nominalConcurrencyShares"] = 6
    (problem,) = refused(held, LEVELS, found, update=True)
    assert problem.endswith("spec of 'catch-all' must equal the fixed value")
    found = objects.copy(held.get(LEVELS, "", "exempt"))
    found["spec"]["exempt"]["lendablePercent"] = 7
    assert held.update(LEVELS, found)["spec"]["exempt"]["lendablePercent"] == 7
