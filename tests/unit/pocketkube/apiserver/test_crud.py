from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.pocketkube import protobuf_encoder as pb
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, World, status

from pocketkube import objects
from pocketkube.apiserver import verbs
from pocketkube.apiserver.body import LIMIT

CM = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
SERVICE = "/api/v1/namespaces/test/services"


async def test_create_get_update_delete(world: World) -> None:
    code, created = await world.post(CONFIGMAPS, CM)
    assert code == 201
    assert (created["kind"], created["apiVersion"], created["metadata"]["namespace"]) == ("ConfigMap", "v1", NAMESPACE)
    assert await world.get(f"{CONFIGMAPS}/a") == (200, created)
    code, updated = await world.ask("PUT", f"{CONFIGMAPS}/a", {**created, "data": {"k": "w"}})
    assert (code, updated["data"]) == (200, {"k": "w"})
    assert updated["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]
    code, gone = await world.ask("DELETE", f"{CONFIGMAPS}/a")
    assert code == 200
    details = {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]}
    assert gone == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    missing = status(404, 'configmaps "a" not found', "NotFound", name="a", kind="configmaps")
    assert await world.get(f"{CONFIGMAPS}/a") == (404, missing)


async def test_taken_names_stale_versions_and_wrong_names(world: World) -> None:
    world.configmap("a")
    code, body = await world.post(CONFIGMAPS, CM)
    assert (code, body["message"]) == (409, 'configmaps "a" already exists')
    stale = {**CM, "metadata": {"name": "a", "resourceVersion": "1"}}
    code, body = await world.ask("PUT", f"{CONFIGMAPS}/a", stale)
    assert (code, body["reason"]) == (409, "Conflict")
    code, body = await world.ask("PUT", f"{CONFIGMAPS}/b", CM)
    assert (code, body["message"]) == (400, "the name of the object (a) does not match the name on the URL (b)")
    other = {**CM, "metadata": {"name": "x", "namespace": "other"}}
    code, body = await world.post(CONFIGMAPS, other)
    text = "the namespace of the provided object does not match the namespace sent on the request"
    assert (code, body["message"]) == (400, text)
    code, body = await world.post("/api/v1/namespaces/nowhere/configmaps", CM)
    assert (code, body["message"]) == (404, 'namespaces "nowhere" not found')


async def test_generated_names_and_given_versions(world: World) -> None:
    code, body = await world.post(CONFIGMAPS, {"metadata": {"generateName": "gen-"}})
    assert code == 201
    assert body["metadata"]["name"].startswith("gen-")
    code, body = await world.post(CONFIGMAPS, {"metadata": {"name": "x", "resourceVersion": "1"}})
    assert (code, body) == (500, status(500, "resourceVersion should not be set on objects to be created"))


async def test_dry_run_changes_nothing(world: World) -> None:
    world.configmap("b")
    before = world.registry.store.revision
    for method, path, body in (
        ("POST", CONFIGMAPS, CM),
        ("PUT", f"{CONFIGMAPS}/b", {"metadata": {"name": "b"}, "data": {"z": "z"}}),
        ("DELETE", f"{CONFIGMAPS}/b", None),
        ("DELETE", CONFIGMAPS, None),
    ):
        code, _ = await world.ask(method, f"{path}?dryRun=All", body)
        assert code in (200, 201)
    assert world.registry.store.revision == before
    code, body = await world.post(f"{CONFIGMAPS}?dryRun=Some", CM)
    text = 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"'
    assert (code, body["message"]) == (422, text)


async def test_field_validation(world: World) -> None:
    wrong = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80, "targetport": 81}], "selektor": {}}}
    code, body = await world.post(f"{SERVICE}?fieldValidation=Strict", wrong)
    text = (
        'Service in version "v1" cannot be handled as a Service: strict decoding error: '
        'unknown field "spec.ports[0].targetport", unknown field "spec.selektor"'
    )
    assert (code, body["message"]) == (400, text)
    response = await world.call("POST", SERVICE, wrong)
    assert response.status == 201
    assert response.headers.getall("Warning") == [
        '299 - "unknown field \\"spec.ports[0].targetport\\""',
        '299 - "unknown field \\"spec.selektor\\""',
    ]
    response = await world.call("POST", f"{SERVICE}?fieldValidation=Ignore", {**wrong, "metadata": {"name": "t"}})
    assert (response.status, "Warning" in response.headers) == (201, False)
    code, body = await world.post(f"{SERVICE}?fieldValidation=Loose", wrong)
    assert (code, body["details"]["causes"][0]["field"]) == (422, "fieldValidation")


