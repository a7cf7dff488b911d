"""Webhook configurations: defaults, what may not be, generations, rows, and what one is warned about."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

VALIDATING, MUTATING = "validatingwebhookconfigurations", "mutatingwebhookconfigurations"
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}


@pytest.fixture
def held() -> Registry:
    return registry()


def configuration(*hooks: Obj, name: str = "checks") -> Obj:
    return {"metadata": {"name": name}, "webhooks": list(hooks)}


def hook(name: str = "pods.example.com", **fields: Any) -> Obj:
    service = {"namespace": "default", "name": "checks"}
    made: Obj = {
        "name": name,
        "clientConfig": {"service": service},
        "rules": [dict(RULE)],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {field: value for field, value in {**made, **fields}.items() if value is not None}


@pytest.mark.parametrize("resource", [VALIDATING, MUTATING])
def test_defaults_and_row(held: Registry, resource: str) -> None:
    made = held.create(resource, configuration(hook()))
    found = made["webhooks"][0]
    assert found["failurePolicy"] == "Fail"
    assert found["matchPolicy"] == "Equivalent"
    assert found["namespaceSelector"] == found["objectSelector"] == {}
    assert found["timeoutSeconds"] == 10
    assert found["rules"][0]["scope"] == "*"
    assert found["clientConfig"]["service"]["port"] == 443
    assert found.get("reinvocationPolicy") == ("Never" if resource == MUTATING else None)
    assert held.resources[resource].row(made)[:2] == ["checks", 1]


def test_the_generation_counts_changes_of_the_webhooks(held: Registry) -> None:
    held.create(VALIDATING, configuration(hook()))

    def label(obj: Obj) -> None:
        obj["metadata"]["labels"] = {"a": "b"}

    def wait(obj: Obj) -> None:
        obj["webhooks"][0]["timeoutSeconds"] = 5

    assert held.patch(VALIDATING, "", "checks", label)["metadata"]["generation"] == 1
    assert held.patch(VALIDATING, "", "checks", wait)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"name": "pods"}, 'name: Invalid value: "pods": should be a domain with at least three segments'),
        ({"name": ""}, "webhooks[0].name: Required value"),
        ({"sideEffects": None}, "sideEffects: Required value: must specify one of None, NoneOnDryRun"),
        ({"sideEffects": "Some"}, 'Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
        ({"failurePolicy": "Maybe"}, 'Unsupported value: "Maybe": supported values: "Fail", "Ignore"'),
        ({"matchPolicy": "Any"}, 'Unsupported value: "Any": supported values: "Equivalent", "Exact"'),
        ({"timeoutSeconds": 31}, "Invalid value: 31: the timeout value must be between 1 and 30 seconds"),
        ({"admissionReviewVersions": []}, "Required value: must specify one of v1, v1beta1"),
        ({"admissionReviewVersions": ["v2"]}, 'Invalid value: ["v2"]: must include at least one of v1, v1beta1'),
        ({"admissionReviewVersions": ["v1", "v1"]}, 'Versions[1]: Invalid value: "v1": duplicate version'),
        ({"clientConfig": {}}, "clientConfig: Required value: exactly one of url or service is required"),
        ({"clientConfig": {"url": "http://x"}}, "'https' is the only allowed URL scheme; desired format"),
        ({"clientConfig": {"url": "https:///a"}}, "host must be specified; desired format: https://host[/path]"),
        ({"clientConfig": {"url": "https://a:b@x"}}, "user information is not permitted in the URL"),
        ({"clientConfig": {"url": "https://x?a=b"}}, "query parameters are not permitted in the URL"),
        ({"clientConfig": {"url": "https://x#a"}}, "fragments are not permitted in the URL"),
        ({"clientConfig": {"service": {"name": "x"}}}, "clientConfig.service.namespace: Required value"),
        (
            {"clientConfig": {"service": {"name": "x", "namespace": "y", "port": 0}}},
            "service.port: Invalid value: 0: port is not valid: must be between 1 and 65535",
        ),
        (
            {"clientConfig": {"service": {"name": "x", "namespace": "y", "path": "a"}}},
            "service.path: Invalid value: \"a\": must start with a '/'",
        ),
        (
            {"clientConfig": {"service": {"name": "x", "namespace": "y", "path": "/a//b"}}},
            'path: Invalid value: "/a//b": segment[1] may not be empty',
        ),
        ({"rules": [{**RULE, "operations": []}]}, "rules[0].operations: Required value"),
        ({"rules": [{**RULE, "operations": ["READ"]}]}, 'operations[0]: Unsupported value: "READ": supported values: '),
        ({"rules": [{**RULE, "apiGroups": ["*", "a"]}]}, "if '*' is present, must not specify other API groups"),
        ({"rules": [{**RULE, "apiVersions": [""]}]}, "rules[0].apiVersions[0]: Required value"),
        ({"rules": [{**RULE, "resources": ["*/*", "a"]}]}, "if '*/*' is present, must not specify other resources"),
        ({"rules": [{**RULE, "resources": ["a/*", "a/b"]}]}, "if 'a/*' is present, must not specify a/b"),
        ({"rules": [{**RULE, "resources": ["*/b", "a/b"]}]}, "if '*/b' is present, must not specify a/b"),
        ({"rules": [{**RULE, "resources": ["*", "a"]}]}, "must not specify other resources without subresources"),
        ({"rules": [{**RULE, "scope": "Here"}]}, 'Unsupported value: "Here": supported values: "*", "Cluster"'),
        ({"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}, "not a valid selector operator"),
        ({"matchConditions": [{"name": "a", "expression": " "}]}, "matchConditions[0].expression: Required value"),
        ({"matchConditions": [{"name": "", "expression": "true"}]}, "matchConditions[0].name: Required value"),
        (
            {"matchConditions": [{"name": "a", "expression": "true"}] * 2},
            'matchConditions[1].name: Duplicate value: "a"',
        ),
    ],
)
def test_what_a_webhook_may_not_be(held: Registry, wrong: Obj, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        held.create(VALIDATING, configuration(hook(**wrong)))
    assert problem in refused.value.message


def test_no_two_webhooks_of_a_configuration_have_the_same_name(held: Registry) -> None:
    with pytest.raises(Invalid, match=r'webhooks\[1\].name: Duplicate value: "pods.example.com"'):
        held.create(VALIDATING, configuration(hook(), hook()))


def test_only_mutating_ones_are_invoked_again(held: Registry) -> None:
    with pytest.raises(Invalid, match='Unsupported value: "Often": supported values: "IfNeeded", "Never"'):
        held.create(MUTATING, configuration(hook(reinvocationPolicy="Often")))


@pytest.mark.parametrize(("url", "told"), [("https://checks.example.com/pods", 1), ("https://10.244.1.5:8443/pods", 0)])
def test_a_url_with_a_name_is_warned_about(held: Registry, url: str, told: int) -> None:
    warnings: list[str] = []
    held.create(VALIDATING, configuration(hook(clientConfig={"url": url})), warn=warnings.append)
    assert len(warnings) == told
    assert all(text.startswith("webhooks[0].clientConfig.url: this cluster calls webhooks") for text in warnings)
