"""Acting as somebody else, by the verb `impersonate` or constrained to what is done."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.rbac_objects import ACCOUNT, binding, role, rule
from tests.unit.pocketkube.apiserver.world import NAMESPACE, PODS, World

AUTHENTICATION = "authentication.k8s.io"
WHOAMI = f"/apis/{AUTHENTICATION}/v1/selfsubjectreviews"


async def _as(world: World, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """A request of the service account's, with its own token."""
    token = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token"
    _, made = await world.post(token, {"spec": {}})
    sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
    async with (
        world.session(token=made["status"]["token"]) as http,
        http.request(method, path, json=body, headers=sent) as response,
    ):
        return response.status, await response.json()


def _give(world: World, *rules: Any) -> None:
    role(world, "r", *rules, namespace="")
    binding(world, "r", "ClusterRole/r", f"ServiceAccount/{NAMESPACE}/default", namespace="")


async def test_the_first_missing_right_is_named(world: World) -> None:
    code, body = await _as(world, "GET", PODS, Impersonate_User="jane")
    verb = "impersonate-on:user-info:list"
    why = f'User "{ACCOUNT}" cannot {verb} resource "pods" in API group "" in the namespace "{NAMESPACE}"'
    assert (code, body["message"]) == (403, f"pods is forbidden: {why}")
    _, body = await _as(world, "GET", "/version", Impersonate_User="system:serviceaccount:a:b")
    assert body["message"].endswith('cannot impersonate-on:serviceaccount:get path "/version"')
    _, body = await _as(world, "GET", PODS, Impersonate_User="system:serviceaccount:a:b", Impersonate_Group="g")
    assert body["message"] == (
        f'serviceaccounts "b" is forbidden: User "{ACCOUNT}" cannot impersonate resource "serviceaccounts" in API '
        'group "" in the namespace "a"'
    )


async def test_by_the_verb_impersonate_one_may_what_that_user_may(world: World) -> None:
    _give(world, rule("impersonate", "users,groups", resourceNames=["jane", "devs"]))
    role(world, "reader", rule("list", "pods"))
    binding(world, "reader", "Role/reader", "Group/devs")
    assert (await _as(world, "GET", PODS, Impersonate_User="jane", Impersonate_Group="devs"))[0] == 200
    code, body = await _as(world, "GET", PODS, Impersonate_User="jane")
    assert code == 403
    assert body["message"].startswith('pods is forbidden: User "jane" cannot list')
    assert (await _as(world, "GET", PODS, Impersonate_User="john"))[0] == 403
    assert (await _as(world, "GET", PODS, Impersonate_User="jane", Impersonate_Group="system:masters"))[0] == 403


async def test_constrained_one_may_do_just_that(world: World) -> None:
    _give(
        world,
        rule("impersonate:user-info", "users,groups", AUTHENTICATION),
        rule("impersonate-on:user-info:list", "pods"),
    )
    role(world, "all", rule("*", "*"))
    binding(world, "all", "Role/all", "User/jane")
    assert (await _as(world, "GET", PODS, Impersonate_User="jane"))[0] == 200
    code, body = await _as(world, "GET", f"{PODS}/x", Impersonate_User="jane")
    assert code == 403
    assert "cannot impersonate-on:user-info:get" in body["message"]
    for group, shown in (("system:masters", "system:masters group"), ("", "empty string group")):
        code, body = await _as(world, "GET", PODS, Impersonate_User="jane", Impersonate_Group=group)
        assert code == 403
        assert body["message"].endswith(f": impersonating the {shown} is not allowed")


async def test_nodes_and_accounts_have_the_groups_they_have(world: World) -> None:
    modes = ("serviceaccount", "arbitrary-node")
    _give(
        world,
        *(rule(f"impersonate:{mode}", "serviceaccounts,nodes", AUTHENTICATION) for mode in modes),
        *(rule(f"impersonate-on:{mode}:create", "selfsubjectreviews", AUTHENTICATION) for mode in modes),
    )
    role(world, "whoami", rule("create", "selfsubjectreviews", AUTHENTICATION), namespace="")
    binding(world, "whoami", "ClusterRole/whoami", "Group/system:authenticated", namespace="")
    question = {"apiVersion": f"{AUTHENTICATION}/v1", "kind": "SelfSubjectReview"}
    code, body = await _as(world, "POST", WHOAMI, question, Impersonate_User="system:node:n1")
    assert code == 201, body
    assert body["status"]["userInfo"]["groups"] == ["system:nodes", "system:authenticated"]
    code, body = await _as(world, "POST", WHOAMI, question, Impersonate_User="system:serviceaccount:a:b")
    groups = ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]
    assert body["status"]["userInfo"] == {"username": "system:serviceaccount:a:b", "groups": groups}


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("Impersonate-Group", 'UID:"", Groups:[]string{"x"}, Extra:map[string][]string(nil)'),
        ("Impersonate-Uid", 'UID:"x", Groups:[]string(nil), Extra:map[string][]string(nil)'),
        ("Impersonate-Extra-a", 'UID:"", Groups:[]string(nil), Extra:map[string][]string{"a":[]string{"x"}}'),
    ],
)
async def test_nobody_is_only_in_a_group(world: World, header: str, shown: str) -> None:
    code, body = await world.get(PODS, **{header.replace("-", "_"): "x"})
    assert code == 400
    asked = f'&user.DefaultInfo{{Name:"", {shown}}}'
    assert body["message"] == f"requested {asked} without impersonating a user name"


async def test_constrained_extras_have_names_and_values(world: World) -> None:
    _give(
        world,
        rule("impersonate:user-info", "users,userextras/acme.io/team,userextras/team", AUTHENTICATION),
        rule("impersonate-on:user-info:list", "pods"),
    )

    async def refusal(extra: str, value: str) -> str:
        sent = {"Impersonate_User": "jane", f"Impersonate_Extra_{extra}": value}
        _, body = await _as(world, "GET", PODS, **sent)
        return str(body["message"])

    assert (await refusal("acme.io%2fteam", "a")).startswith('pods is forbidden: User "jane" cannot list')
    assert "impersonating an invalid key in extra is not allowed: extra.key: Invalid value" in await refusal(
        "team", "a"
    )
    assert (await refusal("acme.io%2fteam", "")).endswith("the empty string value in extra is not allowed")
    assert "cannot impersonate:user-info resource" in await refusal("acme.io%2fother", "a")


async def test_all_that_is_asked_for_is_shown(world: World) -> None:
    question = {"apiVersion": f"{AUTHENTICATION}/v1", "kind": "SelfSubjectReview"}
    sent = {"Impersonate_User": "jane", "Impersonate_Uid": "u", "Impersonate_Extra_Acme.io%2fTeam": "a"}
    _, body = await world.post(WHOAMI, question, **sent)
    assert body["status"]["userInfo"] == {
        "username": "jane",
        "uid": "u",
        "groups": ["system:authenticated"],
        "extra": {"acme.io/team": ["a"]},
    }