@pytest.mark.parametrize(
    ("content_type", "body", "code", "message"),
    [
        ("text/plain", "x", 415, "the body of the request was in an unknown format - accepted media types include"),
        ("application/json", "{", 400, "the object provided is unrecognized (must be of type ConfigMap)"),
        ("application/json", '{"kind":"Pod","apiVersion":"v1"}', 400, 'Pod in version "v1" cannot be handled as a'),
        ("application/json", '{"kind":"Nope","apiVersion":"v1"}', 400, 'Nope in version "v1" cannot be handled as a'),
        ("application/json", '{"data":[]}', 400, "ConfigMap in version"),
        ("application/yaml", "metadata: {name: z}\ndata: {k: v}\n", 201, ""),
        ("application/yaml", "a: b: c", 400, "the object provided is unrecognized"),
        ("application/vnd.kubernetes.protobuf", "junk", 400, "the object provided is unrecognized"),
    ],
)
async def test_bodies(world: World, content_type: str, body: str, code: int, message: str) -> None:
    seen, answer = await world.post(CONFIGMAPS, body, content_type=content_type)
    assert (seen, answer.get("message", "")[: len(message)]) == (code, message)


async def test_a_body_of_another_version(world: World) -> None:
    path = "/apis/apps/v1/namespaces/default/deployments"
    code, answer = await world.post(path, {"apiVersion": "extensions/v1beta1", "kind": "Deployment"})
    text = "the API version in the data (extensions/v1beta1) does not match the expected API version (apps/v1)"
    assert (code, answer["message"]) == (400, text)


async def test_a_body_beyond_the_limit(world: World) -> None:
    body = '{"data":{"k":"' + "x" * LIMIT + '"}}'
    code, answer = await world.post(CONFIGMAPS, body)
    assert (code, answer["reason"]) == (413, "RequestEntityTooLarge")
    assert answer["message"] == "Request entity too large: limit is 3145728"


NOT_THERE = status(404, "the server could not find the requested resource", "NotFound") | {"details": {}}
NOT_ALLOWED = status(405, "the server does not allow this method on the requested resource", "MethodNotAllowed")


@pytest.mark.parametrize(
    ("method", "path", "code", "body"),
    [
        ("GET", "/nope", 404, "404 page not found\n"),
        ("GET", "/apis/nope", 404, "404 page not found\n"),
        ("GET", "/apis/nope/v1/things", 404, "404 page not found\n"),
        ("GET", "/openapi/v1", 404, "404 page not found\n"),
        ("GET", "/api/v2", 404, NOT_THERE),
        ("GET", "/apis/apps/v9/deployments", 404, NOT_THERE),
        ("GET", "/api/v1/things", 404, NOT_THERE),
        ("GET", "/api/v1/configmaps/x", 404, NOT_THERE),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/nodes", 404, NOT_THERE),
        ("GET", f"{CONFIGMAPS}/a/nosub", 404, NOT_THERE),
        ("GET", f"{CONFIGMAPS}/a/b/c", 404, NOT_THERE),
        ("PUT", CONFIGMAPS, 405, NOT_ALLOWED | {"details": {}}),
        ("PATCH", CONFIGMAPS, 405, NOT_ALLOWED | {"details": {}}),
        ("POST", f"{CONFIGMAPS}/a", 405, NOT_ALLOWED | {"details": {}}),
        ("POST", "/api/v1/configmaps", 405, NOT_ALLOWED | {"details": {}}),
        ("POST", "/version", 405, NOT_ALLOWED | {"details": {}}),
        ("DELETE", "/api/v1/namespaces", 405, NOT_ALLOWED | {"details": {}}),
    ],
)
async def test_what_there_is_not(world: World, method: str, path: str, code: int, body: Any) -> None:
    assert await world.ask(method, path, CM if method in ("POST", "PUT") else None) == (code, body)


