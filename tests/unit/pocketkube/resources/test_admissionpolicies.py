"""Admission policies and their bindings: defaults, columns, and what they may not say."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry

from pocketkube import objects
from pocketkube.errors import Conflict, Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

RULE = {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
APPLY = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}


@pytest.fixture
def held() -> Registry:
    return registry()


def validating(**spec: Any) -> Obj:
    rules = {"matchConstraints": {"resourceRules": [dict(RULE)]}}
    return {"metadata": {"name": "p"}, "spec": {**rules, "validations": [{"expression": "true"}], **spec}}


def mutating(**spec: Any) -> Obj:
    rules = {"matchConstraints": {"resourceRules": [dict(RULE)]}}
    return {"metadata": {"name": "p"}, "spec": {**rules, "mutations": [APPLY], "reinvocationPolicy": "Never", **spec}}


def binding(**spec: Any) -> Obj:
    return {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"], **spec}}


def refused(held: Registry, resource: str, obj: Obj) -> list[str]:
    with pytest.raises(Invalid) as caught:
        held.create(resource, obj)
    return [f"{cause['field']}: {cause['message']}" for cause in (caught.value.details or {})["causes"]]


def test_what_is_not_said_is_filled_in(held: Registry) -> None:
    made = held.create("validatingadmissionpolicies", validating())
    match = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
    assert made["spec"]["failurePolicy"] == "Fail"
    assert made["spec"]["matchConstraints"] == {**match, "resourceRules": [{**RULE, "scope": "*"}]}
    assert made["status"] == {}
    assert made["metadata"]["generation"] == 1
    bound = held.create("validatingadmissionpolicybindings", binding(matchResources={}))
    assert bound["spec"]["matchResources"] == match
    assert held.create("mutatingadmissionpolicies", mutating())["spec"]["failurePolicy"] == "Fail"


def test_rows(held: Registry) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    for resource, obj, cells in (
        ("validatingadmissionpolicies", validating(), ["p", 1, "<unset>"]),
        ("mutatingadmissionpolicies", mutating(paramKind=kind), ["p", 1, "v1/ConfigMap"]),
        ("validatingadmissionpolicybindings", binding(), ["b", "p", "<unset>"]),
    ):
        made = held.create(resource, obj)
        assert held.resources[resource].row(made)[:3] == cells
    named = {"name": "c", "parameterNotFoundAction": "Deny"}
    selector = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["d"]}]}
    for ref, shown in (
        (named, "*/c"),
        ({**named, "namespace": "n"}, "n/c"),
        (
            {"selector": selector},
            "&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{"
            "LabelSelectorRequirement{Key:c,Operator:In,Values:[d],},},}",
        ),
    ):
        row = held.resources["mutatingadmissionpolicybindings"].row(
            {**binding(paramRef=ref), "metadata": {"name": "b"}}
        )
        assert row[2] == shown


def test_a_policy_says_what_it_is_about(held: Registry) -> None:
    resource = "validatingadmissionpolicies"
    assert refused(held, resource, {"metadata": {"name": "p"}, "spec": {}}) == [
        "spec.matchConstraints: Required value",
        "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
        "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
    ]
    assert refused(held, resource, validating(matchConstraints={}, failurePolicy="Perhaps")) == [
        'spec.failurePolicy: Unsupported value: "Perhaps": supported values: "Fail", "Ignore"',
        "spec.matchConstraints.resourceRules: Required value",
    ]
    rule = {**RULE, "resourceNames": ["a", "a", "b/c"], "operations": ["LIST"]}
    assert refused(held, resource, validating(matchConstraints={"resourceRules": [rule], "matchPolicy": "Near"})) == [
        'spec.matchConstraints.matchPolicy: Unsupported value: "Near": supported values: "Equivalent", "Exact"',
        'spec.matchConstraints.resourceRules[0].resourceNames[1]: Duplicate value: "a"',
        "spec.matchConstraints.resourceRules[0].resourceNames[2]: Invalid value: \"b/c\": may not contain '/'",
        'spec.matchConstraints.resourceRules[0].operations[0]: Unsupported value: "LIST": '
        'supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
    ]


def test_the_kind_of_parameters_is_one(held: Registry) -> None:
    for kind, problem in (
        ({"apiVersion": "v1"}, "spec.paramKind.kind: Required value"),
        ({"kind": "ConfigMap"}, "spec.paramKind.apiVersion: Required value"),
        (
            {"apiVersion": "a/b/c", "kind": "ConfigMap"},
            'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
        ),
    ):
        assert refused(held, "validatingadmissionpolicies", validating(paramKind=kind)) == [problem]


def test_expressions_compile_with_what_they_may_name(held: Registry) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    validations = [
        {"expression": "params.data.x == 'y' && authorizer.path('/x').check('get').allowed()"},
        {"expression": "variables.yes", "messageExpression": "'no ' + params.metadata.name", "reason": "Forbidden"},
    ]
    variables = [{"name": "yes", "expression": "object.x == 1"}]
    annotations = [{"key": "k", "valueExpression": "'a'"}, {"key": "n", "valueExpression": "null"}]
    conditions = [{"name": "c", "expression": "params != null"}]
    held.create(
        "validatingadmissionpolicies",
        validating(
            paramKind=kind,
            variables=variables,
            validations=validations,
            auditAnnotations=annotations,
            matchConditions=conditions,
        ),
    )


def test_expressions_that_do_not_compile_are_told(held: Registry) -> None:
    resource = "validatingadmissionpolicies"
    wrong = validating(
        variables=[{"name": "in", "expression": "1"}, {"name": "a"}, {"name": "", "expression": "nope"}],
        validations=[
            {"expression": "variables.b"},
            {"expression": "1", "message": "a\nb", "reason": "Conflict"},
            {"expression": " ", "message": " ", "messageExpression": " "},
            {"expression": "true", "messageExpression": "authorizer"},
        ],
        matchConditions=[{"name": "c", "expression": "variables.a"}],
        auditAnnotations=[{"key": "/"}, {"key": "a", "valueExpression": "1"}, {"key": "a", "valueExpression": "''"}],
    )
    found = refused(held, resource, wrong)
    for part in (
        'spec.matchConditions[0].expression: Invalid value: "variables.a": compilation failed: ERROR: <input>:1:1: '
        "undeclared reference to 'variables' (in container '')\n | variables.a\n | ^",
        'spec.variables[0].name: Invalid value: "in": must be a valid CEL identifier',
        "spec.variables[1].expression: Required value: expression is not specified",
        "spec.variables[2].name: Required value: name is not specified",
        'spec.validations[0].expression: Invalid value: "variables.b": compilation failed: ERROR: <input>:1:10: '
        "undefined field 'b'\n | variables.b\n | .........^",
        'spec.validations[1].expression: Invalid value: "1": must evaluate to bool but got int',
        'spec.validations[1].message: Invalid value: "a\\nb": must not contain line breaks',
        'spec.validations[1].reason: Unsupported value: "Conflict": '
        'supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
        "spec.validations[2].expression: Required value: expression is not specified",
        'spec.validations[2].messageExpression: Invalid value: " ": must be non-empty if specified',
        'spec.validations[2].message: Invalid value: " ": must be non-empty if specified',
        "spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified",
        'spec.auditAnnotations[1].valueExpression: Invalid value: "1": '
        "must evaluate to one of [string null_type] but got int",
        'spec.auditAnnotations[2].key: Duplicate value: "a"',
    ):
        assert part in found
    assert any("undeclared reference to 'authorizer'" in one for one in found)
    assert (
        "undeclared reference to 'params'"
        in refused(held, resource, validating(validations=[{"expression": "params.x == 1"}]))[0]
    )


def test_a_status_says_what_it_is_about(held: Registry) -> None:
    made = objects.copy(held.create("validatingadmissionpolicies", validating()))
    made["status"] = {
        "typeChecking": {"expressionWarnings": [{"fieldRef": " "}]},
        "conditions": [{"type": "Ready", "status": "Perhaps", "reason": "1"}],
    }
    with pytest.raises(Invalid) as caught:
        held.update("validatingadmissionpolicies", made, subresource="status")
    assert [cause["field"] for cause in (caught.value.details or {})["causes"]] == [
        "status.typeChecking.expressionWarnings[0].warning",
        "status.typeChecking.expressionWarnings[0].fieldRef",
        "status.conditions[0].status",
        "status.conditions[0].lastTransitionTime",
        "status.conditions[0].reason",
    ]


def test_a_status_is_all_that_is_written_with_it(held: Registry) -> None:
    made = objects.copy(held.create("validatingadmissionpolicies", validating()))
    made["metadata"]["labels"] = {"a": "b"}
    made["spec"]["failurePolicy"] = "Ignore"
    made["status"] = {"observedGeneration": 1, "typeChecking": {}}
    found = held.update("validatingadmissionpolicies", made, subresource="status")
    assert found["status"] == {"observedGeneration": 1, "typeChecking": {}}
    assert "labels" not in found["metadata"]
    assert found["spec"]["failurePolicy"] == "Fail"


def test_mutations_say_how(held: Registry) -> None:
    resource = "mutatingadmissionpolicies"
    deleting = {"resourceRules": [{**RULE, "operations": ["DELETE"]}]}
    assert refused(held, resource, mutating(mutations=[], reinvocationPolicy="", matchConstraints=deleting)) == [
        'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": '
        'supported values: "*", "CONNECT", "CREATE", "UPDATE"',
        "spec.mutations: Required value: mutations must contain at least one item",
        "spec.reinvocationPolicy: Required value",
    ]
    mutations = [
        {},
        {"patchType": "Merge"},
        {"patchType": "JSONPatch", "applyConfiguration": {"expression": "Object{}"}},
        {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": " "}},
        {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "{'a': 1}"}},
        {"patchType": "JSONPatch", "jsonPatch": {"expression": "Object{}"}},
    ]
    assert refused(held, resource, mutating(mutations=mutations, reinvocationPolicy="Often")) == [
        "spec.mutations[0].patchType: Required value",
        'spec.mutations[1].patchType: Unsupported value: "Merge": supported values: "ApplyConfiguration", "JSONPatch"',
        "spec.mutations[2].jsonPatch: Required value: must be specified when patchType is JSONPatch",
        'spec.mutations[2].applyConfiguration: Invalid value: "{applyConfiguration}": '
        "must not be specified when patchType is JSONPatch",
        "spec.mutations[3].applyConfiguration.expression: Required value",
        "spec.mutations[4].applyConfiguration.expression: Invalid value: \"{'a': 1}\": "
        "must evaluate to Object but got map(string, int)",
        'spec.mutations[5].jsonPatch.expression: Invalid value: "Object{}": '
        "must evaluate to list(JSONPatch) but got Object",
        'spec.reinvocationPolicy: Unsupported value: "Often": supported values: "IfNeeded", "Never"',
    ]


def test_a_binding_says_which_policy_and_what_then(held: Registry) -> None:
    resource = "validatingadmissionpolicybindings"
    assert refused(held, resource, {"metadata": {"name": "b"}, "spec": {}}) == [
        "spec.policyName: Required value",
        "spec.validationActions: Required value: at least one validation action is required",
    ]
    wrong = binding(policyName="A", validationActions=["Deny", "Warn", "Warn", "Log"], paramRef={})
    found = refused(held, resource, wrong)
    assert found[0].startswith('spec.policyName: Invalid value: "A": a lowercase RFC 1123 subdomain')
    assert found[1:] == [
        "spec.paramRef: Required value: one of name or selector must be specified",
        "spec.paramRef.parameterNotFoundAction: Required value",
        'spec.validationActions[2]: Duplicate value: "Warn"',
        'spec.validationActions[3]: Unsupported value: "Log": supported values: "Audit", "Deny", "Warn"',
        'spec.validationActions: Invalid value: ["Deny","Warn","Warn","Log"]: must not contain both Deny and Warn '
        "(repeating the same validation failure information in the API response and headers serves no purpose)",
    ]
    both = {"name": "a", "selector": {}, "parameterNotFoundAction": "Refuse"}
    assert refused(held, "mutatingadmissionpolicybindings", binding(paramRef=both)) == [
        "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
        "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
        'spec.paramRef.parameterNotFoundAction: Unsupported value: "Refuse": supported values: "Deny", "Allow"',
    ]
    deleting = {"resourceRules": [{**RULE, "operations": ["DELETE"]}]}
    assert len(refused(held, "mutatingadmissionpolicybindings", binding(matchResources=deleting))) == 1


def test_a_replacement_names_the_version_it_has_seen(held: Registry) -> None:
    made = objects.copy(held.create("validatingadmissionpolicies", validating()))
    made["spec"]["failurePolicy"] = "Ignore"
    version = made["metadata"].pop("resourceVersion")
    with pytest.raises(Invalid, match="must be specified for an update"):
        held.update("validatingadmissionpolicies", objects.copy(made))
    made["metadata"]["resourceVersion"] = version
    assert held.update("validatingadmissionpolicies", objects.copy(made))["metadata"]["generation"] == 2
    with pytest.raises(Conflict):
        held.update("validatingadmissionpolicies", made)


def test_names_of_static_policies_are_warned_of(held: Registry) -> None:
    told: list[str] = []
    policy = validating()
    policy["metadata"]["name"] = "mine.static.k8s.io"
    held.create("validatingadmissionpolicies", policy, warn=told.append)
    assert len(told) == 1
