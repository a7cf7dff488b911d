"""Conditions with a reason and a time: what may be written to a status."""

from __future__ import annotations

import pytest

from pocketkube.objects import Obj
from pocketkube.resources import conditions

RIGHT: Obj = {"type": "Ready", "status": "True", "reason": "AllIsWell", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def wrong(*found: Obj) -> list[str]:
    return [str(cause) for cause in conditions.validate("status.conditions", list(found))]


def test_a_right_one() -> None:
    assert wrong(RIGHT, {**RIGHT, "type": "example.com/Other", "status": "Unknown", "message": "x" * 32768}) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "Maybe"}, 'status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"'),
        ({"observedGeneration": -1}, "observedGeneration: Invalid value: -1: must be greater than or equal to zero"),
        ({"lastTransitionTime": None}, "lastTransitionTime: Required value"),
        ({"reason": ""}, "reason: Required value"),
        ({"reason": "not so"}, 'reason: Invalid value: "not so": a condition reason must start with alphabetic'),
        ({"reason": "x" * 1025}, "reason: Too long: may not be more than 1024 bytes"),
        ({"message": "x" * 32769}, "message: Too long: may not be more than 32768 bytes"),
        ({"type": "a b"}, 'type: Invalid value: "a b": name part must consist of alphanumeric'),
    ],
)
def test_a_wrong_one(change: Obj, why: str) -> None:
    [found] = wrong({**RIGHT, **change})
    assert found.startswith(f"status.conditions[0].{why}")


def test_each_type_once() -> None:
    assert wrong(RIGHT, RIGHT) == ['status.conditions[1].type: Duplicate value: "Ready"']
