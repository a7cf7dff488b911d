"""What a pod as a whole requests and is limited to: defaults, quality, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources import storage_kinds

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry


def amounts(requests: Obj | None = None, limits: Obj | None = None) -> Obj:
    return {side: found for side, found in (("limits", limits), ("requests", requests)) if found}


def pod(whole: Obj | None, *of_containers: Obj, **spec: Any) -> Obj:
    """`whole`: resources of the pod; `of_containers`: of each container."""
    containers = [
        {"name": f"c{number}", "image": "busybox:1.36", "resources": found}
        for number, found in enumerate(of_containers or ({},))
    ]
    return {
        "metadata": {"name": "p", "namespace": "test"},
        "spec": {"containers": containers, "resources": whole, **spec},
    }


@pytest.mark.parametrize(
    ("whole", "containers", "becomes"),
    [
        # requests come from limits
        (
            amounts(limits={"cpu": "1", "memory": "64Mi"}),
            [{}],
            amounts({"cpu": "1", "memory": "64Mi"}, {"cpu": "1", "memory": "64Mi"}),
        ),
        # and before that from what containers request, together
        (
            amounts(limits={"cpu": "1"}),
            [amounts({"cpu": "100m", "memory": "8Mi"}), amounts({"cpu": "200m"})],
            amounts({"cpu": "300m", "memory": "8Mi"}, {"cpu": "1"}),
        ),
        # what is said stays
        (
            amounts({"cpu": "500m"}, {"cpu": "1"}),
            [amounts({"cpu": "100m"})],
            amounts({"cpu": "500m"}, {"cpu": "1"}),
        ),
        # without limits nothing is added
        (amounts({"cpu": "500m"}), [amounts({"cpu": "100m", "memory": "8Mi"})], amounts({"cpu": "500m"})),
        # huge pages are limited as those of the containers are
        (
            amounts({"cpu": "1"}),
            [amounts(limits={"cpu": "1", "hugepages-2Mi": "4Mi"})],
            amounts({"cpu": "1", "hugepages-2Mi": "4Mi"}, {"hugepages-2Mi": "4Mi"}),
        ),
        # a quantity is written as always
        (amounts({"cpu": "0.5"}), [{}], amounts({"cpu": "500m"})),
        ({}, [amounts({"cpu": "100m"})], {}),
    ],
)
def test_defaults(held: Registry, whole: Obj, containers: list[Obj], becomes: Obj) -> None:
    made = held.create("pods", pod(whole, *containers))
    assert made["spec"]["resources"] == becomes


def test_a_template_is_not_filled_up(held: Registry) -> None:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": pod(amounts(limits={"cpu": "1000m"}))["spec"]}
    spec = {"selector": {"matchLabels": {"app": "a"}}, "template": template}
    made = held.create("deployments", {"metadata": {"name": "d", "namespace": "test"}, "spec": spec})
    assert made["spec"]["template"]["spec"]["resources"] == amounts(limits={"cpu": "1"})


BOTH = {"cpu": "1", "memory": "64Mi"}


@pytest.mark.parametrize(
    ("whole", "container", "quality"),
    [
        (amounts(BOTH, BOTH), {}, "Guaranteed"),
        (amounts(limits=BOTH), {}, "Guaranteed"),
        (amounts(limits=BOTH), amounts({"cpu": "100m"}), "Burstable"),
        (amounts({"cpu": "1"}), amounts(BOTH, BOTH), "Burstable"),
        (amounts(limits={"cpu": "1"}), {}, "Burstable"),
        ({}, amounts(BOTH, BOTH), "BestEffort"),
        (None, amounts(BOTH, BOTH), "Guaranteed"),
    ],
)
def test_quality_is_that_of_the_whole_if_there_is_one(
    held: Registry, whole: Obj | None, container: Obj, quality: str
) -> None:
    assert held.create("pods", pod(whole, container))["status"]["qosClass"] == quality


SUPPORTED = 'supported values: "cpu", "hugepages-", "memory"'


@pytest.mark.parametrize(
    ("whole", "containers", "where", "why"),
    [
        (
            {"claims": [{"name": "gpu"}]},
            [{}],
            "claims",
            "Forbidden: claims may not be set for Resources at pod-level",
        ),
        (
            amounts({"ephemeral-storage": "1Gi"}),
            [{}],
            "requests[ephemeral-storage]",
            f'Unsupported value: "ephemeral-storage": {SUPPORTED}',
        ),
        (
            amounts(limits={"example.com/gpu": "1"}),
            [{}],
            "limits[example.com/gpu]",
            f'Unsupported value: "example.com/gpu": {SUPPORTED}',
        ),
        (
            amounts({"cpu": "2"}, {"cpu": "1"}),
            [{}],
            "requests",
            'Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            amounts({"cpu": "200m"}, {"cpu": "1"}),
            [amounts({"cpu": "150m"}), amounts({"cpu": "100m"})],
            "requests[cpu]",
            'Invalid value: "200m": must be greater than or equal to aggregate container requests of 250m',
        ),
        (
            amounts(limits={"memory": "32Mi"}),
            [{}, amounts({"memory": "1Mi"}, {"memory": "64Mi"})],
            "containers[1][memory].limits",
            'Invalid value: "64Mi": must be less than or equal to pod limits of 32Mi',
        ),
        (
            amounts({"cpu": "1", "hugepages-2Mi": "2Mi"}, {"hugepages-2Mi": "2Mi"}),
            [amounts(limits={"cpu": "1", "hugepages-2Mi": "2Mi"})] * 2,
            "limits[hugepages-2Mi]",
            'Invalid value: "2Mi": must be greater than or equal to aggregate container limits of 4Mi',
        ),
        (
            amounts({"cpu": "1"}, {"hugepages-2Mi": "3Mi"}),
            [{}],
            "limits[hugepages-2Mi]",
            'Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
        ),
    ],
)
def test_what_is_refused(held: Registry, whole: Obj, containers: list[Obj], where: str, why: str) -> None:
    found = storage_kinds.refused(held, "pods", pod(whole, *containers))
    assert f"spec.resources.{where}: {why}" in found


def test_a_pod_for_windows_has_none(held: Registry) -> None:
    why = "spec.resources: Forbidden: may not be set for a windows pod"
    assert storage_kinds.refused(held, "pods", pod(amounts({"cpu": "1"}), os={"name": "windows"})) == [why]


@pytest.mark.parametrize("amount", ["3Mi", "1"])
def test_a_container_too_has_whole_huge_pages(held: Registry, amount: str) -> None:
    found = storage_kinds.refused(held, "pods", pod(None, amounts(limits={"cpu": "1", "hugepages-2Mi": amount})))
    why = f'Invalid value: "{amount}": {amount} is not positive integer multiple of hugepages-2Mi'
    assert f"spec.containers[0].resources.limits[hugepages-2Mi]: {why}" in found


def resized(held: Registry, whole: Obj | None) -> Obj:
    def change(copy: Obj) -> None:
        copy["spec"]["resources"] = whole

    return held.patch("pods", "test", "p", change, subresource="resize")


def test_the_whole_is_resized(held: Registry) -> None:
    held.create("pods", pod(amounts({"cpu": "500m"}, {"cpu": "1"})))
    made = resized(held, amounts({"cpu": "1"}, {"cpu": "2"}))
    assert made["spec"]["resources"] == amounts({"cpu": "1"}, {"cpu": "2"})
    assert made["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("whole", "why"),
    [
        (None, "spec.resources: Forbidden: pod-level resources cannot be removed"),
        (amounts({"cpu": "500m"}), "spec.resources.limits: Forbidden: pod-level resource limits cannot be removed"),
        (
            amounts({"cpu": "500m", "hugepages-2Mi": "2Mi"}, {"cpu": "1", "hugepages-2Mi": "2Mi"}),
            "spec: Forbidden: only cpu and memory resources are mutable at pod-level",
        ),
    ],
)
def test_what_a_resize_may_not(held: Registry, whole: Obj | None, why: str) -> None:
    held.create("pods", pod(amounts({"cpu": "500m"}, {"cpu": "1"})))
    with pytest.raises(Invalid) as caught:
        resized(held, whole)
    assert why in caught.value.message


def test_an_update_changes_nothing_of_it(held: Registry) -> None:
    held.create("pods", pod(amounts({"cpu": "500m"}, {"cpu": "1"})))

    def change(copy: Obj) -> None:
        copy["spec"]["resources"]["limits"]["cpu"] = "2"

    with pytest.raises(Invalid, match="pod updates may not change fields other than"):
        held.patch("pods", "test", "p", change)


def test_a_scheduling_group_is_dropped(held: Registry) -> None:
    made = held.create("pods", pod(None, schedulingGroup={"podGroupName": "together"}))
    assert "schedulingGroup" not in made["spec"]
