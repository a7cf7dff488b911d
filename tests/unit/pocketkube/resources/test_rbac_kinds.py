"""Roles and bindings: defaults, columns, what may not be and what may not change."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

GROUP = "rbac.authorization.k8s.io"
RULE = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}


@pytest.fixture
def held() -> Registry:
    made = registry()
    namespace(made, "ns")
    return made


def made(held: Registry, resource: str, name: str = "x", **fields: Any) -> Obj:
    meta = {"name": name, "namespace": "ns"} if held.resources[resource].namespaced else {"name": name}
    return held.create(resource, {"metadata": meta, **fields})


def problems(held: Registry, resource: str, **fields: Any) -> list[str]:
    with pytest.raises(Invalid) as refused:
        made(held, resource, **fields)
    return [f"{cause['field']}: {cause['message']}" for cause in (refused.value.details or {})["causes"]]


def test_a_role_without_rules_says_so(held: Registry) -> None:
    role = made(held, "roles")
    assert role["rules"] is None
    assert held.resources["roles"].row(role) == ["x", role["metadata"]["creationTimestamp"]]


@pytest.mark.parametrize("name", ["system:a", "Upper Case", "ü"])
def test_names_are_free(held: Registry, name: str) -> None:
    assert made(held, "clusterroles", name)["metadata"]["name"] == name


@pytest.mark.parametrize("name", ["a/b", "a%b", ".."])
def test_but_for_what_no_path_can_hold(held: Registry, name: str) -> None:
    assert problems(held, "clusterroles", name=name)[0].startswith("metadata.name: Invalid value")


@pytest.mark.parametrize(
    ("resource", "rule", "expected"),
    [
        ("roles", {**RULE, "verbs": []}, ["verbs: Required value: verbs must contain at least one value"]),
        (
            "roles",
            {"verbs": ["get"]},
            [
                "apiGroups: Required value: resource rules must supply at least one api group",
                "resources: Required value: resource rules must supply at least one resource",
            ],
        ),
        (
            "roles",
            {"verbs": ["get"], "nonResourceURLs": ["/x"]},
            ['nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs'],
        ),
        (
            "clusterroles",
            {**RULE, "nonResourceURLs": ["/x"]},
            [
                'nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and '
                "non-resource URLs"
            ],
        ),
    ],
)
def test_rules_that_say_nothing(held: Registry, resource: str, rule: Obj, expected: list[str]) -> None:
    assert problems(held, resource, rules=[RULE, rule]) == [f"rules[1].{text}" for text in expected]


def test_aggregation_rules(held: Registry) -> None:
    assert problems(held, "clusterroles", aggregationRule={}) == [
        "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if "
        "aggregationRule is non-nil"
    ]
    bad = {"clusterRoleSelectors": [{"matchLabels": {"a b": "c"}}]}
    assert problems(held, "clusterroles", aggregationRule=bad)[0].startswith(
        'aggregationRule.clusterRoleSelectors[0].matchLabels: Invalid value: "a b"'
    )


def test_a_binding_gets_its_groups(held: Registry) -> None:
    subjects = [{"kind": kind, "name": "n"} for kind in ("User", "Group")]
    account = {"kind": "ServiceAccount", "name": "n", "namespace": "other"}
    role = {"kind": "ClusterRole", "name": "x"}
    found = made(held, "rolebindings", roleRef=role, subjects=[*subjects, account, {**account, "namespace": "ns"}])
    assert found["roleRef"] == {"apiGroup": GROUP, **role}
    assert [subject.get("apiGroup", "") for subject in found["subjects"]] == [GROUP, GROUP, "", ""]
    row = held.resources["rolebindings"].row(found)
    assert row[:2] + row[3:] == ["x", "ClusterRole/x", "n", "n", "other/n, ns/n"]


@pytest.mark.parametrize(
    ("resource", "role", "subjects", "expected"),
    [
        ("rolebindings", {"kind": "Role"}, [], ["roleRef.name: Required value"]),
        (
            "rolebindings",
            {"kind": "Role", "name": "a/b"},
            [],
            ["roleRef.name: Invalid value: \"a/b\": may not contain '/'"],
        ),
        (
            "rolebindings",
            {"kind": "Thing", "name": "x", "apiGroup": "acme.io"},
            [],
            [
                f'roleRef.apiGroup: Unsupported value: "acme.io": supported values: "{GROUP}"',
                'roleRef.kind: Unsupported value: "Thing": supported values: "Role", "ClusterRole"',
            ],
        ),
        (
            "clusterrolebindings",
            {"kind": "Role", "name": "x"},
            [{"kind": "ServiceAccount", "name": "a"}],
            [
                'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
                "subjects[0].namespace: Required value",
            ],
        ),
        (
            "rolebindings",
            {"kind": "Role", "name": "x"},
            [
                {"kind": "User"},
                {"kind": "Group", "name": "g", "apiGroup": "v1"},
                {"kind": "ServiceAccount", "name": "A", "apiGroup": GROUP},
                {"kind": "Robot", "name": "r"},
            ],
            [
                "subjects[0].name: Required value",
                f'subjects[1].apiGroup: Unsupported value: "v1": supported values: "{GROUP}"',
                'subjects[2].name: Invalid value: "A": a lowercase RFC 1123 subdomain must',
                f'subjects[2].apiGroup: Unsupported value: "{GROUP}": supported values: ""',
                'subjects[3].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
            ],
        ),
    ],
)
def test_bindings_that_bind_nothing(
    held: Registry, resource: str, role: Obj, subjects: list[Obj], expected: list[str]
) -> None:
    found = problems(held, resource, roleRef=role, subjects=subjects)
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


def test_what_a_binding_binds_stays(held: Registry) -> None:
    made(held, "rolebindings", roleRef={"kind": "Role", "name": "x"})
    with pytest.raises(Invalid, match="cannot change roleRef") as refused:
        held.patch("rolebindings", "ns", "x", lambda copy: copy["roleRef"].update(name="y"))
    shown = f'{{"APIGroup":"{GROUP}","Kind":"Role","Name":"y"}}'
    assert f"roleRef: Invalid value: {shown}: cannot change roleRef" in refused.value.message
