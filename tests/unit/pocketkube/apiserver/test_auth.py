from __future__ import annotations

import json

import pytest
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, PODS, World, status

from pocketkube import objects

UNAUTHORIZED = status(401, "Unauthorized", "Unauthorized")


@pytest.mark.parametrize("token", [None, "wrong", "a.b.c"])
@pytest.mark.parametrize("path", ["/api", "/version", "/nope", PODS])
async def test_who_is_unknown_gets_401(world: World, token: str | None, path: str) -> None:
    async with world.session(token=token) as http, http.get(path) as response:
        assert response.status == 401
        assert await response.json() == UNAUTHORIZED


async def test_a_client_certificate_is_enough(world: World) -> None:
    async with world.session(token=None, certificate=True) as http, http.get("/api/v1/pods") as response:
        assert response.status == 200


FORBIDDEN = [
    ("GET", PODS, "pods is forbidden", "list", "pods", f'in the namespace "{NAMESPACE}"', {"kind": "pods"}),
    (
        "GET",
        f"{PODS}/x",
        'pods "x" is forbidden',
        "get",
        "pods",
        f'in the namespace "{NAMESPACE}"',
        {"name": "x", "kind": "pods"},
    ),
    ("GET", "/api/v1/pods", "pods is forbidden", "list", "pods", "at the cluster scope", {"kind": "pods"}),
    (
        "GET",
        f"{PODS}?watch=1",
        "pods is forbidden",
        "watch",
        "pods",
        f'in the namespace "{NAMESPACE}"',
        {"kind": "pods"},
    ),
    (
        "GET",
        f"{PODS}/x/log",
        'pods "x" is forbidden',
        "get",
        "pods/log",
        f'in the namespace "{NAMESPACE}"',
        {"name": "x", "kind": "pods"},
    ),
    (
        "DELETE",
        PODS,
        "pods is forbidden",
        "deletecollection",
        "pods",
        f'in the namespace "{NAMESPACE}"',
        {"kind": "pods"},
    ),
    ("GET", "/api/v1/things", "things is forbidden", "list", "things", "at the cluster scope", {"kind": "things"}),
]


@pytest.mark.parametrize(("method", "path", "head", "verb", "resource", "scope", "details"), FORBIDDEN)
async def test_a_service_account_may_nothing_and_is_told_what(
    world: World, method: str, path: str, head: str, verb: str, resource: str, scope: str, details: dict[str, str]
) -> None:
    user = f"system:serviceaccount:{NAMESPACE}:default"
    answer = await world.ask(method, path, Impersonate_User=user)
    text = f'{head}: User "{user}" cannot {verb} resource "{resource}" in API group "" {scope}'
    assert answer == (403, status(403, text, "Forbidden", **details))


async def test_everyone_may_discover_and_ask_about_themselves(world: World) -> None:
    for path in ("/version", "/api", "/apis/apps/v1", "/openapi/v3", "/healthz"):
        code, _ = await world.get(path, Impersonate_User="learner")
        assert code == 200, path
    code, body = await world.get("/", Impersonate_User="learner")
    assert (code, body["message"]) == (403, 'forbidden: User "learner" cannot get path "/"')
    assert body["details"] == {}


async def test_impersonated_groups_count(world: World) -> None:
    code, _ = await world.get(PODS, Impersonate_User="learner", Impersonate_Group="system:masters")
    assert code == 200


async def _token(world: World, **spec: object) -> str:
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token"
    code, body = await world.post(path, {"spec": spec})
    assert code == 201, body
    assert body["kind"] == "TokenRequest"
    assert body["spec"]["expirationSeconds"] == 3600
    return str(body["status"]["token"])


async def test_a_requested_token_speaks_for_its_account(world: World) -> None:
    token = await _token(world)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    async with world.session(token=token) as http:
        async with http.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=review) as response:
            info = (await response.json())["status"]["userInfo"]
        async with http.get(CONFIGMAPS) as response:
            refused = response.status
    assert info["username"] == f"system:serviceaccount:{NAMESPACE}:default"
    assert f"system:serviceaccounts:{NAMESPACE}" in info["groups"]
    assert refused == 403


async def test_a_token_dies_with_its_account_and_its_pod(world: World) -> None:
    pod = world.pod("p", node="")
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": objects.uid(pod)}
    bound = await _token(world, boundObjectRef=reference)
    free = await _token(world)

    async def valid(token: str) -> bool:
        async with world.session(token=token) as http, http.get("/version") as response:
            return response.status == 200

    assert await valid(bound)
    world.registry.delete("pods", NAMESPACE, "p")
    assert not await valid(bound)
    assert await valid(free)
    world.registry.delete("serviceaccounts", NAMESPACE, "default")
    assert not await valid(free)


async def test_a_forged_token_is_refused(world: World) -> None:
    head, body, signature = (await _token(world)).split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    async with world.session(token=f"{head}.{body}.{flipped}") as http, http.get("/version") as response:
        assert response.status == 401


async def test_too_short_tokens_are_refused(world: World) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token"
    code, body = await world.post(path, {"spec": {"expirationSeconds": 10}})
    assert code == 422
    assert "may not specify a duration less than 10 minutes" in body["message"]


@pytest.mark.parametrize(("user", "allowed"), [("", True), ("learner", False)])
async def test_access_reviews(world: World, user: str, allowed: bool) -> None:
    review = {"spec": {"resourceAttributes": {"namespace": NAMESPACE, "verb": "create", "resource": "pods"}}}
    headers = {"Impersonate_User": user} if user else {}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    code, body = await world.post(path, review, **headers)
    assert (code, body["status"]["allowed"]) == (201, allowed)
    assert body["spec"] == review["spec"]


async def test_rules_of_an_admin_and_of_anybody(world: World) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    _, admin = await world.post(path, {"spec": {"namespace": "default"}})
    _, other = await world.post(path, {"spec": {"namespace": "default"}}, Impersonate_User="learner")
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    assert everything in admin["status"]["resourceRules"]
    assert everything not in other["status"]["resourceRules"]


async def test_only_admins_impersonate(world: World) -> None:
    token = await _token(world)
    async with (
        world.session(token=token) as http,
        http.get("/version", headers={"Impersonate-User": "boss"}) as response,
    ):
        assert response.status == 403
        message = json.loads(await response.text())["message"]
    assert 'cannot impersonate resource "users" in API group "" at the cluster scope' in message
