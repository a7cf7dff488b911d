"""LimitRanger: what is filled in, and what is refused beyond the recorded texts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources import direct

from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.registry import Registry


@pytest.fixture
def registry() -> Registry:
    held = direct.registry()
    direct.namespace(held, "test")
    return held


def limits(registry: Registry, *given: Obj, name: str = "l") -> None:
    registry.create("limitranges", {"metadata": {"name": name, "namespace": "test"}, "spec": {"limits": list(given)}})


def container(requests: Obj | None = None, limits: Obj | None = None, **fields: Any) -> Obj:
    sides = {"requests": requests, "limits": limits}
    given = {name: amounts for name, amounts in sides.items() if amounts}
    return {"name": "c", "image": "i", "resources": given, **fields}


def pod(registry: Registry, *containers: Obj, **spec: Any) -> Obj:
    body = {"containers": list(containers), **spec}
    return registry.create("pods", {"metadata": {"name": "p", "namespace": "test"}, "spec": body})


def refusal(registry: Registry, *containers: Obj, **spec: Any) -> str:
    with pytest.raises(Forbidden) as caught:
        pod(registry, *containers, **spec)
    return caught.value.message.removeprefix('pods "p" is forbidden: ')


def test_defaults_are_told_container_by_container(registry: Registry) -> None:
    limits(
        registry, {"type": "Container", "default": {"cpu": "200m", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}}
    )
    made = pod(
        registry,
        container({"cpu": "50m"}, {"cpu": "60m"}),
        container(name="d"),
        initContainers=[container(name="i")],
    )
    first, second = made["spec"]["containers"]
    assert first["resources"] == {
        "requests": {"cpu": "50m", "memory": "1Gi"},
        "limits": {"cpu": "60m", "memory": "1Gi"},
    }
    given = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "200m", "memory": "1Gi"}}
    assert second["resources"] == made["spec"]["initContainers"][0]["resources"] == given
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: memory request for container c; memory limit for container c; "
        "cpu, memory request for container d; cpu, memory limit for container d; "
        "cpu, memory request for init container i; cpu, memory limit for init container i"
    )
    assert made["status"]["qosClass"] == "Burstable"


def test_a_pod_that_says_all_is_not_annotated(registry: Registry) -> None:
    limits(registry, {"type": "Container", "default": {"cpu": "200m"}})
    assert "annotations" not in pod(registry, container({"cpu": "1"}, {"cpu": "1"}))["metadata"]


@pytest.mark.parametrize(
    ("limit", "asked", "text"),
    [
        ({"type": "Pod", "min": {"cpu": "1"}}, {}, "minimum cpu usage per Pod is 1.  No request is specified"),
        (
            {"type": "Pod", "max": {"cpu": "1"}},
            {"requests": {"cpu": "1"}},
            "maximum cpu usage per Pod is 1.  No limit is specified",
        ),
        (
            {"type": "Pod", "max": {"cpu": "1"}},
            {"limits": {"cpu": "600m"}},
            "maximum cpu usage per Pod is 1, but limit is 1200m",
        ),
        (
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "300m"}},
            "cpu max limit to request ratio per Pod is 2, but provided ratio is 3.000000",
        ),
        (
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "2"}},
            {},
            "cpu max limit to request ratio per Pod is 2, but no request is specified or request is 0",
        ),
        (
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "1"}},
            "cpu max limit to request ratio per Pod is 2, but no limit is specified or limit is 0",
        ),
    ],
)
def test_limits_of_whole_pods(registry: Registry, limit: Obj, asked: Obj, text: str) -> None:
    limits(registry, limit)
    assert refusal(registry, container(**asked), container(name="d", **asked)) == text


def test_a_ratio_that_just_fits(registry: Registry) -> None:
    limits(registry, {"type": "Container", "maxLimitRequestRatio": {"cpu": "11"}})
    pod(registry, container({"cpu": "100m"}, {"cpu": "1100m"}))


def test_every_violation_is_told_once(registry: Registry) -> None:
    limits(registry, {"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}})
    large = container(None, {"cpu": "2", "memory": "2Gi"})
    assert refusal(registry, large, {**large, "name": "d"}) == (
        "[maximum cpu usage per Container is 1, but limit is 2, "
        "maximum memory usage per Container is 1Gi, but limit is 2Gi]"
    )


def test_init_containers_are_bounded_and_sidecars_summed(registry: Registry) -> None:
    limits(registry, {"type": "Pod", "max": {"cpu": "1"}})
    sidecar = container(None, {"cpu": "500m"}, name="s", restartPolicy="Always")
    assert refusal(registry, container(None, {"cpu": "600m"}), initContainers=[sidecar]) == (
        "maximum cpu usage per Pod is 1, but limit is 1100m"
    )


def claim(registry: Registry, storage: str) -> Obj:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    return registry.create("persistentvolumeclaims", {"metadata": {"name": "c", "namespace": "test"}, "spec": spec})


def test_claims_have_a_least_size(registry: Registry) -> None:
    limits(registry, {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}})
    with pytest.raises(Forbidden, match="minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"):
        claim(registry, "1Mi")
    claim(registry, "1Gi")


def test_pods_that_are_there_may_change(registry: Registry) -> None:
    made = pod(registry, container())
    limits(registry, {"type": "Container", "min": {"cpu": "1"}})
    registry.patch("pods", "test", made["metadata"]["name"], lambda obj: obj["metadata"].update(labels={"a": "b"}))


def test_a_resize_stays_within_bounds(registry: Registry) -> None:
    limits(registry, {"type": "Container", "max": {"cpu": "1"}})
    pod(registry, container({"cpu": "500m"}, {"cpu": "500m"}))

    def grow(copy: Obj) -> None:
        copy["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "500m"}, "limits": {"cpu": "2"}}

    with pytest.raises(Forbidden, match="maximum cpu usage per Container is 1, but limit is 2"):
        registry.patch("pods", "test", "p", grow, subresource="resize")


def test_what_a_pod_has_as_a_whole_is_bounded(registry: Registry) -> None:
    limits(registry, {"type": "Pod", "max": {"cpu": "1"}})
    given = {"resources": {"limits": {"cpu": "2"}}}
    why = "maximum cpu usage per Pod is 1, but limit is 2"
    assert refusal(registry, container({"cpu": "500m"}), **given) == why
