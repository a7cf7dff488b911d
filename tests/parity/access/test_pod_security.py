"""Pod Security, by the labels of a namespace: what is refused, and what is only warned of.

After upstream's test/integration/auth/podsecurity_test.go and pod-security-admission's own tables. The cluster must not
have defaults or exemptions of its own for these namespaces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from secrets import token_hex

import pytest

from kindlab import workspace
from kindlab.api import MERGE_PATCH, Api, ApiError, Obj

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
ENFORCE, WARN = "pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/warn"
PLAIN = (
    'allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "main" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "main" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
    '"Localhost")'
)


def pod(name: str = "a", **spec: object) -> Obj:
    whole = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": IMAGE, "args": ["pause"]}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {**whole, **spec}}


@pytest.fixture
def space(api: Api) -> Iterator[str]:
    name = f"parity-pod-security-{token_hex(4)}"
    workspace.make_namespace(api, name)
    yield name
    workspace.remove_namespace(api, name)


def warned(api: Api, method: str, path: str, body: Obj, content_type: str = "application/json") -> list[str]:
    """The texts of the answer's Warning headers."""
    response = api.request(method, path, body, content_type=content_type, query={"dryRun": "All"}, stream=True)
    try:
        found = response.headers.getlist("Warning")
    finally:
        response.close()
    return [json.loads(text.removeprefix("299 - ")) for text in found]


def label(api: Api, space: str, **labels: str) -> None:
    api.patch("Namespace", space, None, {"metadata": {"labels": {f"{ENFORCE[:-7]}{k}": v for k, v in labels.items()}}})


def test_a_pod_is_refused_by_what_its_namespace_enforces(api: Api, space: str) -> None:
    label(api, space, enforce="baseline")
    with pytest.raises(ApiError) as refused:
        api.create(pod(hostNetwork=True, volumes=[{"name": "root", "hostPath": {"path": "/"}}]), space)
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert refused.value.message == (
        'pods "a" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true), '
        'hostPath volumes (volume "root")'
    )
    assert warned(api, "POST", api.path("Pod", space), pod()) == []


def test_what_makes_pods_is_warned_of(api: Api, space: str) -> None:
    label(api, space, enforce="restricted")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}
    said = f'would violate PodSecurity "restricted:latest": {PLAIN}'
    assert warned(api, "POST", api.path("Deployment", space), deployment) == [said]


def test_a_replica_set_says_why_it_has_no_pods(api: Api, space: str) -> None:
    label(api, space, enforce="baseline")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod(hostPID=True)["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    api.create({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "a"}, "spec": spec}, space)
    why = 'is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    for found in api.follow("Event", space, timeout=60):
        if any(e["reason"] == "FailedCreate" and why in e["message"] for e in found.values()):
            break
    else:
        pytest.fail("no event says why")


def test_warnings_may_be_stricter_and_of_a_version(api: Api, space: str) -> None:
    label(api, space, enforce="privileged", warn="restricted", **{"warn-version": "v1.7"})
    said = 'runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true)'
    found = warned(api, "POST", api.path("Pod", space), pod())
    assert found == [f'would violate PodSecurity "restricted:v1.7": {said}']


def test_a_namespace_that_becomes_stricter_is_told_of_its_pods(api: Api, space: str) -> None:
    for name in ("a", "b"):
        api.create(pod(name), space)
    change = {"metadata": {"labels": {ENFORCE: "restricted"}}}
    reasons = "allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile"
    assert warned(api, "PATCH", api.path("Namespace", None, space), change, MERGE_PATCH) == [
        f'existing pods in namespace "{space}" violate the new PodSecurity enforce level "restricted:latest"',
        f"a (and 1 other pod): {reasons}",
    ]


def test_a_level_that_nobody_knows_is_refused(api: Api, space: str) -> None:
    with pytest.raises(ApiError) as refused:
        label(api, space, enforce="strict")
    assert refused.value.code == 422
    assert refused.value.message == (
        f'Namespace "{space}" is invalid: metadata.labels[{ENFORCE}]: Invalid value: "strict": must be one of '
        "privileged, baseline, restricted"
    )
