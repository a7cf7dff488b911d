"""PodDisruptionBudgets: what they say when they are wrong. Texts are the recorded ones (policy-01)."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

SELECTOR = {"matchLabels": {"app": "web"}}


def body(**spec: Any) -> Obj:
    return {"metadata": {"name": "x", "namespace": "test"}, "spec": {"selector": SELECTOR, **spec}}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"minAvailable": 1, "maxUnavailable": 1},
            'spec: Invalid value: {"MinAvailable":1,"Selector":{"matchLabels":{"app":"web"}},"MaxUnavailable":1,'
            '"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
        ),
        ({"minAvailable": "110%"}, 'spec.minAvailable: Invalid value: "110%": must not be greater than 100%'),
        ({"maxUnavailable": -1}, "spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"minAvailable": "two"},
            'spec.minAvailable: Invalid value: "two": a valid percent string must be a numeric string followed by an '
            "ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ),
        (
            {"unhealthyPodEvictionPolicy": "Never"},
            'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": '
            'supported values: "AlwaysAllow", "IfHealthyBudget"',
        ),
    ],
)
def test_what_is_refused(held: Registry, spec: Obj, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        held.create("poddisruptionbudgets", body(**spec))
    assert caught.value.message == f'PodDisruptionBudget.policy "x" is invalid: {text}'


def test_neither_number_is_taken_and_a_status_is_not(held: Registry) -> None:
    made = held.create("poddisruptionbudgets", body() | {"status": {"disruptionsAllowed": 7}})
    assert made["status"] == {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    assert made["metadata"]["generation"] == 1
    row = held.resources["poddisruptionbudgets"].row(made)
    assert row[:4] == ["x", "N/A", "N/A", 0]
    other = body(minAvailable="50%")
    other["metadata"]["name"] = "y"
    assert held.resources["poddisruptionbudgets"].row(held.create("poddisruptionbudgets", other))[1] == "50%"


def test_conditions_of_a_status_are_whole(held: Registry) -> None:
    held.create("poddisruptionbudgets", body(minAvailable=1))

    def tell(copy: Obj) -> None:
        copy["status"]["conditions"] = [{"type": "DisruptionAllowed", "status": "True"}]

    with pytest.raises(Invalid) as caught:
        held.patch("poddisruptionbudgets", "test", "x", tell, subresource="status")
    assert "status.conditions[0].reason: Required value" in caught.value.message


def test_counts_are_not_negative(held: Registry) -> None:
    held.create("poddisruptionbudgets", body())
    with pytest.raises(Invalid, match=r"status\.currentHealthy: Invalid value: -1"):
        held.patch(
            "poddisruptionbudgets",
            "test",
            "x",
            lambda copy: copy["status"].update(currentHealthy=-1),
            subresource="status",
        )
