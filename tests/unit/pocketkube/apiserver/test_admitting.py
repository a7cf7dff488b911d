"""Admission policies, as requests meet them: each way to write, and what is no write of a stored object."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, World

from pocketkube.objects import Obj

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


async def policy(world: World, *validations: Obj, actions: tuple[str, ...] = ("Deny",), **rule: Any) -> None:
    given = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], **rule}
    spec = {"matchConstraints": {"resourceRules": [given]}, "validations": list(validations)}
    code, made = await world.post(POLICIES, {"metadata": {"name": "p"}, "spec": spec})
    assert code == 201, made
    bound = {"policyName": "p", "validationActions": list(actions)}
    code, made = await world.post(BINDINGS, {"metadata": {"name": "b"}, "spec": bound})
    assert code == 201, made


def configmap(name: str = "c", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_every_way_to_write_is_asked_about(world: World) -> None:
    """The policy tells what it was asked, by refusing it."""
    told = "request.operation + ' ' + request.name + ' ' + request.options.kind + ' ' + request.userInfo.username"
    world.configmap("c")
    await policy(world, {"expression": "false", "messageExpression": told})
    at = f"{CONFIGMAPS}/c"
    for method, path, body, content, expected in (
        ("POST", CONFIGMAPS, configmap("new"), "application/json", "CREATE new CreateOptions"),
        ("PUT", at, configmap(a="b"), "application/json", "UPDATE c UpdateOptions"),
        ("PATCH", at, {"data": {"a": "b"}}, MERGE, "UPDATE c PatchOptions"),
        ("PATCH", f"{at}?fieldManager=me&force=true", configmap(a="b"), APPLY, "UPDATE c PatchOptions"),
        ("PATCH", f"{CONFIGMAPS}/new?fieldManager=me", configmap("new"), APPLY, "CREATE new PatchOptions"),
        ("DELETE", at, None, "application/json", "DELETE c DeleteOptions"),
        ("DELETE", CONFIGMAPS, None, "application/json", "DELETE c DeleteOptions"),
    ):
        code, answer = await world.ask(method, path, body, content_type=content)
        assert (code, answer["reason"]) == (422, "Invalid"), expected
        denied = f"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: {expected} kubernetes-admin"
        assert answer["message"].endswith(denied), answer["message"]
    assert world.registry.find("configmaps", NAMESPACE, "c") is not None


async def test_a_warning_is_a_header(world: World) -> None:
    await policy(world, {"expression": "false", "message": "not nice"}, actions=("Warn",))
    response = await world.call("POST", CONFIGMAPS, configmap())
    assert response.status == 201
    text = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': not nice"
    assert response.headers.getall("Warning") == [f'299 - "{text}"']


async def test_the_authorizer_knows_what_the_user_may(world: World) -> None:
    world.registry.authorize = world.server.policy.authorize
    await policy(world, {"expression": "authorizer.requestResource.check('create').allowed()"})
    code, _ = await world.post(CONFIGMAPS, configmap())
    assert code == 201
    world.registry.delete("validatingadmissionpolicies", "", "p")
    world.registry.delete("validatingadmissionpolicybindings", "", "b")
    check = "authorizer.serviceAccount('test', 'nobody').group('').resource('configmaps').check('create').allowed()"
    await policy(world, {"expression": check})
    code, _ = await world.post(CONFIGMAPS, configmap("second"))
    assert code == 422


async def test_a_dry_run_is_told(world: World) -> None:
    await policy(world, {"expression": "request.dryRun && request.options.dryRun == ['All']"}, operations=["CREATE"])
    assert (await world.post(f"{CONFIGMAPS}?dryRun=All", configmap()))[0] == 201
    assert (await world.post(CONFIGMAPS, configmap()))[0] == 422


@pytest.mark.parametrize(
    ("resource", "method", "path", "body", "seen"),
    [
        (
            "deployments/scale",
            "PUT",
            "/apis/apps/v1/namespaces/test/deployments/web/scale",
            {"metadata": {"name": "web", "namespace": "test"}, "spec": {"replicas": 3}},
            "UPDATE Scale scale web 3 from 1",
        ),
        (
            "pods/binding",
            "POST",
            "/api/v1/namespaces/test/pods/free/binding",
            {"metadata": {"name": "free"}, "target": {"kind": "Node", "name": "node-1"}},
            "CREATE Binding binding free",
        ),
        (
            "pods/eviction",
            "POST",
            "/api/v1/namespaces/test/pods/free/eviction",
            {"metadata": {"name": "free"}},
            "CREATE Eviction eviction free",
        ),
        (
            "pods/exec",
            "POST",
            "/api/v1/namespaces/test/pods/p/exec?command=echo&container=c&stdout=true",
            None,
            "CONNECT PodExecOptions exec p c",
        ),
        ("pods/attach", "POST", "/api/v1/namespaces/test/pods/p/attach", None, "CONNECT PodAttachOptions attach p"),
        (
            "pods/portforward",
            "POST",
            "/api/v1/namespaces/test/pods/p/portforward",
            None,
            "CONNECT PodPortForwardOptions portforward p",
        ),
        ("pods/proxy", "GET", "/api/v1/namespaces/test/pods/p/proxy/x", None, "CONNECT PodProxyOptions proxy p"),
        (
            "serviceaccounts/token",
            "POST",
            "/api/v1/namespaces/test/serviceaccounts/sa/token",
            {"spec": {}},
            "CREATE TokenRequest token sa",
        ),
    ],
)
async def test_subresources_are_asked_about(
    world: World, resource: str, method: str, path: str, body: Any, seen: str
) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    world.registry.create("deployments", {"metadata": {"name": "web", "namespace": NAMESPACE}, "spec": spec})
    world.pod("p")
    world.pod("free", node="")
    world.service_account("sa")
    told = """request.operation + ' ' + request.kind.kind + ' ' + request.subResource + ' ' + request.name
        + (has(object.spec) && has(object.spec.replicas) ? ' ' + string(object.spec.replicas) : '')
        + (has(object.container) ? ' ' + object.container : '')
        + (oldObject != null && has(oldObject.spec) ? ' from ' + string(oldObject.spec.replicas) : '')"""
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": [resource]}
    await policy(world, {"expression": "false", "messageExpression": " ".join(told.split())}, **rule)
    code, answer = await world.ask(method, path, body)
    assert (code, answer["message"].partition("denied request: ")[2]) == (422, seen)
    assert answer["details"]["kind"] == resource.partition("/")[0]


async def test_a_request_is_seen_in_its_version(world: World) -> None:
    """Which is not the one that is stored."""
    rule = {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"]}
    told = "request.requestKind.version + string(object.spec.targetCPUUtilizationPercentage)"
    await policy(world, {"expression": "object.spec.maxReplicas < 5", "messageExpression": told}, **rule)
    group = "/apis/admissionregistration.k8s.io/v1"
    rules = {"resourceRules": [{"operations": ["CREATE"], "apiVersions": ["v1"], **rule}], "matchPolicy": "Exact"}
    text = "Object{spec: Object.spec{targetCPUUtilizationPercentage: 70}}"
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}}
    spec: Obj = {"matchConstraints": rules, "mutations": [mutation], "reinvocationPolicy": "Never"}
    assert (await world.post(f"{group}/mutatingadmissionpolicies", {"metadata": {"name": "m"}, "spec": spec}))[0] == 201
    spec = {"policyName": "m"}
    made = {"metadata": {"name": "m"}, "spec": spec}
    assert (await world.post(f"{group}/mutatingadmissionpolicybindings", made))[0] == 201
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    at = f"namespaces/{NAMESPACE}/horizontalpodautoscalers"
    scaler: Obj = {"metadata": {"name": "a"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3}}
    code, made = await world.post(f"/apis/autoscaling/v1/{at}", scaler)
    assert (code, made["spec"]["targetCPUUtilizationPercentage"]) == (201, 70)
    scaler["metadata"]["name"] = "b"
    code, made = await world.post(f"/apis/autoscaling/v2/{at}", scaler)  # not by a rule that is exact
    assert (code, made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"]) == (201, 80)
    scaler["spec"]["maxReplicas"] = 5
    for version in ("v1", "v2"):
        code, answer = await world.post(f"/apis/autoscaling/{version}/{at}", scaler)
        assert (code, answer["message"].rpartition(" ")[2][:2]) == (422, version)
