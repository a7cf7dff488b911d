"""What a PriorityClass writes into pods, and that there is one default at most."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube import objects
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.registry import Registry

NEVER = {"preemptionPolicy": "Never"}


@pytest.fixture
def held() -> Registry:
    found = registry()
    namespace(found, "test")
    return found


def make(held: Registry, name: str, value: int, **fields: Any) -> Obj:
    return held.create("priorityclasses", {"metadata": {"name": name}, "value": value, **fields})


def pod(**spec: Any) -> Obj:
    containers = [{"name": "main", "image": "busybox:1.36"}]
    return {"metadata": {"name": "p", "namespace": "test"}, "spec": {"containers": containers, **spec}}


def written(made: Obj) -> tuple[Any, ...]:
    spec = objects.spec(made)
    return spec.get("priorityClassName"), spec["priority"], spec["preemptionPolicy"]


def test_without_a_class_a_pod_is_in_the_middle(held: Registry) -> None:
    assert written(held.create("pods", pod())) == (None, 0, "PreemptLowerPriority")


def test_the_class_a_pod_names_is_written_into_it(held: Registry) -> None:
    make(held, "low", -5, **NEVER)
    assert written(held.create("pods", pod(priorityClassName="low"))) == ("low", -5, "Never")


def test_the_default_class_is_for_pods_that_name_none_and_later_ones_only(held: Registry) -> None:
    before = held.create("pods", pod())
    make(held, "usual", 7, globalDefault=True)
    held.delete("pods", "test", "p")
    assert written(before) == (None, 0, "PreemptLowerPriority")
    assert written(held.create("pods", pod())) == ("usual", 7, "PreemptLowerPriority")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priorityClassName": "ghost"}, "no PriorityClass with name ghost was found"),
        (
            {"priority": 3},
            "the integer value of priority (3) must not be provided in pod spec; "
            "priority admission controller computed 0 from the given PriorityClass name",
        ),
        (
            {"priorityClassName": "high", "preemptionPolicy": "Never"},
            "the string value of PreemptionPolicy (Never) must not be provided in pod spec; "
            "priority admission controller computed PreemptLowerPriority from the given PriorityClass name",
        ),
    ],
)
def test_what_is_refused(held: Registry, spec: Obj, why: str) -> None:
    make(held, "high", 10)
    with pytest.raises(Forbidden) as caught:
        held.create("pods", pod(**spec))
    assert caught.value.message == f'pods "p" is forbidden: {why}'


def test_what_is_computed_may_be_said(held: Registry) -> None:
    make(held, "high", 10)
    made = held.create("pods", pod(priorityClassName="high", priority=10, preemptionPolicy="PreemptLowerPriority"))
    assert written(made) == ("high", 10, "PreemptLowerPriority")


def test_an_update_that_leaves_it_out_keeps_it(held: Registry) -> None:
    made = objects.copy(held.create("pods", pod()))
    made["metadata"]["labels"] = {"app": "web"}
    del made["spec"]["priority"], made["spec"]["preemptionPolicy"]
    assert written(held.update("pods", made)) == (None, 0, "PreemptLowerPriority")


def test_there_is_one_default(held: Registry) -> None:
    first = make(held, "first", 1, globalDefault=True)
    why = "PriorityClass first is already marked as default. Only one default can exist"
    with pytest.raises(Forbidden) as caught:
        make(held, "second", 2, globalDefault=True)
    assert caught.value.message == f'priorityclasses.scheduling.k8s.io "second" is forbidden: {why}'
    make(held, "third", 3)
    with pytest.raises(Forbidden, match=why):
        held.patch("priorityclasses", "", "third", lambda copy: copy.update(globalDefault=True))
    held.update("priorityclasses", {**objects.copy(first), "description": "mine"})
    held.patch("priorityclasses", "", "first", lambda copy: copy.update(globalDefault=False))
    held.patch("priorityclasses", "", "third", lambda copy: copy.update(globalDefault=True))
