"""PriorityClasses: defaults, what may not be, what may not change, and what is the system's own."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry
from tests.unit.pocketkube.resources.storage_kinds import refused, row

from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.priorityclasses import HIGHEST, SYSTEM, system_class


@pytest.fixture
def held() -> Registry:
    return registry()


def priority_class(name: str = "high", value: int = 1000, **fields: Any) -> Obj:
    return {"metadata": {"name": name}, "value": value, **fields}


def test_defaults_and_row(held: Registry) -> None:
    made = held.create("priorityclasses", priority_class())
    assert made["preemptionPolicy"] == "PreemptLowerPriority"
    assert made["metadata"]["generation"] == 1
    assert held.resources["priorityclasses"].row(made)[:3] == ["high", 1000, False]
    assert held.resources["priorityclasses"].row(made)[4] == "PreemptLowerPriority"
    assert "high" in row(held, "priorityclasses", made)


@pytest.mark.parametrize("name", sorted(SYSTEM))
def test_the_systems_classes_are_as_they_are_and_stay(held: Registry, name: str) -> None:
    made = held.create("priorityclasses", system_class(name))
    assert made["value"] > HIGHEST
    with pytest.raises(Forbidden, match="this is a system priority class and cannot be deleted"):
        held.delete("priorityclasses", "", name)


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (
            priority_class(value=HIGHEST + 1),
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
        ),
        (
            priority_class("system-mine"),
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: system-mine is not a known system priority class",
        ),
        (
            priority_class("system-node-critical"),
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: value of system-node-critical PriorityClass must be 2000001000",
        ),
        (
            priority_class("system-node-critical", 2000001000, globalDefault=True),
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: globalDefault of system-node-critical PriorityClass must be false",
        ),
        (
            priority_class(preemptionPolicy="Sometimes"),
            'preemptionPolicy: Unsupported value: "Sometimes": supported values: "Never", "PreemptLowerPriority"',
        ),
        (priority_class(preemptionPolicy=""), "preemptionPolicy: Required value"),
    ],
)
def test_what_is_refused(held: Registry, wanted: Obj, problem: str) -> None:
    assert refused(held, "priorityclasses", wanted) == [problem]


def test_what_may_change(held: Registry) -> None:
    held.create("priorityclasses", priority_class())
    changed = held.update("priorityclasses", priority_class(description="for the front end", globalDefault=True))
    assert changed["globalDefault"] is True
    assert changed["metadata"]["generation"] == 1
    other = priority_class(value=5, preemptionPolicy="Never")
    assert refused(held, "priorityclasses", other, update=True) == [
        "value: Forbidden: may not be changed in an update.",
        'preemptionPolicy: Invalid value: "Never": field is immutable',
    ]
