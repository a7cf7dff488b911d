"""Writes and the webhooks that are about them: who is asked what, when, and what becomes of the write."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.webhooks.program import (
    ALL,
    MUTATING,
    VALIDATING,
    Program,
    add,
    configure,
    patched,
    rule,
)
from tests.unit.pocketkube.apiserver.world import NAMESPACE, World

from pocketkube.network import http
from pocketkube.objects import Obj

MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
MERGE = "application/merge-patch+json"


def configmap(name: str = "m", **data: str) -> Obj:
    return {"metadata": {"name": name}, "data": data}


@pytest.fixture
def program(world: World) -> Program:
    return Program(world)


# -- what a webhook is told


async def test_a_review_tells_what_is_written_by_whom_and_how(world: World, program: Program) -> None:
    program.validating(rule("CREATE", "UPDATE"))
    path = f"{MAPS}?fieldManager=me&dryRun=All"
    code, _ = await world.post(path, configmap(a="b"))
    assert code == 201
    [asked] = program.seen
    assert asked["kind"] == asked["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert asked["resource"] == asked["requestResource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (asked["operation"], asked["namespace"], asked["name"]) == ("CREATE", NAMESPACE, "m")
    assert asked["userInfo"]["username"] == "kubernetes-admin"
    assert (asked["dryRun"], asked["oldObject"]) == (True, None)
    assert asked["object"]["data"] == {"a": "b"}
    assert asked["object"]["metadata"]["managedFields"][0]["manager"] == "me"
    options = {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me", "dryRun": ["All"]}
    assert options.items() <= asked["options"].items()
    [request] = program.requests
    assert (request.method, request.target) == ("POST", "/judge?timeout=10s")
    assert request.header("host") == f"{program.name}.{NAMESPACE}.svc:443"
    assert world.network.dialled[-1] == (program.address, 443, True)


async def test_an_update_shows_old_and_new(world: World, program: Program) -> None:
    world.configmap("m", {"a": "1"})
    program.validating(rule("UPDATE"))
    await world.ask("PATCH", f"{MAPS}/m", {"data": {"b": "2"}}, content_type=MERGE)
    [asked] = program.seen
    assert (asked["operation"], asked["name"]) == ("UPDATE", "m")
    assert (asked["oldObject"]["data"], asked["object"]["data"]) == ({"a": "1"}, {"a": "1", "b": "2"})
    assert asked["options"]["kind"] == "UpdateOptions"


async def test_mutating_ones_see_no_name_that_nobody_gave_and_no_uid(world: World, program: Program) -> None:
    program.mutating(rule("CREATE"))
    other = Program(world, "10.96.0.79")
    other.validating(rule("CREATE"))
    code, made = await world.post(MAPS, {"metadata": {"generateName": "m-"}})
    assert code == 201
    assert {"name", "uid", "creationTimestamp"}.isdisjoint(program.seen[0]["object"]["metadata"])
    [asked] = other.seen
    assert "name" not in asked
    assert asked["object"]["metadata"]["name"] == made["metadata"]["name"]
    assert asked["object"]["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_review_may_be_of_v1beta1(world: World, program: Program) -> None:
    program.mutating(rule("CREATE"), admissionReviewVersions=["v2", "v1beta1"])

    async def say(asked: Obj) -> Any:  # of which neither uid nor kind were ever looked at
        return json.dumps({"response": {"allowed": True, "patch": patched(add("/data/b", "2"))["patch"]}}).encode()

    program.answer = say
    assert (await world.post(MAPS, configmap(a="1")))[1]["data"] == {"a": "1", "b": "2"}
    assert json.loads(program.requests[0].body)["apiVersion"] == "admission.k8s.io/v1beta1"


# -- what a webhook says


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ({"message": "not today"}, 400, "denied the request: not today"),
        ({"reason": "NotToday"}, 400, "denied the request: NotToday"),
        ({"message": "no", "code": 409, "reason": "Conflict"}, 409, "denied the request: no"),
        ({"code": 200}, 400, "denied the request without explanation"),
        (None, 400, "denied the request without explanation"),
    ],
)
async def test_a_denial(world: World, program: Program, status: Obj | None, code: int, message: str) -> None:
    async def deny(_: Obj) -> Any:
        return {"allowed": False, **({"status": status} if status is not None else {})}

    program.answer = deny
    program.validating(rule("CREATE"), failurePolicy="Ignore")
    found, body = await world.post(MAPS, configmap())
    assert (found, body["message"]) == (code, f'admission webhook "judge.example.com" {message}')
    assert (await world.get(f"{MAPS}/m"))[0] == 404


async def test_warnings_reach_the_client(world: World, program: Program) -> None:
    async def warn(_: Obj) -> Any:
        return {"allowed": True, "warnings": ["mind the gap"]}

    program.answer = warn
    program.validating(rule("CREATE"))
    response = await world.call("POST", MAPS, configmap())
    assert response.headers.getall("Warning") == ['299 - "mind the gap"']


async def test_what_is_changed_gets_defaults_and_is_judged(world: World, program: Program) -> None:
    program.mutating(rule("CREATE", resource="pods"))
    container: Obj = {"name": "init", "image": "busybox"}
    program.patch(add("/spec/initContainers", [container]))
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    made = (await world.post(PODS, pod))[1]
    assert made["spec"]["initContainers"][0]["terminationMessagePolicy"] == "File"
    program.patch(add("/spec/initContainers", [{"name": "c", "image": "busybox"}]))
    code, body = await world.post(PODS, {**pod, "metadata": {"name": "q"}})
    assert (code, body["reason"]) == (422, "Invalid")
    assert 'spec.initContainers[0].name: Duplicate value: "c"' in body["message"]


async def test_one_after_the_other_by_the_names_of_configurations(world: World, program: Program) -> None:
    first, second = Program(world, "10.96.0.80"), Program(world, "10.96.0.81")
    second.patch(add("/data/second", "2"))
    first.patch(add("/data/first", "1"))
    second.mutating(name="b")
    first.mutating(name="a")
    program.validating()
    made = (await world.post(MAPS, configmap(a="b")))[1]
    assert made["data"] == {"a": "b", "first": "1", "second": "2"}
    assert first.seen[0]["object"]["data"] == {"a": "b"}
    assert second.seen[0]["object"]["data"] == {"a": "b", "first": "1"}
    assert program.seen[0]["object"]["data"] == made["data"]


async def test_validating_ones_are_asked_at_the_same_time(world: World) -> None:
    programs = [Program(world, f"10.96.0.{number}") for number in (80, 81)]
    both = asyncio.Barrier(2)

    async def together(_: Obj) -> Any:
        await both.wait()
        return {"allowed": True}

    for program in programs:
        program.answer = together
        program.validating(name=program.name)
    assert (await world.post(MAPS, configmap()))[0] == 201


@pytest.mark.parametrize(("policy", "calls"), [("IfNeeded", 2), ("Never", 1)])
async def test_who_wants_is_asked_again_after_others_changes(
    world: World, program: Program, policy: str, calls: int
) -> None:
    other = Program(world, "10.96.0.80")
    other.patch(add("/data/other", "1"))
    program.mutating(name="a", reinvocationPolicy=policy)
    other.mutating(name="b")
    assert (await world.post(MAPS, configmap(a="b")))[0] == 201
    assert len(program.seen) == calls
    assert len(other.seen) == 1
    assert program.seen[-1]["object"]["data"].get("other") == ("1" if calls == 2 else None)


async def test_nobody_is_asked_again_when_nothing_changed(world: World, program: Program) -> None:
    program.mutating(name="a", reinvocationPolicy="IfNeeded")
    other = Program(world, "10.96.0.80")
    other.patch({"op": "replace", "path": "/data/a", "value": "b"})
    other.mutating(name="b")
    assert (await world.post(MAPS, configmap(a="b")))[0] == 201
    assert len(program.seen) == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "failed to call webhook: 0-length response with status code: 200 and content type: "),
        (b"{", "failed to call webhook: couldn't get version/kind; json parse error: unexpected end of JSON input"),
        (b"{}", "received invalid webhook response: webhook response was absent"),
        (
            b'{"response": {"uid": "x"}}',
            'received invalid webhook response: expected response.uid="UID", got "x"',
        ),
        (
            {"patch": "e30=", "patchType": ""},
            'received invalid webhook response: webhook returned invalid response.patchType of ""',
        ),
        (
            {"patchType": "JSONPatch"},
            "received invalid webhook response: webhook returned response.patchType but not response.patch",
        ),
        (
            {"patch": "e30="},
            "received invalid webhook response: webhook returned response.patch but not response.patchType",
        ),
        (
            {"patchType": "JSONPatch", "patch": "e30="},
            "received undecodable patch in webhook response: "
            "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        ({"patchType": "Merge", "patch": patched(add("/data/a", "b"))["patch"]}, 'unsupported patch type "Merge"'),
        (
            http.Response(500, [], b"boom"),
            'failed to call webhook: an error on the server ("boom") has prevented the request from succeeding',
        ),
        (http.Response(404, [], b""), "failed to call webhook: the server could not find the requested resource"),
    ],
)
async def test_answers_that_are_none(world: World, program: Program, said: Any, why: str) -> None:
    async def answer(_: Obj) -> Any:
        return {"allowed": True, **said} if isinstance(said, dict) else said

    program.answer = answer
    program.mutating(rule("CREATE"))
    code, body = await world.post(MAPS, configmap(a="b"))
    text = f'Internal error occurred: failed calling webhook "judge.example.com": {why}'
    assert (code, body["message"]) == (500, text.replace("UID", program.seen[0]["uid"]))


async def test_validating_ones_change_nothing(world: World, program: Program) -> None:
    program.patch(add("/data/b", "c"))
    program.validating(rule("CREATE"))
    assert "validating webhook may not return response.patch" in (await world.post(MAPS, configmap()))[1]["message"]


@pytest.mark.parametrize(
    ("operation", "code", "why"),
    [
        ({"op": "remove", "path": "/data/nothing"}, 500, "the patch of the webhook does not apply"),
        (add("/kind", "Secret"), 500, "the patch of the webhook makes another kind of the object"),
        ({"op": "remove", "path": "/metadata"}, 500, "leaves the object without metadata"),
        (add("/data/a", {}), 500, "cannot unmarshal object into Go"),
        (add("/metadata/namespace", "default"), 400, "does not match the namespace sent on the request"),
        (add("/metadata/name", "A"), 422, 'metadata.name: Invalid value: "A"'),
    ],
)
async def test_changes_that_cannot_be(world: World, program: Program, operation: Obj, code: int, why: str) -> None:
    program.patch(operation)
    program.mutating(rule("CREATE"), failurePolicy="Ignore")
    found, body = await world.post(MAPS, configmap(a="b"))
    assert found == code
    assert why in body["message"]
    assert not world.registry.objects("configmaps")


async def test_an_update_cannot_become_one_of_another_object(world: World, program: Program) -> None:
    world.configmap("m", {"a": "1"})
    program.patch({"op": "replace", "path": "/metadata/name", "value": "n"})
    program.mutating(rule("UPDATE"))
    code, body = await world.ask("PATCH", f"{MAPS}/m", {"data": {"b": "2"}}, content_type=MERGE)
    assert (code, body["reason"]) == (422, "Invalid")
    assert 'metadata.name: Invalid value: "n": field is immutable' in body["message"]


# -- webhooks that are not there


@pytest.mark.parametrize(("policy", "code"), [("Fail", 500), ("Ignore", 201)])
async def test_nobody_listens(world: World, program: Program, policy: str, code: int) -> None:
    del world.network.listening[program.address, 443]
    program.validating(failurePolicy=policy)
    found, body = await world.post(MAPS, configmap())
    assert found == code
    if code == 500:
        url = f"https://{program.name}.{NAMESPACE}.svc:443/judge?timeout=10s"
        why = f'Post "{url}": dial tcp {program.address}:443: connect: connection refused'
        told = f'failed calling webhook "judge.example.com": failed to call webhook: {why}'
        assert body["message"] == f"Internal error occurred: {told}"


async def test_a_webhook_that_takes_too_long(world: World, program: Program) -> None:
    async def hang(_: Obj) -> Any:
        await asyncio.Event().wait()

    program.answer = hang
    program.mutating(timeoutSeconds=1)
    world.registry.clock.speed = 100
    code, body = await world.post(MAPS, configmap())
    assert code == 500
    assert body["message"].endswith('/judge?timeout=1s": context deadline exceeded')


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (
            {"service": {"namespace": NAMESPACE, "name": "none"}},
            f'Post "https://none.{NAMESPACE}.svc:443/?timeout=10s": service "none" not found',
        ),
        (
            {"url": "https://checks.example.com/x"},
            'Post "https://checks.example.com/x?timeout=10s": dial tcp: lookup checks.example.com: no such host',
        ),
        (
            {"url": "https://10.244.1.9/x"},
            'Post "https://10.244.1.9/x?timeout=10s": dial tcp 10.244.1.9:443: connect: connection refused',
        ),
    ],
)
async def test_places_where_nobody_is(world: World, program: Program, config: Obj, why: str) -> None:
    program.validating(clientConfig=config)
    message = (await world.post(MAPS, configmap()))[1]["message"]
    assert message.endswith(f'"judge.example.com": failed to call webhook: {why}')


async def test_a_bundle_that_is_none(world: World, program: Program) -> None:
    program.validating(clientConfig={**program.client_config, "caBundle": "bm9uZQ=="})
    message = (await world.post(MAPS, configmap()))[1]["message"]
    why = "could not get REST client: unable to load root certificates: unable to parse bytes as PEM block"
    assert message.endswith(f'"judge.example.com": {why}')


async def test_an_address_of_the_cluster_in_a_url_is_called(world: World, program: Program) -> None:
    program.validating(clientConfig={"url": f"https://{program.address}/judge"})
    assert (await world.post(MAPS, configmap()))[0] == 201
    assert program.requests[0].header("host") == program.address


# -- who is asked


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}, True),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, False),
        ({"objectSelector": {"matchLabels": {"app": "web"}}}, True),
        ({"objectSelector": {"matchLabels": {"app": "db"}}}, False),
        ({"matchConditions": [{"name": "a", "expression": "object.data.a == 'b'"}]}, True),
        ({"matchConditions": [{"name": "a", "expression": "request.userInfo.username == 'ada'"}]}, False),
        (
            {
                "matchConditions": [{"name": "a", "expression": "object.data.none == 'b'"}],
                "failurePolicy": "Ignore",
            },
            False,
        ),
        ({"rules": [rule("UPDATE")]}, False),
        ({"rules": [rule("CREATE", resource="*/*")]}, True),
        ({"rules": [{**rule("CREATE"), "scope": "Cluster"}]}, False),
    ],
)
async def test_whom_a_request_concerns(world: World, program: Program, fields: Obj, asked: bool) -> None:
    program.validating(**fields)
    body = {"metadata": {"name": "m", "labels": {"app": "web"}}, "data": {"a": "b"}}
    assert (await world.post(MAPS, body))[0] == 201
    assert bool(program.seen) is asked


async def test_conditions_that_fail_refuse(world: World, program: Program) -> None:
    program.validating(matchConditions=[{"name": "a", "expression": "object.data.none == 'b'"}])
    code, body = await world.post(MAPS, configmap(a="b"))
    assert code == 403
    why = "expression 'object.data.none == 'b'' resulted in error: no such key: none"
    assert body["message"] == f'configmaps "m" is forbidden: {why}'
    assert not program.seen


async def test_a_later_one_sees_what_an_earlier_one_made_of_the_labels(world: World, program: Program) -> None:
    first = Program(world, "10.96.0.80")
    first.patch(add("/metadata/labels", {"app": "web"}))
    first.mutating(name="a")
    program.mutating(name="b", objectSelector={"matchLabels": {"app": "web"}})
    await world.post(MAPS, configmap())
    assert len(program.seen) == 1


@pytest.mark.parametrize(("policy", "asked"), [("Equivalent", True), ("Exact", False)])
async def test_other_versions_of_a_kind_are_the_same_kind(
    world: World, program: Program, policy: str, asked: bool
) -> None:
    program.mutating(
        rule("CREATE", resource="horizontalpodautoscalers", group="autoscaling", version="v2"), matchPolicy=policy
    )
    program.patch(add("/spec/minReplicas", 3))
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    spec = {"scaleTargetRef": scaled, "maxReplicas": 5, "targetCPUUtilizationPercentage": 5}
    path = f"/apis/autoscaling/v1/namespaces/{NAMESPACE}/horizontalpodautoscalers"
    code, made = await world.post(path, {"metadata": {"name": "h"}, "spec": spec})
    assert (code, made["apiVersion"]) == (201, "autoscaling/v1"), made
    assert made["spec"]["minReplicas"] == (3 if asked else 1)
    assert made["spec"]["targetCPUUtilizationPercentage"] == 5
    if asked:
        [seen] = program.seen
        assert (seen["resource"]["version"], seen["requestResource"]["version"]) == ("v2", "v1")
        assert seen["object"]["apiVersion"] == "autoscaling/v2"
        assert seen["object"]["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 5


@pytest.mark.parametrize("resource", [VALIDATING, MUTATING])
async def test_nobody_is_asked_about_webhooks(world: World, program: Program, resource: str) -> None:
    program.answer = program.deny
    program.validating(ALL)
    program.mutating(ALL)
    path = f"/apis/admissionregistration.k8s.io/v1/{resource}"
    made = {"metadata": {"name": "x"}, "webhooks": [program.hook()]}
    assert (await world.post(path, made))[0] == 201
    assert (await world.ask("DELETE", f"{path}/x"))[0] == 200
    assert not program.seen


async def test_a_webhook_is_gone_with_its_configuration(world: World, program: Program) -> None:
    program.answer = program.deny
    program.validating()
    assert (await world.post(MAPS, configmap()))[0] == 400
    assert (await world.ask("DELETE", f"/apis/admissionregistration.k8s.io/v1/{VALIDATING}/checks"))[0] == 200
    assert (await world.post(MAPS, configmap()))[0] == 201


# -- several at once


async def test_a_patch_is_made_anew_when_somebody_else_was_faster(world: World, program: Program) -> None:
    world.configmap("m", {"a": "1"})
    program.validating(rule("UPDATE"))

    async def interfere(asked: Obj) -> Any:
        if len(program.seen) == 1:
            world.registry.patch("configmaps", NAMESPACE, "m", lambda obj: obj["data"].update(other="3"))
        return {"allowed": True}

    program.answer = interfere
    code, made = await world.ask("PATCH", f"{MAPS}/m", {"data": {"b": "2"}}, content_type=MERGE)
    assert (code, made["data"]) == (200, {"a": "1", "b": "2", "other": "3"})
    assert [one["object"]["data"] for one in program.seen] == [{"a": "1", "b": "2"}, made["data"]]


async def test_a_put_of_what_somebody_else_has_changed_meanwhile_is_a_conflict(world: World, program: Program) -> None:
    stored = world.configmap("m", {"a": "1"})
    program.mutating(rule("UPDATE"))
    program.patch(add("/data/b", "2"))

    async def interfere(asked: Obj) -> Any:
        world.registry.patch("configmaps", NAMESPACE, "m", lambda obj: obj["data"].update(other="3"))
        return patched(add("/data/b", "2"))

    program.answer = interfere
    code, body = await world.ask("PUT", f"{MAPS}/m", {**stored, "data": {"a": "2"}})
    assert (code, body["reason"]) == (409, "Conflict")


async def test_what_was_judged_is_what_is_written(world: World, program: Program) -> None:
    program.validating(rule("CREATE", resource="services"))
    body = {"metadata": {"generateName": "s-"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    code, made = await world.post(f"/api/v1/namespaces/{NAMESPACE}/services", body)
    assert code == 201
    [asked] = program.seen
    assert asked["object"]["spec"] == made["spec"]
    assert asked["object"]["metadata"]["name"] == made["metadata"]["name"]


# -- the other verbs


async def test_deletions(world: World, program: Program) -> None:
    world.configmap("m", {"a": "1"})
    program.answer = program.deny
    program.validating(rule("DELETE"))
    code, body = await world.ask("DELETE", f"{MAPS}/m")
    assert (code, body["message"]) == (400, 'admission webhook "judge.example.com" denied the request: not today')
    [asked] = program.seen
    assert (asked["operation"], asked["object"], asked["oldObject"]["data"]) == ("DELETE", None, {"a": "1"})
    assert asked["options"]["kind"] == "DeleteOptions"
    program.answer = program.allow
    assert (await world.ask("DELETE", f"{MAPS}/m"))[0] == 200


async def test_of_a_collection_each_object_is_asked_about(world: World, program: Program) -> None:
    for name in "abcd":
        world.configmap(name)

    async def keep_b(asked: Obj) -> Any:
        return {"allowed": asked["oldObject"]["metadata"]["name"] != "b"}

    program.answer = keep_b
    program.validating(rule("DELETE"))
    code, body = await world.ask("DELETE", MAPS)
    denied = 'admission webhook "judge.example.com" denied the request without explanation'
    assert (code, body["message"]) == (400, denied)
    assert [one["metadata"]["name"] for one in world.registry.objects("configmaps", NAMESPACE)] == ["b"]
    assert sorted(one["name"] for one in program.seen) == ["a", "b", "c", "d"]


async def test_a_deletion_cannot_be_changed(world: World, program: Program) -> None:
    world.configmap("m")
    program.patch(add("/data/a", "b"))
    program.mutating(rule("DELETE"))
    message = (await world.ask("DELETE", f"{MAPS}/m"))[1]["message"]
    assert "attempted to modify the object, which is not supported for this operation" in message


async def test_status_and_scale(world: World, program: Program) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    world.registry.create("deployments", {"metadata": {"name": "d", "namespace": NAMESPACE}, "spec": spec})
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/d"
    program.mutating({**rule("UPDATE", group="apps"), "resources": ["deployments/scale", "deployments/status"]})
    program.patch({"op": "replace", "path": "/spec/replicas", "value": 2})
    code, scale = await world.ask("PATCH", f"{path}/scale", {"spec": {"replicas": 9}}, content_type=MERGE)
    assert (code, scale["spec"]["replicas"]) == (200, 2)
    [asked] = program.seen
    assert asked["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert (asked["subResource"], asked["oldObject"]["spec"]["replicas"]) == ("scale", 1)
    program.patch(add("/status/readyReplicas", 7))
    await world.ask("PATCH", f"{path}/status", {"status": {"replicas": 7}}, content_type=MERGE)
    stored = world.registry.get("deployments", NAMESPACE, "d")
    assert (stored["status"]["readyReplicas"], stored["spec"]["replicas"]) == (7, 2)
    assert program.seen[-1]["subResource"] == "status"


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("POST", "exec?stdout=true&command=ls", None, "PodExecOptions"),
        ("POST", "attach?stdout=true", None, "PodAttachOptions"),
        ("POST", "portforward?ports=80", None, "PodPortForwardOptions"),
        ("GET", "proxy/", None, "PodProxyOptions"),
        ("POST", "eviction", {"metadata": {"name": "p"}}, "Eviction"),
        ("POST", "binding", {"metadata": {"name": "p"}, "target": {"name": "node-1"}}, "Binding"),
    ],
)
async def test_subresources_of_pods(
    world: World, program: Program, method: str, path: str, body: Any, kind: str
) -> None:
    world.pod("p")
    program.answer = program.deny
    name = path.partition("?")[0].strip("/")
    program.validating(rule("CONNECT", "CREATE", resource=f"pods/{name}"))
    code, said = await world.ask(method, f"{PODS}/p/{path}", body)
    assert (code, said["message"]) == (400, 'admission webhook "judge.example.com" denied the request: not today')
    [asked] = program.seen
    assert asked["kind"]["kind"] == asked["object"]["kind"] == kind
    assert (asked["name"], asked["subResource"]) == ("p", name)
    assert asked["operation"] == ("CONNECT" if kind.endswith("Options") else "CREATE")
    if kind == "PodExecOptions":
        assert asked["object"]["command"] == ["ls"]
        assert (asked["options"], asked["object"]["stdout"]) == (None, True)


async def test_an_eviction_counts_once(world: World, program: Program) -> None:
    world.pod("p")
    program.validating(rule("CREATE", resource="pods/eviction"))
    code, _ = await world.post(f"{PODS}/p/eviction", {"metadata": {"name": "p"}})
    assert code == 201
    assert len(program.seen) == 1


async def test_a_dry_run_is_for_webhooks_without_side_effects(world: World, program: Program) -> None:
    hook = program.hook(rule("CREATE"))
    configure(world, VALIDATING, "checks", hook)

    stored = world.registry.get(VALIDATING, "", "checks")
    world.registry.store.update(VALIDATING, {**stored, "webhooks": [{**stored["webhooks"][0], "sideEffects": "Some"}]})
    code, body = await world.post(f"{MAPS}?dryRun=All", configmap())
    assert (code, body["message"]) == (400, 'admission webhook "judge.example.com" does not support dry run')
    assert (await world.post(MAPS, configmap()))[0] == 201
