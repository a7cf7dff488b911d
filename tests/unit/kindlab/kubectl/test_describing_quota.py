"""The texts of describe for quotas, beyond what is compared with kubectl itself."""

import pytest

from kindlab.kubectl import describing_quota


@pytest.mark.parametrize(
    ("used", "hard", "shown"),
    [
        ("512M", "1Gi", "500000Ki"),
        ("1Gi", "2G", "1073741824"),
        ("2000", "1Ki", "2000"),
        ("2Ki", "1M", "2048"),
        ("1Mi", "1Gi", "1Mi"),
        ("0", "1Gi", "0"),
        ("500m", "1Gi", "1"),
        ("1Ei", "1", "1152921504606846976"),
    ],
)
def test_what_is_used_is_shown_in_the_family_of_the_limit(used: str, hard: str, shown: str) -> None:
    quota = {
        "metadata": {"name": "q", "namespace": "n"},
        "spec": {},
        "status": {"hard": {"memory": hard}, "used": {"memory": used}},
    }
    assert list(describing_quota.quota(quota))[-1] == f"memory\t{shown}\t{hard}"


def test_a_namespace_that_cannot_go_says_why() -> None:
    condition = {
        "type": "NamespaceContentRemaining",
        "status": "True",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "reason": "SomeResourcesRemain",
        "message": "Some resources are remaining: pods. has 1 resource instances",
    }
    space = {"metadata": {"name": "n"}, "status": {"phase": "Terminating", "conditions": [condition]}}
    lines = list(describing_quota.namespace(space, [], []))
    assert lines[3:7] == [
        "Status:\tTerminating",
        "Conditions:",
        "  Type\tStatus\tLastTransitionTime\tReason\tMessage",
        "  ----\t------\t------------------\t------\t-------",
    ]
    assert lines[7].startswith("  NamespaceContentRemaining\tTrue\tFri, 02 Jan 2026")
    assert lines[8:] == ["", "No resource quota.", "", "No LimitRange resource."]
