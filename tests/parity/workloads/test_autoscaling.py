"""HorizontalPodAutoscalers, by the replicas they set and what they say of themselves.

After upstream's e2e tests (test/e2e/autoscaling) and the walkthrough of its documentation. A cluster needs a
metrics-server; one that looks as seldom as upstream's takes minutes where pocket takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.parity.network.support import BUSYBOX, START, Place, deployment, pod, ready_endpoints, service

from kindlab.api import ApiError, Obj

KIND = "HorizontalPodAutoscaler"
NAME = "web"
HPA_EXAMPLE = "registry.k8s.io/hpa-example"
LOAD = "trap 'exit 0' TERM; while true; do wget -q -T 5 -O- http://web/ >/dev/null; done"
LOOKS = 240.0
"""Seconds in which metrics are taken and looked at several times."""


def autoscaler(name: str = NAME, *, kind: str = "Deployment", version: str = "apps/v1", **spec: Any) -> Obj:
    target = {"apiVersion": version, "kind": kind, "name": NAME}
    whole = {"scaleTargetRef": target, "maxReplicas": 4, **spec}
    return {"apiVersion": "autoscaling/v2", "kind": KIND, "metadata": {"name": name}, "spec": whole}


def cpu(percent: int = 50) -> Obj:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def asking(made: Obj, **requests: str) -> Obj:
    """The Deployment with what its container requests."""
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": requests}
    return made


def conditions(live: Obj) -> dict[str, tuple[str, str]]:
    found = (live.get("status") or {}).get("conditions") or ()
    return {one["type"]: (one["status"], one["reason"]) for one in found}


def says(here: Place, type_: str, status: str, reason: str, name: str = NAME) -> Obj:
    """Wait until a condition is that; the autoscaler."""
    return here.wait(KIND, name, lambda live: conditions(live).get(type_) == (status, reason), timeout=LOOKS)


def told(here: Place, reason: str) -> str:
    """Wait for an event of that reason about an autoscaler; its message."""

    def there(found: list[Obj]) -> str:
        about = [e for e in found if e["reason"] == reason and e["involvedObject"]["kind"] == KIND]
        return str(about[0]["message"]) if about else ""

    return here.until("Event", there)


def replicas(here: Place, count: int, kind: str = "Deployment") -> Obj:
    return here.wait(kind, NAME, lambda live: live["spec"].get("replicas") == count, timeout=LOOKS)


def test_up_under_load_and_down_when_it_ends(here: Place) -> None:
    """The walkthrough: what a client computes there needs more servers, and fewer when it leaves."""
    made = asking(deployment(NAME, image=HPA_EXAMPLE, replicas=1, ports=[{"containerPort": 80}]), cpu="200m")
    made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = {"cpu": "500m"}
    here.start(made, service(NAME, {"port": 80, "targetPort": 80}))
    at_once = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    here.put(autoscaler(metrics=[cpu()], behavior=at_once))
    idle = says(here, "ScalingActive", "True", "ValidMetricFound")
    assert idle["spec"]["minReplicas"] == 1
    here.start(pod("load", image=BUSYBOX, command=["sh", "-c", LOAD]))
    live = here.wait(KIND, NAME, lambda found: found["status"].get("currentReplicas", 0) > 1, timeout=LOOKS)
    assert live["status"]["lastScaleTime"] >= live["metadata"]["creationTimestamp"]
    assert "cpu resource utilization (percentage of request) above target" in told(here, "SuccessfulRescale")
    here.until("EndpointSlice", lambda found: len(list(ready_endpoints(found))) > 1)  # they may go on growing
    here.api.delete("Pod", "load", here.namespace)
    replicas(here, 1)
    live = here.wait(KIND, NAME, lambda found: found["status"].get("currentReplicas") == 1, timeout=LOOKS)
    assert live["status"]["desiredReplicas"] == 1
    here.endpoints(NAME, 1)


def test_bounds_hold_whatever_is_measured(here: Place) -> None:
    here.start(asking(deployment(NAME, replicas=1), cpu="100m"))
    here.put(autoscaler(minReplicas=2, metrics=[cpu()]))
    replicas(here, 2)
    assert told(here, "SuccessfulRescale") == "New size: 2; reason: Current number of replicas below Spec.MinReplicas"
    here.merge("Deployment", NAME, {"spec": {"replicas": 6}})
    replicas(here, 4)
    here.merge(KIND, NAME, {"spec": {"maxReplicas": 3}})
    replicas(here, 3)


def test_an_idle_one_waits_before_it_goes_down(here: Place) -> None:
    """By default five minutes: what was there when it came holds as long."""
    here.start(asking(deployment(NAME, replicas=2), cpu="500m"))
    here.put(autoscaler(metrics=[cpu()]))
    live = says(here, "AbleToScale", "True", "ScaleDownStabilized")
    assert live["status"]["currentReplicas"] == 2
    assert here.require("Deployment", NAME)["spec"]["replicas"] == 2
    current = live["status"]["currentMetrics"][0]["resource"]
    assert current["name"] == "cpu"
    assert current["current"]["averageUtilization"] < 45
    here.merge(KIND, NAME, {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}})
    replicas(here, 1)
    assert told(here, "SuccessfulRescale").endswith("reason: All metrics below target")


def test_memory_by_the_amount(here: Place) -> None:
    """A request is not needed for that."""
    here.start(deployment(NAME, replicas=1))
    amount = {"type": "AverageValue", "averageValue": "1"}
    here.put(autoscaler(metrics=[{"type": "Resource", "resource": {"name": "memory", "target": amount}}]))
    replicas(here, 4)
    live = says(here, "ScalingLimited", "True", "TooManyReplicas")
    assert set(live["status"]["currentMetrics"][0]["resource"]["current"]) == {"averageValue"}


def test_a_container_that_requests_nothing(here: Place) -> None:
    here.start(deployment(NAME, replicas=1))
    here.put(autoscaler(metrics=[cpu()]))

    def missing(found: list[Obj]) -> bool:
        words = f"missing request for cpu in container main of Pod {NAME}-"
        return any(e["reason"] == "FailedGetResourceMetric" and words in e["message"] for e in found)

    assert here.until("Event", missing, timeout=LOOKS)
    says(here, "ScalingActive", "False", "FailedGetResourceMetric")


def test_switched_off(here: Place) -> None:
    here.put(asking(deployment(NAME, replicas=0), cpu="100m"), autoscaler(metrics=[cpu()]))
    says(here, "ScalingActive", "False", "ScalingDisabled")
    assert here.require("Deployment", NAME)["spec"]["replicas"] == 0


def test_no_target(here: Place) -> None:
    here.put(autoscaler())
    live = says(here, "AbleToScale", "False", "FailedGetScale")
    text = f'the HPA controller was unable to get the target\'s current scale: deployments.apps "{NAME}" not found'
    assert [c["message"] for c in live["status"]["conditions"]] == [text]
    here.start(asking(deployment(NAME, replicas=1), cpu="100m"))
    here.wait(KIND, NAME, lambda found: conditions(found)["AbleToScale"][0] == "True", timeout=LOOKS)


def test_two_for_the_same_pods(here: Place) -> None:
    here.start(asking(deployment(NAME, replicas=1), cpu="100m"))
    here.put(autoscaler(metrics=[cpu()]), autoscaler("other", metrics=[cpu()]))
    for name in (NAME, "other"):
        says(here, "ScalingActive", "False", "AmbiguousSelector", name)
    here.api.delete(KIND, "other", here.namespace)
    says(here, "ScalingActive", "True", "ValidMetricFound")


@pytest.mark.parametrize("kind", ["StatefulSet", "ReplicaSet"])
def test_other_kinds_are_scaled_too(here: Place, kind: str) -> None:
    made = deployment(NAME, replicas=1)
    made["kind"] = kind
    here.put(made, autoscaler(kind=kind, minReplicas=2))
    replicas(here, 2, kind)


@pytest.fixture
def widgets(here: Place) -> Iterator[str]:
    """A kind of one's own with a scale subresource; its apiVersion."""
    group = f"{here.namespace}.example.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    subresources = {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "widgets", "kind": "Widget"}
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": names,
        "versions": [version | {"subresources": subresources}],
    }
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    name = f"widgets.{group}"
    here.api.create({**definition, "metadata": {"name": name}})
    here.wait("CustomResourceDefinition", name, _established, timeout=START)
    yield f"{group}/v1"
    here.api.delete("CustomResourceDefinition", name)


