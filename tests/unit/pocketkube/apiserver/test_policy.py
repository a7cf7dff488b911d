"""What roles and bindings let users do, from request to answer."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pocketkube.apiserver.rbac_objects import ACCOUNT, API, binding, may, role, rule, urls
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, PODS, World, status
from tests.unit.pocketkube.resources.direct import registry

from pocketkube import bootstrap_policy, objects
from pocketkube.apiserver.authentication import User, service_account
from pocketkube.apiserver.policy import Policy
from pocketkube.client import Client
from pocketkube.errors import Invalid
from pocketkube.objects import Obj

ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
LOCAL = f"/apis/authorization.k8s.io/v1/namespaces/{NAMESPACE}/localsubjectaccessreviews"
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"


async def test_a_role_counts_in_its_namespace(world: World) -> None:
    role(world, "reader", rule("get,list,watch", "pods"))
    assert not await may(world, "GET", PODS)
    binding(world, "reader", "Role/reader", f"ServiceAccount/{NAMESPACE}/default")
    assert await may(world, "GET", PODS)
    assert await may(world, "GET", f"{PODS}/x")
    assert not await may(world, "DELETE", f"{PODS}/x")
    assert not await may(world, "GET", f"{PODS}/x/log")
    assert not await may(world, "GET", CONFIGMAPS)
    assert not await may(world, "GET", "/api/v1/pods")
    assert not await may(world, "GET", "/api/v1/namespaces/default/pods")
    assert not await may(world, "GET", PODS, "system:serviceaccount:default:default")


async def test_changes_count_at_once(world: World) -> None:
    role(world, "reader", rule("list", "pods"))
    made = binding(world, "reader", "Role/reader", "User/learner")
    assert await may(world, "GET", PODS, "learner")
    world.registry.patch("roles", NAMESPACE, "reader", lambda copy: copy.update(rules=[rule("list", "secrets")]))
    assert not await may(world, "GET", PODS, "learner")
    world.registry.patch("roles", NAMESPACE, "reader", lambda copy: copy.update(rules=[rule("list", "pods")]))
    assert await may(world, "GET", PODS, "learner")
    others = [{"kind": "User", "name": "another"}]
    world.registry.patch("rolebindings", NAMESPACE, "reader", lambda copy: copy.update(subjects=others))
    assert not await may(world, "GET", PODS, "learner")
    assert await may(world, "GET", PODS, "another")
    world.registry.delete("rolebindings", *("test", made["metadata"]["name"]))
    assert not await may(world, "GET", PODS, "another")
    assert world.server.policy._bound.keys() == {""}


async def test_a_cluster_role_counts_where_it_is_bound(world: World) -> None:
    role(world, "reader", rule("list", "pods,nodes"), namespace="")
    binding(world, "here", "ClusterRole/reader", "User/local")
    binding(world, "all", "ClusterRole/reader", "User/global", namespace="")
    assert await may(world, "GET", PODS, "local")
    assert not await may(world, "GET", "/api/v1/namespaces/default/pods", "local")
    assert not await may(world, "GET", "/api/v1/nodes", "local")
    for path in (PODS, "/api/v1/pods", "/api/v1/nodes", "/api/v1/namespaces/default/pods"):
        assert await may(world, "GET", path, "global")


@pytest.mark.parametrize(
    ("subject", "user", "groups"),
    [
        ("User/jane", "jane", ()),
        ("Group/devs", "jane", ("devs",)),
        ("Group/system:serviceaccounts", ACCOUNT, ()),
        (f"Group/system:serviceaccounts:{NAMESPACE}", ACCOUNT, ()),
        ("Group/system:authenticated", "jane", ()),
        ("ServiceAccount//default", ACCOUNT, ()),
        (f"User/{ACCOUNT}", ACCOUNT, ()),
    ],
)
async def test_subjects(world: World, subject: str, user: str, groups: tuple[str, ...]) -> None:
    role(world, "reader", rule("list", "pods"))
    made = {
        "metadata": {"name": "b", "namespace": NAMESPACE},
        "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": subject.partition("/")[0], "name": subject.partition("/")[2].removeprefix("/")}],
    }
    if subject.startswith("ServiceAccount"):
        made["subjects"][0]["namespace"] = NAMESPACE
    world.registry.create("rolebindings", made)
    assert await may(world, "GET", PODS, user, **({"Impersonate_Group": groups[0]} if groups else {}))
    assert await may(world, "GET", PODS, user + "x") == subject.startswith("Group/system:")


async def test_one_object_by_name(world: World) -> None:
    role(world, "one", rule("get,list,watch,delete", "configmaps", resourceNames=["mine"]))
    binding(world, "one", "Role/one", f"ServiceAccount/{NAMESPACE}/default")
    assert await may(world, "GET", f"{CONFIGMAPS}/mine")
    assert await may(world, "DELETE", f"{CONFIGMAPS}/mine")
    assert not await may(world, "GET", f"{CONFIGMAPS}/other")
    assert not await may(world, "GET", CONFIGMAPS)
    assert not await may(world, "DELETE", CONFIGMAPS)
    # who lists or watches just that one names it
    assert await may(world, "GET", f"{CONFIGMAPS}?fieldSelector=metadata.name%3Dmine")
    assert not await may(world, "GET", f"{CONFIGMAPS}?fieldSelector=metadata.name!%3Dmine")
    assert not await may(world, "GET", f"{CONFIGMAPS}?fieldSelector=metadata.name%3Dother")
    assert not await may(world, "GET", f"{CONFIGMAPS}?fieldSelector=%3D%3D,")


async def test_subresources_and_other_groups(world: World) -> None:
    role(world, "r", rule("get", "pods/log"), rule("get,patch", "*/scale", "apps"), rule("*", "*", "acme.io"))
    binding(world, "r", "Role/r", f"ServiceAccount/{NAMESPACE}/default")
    apps = f"/apis/apps/v1/namespaces/{NAMESPACE}"
    assert await may(world, "GET", f"{PODS}/x/log")
    assert not await may(world, "GET", f"{PODS}/x")
    assert await may(world, "GET", f"{apps}/deployments/x/scale")
    assert await may(world, "GET", f"{apps}/statefulsets/x/scale")
    assert not await may(world, "GET", f"{apps}/deployments/x")
    assert not await may(world, "PUT", f"{apps}/deployments/x/scale")
    assert await may(world, "POST", f"/apis/acme.io/v1/namespaces/{NAMESPACE}/widgets")
    assert await may(world, "GET", f"/apis/acme.io/v1/namespaces/{NAMESPACE}/widgets/x/status")


async def test_a_namespace_is_read_with_what_is_in_it(world: World) -> None:
    role(world, "r", rule("get", "namespaces"))
    binding(world, "r", "Role/r", f"ServiceAccount/{NAMESPACE}/default")
    assert await may(world, "GET", f"/api/v1/namespaces/{NAMESPACE}")
    assert not await may(world, "GET", "/api/v1/namespaces/default")
    assert not await may(world, "GET", "/api/v1/namespaces")


async def test_paths_that_are_no_resources(world: World) -> None:
    role(world, "r", urls("get", "/metrics", "/logs/*"), namespace="")
    binding(world, "r", "ClusterRole/r", "User/scraper", namespace="")
    assert await may(world, "GET", "/metrics", "scraper")
    assert await may(world, "GET", "/logs/a/b", "scraper")
    assert not await may(world, "GET", "/logs", "scraper")
    assert not await may(world, "POST", "/metrics", "scraper")
    assert not await may(world, "GET", "/metrics", "learner")


async def test_a_refusal_names_the_roles_that_are_missing(world: World) -> None:
    binding(world, "a", "ClusterRole/x", "User/learner", namespace="")
    why = f'User "learner" cannot list resource "pods" in API group "" in the namespace "{NAMESPACE}"'
    missing = 'clusterrole.rbac.authorization.k8s.io "x" not found'
    expected = status(403, f"pods is forbidden: {why}: RBAC: {missing}", "Forbidden", kind="pods")
    assert await world.get(PODS, Impersonate_User="learner") == (403, expected)
    binding(world, "b", "Role/y", "User/learner")
    binding(world, "c", "ClusterRole/x", "User/learner")
    _, body = await world.get(PODS, Impersonate_User="learner")
    assert body["message"].endswith(f': RBAC: [{missing}, role.rbac.authorization.k8s.io "y" not found]')
    assert await may(world, "GET", "/version", "learner")


async def test_bindings_from_before_a_start_count(world: World) -> None:
    """The index is made of what the store holds when the server begins, too."""
    role(world, "reader", rule("list", "pods"))
    binding(world, "reader", "Role/reader", "User/learner")
    assert Policy(world.registry)._bound == world.server.policy._bound


async def test_a_put_that_creates_needs_the_right_to_create(world: World) -> None:
    role(world, "r", rule("update", "leases", "coordination.k8s.io"), rule("update", "limitranges"))
    binding(world, "r", "Role/r", f"ServiceAccount/{NAMESPACE}/default")
    path = f"/api/v1/namespaces/{NAMESPACE}/limitranges/l"
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": []}}
    code, answer = await world.ask("PUT", path, body, Impersonate_User=ACCOUNT)
    assert code == 403
    assert 'cannot create resource "limitranges"' in answer["message"]
    role(world, "c", rule("create", "limitranges"))
    binding(world, "c", "Role/c", f"ServiceAccount/{NAMESPACE}/default")
    assert (await world.ask("PUT", path, body, Impersonate_User=ACCOUNT))[0] == 201


# -- reviews


def _asks(user: str = "", groups: list[str] | None = None, **about: str) -> dict[str, object]:
    spec: dict[str, object] = {"resourceAttributes": {"verb": "list", "resource": "pods", **about}}
    return {"spec": spec | ({"user": user} if user else {}) | ({"groups": groups} if groups else {})}


async def test_reviews_say_by_which_binding(world: World) -> None:
    role(world, "reader", rule("list", "pods"))
    binding(
        world, "b", "Role/reader", "Group/devs", "ServiceAccount/other/robot", f"ServiceAccount/{NAMESPACE}/default"
    )
    role(world, "all", rule("list", "pods"), namespace="")
    binding(world, "everywhere", "ClusterRole/all", "User/jane", namespace="")

    async def answer(path: str, body: dict[str, object]) -> tuple[bool, str]:
        code, review = await world.post(path, body)
        assert code == 201, review
        return review["status"]["allowed"], review["status"].get("reason", "")

    role_binding = f'RBAC: allowed by RoleBinding "b/{NAMESPACE}" of Role "reader" to'
    accounts = f'ServiceAccount "default/{NAMESPACE}"'
    assert await answer(ACCESS, _asks(ACCOUNT, namespace=NAMESPACE)) == (True, f"{role_binding} {accounts}")
    assert await answer(LOCAL, _asks(ACCOUNT, namespace=NAMESPACE)) == (True, f"{role_binding} {accounts}")
    assert await answer(ACCESS, _asks("x", ["devs"], namespace=NAMESPACE)) == (True, f'{role_binding} Group "devs"')
    everywhere = 'RBAC: allowed by ClusterRoleBinding "everywhere" of ClusterRole "all" to User "jane"'
    assert await answer(ACCESS, _asks("jane")) == (True, everywhere)
    assert await answer(ACCESS, _asks(ACCOUNT, namespace="default")) == (False, "")
    assert await answer(ACCESS, _asks("x", ["system:masters"])) == (True, "")
    assert await answer(ACCESS, {"spec": {"user": "x", "nonResourceAttributes": {"verb": "get", "path": "/api"}}}) == (
        False,
        "",
    )


@pytest.mark.parametrize(
    ("path", "spec", "problem"),
    [
        (ACCESS, {"resourceAttributes": {}}, 'spec.user: Invalid value: "": at least one of user or group must be'),
        (
            ACCESS,
            {"user": "x"},
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes",
        ),
        (
            ACCESS,
            {"user": "x", "resourceAttributes": {}, "nonResourceAttributes": {"path": "/", "verb": "get"}},
            'spec.nonResourceAttributes: Invalid value: {"Path":"/","Verb":"get"}: cannot be specified in combination',
        ),
        (
            LOCAL,
            {"user": "x", "resourceAttributes": {"namespace": "default"}},
            'spec.resourceAttributes.namespace: Invalid value: "default": must match metadata.namespace',
        ),
        (
            LOCAL,
            {"user": "x", "nonResourceAttributes": {"path": "/", "verb": "get"}},
            'spec.nonResourceAttributes: Invalid value: {"Path":"/","Verb":"get"}: disallowed on this kind of request',
        ),
    ],
)
async def test_reviews_that_ask_nothing_or_too_much(
    world: World, path: str, spec: dict[str, object], problem: str
) -> None:
    code, body = await world.post(path, {"spec": spec})
    assert code == 422
    assert problem in body["message"]


async def test_a_review_has_no_name(world: World) -> None:
    code, body = await world.post(ACCESS, {"metadata": {"name": "x"}, **_asks("jane")})
    assert code == 422
    assert body["message"].endswith('metadata: Invalid value: {"name":"x"}: must be empty')
    code, body = await world.post(LOCAL, {"metadata": {"name": "x"}, **_asks("jane", namespace=NAMESPACE)})
    assert body["message"].endswith("must be empty except for namespace")


async def test_rules_of_who_asks(world: World) -> None:
    role(world, "one", rule("get", "configmaps", resourceNames=["mine"]))
    binding(world, "one", "Role/one", f"ServiceAccount/{NAMESPACE}/default")
    binding(world, "gone", "Role/gone", f"ServiceAccount/{NAMESPACE}/default")
    code, review = await world.post(RULES, {"spec": {"namespace": NAMESPACE}}, Impersonate_User=ACCOUNT)
    assert code == 201
    assert review["spec"] == {}
    mine = {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"]}
    assert mine in review["status"]["resourceRules"]
    assert review["status"]["incomplete"] is False
    assert review["status"]["evaluationError"] == 'role.rbac.authorization.k8s.io "gone" not found'
    paths = {url for found in review["status"]["nonResourceRules"] for url in found["nonResourceURLs"]}
    assert {"/api", "/healthz", "/openapi/*"} <= paths
    _, elsewhere = await world.post(RULES, {"spec": {"namespace": "default"}}, Impersonate_User=ACCOUNT)
    assert mine not in elsewhere["status"]["resourceRules"]
    code, body = await world.post(RULES, {"spec": {}})
    assert (code, body["message"]) == (400, "no namespace on request")


# -- the usual roles


async def test_the_usual_roles(world: World) -> None:
    bootstrap_policy.install(Client(world.registry, "test"), ("view", "edit", "admin"))
    for name in ("kube-system", "kube-public"):
        world.registry.create("namespaces", {"metadata": {"name": name}})
    bootstrap_policy.install(Client(world.registry, "test"))
    for level, group in (("view", "aggregate-to-view"), ("edit", "aggregate-to-edit")):
        rules = world.registry.get("clusterroles", "", f"system:{group}")["rules"]
        world.registry.patch("clusterroles", "", level, lambda copy, rules=rules: copy.update(rules=rules))
        binding(world, level, f"ClusterRole/{level}", f"User/{level}er")
    assert await may(world, "GET", PODS, "viewer")
    assert not await may(world, "GET", f"/api/v1/namespaces/{NAMESPACE}/secrets", "viewer")
    assert await may(world, "GET", f"/api/v1/namespaces/{NAMESPACE}/secrets", "editer")
    assert await may(world, "POST", CONFIGMAPS, "editer")
    assert not await may(world, "POST", f"{API}/namespaces/{NAMESPACE}/roles", "editer")


# -- the index, held against looking through all bindings

SUBJECTS = [
    {"kind": "User", "name": "jane"},
    {"kind": "User", "name": ACCOUNT},
    {"kind": "Group", "name": "devs"},
    {"kind": "Group", "name": "system:serviceaccounts"},
    {"kind": "ServiceAccount", "name": "default"},
    {"kind": "ServiceAccount", "name": "default", "namespace": NAMESPACE},
]
USERS = [User("jane"), User("joe", ("devs",)), User("jane", ("devs",)), service_account(NAMESPACE, "default")]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(("rolebindings", "clusterrolebindings")),
        st.sampled_from(("a", "b")),
        st.none() | st.lists(st.sampled_from(SUBJECTS), max_size=3),
    ),
    max_size=8,
)


def _applies(subject: Obj, user: User, namespace: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        at = subject.get("namespace") or namespace
        return bool(at) and user.name == f"system:serviceaccount:{at}:{subject['name']}"
    return subject["name"] == user.name if subject["kind"] == "User" else subject["name"] in user.groups


@given(CHANGES)
def test_what_is_written_is_found_by_who_it_names(changes: list[tuple[str, str, list[Obj] | None]]) -> None:
    held = registry()
    for namespace in (NAMESPACE, "default"):
        held.create("namespaces", {"metadata": {"name": namespace}})
    policy = Policy(held)
    for resource, name, subjects in changes:
        at = NAMESPACE if resource == "rolebindings" else ""
        if held.find(resource, at, name) is not None:
            if subjects is None:
                held.delete(resource, at, name)
            else:
                with suppress(Invalid):  # a ClusterRoleBinding of an account without a namespace
                    held.patch(resource, at, name, lambda copy, to=subjects: copy.update(subjects=objects.copy(to)))
        elif subjects is not None:
            meta = {"name": name, "namespace": at} if at else {"name": name}
            role = {"kind": "ClusterRole", "name": f"{resource}-{name}"}
            with suppress(Invalid):
                held.create(resource, {"metadata": meta, "roleRef": role, "subjects": objects.copy(subjects)})
    assert Policy(held)._bound == policy._bound
    for user, namespace in product(USERS, ("", NAMESPACE, "default")):
        found = {grant.error.split('"')[1] for grant in policy.grants(user, namespace)}
        bindings = held.objects("clusterrolebindings")
        bindings += held.objects("rolebindings", namespace) if namespace else []
        expected = {
            one["roleRef"]["name"]
            for one in bindings
            if any(_applies(subject, user, objects.namespace(one)) for subject in one.get("subjects") or ())
        }
        assert found == expected
