"""What a RuntimeClass brings to a pod, and which pods it keeps out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.admission.runtimeclass import _covers, merged
from pocketkube.errors import Forbidden, Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

CLASS = {
    "handler": "runc",
    "overhead": {"podFixed": {"cpu": "10m"}},
    "scheduling": {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]},
}


@pytest.fixture
def held() -> Registry:
    found = registry()
    namespace(found, "test")
    return found


def make(held: Registry, name: str = "fast", **fields: Any) -> Obj:
    return held.create("runtimeclasses", {"metadata": {"name": name}, "handler": "runc", **fields})


def pod(**spec: Any) -> Obj:
    containers = [{"name": "main", "image": "busybox:1.36"}]
    return {"metadata": {"name": "p", "namespace": "test"}, "spec": {"containers": containers, **spec}}


def test_overhead_and_where_to_run_come_from_the_class(held: Registry) -> None:
    make(held, **CLASS)
    spec = held.create("pods", pod(runtimeClassName="fast", nodeSelector={"zone": "a"}))["spec"]
    assert spec["overhead"] == {"cpu": "10m"}
    assert spec["nodeSelector"] == {"zone": "a", "disk": "ssd"}
    assert {"key": "gpu", "operator": "Exists"} in spec["tolerations"]


def test_a_bare_class_adds_nothing(held: Registry) -> None:
    make(held)
    spec = held.create("pods", pod(runtimeClassName="fast"))["spec"]
    assert "overhead" not in spec
    assert "nodeSelector" not in spec


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        (
            {"runtimeClassName": "fast", "overhead": {"cpu": "20m"}},
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        ),
        (
            {"overhead": {"cpu": "20m"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            {"runtimeClassName": "fast", "nodeSelector": {"disk": "tape"}},
            "conflict: runtimeClass.scheduling.nodeSelector[disk] = ssd; pod.spec.nodeSelector[disk] = tape",
        ),
    ],
)
def test_refused(held: Registry, spec: Obj, text: str) -> None:
    make(held, **CLASS)
    with pytest.raises(Forbidden) as raised:
        held.create("pods", pod(**spec))
    assert str(raised.value) == f'pods "p" is forbidden: {text}'


def test_the_same_overhead_in_other_words_is_no_conflict(held: Registry) -> None:
    make(held, **CLASS)
    assert held.create("pods", pod(runtimeClassName="fast", overhead={"cpu": "0.01"}))["spec"]["overhead"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"handler": ""}, "handler: Required value"),
        ({"handler": "No"}, "handler: Invalid value"),
        ({"overhead": {"podFixed": {"cpu": "-1"}}}, "overhead.limits[cpu]: Invalid value"),
        ({"scheduling": {"nodeSelector": {"-": "x"}}}, "scheduling.nodeSelector: Invalid value"),
        (
            {"scheduling": {"tolerations": [{"key": "a", "operator": "Exists"}] * 2}},
            "scheduling.tolerations[1]: Duplicate value",
        ),
    ],
)
def test_a_class_that_is_wrong(held: Registry, fields: Obj, text: str) -> None:
    with pytest.raises(Invalid) as raised:
        make(held, **fields)
    assert text in str(raised.value)


def test_the_handler_stays(held: Registry) -> None:
    made = make(held)
    with pytest.raises(Invalid, match='handler: Invalid value: "other": field is immutable'):
        held.update("runtimeclasses", {**made, "handler": "other"})


TOLERATIONS = st.lists(
    st.fixed_dictionaries(
        {"operator": st.sampled_from(["Exists", "Equal"])},
        optional={
            "key": st.sampled_from(["a", "b"]),
            "effect": st.sampled_from(["NoExecute", "NoSchedule"]),
            "tolerationSeconds": st.integers(1, 3),
        },
    ),
    max_size=5,
)


@given(TOLERATIONS)
def test_merging_keeps_what_covers_everything_and_nothing_twice(tolerations: list[Obj]) -> None:
    kept = merged(tolerations)
    assert all(any(_covers(one, other) for one in kept) for other in tolerations if other["operator"] == "Exists")
    assert all(one in tolerations for one in kept)
    assert merged(kept) == kept
