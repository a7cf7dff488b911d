"""Rules as `describe` and `auth can-i --list` show them."""

from __future__ import annotations

from kindlab.kubectl import describing_access, printers

RULES = [
    {"apiGroups": ["", "apps"], "resources": ["pods", "deployments/scale"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["watch", "get"]},
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]},
    {"nonResourceURLs": ["/x", "/y/*"], "verbs": ["get", "post"]},
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
]


def test_a_row_for_each_resource_with_all_its_verbs() -> None:
    assert describing_access.rows(RULES) == [
        ["*.*", "[]", "[]", "[*]"],
        ["pods", "[]", "[]", "[get list watch]"],
        ["deployments/scale", "[]", "[]", "[get list]"],
        ["deployments.apps/scale", "[]", "[]", "[get list]"],
        ["pods.apps", "[]", "[]", "[get list]"],
        ["", "[/x]", "[]", "[get]"],
        ["", "[/y/*]", "[]", "[get]"],
        ["secrets", "[]", "[a]", "[get]"],
        ["secrets", "[]", "[b]", "[get]"],
        ["", "[/x]", "[]", "[post]"],
        ["", "[/y/*]", "[]", "[post]"],
    ]


def test_a_binding() -> None:
    made = {
        "metadata": {"name": "b", "labels": {"a": "b"}},
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "ns"}, {"kind": "User", "name": "jane"}],
    }
    assert printers.tabbed(list(describing_access.binding(made))).splitlines() == [
        "Name:         b",
        "Labels:       a=b",
        "Annotations:  <none>",
        "Role:",
        "  Kind:  Role",
        "  Name:  r",
        "Subjects:",
        "  Kind            Name   Namespace",
        "  ----            ----   ---------",
        "  ServiceAccount  robot  ns",
        "  User            jane   ",
    ]
