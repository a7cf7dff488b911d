"""Who may do what: service accounts with their tokens, from outside and from their Pods.

After upstream's test/e2e/auth (service_accounts, subjectreviews, selfsubjectreviews) and test/integration/auth/rbac.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from secrets import token_hex

import pytest
from tests.parity.network.support import Place, pod

from kindlab.api import MERGE_PATCH, Api, ApiError, Obj

GROUP = "rbac.authorization.k8s.io"
PATIENCE = 20.0
"""Seconds an authorizer may take to hear of a role or a binding."""


def rule(verbs: str, resources: str, group: str = "", **more: list[str]) -> Obj:
    return {"verbs": verbs.split(","), "apiGroups": [group], "resources": resources.split(","), **more}


def role(name: str, *rules: Obj) -> Obj:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": {"name": name}, "rules": list(rules)}


def account(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def bound(here: Place, to: str, name: str, kind: str = "Role") -> Obj:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{name}-{to}"},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": to},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": here.namespace}],
    }


_OPEN: list[Api] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """What `by_token` opens ends with its test."""
    yield
    for api in _OPEN:
        api.client.rest_client.pool_manager.clear()
    _OPEN.clear()


def by_token(here: Place, name: str) -> Api:
    """The API as the service account sees it."""
    import kubernetes

    token = here.request("POST", f"{here.path('ServiceAccount', name)}/token", {"spec": {}})["status"]["token"]
    own = here.api.client.configuration
    configuration = kubernetes.client.Configuration()
    configuration.host, configuration.ssl_ca_cert = own.host, own.ssl_ca_cert
    configuration.tls_server_name = own.tls_server_name
    configuration.api_key = {"authorization": f"Bearer {token}"}
    found = copy.copy(here.api)
    found.client = kubernetes.client.ApiClient(configuration)
    _OPEN.append(found)
    return found


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(ApiError) as error:
        ask()
    assert error.value.code == 403
    return str(error.value.message)


def eventually(ask: Callable[[], Obj]) -> Obj:
    """The answer, once the authorizer knows what allows it."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except ApiError as error:
            if error.code != 403 or time.monotonic() > until:
                raise
            time.sleep(0.2)