def _established(definition: Obj) -> bool:
    found = (definition.get("status") or {}).get("conditions") or ()
    return any((one["type"], one["status"]) == ("Established", "True") for one in found)


def test_a_kind_of_ones_own_is_scaled_too(here: Place, widgets: str) -> None:
    here.api.create(
        {"apiVersion": widgets, "kind": "Widget", "metadata": {"name": NAME}, "spec": {"replicas": 1}}, here.namespace
    )
    here.put(autoscaler(kind="Widget", version=widgets, minReplicas=3))
    replicas(here, 3, f"Widget.{widgets.partition('/')[0]}")


def test_the_older_version_is_the_same_object(here: Place) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70}
    here.put({"apiVersion": "autoscaling/v1", "kind": KIND, "metadata": {"name": NAME}, "spec": spec})
    assert here.require(KIND, NAME)["spec"] == {
        "scaleTargetRef": target,
        "minReplicas": 1,
        "maxReplicas": 3,
        "metrics": [cpu(70)],
    }
    old = f"/apis/autoscaling/v1/namespaces/{here.namespace}/horizontalpodautoscalers/{NAME}"
    patched = here.request(
        "PATCH", old, {"spec": {"targetCPUUtilizationPercentage": 20}}, content_type="application/merge-patch+json"
    )
    assert (patched["apiVersion"], patched["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 20)
    assert here.require(KIND, NAME)["spec"]["metrics"] == [cpu(20)]
    here.merge(KIND, NAME, {"spec": {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}})
    annotations = here.request("GET", old)["metadata"]["annotations"]
    assert (
        '"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Disabled"'
        in (annotations["autoscaling.alpha.kubernetes.io/behavior"])
    )


def test_what_is_refused(here: Place) -> None:
    with pytest.raises(ApiError) as caught:
        here.put(autoscaler(maxReplicas=0))
    assert caught.value.code == 422
    assert "spec.maxReplicas: Required value: must be set and greater than 0" in caught.value.message
