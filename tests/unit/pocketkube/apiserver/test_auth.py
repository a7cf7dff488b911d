from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl

import pytest
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, PODS, World, status

from pocketkube import objects

UNAUTHORIZED = status(401, "Unauthorized", "Unauthorized")


@pytest.mark.parametrize("token", [None, "wrong", "a.b.c", "\u00e9"])
@pytest.mark.parametrize("path", ["/api", "/version", "/nope", PODS])
async def test_who_is_unknown_gets_401(world: World, token: str | None, path: str) -> None:
    async with world.session(token=token) as http, http.get(path) as response:
        assert response.status == 401
        assert await response.json() == UNAUTHORIZED


@pytest.mark.parametrize("token", ["wrong", "a.b.c", "\u00e9"])
async def test_wrong_credentials_get_401_where_none_are_needed(open_world: World, token: str) -> None:
    async with open_world.session(token=token) as http, http.get("/version") as response:
        assert response.status == 401
        assert await response.json() == UNAUTHORIZED


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "}])
async def test_without_credentials_one_is_anonymous(open_world: World, headers: dict[str, str]) -> None:
    """Version and health are public; all else is refused by name, whether it is there or not."""
    answers = {}
    async with open_world.session(token=None) as http:
        for path in ("/version", "/version/", "/healthz", "/livez", "/readyz", "/api", "/nope", "/livez/ping"):
            async with http.get(path, headers=headers) as response:
                answers[path] = response.status
        async with http.post("/version", headers=headers) as response:
            answers["POST /version"] = response.status
        async with http.get("/api", headers=headers) as response:
            api = await response.json()
        async with http.get(PODS, headers=headers) as response:
            pods = await response.json()
    public = {path for path, code in answers.items() if code == 200}
    assert public == {"/version", "/version/", "/healthz", "/livez", "/readyz"}
    assert {code for path, code in answers.items() if path not in public} == {403}
    assert api == status(403, 'forbidden: User "system:anonymous" cannot get path "/api"', "Forbidden") | {
        "details": {}
    }
    why = f'User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "{NAMESPACE}"'
    assert pods == status(403, f"pods is forbidden: {why}", "Forbidden", kind="pods")


async def test_bytes_that_are_no_text_are_wrong_credentials_too(world: World) -> None:
    context = ssl.create_default_context(cadata=world.pki.ca_pem)
    host, _, port = world.url.removeprefix("https://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    writer.write(b"GET /version HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer \xff\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()
    await writer.wait_closed()


async def test_nobody_creates_reviews_or_impersonates_anonymously(open_world: World) -> None:
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    async with open_world.session(token=None) as http:
        async with http.post(reviews, json={"spec": {}}) as response:
            assert response.status == 403
        async with http.get("/version", headers={"Impersonate-User": "kubernetes-admin"}) as response:
            assert response.status == 403


async def test_one_may_act_as_anonymous(world: World) -> None:
    codes = [(await world.get(path, Impersonate_User="system:anonymous"))[0] for path in ("/version", "/api")]
    assert codes == [200, 403]


async def test_a_refusal_is_indented_for_curl(world: World) -> None:
    async with (
        world.session(token="wrong") as http,
        http.get("/api", headers={"User-Agent": "curl/8.0"}) as response,
    ):
        assert (await response.text()).startswith('{\n  "kind": "Status",')


async def test_a_client_certificate_is_enough(world: World) -> None:
    async with world.session(token=None, certificate=True) as http, http.get("/api/v1/pods") as response:
        assert response.status == 200


async def test_a_certificate_counts_before_a_token(world: World) -> None:
    async with world.session(token="nobody's", certificate=True) as http, http.get("/api/v1/pods") as response:
        assert response.status == 200
    async with world.session(token="nobody's") as http, http.get("/api/v1/pods") as response:
        assert response.status == 401


async def test_a_certificate_is_told_by_its_digest(world: World) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with world.session(token=None, certificate=True) as http, http.post(path, json=review) as response:
        info = (await response.json())["status"]["userInfo"]
    written = ssl.PEM_cert_to_DER_cert((world.pki.folder / "admin.crt").read_text())
    digest = hashlib.sha256(written).hexdigest()
    assert info["extra"] == {"authentication.kubernetes.io/credential-id": [f"X509SHA256={digest}"]}


async def test_the_server_sends_its_certificate_alone(world: World) -> None:
    """What a client without the CA is told depends on it: no issuer to be found, not one it does not trust."""
    host, _, port = world.url.removeprefix("https://").partition(":")
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        await asyncio.open_connection(
            host, int(port), ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), server_hostname=host
        )
    assert refused.value.verify_message == "unable to get local issuer certificate"


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