def until_refused(ask: Callable[[], object]) -> str:
    """The refusal, once the authorizer knows that nothing allows it any more."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            ask()
        except ApiError as error:
            if error.code != 403:
                raise
            return str(error.message)
        time.sleep(0.2)
    raise AssertionError("still allowed")


def test_an_account_may_what_its_roles_say(here: Place) -> None:
    here.put(account("robot"), role("reader", rule("get,list", "configmaps")))
    robot, path = by_token(here, "robot"), here.path("ConfigMap")
    who = f'User "system:serviceaccount:{here.namespace}:robot"'
    scope = f'resource "configmaps" in API group "" in the namespace "{here.namespace}"'
    assert refused(lambda: robot.request("GET", path)) == f"configmaps is forbidden: {who} cannot list {scope}"
    here.put(bound(here, "reader", "robot"))
    assert eventually(lambda: robot.request("GET", path))["kind"] == "ConfigMapList"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    assert f"{who} cannot create {scope}" in refused(lambda: robot.request("POST", path, body))
    assert "at the cluster scope" in refused(lambda: robot.request("GET", here.api.path("ConfigMap")))
    here.api.delete("RoleBinding", "robot-reader", here.namespace)
    assert "cannot list" in until_refused(lambda: robot.request("GET", path))


def test_a_role_that_changes_counts_as_it_is(here: Place) -> None:
    here.put(account("robot"), role("r", rule("list", "secrets")), bound(here, "r", "robot"))
    robot, path = by_token(here, "robot"), here.path("ConfigMap")
    eventually(lambda: robot.request("GET", here.path("Secret")))
    assert "configmaps is forbidden" in refused(lambda: robot.request("GET", path))
    here.merge("Role", "r", {"rules": [rule("list", "configmaps")]})
    eventually(lambda: robot.request("GET", path))
    until_refused(lambda: robot.request("GET", here.path("Secret")))


def test_one_object_by_name_and_what_is_below_others(here: Place) -> None:
    only = rule("get,update,patch", "configmaps", resourceNames=["mine"])
    here.put(account("robot"), role("r", only, rule("patch", "deployments/scale", "apps")), bound(here, "r", "robot"))
    for name in ("mine", "other"):
        here.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
    robot = by_token(here, "robot")
    eventually(lambda: robot.request("GET", here.path("ConfigMap", "mine")))
    robot.patch("ConfigMap", "mine", here.namespace, {"data": {"a": "b"}})
    refused(lambda: robot.request("GET", here.path("ConfigMap", "other")))
    refused(lambda: robot.request("GET", here.path("ConfigMap")))
    deployments = here.path("Deployment")
    change = {"spec": {"replicas": 2}}

    def scaled(path: str) -> int:
        with pytest.raises(ApiError) as error:
            robot.request("PATCH", path, change, content_type=MERGE_PATCH)
        return error.value.code

    assert scaled(f"{deployments}/none/scale") == 404
    assert scaled(f"{deployments}/none") == 403


def test_a_missing_role_is_told_with_the_refusal(here: Place) -> None:
    here.put(account("robot"), bound(here, "gone", "robot"))
    robot, missing = by_token(here, "robot"), f'RBAC: role.{GROUP} "gone" not found'
    until = time.monotonic() + PATIENCE
    while missing not in (why := refused(lambda: robot.request("GET", here.path("ConfigMap")))):
        assert time.monotonic() < until, why
        time.sleep(0.2)


def test_the_usual_roles(here: Place) -> None:
    here.put(account("viewer"), account("editor"))
    here.put(bound(here, "view", "viewer", "ClusterRole"), bound(here, "edit", "editor", "ClusterRole"))
    viewer, editor = by_token(here, "viewer"), by_token(here, "editor")
    eventually(lambda: viewer.request("GET", here.path("Pod")))
    refused(lambda: viewer.request("GET", here.path("Secret")))
    refused(lambda: viewer.request("DELETE", here.path("Pod", "none")))
    eventually(lambda: editor.request("GET", here.path("Secret")))
    editor.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}, here.namespace)
    refused(lambda: editor.create(role("r", rule("get", "pods")), here.namespace))


def test_nobody_grants_what_they_do_not_have(here: Place) -> None:
    keeper = role("keeper", rule("create", "roles,rolebindings", GROUP), rule("list", "pods"))
    here.put(account("robot"), keeper, bound(here, "keeper", "robot"))
    robot = by_token(here, "robot")
    eventually(lambda: robot.create(role("fine", rule("list", "pods")), here.namespace))
    why = refused(lambda: robot.create(role("more", rule("list", "secrets")), here.namespace))
    assert "is attempting to grant RBAC permissions not currently held:" in why
    assert why.endswith('{APIGroups:[""], Resources:["secrets"], Verbs:["list"]}')
    refused(lambda: robot.create(bound(here, "admin", "robot", "ClusterRole"), here.namespace))


def test_a_cluster_role_made_of_others(here: Place) -> None:
    name = f"parity-{token_hex(4)}"
    label = f"{name}.example.com/part"
    base = {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole"}
    selectors = {"clusterRoleSelectors": [{"matchLabels": {label: "yes"}}]}
    here.api.create({**base, "metadata": {"name": name}, "aggregationRule": selectors})
    part = {"name": f"{name}-part", "labels": {label: "yes"}}
    here.api.create({**base, "metadata": part, "rules": [rule("list", "configmaps")]})
    try:
        here.put(account("robot"), bound(here, name, "robot", "ClusterRole"))
        robot = by_token(here, "robot")
        eventually(lambda: robot.request("GET", here.path("ConfigMap")))
        here.api.delete("ClusterRole", part["name"])
        until_refused(lambda: robot.request("GET", here.path("ConfigMap")))
    finally:
        for one in (name, str(part["name"])):
            if here.api.get("ClusterRole", one) is not None:
                here.api.delete("ClusterRole", one)


def test_reviews_say_what_an_account_may_and_why(here: Place) -> None:
    here.put(account("robot"), role("reader", rule("list", "pods")), bound(here, "reader", "robot"))
    robot, user = by_token(here, "robot"), f"system:serviceaccount:{here.namespace}:robot"
    eventually(lambda: robot.request("GET", here.path("Pod")))
    reviews = "/apis/authorization.k8s.io/v1"
    about = {"namespace": here.namespace, "verb": "list", "resource": "pods"}

    def ask(path: str, spec: Obj, api: Api = here.api) -> Obj:
        return api.request("POST", f"{reviews}/{path}", {"spec": spec})["status"]  # type: ignore[no-any-return]

    names = f'"robot-reader/{here.namespace}" of Role "reader" to ServiceAccount "robot/{here.namespace}"'
    allowed = {"allowed": True, "reason": f"RBAC: allowed by RoleBinding {names}"}
    assert ask("subjectaccessreviews", {"user": user, "resourceAttributes": about}) == allowed
    local = f"namespaces/{here.namespace}/localsubjectaccessreviews"
    assert ask(local, {"user": user, "resourceAttributes": about}) == allowed
    assert ask("selfsubjectaccessreviews", {"resourceAttributes": about}, robot) == allowed
    other = {**about, "verb": "delete"}
    assert ask("selfsubjectaccessreviews", {"resourceAttributes": other}, robot) == {"allowed": False}
    rules = ask("selfsubjectrulesreviews", {"namespace": here.namespace}, robot)
    assert {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]} in rules["resourceRules"]
    refused(lambda: ask("subjectaccessreviews", {"user": user, "resourceAttributes": about}, robot))


def test_groups_of_other_servers_and_of_ones_own(here: Place) -> None:
    """Whether anything serves them or not: what may be asked for is known before."""
    metrics, own = rule("list", "pods", "metrics.k8s.io"), rule("create", "widgets/status", "shop.example.com")
    here.put(account("robot"), role("r", metrics, own), bound(here, "r", "robot"))
    robot = by_token(here, "robot")

    def code(method: str, group: str, rest: str) -> int:
        try:
            robot.request(method, f"/apis/{group}/namespaces/{here.namespace}/{rest}", {} if method == "POST" else None)
        except ApiError as error:
            return error.code
        return 200

    until = time.monotonic() + PATIENCE
    while code("GET", "metrics.k8s.io/v1beta1", "pods") == 403:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert code("GET", "metrics.k8s.io/v1beta1", "pods/x") == 403
    assert code("POST", "shop.example.com/v1", "widgets/x/status") == 404
    assert code("POST", "shop.example.com/v1", "widgets") == 403


ASK = (
    "cd /var/run/secrets/kubernetes.io/serviceaccount; "
    'curl -s --cacert ca.crt -H "Authorization: Bearer $(cat token)" -o /tmp/answer -w "%{http_code}" '
    "https://kubernetes.default.svc/api/v1/namespaces/$(cat namespace)/"
)


def test_a_pod_asks_with_its_mounted_token(here: Place) -> None:
    here.put(account("robot"), role("reader", rule("list", "pods")), bound(here, "reader", "robot"))
    eventually(lambda: by_token(here, "robot").request("GET", here.path("Pod")))
    here.start(pod("p", "pause", serviceAccountName="robot"))
    host = here.host("p")
    assert host.run(f"{ASK}pods; cat /tmp/answer").stdout.startswith("200{")
    answer = host.run(f"{ASK}secrets; cat /tmp/answer").stdout
    assert answer.startswith("403{")
    assert f'User \\"system:serviceaccount:{here.namespace}:robot\\" cannot list resource \\"secrets\\"' in answer