async def test_delete_options_from_body_and_query(world: World) -> None:
    obj = world.configmap("a")
    wrong = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}}
    code, body = await world.ask("DELETE", f"{CONFIGMAPS}/a", wrong)
    assert code == 409
    assert body["message"] == (
        f'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (other) does not match the UID '
        f"in record ({objects.uid(obj)}). The object might have been deleted and then recreated"
    )
    both = {"orphanDependents": True, "propagationPolicy": "Orphan"}
    code, body = await world.ask("DELETE", f"{CONFIGMAPS}/a", both)
    assert (code, body["details"]["causes"][0]["field"]) == (422, "propagationPolicy")
    code, body = await world.ask("DELETE", f"{CONFIGMAPS}/a?propagationPolicy=Foreground")
    assert code == 200
    assert body["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert "deletionTimestamp" in body["metadata"]


async def test_a_group_version_of_delete_options_is_taken(world: World) -> None:
    world.configmap("a")
    code, _ = await world.ask("DELETE", f"{CONFIGMAPS}/a", {"kind": "DeleteOptions", "apiVersion": "apps/v1"})
    assert code == 200


async def test_a_group_version_of_delete_options_is_taken_in_protobuf(world: World) -> None:
    world.configmap("a")
    options = pb.body("apiextensions.k8s.io/v1", "DeleteOptions", pb.chunk(4, "Background"))
    kind = "application/vnd.kubernetes.protobuf"
    code, _ = await world.ask("DELETE", f"{CONFIGMAPS}/a", options, content_type=kind)
    assert code == 200


async def test_a_pod_waits_for_the_account_of_its_new_namespace(world: World) -> None:
    """The controller that makes it may be a moment late; nobody makes other accounts."""
    world.registry.create("namespaces", {"metadata": {"name": "fresh"}})
    pods = "/api/v1/namespaces/fresh/pods"
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    subscribed = asyncio.Event()
    real = world.registry.store.subscribe

    def subscribe(resource: str, notify: Any) -> Any:
        if resource == "serviceaccounts":
            subscribed.set()
        return real(resource, notify)

    world.registry.store.subscribe = subscribe  # type: ignore[method-assign]
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        posted = group.create_task(world.post(pods, pod))
        await subscribed.wait()
        world.registry.create("serviceaccounts", {"metadata": {"name": "default", "namespace": "fresh"}})
        assert (await posted)[0] == 201
    subscribed.clear()
    pod = {"metadata": {"name": "q"}, "spec": {**pod["spec"], "serviceAccountName": "mine"}}
    code, body = await world.post(pods, pod)
    assert (code, body["reason"]) == (403, "Forbidden")
    assert not subscribed.is_set()


async def test_a_pod_is_refused_when_no_account_comes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "LONGEST_WAIT", 0.01)
    world.registry.create("namespaces", {"metadata": {"name": "fresh"}})
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    code, body = await world.post("/api/v1/namespaces/fresh/pods", pod)
    assert (code, body["message"]) == (
        403,
        'pods "p" is forbidden: error looking up service account fresh/default: serviceaccount "default" not found',
    )


async def test_delete_collection_honours_selectors(world: World) -> None:
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        world.configmap(name, color=color)
    code, body = await world.ask("DELETE", f"{CONFIGMAPS}?labelSelector=color%3Dred")
    assert code == 200
    assert body["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in body["items"]] == ["a", "c"]
    assert [objects.name(o) for o in world.registry.objects("configmaps", NAMESPACE)] == ["b"]


async def test_a_large_collection_is_deleted_while_others_are_served(world: World) -> None:
    for number in range(300):
        world.configmap(f"n{number}")
    deleting = asyncio.create_task(world.ask("DELETE", CONFIGMAPS))
    seen = set()
    while not deleting.done():
        seen.add(len(list(world.registry.objects("configmaps", NAMESPACE))))
        await asyncio.sleep(0)
    assert (await deleting)[0] == 200
    assert len(seen) >= 6


async def test_yaml_answers_and_pretty_ones(world: World) -> None:
    world.configmap("a")
    code, text = await world.get(f"{CONFIGMAPS}/a", Accept="application/yaml")
    assert code == 200
    assert "\nkind: ConfigMap\n" in text
    response = await world.call("GET", f"{CONFIGMAPS}/a", User_Agent="curl/8.5")
    assert (await response.text()).startswith("{\n  ")
    response = await world.call("GET", f"{CONFIGMAPS}/a?pretty=false", User_Agent="curl/8.5")
    assert "\n  " not in await response.text()


async def test_a_refused_accept_header_writes_nothing(world: World) -> None:
    code, _ = await world.post(CONFIGMAPS, CM, Accept="text/html")
    assert code == 406
    assert world.registry.find("configmaps", NAMESPACE, "a") is None


async def test_field_managers_must_be_printable_and_short(world: World) -> None:
    code, body = await world.post(f"{CONFIGMAPS}?fieldManager={'x' * 129}", CM)
    assert (code, body["details"]["causes"][0]["message"]) == (422, "Too long: may not be more than 128 bytes")
    code, body = await world.post(f"{CONFIGMAPS}?fieldManager=a%07b", CM)
    assert "invalid character U+0007 (at position 1)" in body["message"]


async def test_a_full_disk_is_said_and_nothing_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from pocketkube.errors import StoreFull

    def full(*args: object) -> None:
        raise StoreFull("database or disk is full")

    monkeypatch.setattr(world.registry.store, "create", full)
    code, body = await world.post(CONFIGMAPS, CM)
    assert (code, body["reason"]) == (500, "InternalError")
    assert "database or disk is full" in body["message"]