@pytest.mark.parametrize(("kind", "plural", "space"), [("Secret", "secrets", NAMESPACE), ("Node", "nodes", "")])
async def test_a_token_dies_with_its_secret_or_node(world: World, kind: str, plural: str, space: str) -> None:
    world.registry.create(plural, {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": space}})
    token = await _token(world, boundObjectRef={"kind": kind, "apiVersion": "v1", "name": "x"})
    assert world.server.tokens.verify(token) is not None
    world.registry.delete(plural, space, "x")
    assert world.server.tokens.verify(token) is None


async def test_a_token_is_bound_to_nothing_else(world: World) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token"
    reference = {"kind": "ConfigMap", "apiVersion": "v1", "name": "x"}
    code, body = await world.post(path, {"spec": {"boundObjectRef": reference}})
    assert (code, body["message"]) == (400, "cannot bind token to object of type v1, Kind=ConfigMap")
    world.registry.create(
        "secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": NAMESPACE}}
    )
    reference = {"kind": "Secret", "apiVersion": "v1", "name": "x", "uid": "other"}
    code, body = await world.post(path, {"spec": {"boundObjectRef": reference}})
    assert (code, body["reason"]) == (409, "Conflict")
    code, body = await world.post(path, {"metadata": {"uid": "other"}, "spec": {}})
    assert code == 409
    assert "the UID in the token request (other) does not match the UID of the service account" in body["message"]


async def test_a_pods_token_tells_its_node(world: World) -> None:
    node = world.registry.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    pod = world.pod("p", node="n1")
    token = await _token(world, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
    _, review = await world.post("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}})
    extra = review["status"]["user"]["extra"]
    assert extra.pop("authentication.kubernetes.io/credential-id")[0].startswith("JTI=")
    assert extra == {
        "authentication.kubernetes.io/pod-name": ["p"],
        "authentication.kubernetes.io/pod-uid": [objects.uid(pod)],
        "authentication.kubernetes.io/node-name": ["n1"],
        "authentication.kubernetes.io/node-uid": [objects.uid(node)],
    }
    world.registry.delete("nodes", "", "n1")
    assert world.server.tokens.verify(token) is not None  # it lives as long as the pod


async def test_a_review_names_the_audiences_that_fit(world: World) -> None:
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    token = await _token(world, audiences=["a", "b"])
    _, review = await world.post(reviews, {"spec": {"token": token, "audiences": ["b", "c", "a"]}})
    assert (review["status"]["authenticated"], review["status"]["audiences"]) == (True, ["b", "a"])
    code, body = await world.post(reviews, {"spec": {}})
    assert (code, body["message"]) == (400, "token is required for TokenReview in authentication")


async def test_the_admins_token_is_for_the_api_server(world: World) -> None:
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    _, review = await world.post(reviews, {"spec": {"token": world.pki.token}})
    assert review["status"] == {
        "authenticated": True,
        "user": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
        "audiences": ["https://kubernetes.default.svc.cluster.local"],
    }
    _, review = await world.post(reviews, {"spec": {"token": world.pki.token, "audiences": ["vault"]}})
    assert review["status"] == {"user": {}, "error": "[invalid bearer token, token lookup failed]"}


async def test_others_can_verify_tokens(world: World) -> None:
    response = await world.call("GET", "/.well-known/openid-configuration")
    found = json.loads(await response.text())
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert found["id_token_signing_alg_values_supported"] == ["ES256"]
    assert found["jwks_uri"] == f"{found['issuer']}/openid/v1/jwks"
    response = await world.call("GET", "/openid/v1/jwks")
    assert response.content_type == "application/jwk-set+json"
    (key,) = json.loads(await response.text())["keys"]
    head = (await _token(world)).split(".")[0]
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "ES256", "kid": key["kid"]}
    assert (key["kty"], key["crv"], key["use"]) == ("EC", "P-256", "sig")
    assert (await world.call("POST", "/openid/v1/jwks", {})).status == 405


async def test_a_forged_token_is_refused(world: World) -> None:
    head, body, signature = (await _token(world)).split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    async with world.session(token=f"{head}.{body}.{flipped}") as http, http.get("/version") as response:
        assert response.status == 401


async def test_kubectl_says_null_where_it_says_nothing(world: World) -> None:
    assert await _token(world, expirationSeconds=None, audiences=None, boundObjectRef=None)


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
    assert message.endswith('cannot impersonate-on:user-info:get path "/version"')


async def test_reviews_are_no_tables(world: World) -> None:
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    review = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    code, body = await world.ask("POST", reviews, review, Accept=table)
    assert (code, body["reason"]) == (406, "NotAcceptable")
    assert (await world.ask("POST", reviews, review, Accept=f"{table},application/json"))[0] == 201
