"""Nobody grants by RBAC objects what they do not have."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.rbac_objects import ACCOUNT, API, binding, role, rule, urls
from tests.unit.pocketkube.apiserver.world import NAMESPACE, World

from pocketkube.objects import Obj

ROLES = f"{API}/namespaces/{NAMESPACE}/roles"
BINDINGS = f"{API}/namespaces/{NAMESPACE}/rolebindings"
GROUP = "rbac.authorization.k8s.io"
GROUPS = f'["system:serviceaccounts" "system:serviceaccounts:{NAMESPACE}" "system:authenticated"]'
REFUSED = (
    f'is forbidden: user "{ACCOUNT}" (groups={GROUPS}) is attempting to grant RBAC permissions not currently held:\n'
)


@pytest.fixture
def keeper(world: World) -> World:
    """The service account may write RBAC objects everywhere and list pods, and no more."""
    rbac = "roles,rolebindings,clusterroles,clusterrolebindings"
    role(world, "keeper", rule("create,update,patch,get", rbac, GROUP), rule("list", "pods"), namespace="")
    binding(world, "keeper", "ClusterRole/keeper", f"ServiceAccount/{NAMESPACE}/default", namespace="")
    return world


def a_role(*rules: Obj, name: str = "r", kind: str = "Role", **more: Any) -> Obj:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "rules": list(rules), **more}


def a_binding(role_ref: str, name: str = "b", kind: str = "RoleBinding") -> Obj:
    of, _, to = role_ref.partition("/")
    subjects = [{"kind": "User", "name": "friend"}]
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"kind": of, "name": to},
        "subjects": subjects,
    }


async def test_a_role_of_what_one_has(keeper: World) -> None:
    code, _ = await keeper.post(ROLES, a_role(rule("list", "pods")), Impersonate_User=ACCOUNT)
    assert code == 201


async def test_a_role_of_more(keeper: World) -> None:
    wanted = a_role(rule("get,list,delete", "pods"), rule("get", "secrets"))
    code, body = await keeper.post(ROLES, wanted, Impersonate_User=ACCOUNT)
    missing = '{APIGroups:[""], Resources:["pods"], Verbs:["get" "delete"]}\n'
    missing += '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    assert (code, body["message"]) == (403, f'roles.{GROUP} "r" {REFUSED}{missing}')
    assert body["details"] == {"name": "r", "group": GROUP, "kind": "roles"}
    assert keeper.registry.find("roles", NAMESPACE, "r") is None


@pytest.mark.parametrize("how", ["PUT", "PATCH", "new"])
async def test_a_role_does_not_grow_beyond_what_one_has(keeper: World, how: str) -> None:
    wanted = a_role(rule("get", "secrets"))
    if how != "new":
        role(keeper, "r", rule("list", "pods"))
    if how == "PATCH":
        code, body = await keeper.ask(
            "PATCH",
            f"{ROLES}/r",
            {"rules": wanted["rules"]},
            content_type="application/merge-patch+json",
            Impersonate_User=ACCOUNT,
        )
    else:
        code, body = await keeper.ask("PUT", f"{ROLES}/r", wanted, Impersonate_User=ACCOUNT)
    assert code == 403
    assert REFUSED in body["message"]


async def test_what_grants_more_may_only_have_its_owners_changed(keeper: World) -> None:
    role(keeper, "r", rule("get", "secrets"))

    async def patched(change: Obj) -> int:
        how: dict[str, str] = {"content_type": "application/merge-patch+json", "Impersonate_User": ACCOUNT}
        return (await keeper.ask("PATCH", f"{ROLES}/r", {"metadata": change}, **how))[0]

    assert await patched({"finalizers": ["acme.io/x"]}) == 200
    assert await patched({"finalizers": None}) == 200
    assert await patched({"labels": {"a": "b"}}) == 403


async def test_who_may_escalate_may(keeper: World) -> None:
    role(keeper, "escalator", rule("escalate", "roles", GROUP))
    binding(keeper, "escalator", "Role/escalator", f"ServiceAccount/{NAMESPACE}/default")
    assert (await keeper.post(ROLES, a_role(rule("*", "*")), Impersonate_User=ACCOUNT))[0] == 201
    everywhere = a_role(rule("*", "*"), kind="ClusterRole")
    assert (await keeper.post(f"{API}/clusterroles", everywhere, Impersonate_User=ACCOUNT))[0] == 403


async def test_a_binding_of_what_one_has_and_of_more(keeper: World) -> None:
    role(keeper, "less", rule("list", "pods"))
    role(keeper, "more", rule("list", "secrets"))
    assert (await keeper.post(BINDINGS, a_binding("Role/less"), Impersonate_User=ACCOUNT))[0] == 201
    code, body = await keeper.post(BINDINGS, a_binding("Role/more", "c"), Impersonate_User=ACCOUNT)
    missing = '{APIGroups:[""], Resources:["secrets"], Verbs:["list"]}'
    assert (code, body["message"]) == (403, f'rolebindings.{GROUP} "c" {REFUSED}{missing}')
    # whom it binds is looked at again when that changes
    binding(keeper, "d", "Role/more", "User/friend")
    others = {"subjects": [{"kind": "User", "name": "other"}]}
    how: dict[str, str] = {"content_type": "application/merge-patch+json", "Impersonate_User": ACCOUNT}
    assert (await keeper.ask("PATCH", f"{BINDINGS}/d", others, **how))[0] == 403
    assert (await keeper.ask("PATCH", f"{BINDINGS}/b", others, **how))[0] == 200


async def test_who_may_bind_a_role_may(keeper: World) -> None:
    role(keeper, "more", rule("list", "secrets"), namespace="")
    role(keeper, "binder", rule("bind", "clusterroles", GROUP, resourceNames=["more"]))
    binding(keeper, "binder", "Role/binder", f"ServiceAccount/{NAMESPACE}/default")
    assert (await keeper.post(BINDINGS, a_binding("ClusterRole/more"), Impersonate_User=ACCOUNT))[0] == 201
    everywhere = a_binding("ClusterRole/more", kind="ClusterRoleBinding")
    assert (await keeper.post(f"{API}/clusterrolebindings", everywhere, Impersonate_User=ACCOUNT))[0] == 403
    other = a_binding("ClusterRole/cluster-admin", "x")
    assert (await keeper.post(BINDINGS, other, Impersonate_User=ACCOUNT))[0] == 403


async def test_a_role_that_is_not_there_is_bound_by_admins_only(keeper: World) -> None:
    code, body = await keeper.post(BINDINGS, a_binding("Role/gone"), Impersonate_User=ACCOUNT)
    assert (code, body["message"]) == (404, f'roles.{GROUP} "gone" not found')
    assert (await keeper.post(BINDINGS, a_binding("Role/gone")))[0] == 201


async def test_to_aggregate_one_needs_everything(keeper: World) -> None:
    selectors = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    wanted = a_role(kind="ClusterRole", aggregationRule=selectors)
    code, body = await keeper.post(f"{API}/clusterroles", wanted, Impersonate_User=ACCOUNT)
    why = "must have cluster-admin privileges to use the aggregationRule"
    assert (code, body["message"]) == (403, f'clusterroles.{GROUP} "r" is forbidden: {why}')
    role(keeper, "all", rule("*", "*", "*"), urls("*", "*"), namespace="")
    binding(keeper, "all", "ClusterRole/all", f"ServiceAccount/{NAMESPACE}/default", namespace="")
    assert (await keeper.post(f"{API}/clusterroles", wanted, Impersonate_User=ACCOUNT))[0] == 201


async def test_roles_that_are_missing_are_told(keeper: World) -> None:
    binding(keeper, "lost", "ClusterRole/gone", f"ServiceAccount/{NAMESPACE}/default", namespace="")
    _, body = await keeper.post(ROLES, a_role(rule("get", "secrets")), Impersonate_User=ACCOUNT)
    assert body["message"].endswith(f'; resolution errors: [clusterrole.{GROUP} "gone" not found]')


async def test_parameters_of_a_policy_are_those_one_may_read(world: World) -> None:
    group = "admissionregistration.k8s.io"
    kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    role(world, "author", rule("create,update,patch,get", kinds, group), namespace="")
    binding(world, "author", "ClusterRole/author", f"ServiceAccount/{NAMESPACE}/default", namespace="")
    at = f"/apis/{group}/v1/validatingadmissionpolicies"
    rules = [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true"}]}
    kind = {"paramKind": {"apiVersion": "v1", "kind": "Secret"}}
    policy = {"metadata": {"name": "p"}, "spec": {**spec, **kind}}
    shown = f"&{{{ACCOUNT}  [{GROUPS.strip('[]').replace(chr(34), '')}] map[]}}"
    code, body = await world.post(at, policy, Impersonate_User=ACCOUNT)
    why = 'must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)'
    named = f'ValidatingAdmissionPolicy.{group} "p" is invalid: spec.paramKind: Forbidden: user '
    assert (code, body["message"]) == (422, f"{named}{shown} {why}")
    assert (await world.post(at, policy))[0] == 201
    ref = {"name": "s", "namespace": NAMESPACE, "parameterNotFoundAction": "Deny"}
    bound = {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"], "paramRef": ref}}
    at = f"/apis/{group}/v1/validatingadmissionpolicybindings"
    code, body = await world.post(at, bound, Impersonate_User=ACCOUNT)
    why = 'does not have "get" permission on the object referenced by paramRef'
    assert code == 422
    assert body["message"].endswith(f"spec.paramRef: Forbidden: user {shown} {why}")
    role(world, "reader", rule("get", "secrets"))
    binding(world, "reader", "Role/reader", f"ServiceAccount/{NAMESPACE}/default")
    assert (await world.post(at, bound, Impersonate_User=ACCOUNT))[0] == 201
