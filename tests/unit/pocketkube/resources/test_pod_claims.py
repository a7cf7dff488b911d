"""The claims for devices that pods name."""

from __future__ import annotations

import pytest
from tests.unit.pocketkube.resources.storage_kinds import refused

from pocketkube.objects import Obj
from pocketkube.registry import Registry

OTHER = {"name": "other", "resourceClaimTemplateName": "t"}


def pod(claims: list[Obj], used: list[Obj] | None = None) -> Obj:
    container = {"name": "c", "image": "i", "resources": {"claims": used or []}}
    return {
        "metadata": {"name": "p", "namespace": "test"},
        "spec": {"containers": [container], "resourceClaims": claims},
    }


def test_claims_are_named_and_used(held: Registry) -> None:
    used = [{"name": "a", "request": "one"}, {"name": "a", "request": "two"}, {"name": "other"}]
    assert held.create("pods", pod([{"name": "a", "resourceClaimName": "c"}, OTHER], used))


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (pod([{"resourceClaimName": "c"}]), "spec.resourceClaims[0].name: Required value"),
        (pod([OTHER, OTHER]), 'spec.resourceClaims[1].name: Duplicate value: "other"'),
        (
            pod([{"name": "a"}]),
            '{"Name":"a","ResourceClaimName":null,"ResourceClaimTemplateName":null}'
            ": must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
        ),
        (pod([{**OTHER, "resourceClaimName": "c"}]), "at most one of `resourceClaimName` or `resourceClaimTemplateNa"),
        (
            pod([{"name": "a", "resourceClaimName": "C"}]),
            'spec.resourceClaims[0].resourceClaimName: Invalid value: "C"',
        ),
        (
            pod([], [{"name": "a"}]),
            'spec.containers[0].resources.claims[0]: Not found: "a": must be one of the names in '
            "pod.spec.resourceClaims which is empty",
        ),
        (pod([OTHER], [{"name": "a"}]), "must be one of the names in pod.spec.resourceClaims: other"),
        (pod([OTHER], [{"name": "other"}, {"name": "other"}]), 'claims[1]: Duplicate value: "other"'),
        (pod([OTHER], [{"name": "other", "request": "r"}, {"name": "other"}]), 'claims[1]: Duplicate value: "other"'),
        (pod([OTHER], [{"name": "other", "request": "R"}]), 'claims[0].request: Invalid value: "R"'),
    ],
)
def test_what_is_no_claim(held: Registry, wanted: Obj, problem: str) -> None:
    (found,) = refused(held, "pods", wanted)
    assert problem in found
