"""The horizontal pod autoscaler with a metrics API that says what a test wants. Texts are upstream's (hpa-01,
metrics-02, pkg/controller/podautoscaler)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.unit.pocketkube.controllers.world import NAMESPACE, World, running

from pocketkube import objects, selectors
from pocketkube.errors import NotFound, StatusError
from pocketkube.objects import Obj

KIND = "horizontalpodautoscalers"
WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
QUICK = {"scaleDown": {"stabilizationWindowSeconds": 0}}
NOT_SERVED = "the server could not find the requested resource (get pods.metrics.k8s.io)"
CONTROLLERS = ("horizontal-pod-autoscaler-controller", "deployment-controller", "replicaset-controller")


class Metrics:
    """A metrics server: `use` is what each container of a pod uses, by the pod's labels' `app`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.use: dict[str, dict[str, str]] = {}
        self.refusal: StatusError | None = None
        self.asked: list[str] = []

    async def ask(self, path: str) -> Obj:
        self.asked.append(path)
        if self.refusal is not None:
            raise self.refusal
        url = urlsplit(path)
        assert url.path == f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"
        selector = selectors.parse_labels(parse_qs(url.query)["labelSelector"][0])
        pods = [pod for pod in self._world.list("pods") if selector(objects.labels(pod))]
        return {"items": [self._item(pod) for pod in pods if objects.labels(pod).get("app") in self.use]}

    def _item(self, pod: Obj) -> Obj:
        use = self.use[objects.labels(pod)["app"]]
        containers = [{"name": container["name"], "usage": use} for container in pod["spec"]["containers"]]
        now = self._world.registry.clock.later(60)
        return {"metadata": {"name": objects.name(pod)}, "timestamp": now, "window": "15s", "containers": containers}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Everything that scaling needs, looked after twenty times a second."""
    made = World(hpa_sync_period="0.05")
    made.node("worker", pods=500, cpu="1000")
    async with running(made, CONTROLLERS):
        made.create("serviceaccounts", {"metadata": {"name": "default"}})
        yield made


@pytest.fixture
def metrics(world: World) -> Metrics:
    made = Metrics(world)
    world.registry.ask = made.ask
    return made


async def deployed(world: World, name: str = "web", replicas: int = 1, cpu: str = "100m", **labels: str) -> None:
    """A Deployment whose pods run, with a start and a request."""
    container = {"name": "c", "image": "registry.k8s.io/pause:3.10"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu, "memory": "64Mi"}}  # type: ignore[assignment]
    meta = {"labels": {"app": name, **labels}}
    world.deployment(name, replicas, template={"metadata": meta, "spec": {"containers": [container]}})
    await world.until(lambda: world.rolled_out(name))


def autoscaler(world: World, name: str = "web", **spec: Any) -> Obj:
    body = {"scaleTargetRef": {**WEB, "name": name}, "maxReplicas": 5, "behavior": QUICK, **spec}
    return world.create(KIND, {"metadata": {"name": name}, "spec": body})


def resource(percent: int | None = 50, *, name: str = "cpu", average: str = "", container: str = "") -> Obj:
    target: Obj = {"type": "Utilization", "averageUtilization": percent}
    if average:
        target = {"type": "AverageValue", "averageValue": average}
    type_ = "ContainerResource" if container else "Resource"
    more = {"container": container} if container else {}
    return {"type": type_, type_[0].lower() + type_[1:]: {"name": name, "target": target, **more}}


def told(world: World, type_: str, name: str = "web") -> tuple[str, str]:
    """(status, reason) of a condition; two empty texts while there is none."""
    found = objects.condition(world.get(KIND, name), type_) or {}
    return found.get("status", ""), found.get("reason", "")


def message(world: World, type_: str, name: str = "web") -> str:
    return str((objects.condition(world.get(KIND, name), type_) or {}).get("message", ""))


def replicas(world: World, name: str = "web") -> int:
    return int(world.get("deployments", name)["spec"]["replicas"])


@pytest.fixture(autouse=True)
def _long_running(world: World) -> None:
    """The fake kubelet writes no start. These pods have run for long, so that their CPU is believed."""
    original = world.set_ready

    def set_ready(name: str, ready: bool, **more: Any) -> None:
        original(name, ready, **more)

        def change(pod: Obj) -> None:
            pod["status"]["startTime"] = "2020-01-01T00:00:00Z"

        space = more.get("namespace", NAMESPACE)
        world.client.patch("pods", (space, name), change, subresource="status")

    world.set_ready = set_ready  # type: ignore[method-assign]


async def test_up_with_the_load_and_down_again(world: World, metrics: Metrics) -> None:
    await deployed(world)
    metrics.use["web"] = {"cpu": "100m"}
    autoscaler(world, maxReplicas=3)
    await world.until(lambda: told(world, "ScalingLimited") == ("True", "TooManyReplicas"))
    assert world.events("web", reason="SuccessfulRescale") == [
        "New size: 2; reason: cpu resource utilization (percentage of request) above target",
        "New size: 3; reason: cpu resource utilization (percentage of request) above target",
    ]
    await world.until(lambda: world.get(KIND, "web")["status"].get("currentReplicas") == 3)
    status = world.get(KIND, "web")["status"]
    current = {"averageValue": "100m", "averageUtilization": 100}
    assert status["currentMetrics"] == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    assert (status["currentReplicas"], status["desiredReplicas"]) == (3, 3)
    assert told(world, "AbleToScale") == ("True", "ReadyForNewScale")
    assert message(world, "ScalingActive") == (
        "the HPA was able to successfully calculate a replica count from "
        "cpu resource utilization (percentage of request)"
    )
    metrics.use["web"] = {"cpu": "1m"}
    await world.until(lambda: replicas(world) == 1)
    await world.until(lambda: world.get(KIND, "web")["status"].get("currentReplicas") == 1)
    assert world.events("web", reason="SuccessfulRescale")[-1] == "New size: 1; reason: All metrics below target"
    assert told(world, "ScalingLimited") == ("False", "DesiredWithinRange")


async def test_down_waits_for_the_window(world: World, metrics: Metrics) -> None:
    await deployed(world, replicas=2)
    metrics.use["web"] = {"cpu": "1m"}
    autoscaler(world, behavior=None)
    await world.until(lambda: told(world, "AbleToScale") == ("True", "ScaleDownStabilized"))
    assert replicas(world) == 2


async def test_bounds_are_kept_without_metrics(world: World, metrics: Metrics) -> None:
    await deployed(world, replicas=1)
    autoscaler(world, minReplicas=3, maxReplicas=4)
    await world.until(lambda: replicas(world) == 3)
    reason = "Current number of replicas below Spec.MinReplicas"
    await world.until(lambda: world.events("web", reason="SuccessfulRescale") == [f"New size: 3; reason: {reason}"])
    world.patch("deployments", "web", lambda copy: copy["spec"].update(replicas=9))
    await world.until(lambda: replicas(world) == 4)
    reason = "Current number of replicas above Spec.MaxReplicas"
    await world.until(lambda: f"New size: 4; reason: {reason}" in world.events("web"))
    await world.until(lambda: told(world, "AbleToScale")[1] == "SucceededGetScale")


async def test_no_metrics_api(world: World, metrics: Metrics) -> None:
    await deployed(world)
    metrics.refusal = NotFound(NOT_SERVED, details={})
    autoscaler(world)
    await world.until(lambda: told(world, "ScalingActive") == ("False", "FailedGetResourceMetric"))
    why = (
        "failed to get cpu utilization: unable to get metrics for resource cpu: "
        f"unable to fetch metrics from resource metrics API: {NOT_SERVED}"
    )
    assert message(world, "ScalingActive") == f"the HPA was unable to compute the replica count: {why}"
    status = world.get(KIND, "web")["status"]
    assert (status["currentReplicas"], status["desiredReplicas"]) == (1, 0)
    assert status["currentMetrics"] == [{"type": ""}]
    await world.until(lambda: bool(world.events("web", reason="FailedComputeMetricsReplicas")))
    assert world.events("web", reason="FailedGetResourceMetric") == [why]
    assert world.events("web", reason="FailedComputeMetricsReplicas") == [
        f"invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {why}"
    ]


async def test_what_goes_on_for_long_is_not_told_all_the_time(world: World, metrics: Metrics) -> None:
    await deployed(world)
    metrics.refusal = NotFound(NOT_SERVED, details={})
    autoscaler(world)
    await world.until(lambda: told(world, "ScalingActive")[0] == "False")
    asked = len(metrics.asked)
    revision = world.registry.store.revision
    while len(metrics.asked) < asked + 5:
        await world.registry.clock.sleep(0.01)
    assert world.registry.store.revision == revision


async def test_its_pods_are_asked_for_once_however_many_metrics_there_are(world: World, metrics: Metrics) -> None:
    await deployed(world)
    metrics.use["web"] = {"cpu": "50m", "memory": "32Mi"}
    autoscaler(world, metrics=[resource(), resource(name="memory"), resource(container="c")])
    await world.until(lambda: told(world, "ScalingActive")[0] == "True")
    assert len(metrics.asked) == 1
    assert len(world.get(KIND, "web")["status"]["currentMetrics"]) == 3


async def test_nothing_is_measured_yet(world: World, metrics: Metrics) -> None:
    await deployed(world)
    autoscaler(world)
    await world.until(lambda: told(world, "ScalingActive")[0] == "False")
    assert message(world, "ScalingActive").endswith(
        "unable to get metrics for resource cpu: no metrics returned from resource metrics API"
    )


async def test_a_container_that_asks_for_nothing(world: World, metrics: Metrics) -> None:
    await deployed(world, cpu="")
    metrics.use["web"] = {"cpu": "5m"}
    autoscaler(world)
    await world.until(lambda: told(world, "ScalingActive")[0] == "False")
    pod = objects.name(world.list("pods")[0])
    assert message(world, "ScalingActive").endswith(f"missing request for cpu in container c of Pod {pod}")
    world.patch(KIND, "web", lambda copy: copy["spec"].update(metrics=[resource(average="1m")]))
    await world.until(lambda: replicas(world) == 5)  # an amount needs no request
    await world.until(lambda: message(world, "ScalingActive").endswith("from cpu resource"))


async def test_memory_by_amount_is_told_in_binary(world: World, metrics: Metrics) -> None:
    await deployed(world)
    metrics.use["web"] = {"memory": "40Mi"}
    autoscaler(world, metrics=[resource(name="memory", average="40Mi")])
    await world.until(lambda: told(world, "ScalingActive")[0] == "True")
    current = objects.dig(world.get(KIND, "web"), "status", "currentMetrics", 0, "resource", "current")
    assert current == {"averageValue": "40Mi"}
    assert message(world, "ScalingActive").endswith("from memory resource")


async def test_one_container_of_several(world: World, metrics: Metrics) -> None:
    await deployed(world)
    metrics.use["web"] = {"cpu": "50m"}
    autoscaler(world, metrics=[resource(container="c")])
    await world.until(lambda: told(world, "ScalingActive")[0] == "True")
    assert message(world, "ScalingActive").endswith("from cpu container resource utilization (percentage of request)")
    found = objects.dig(world.get(KIND, "web"), "status", "currentMetrics", 0)
    current = {"averageValue": "50m", "averageUtilization": 50}
    assert found == {
        "type": "ContainerResource",
        "containerResource": {"name": "cpu", "container": "c", "current": current},
    }
    world.patch(KIND, "web", lambda copy: copy["spec"].update(metrics=[resource(container="d")]))
    await world.until(lambda: told(world, "ScalingActive") == ("False", "FailedGetContainerResourceMetric"))
    await world.until(lambda: bool(world.events("web", reason="FailedComputeMetricsReplicas")))
    assert (
        "first error is: failed to get d container metric value: failed to get cpu utilization: "
        in (world.events("web", reason="FailedComputeMetricsReplicas")[0])
    )


async def test_of_several_metrics_the_highest_counts_and_a_broken_one_keeps_it_from_going_down(
    world: World, metrics: Metrics
) -> None:
    await deployed(world, replicas=2)
    metrics.use["web"] = {"cpu": "150m", "memory": "1Mi"}
    broken = {
        "type": "Pods",
        "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "1"}},
    }
    autoscaler(world, metrics=[broken, resource(), resource(name="memory")])
    await world.until(lambda: replicas(world) == 5)
    metrics.use["web"] = {"cpu": "1m", "memory": "1Mi"}
    await world.until(lambda: told(world, "ScalingActive") == ("False", "FailedGetPodsMetric"))
    why = (
        "unable to get metric hits: unable to fetch metrics from custom metrics API: "
        "no custom metrics API (custom.metrics.k8s.io) registered"
    )
    assert message(world, "ScalingActive") == f"the HPA was unable to compute the replica count: {why}"
    first = f"invalid metrics (1 invalid out of 3), first error is: failed to get pods metric value: {why}"
    await world.until(lambda: first in world.events("web"))
    assert replicas(world) == 5


@pytest.mark.parametrize(
    ("metric", "reason", "why", "error"),
    [
        (
            {"type": "Object", "object": {"describedObject": WEB, "target": {"type": "Value", "value": "1"}}},
            "FailedGetObjectMetric",
            "unable to get metric hits: unable to fetch metrics from custom metrics API: no custom metrics API "
            "(custom.metrics.k8s.io) registered on Deployment test/web",
            "failed to get object metric value: {why}",
        ),
        (
            {
                "type": "Object",
                "object": {"describedObject": WEB, "target": {"type": "AverageValue", "averageValue": "1"}},
            },
            "FailedGetObjectMetric",
            "unable to get metric hits: unable to fetch metrics from custom metrics API: no custom metrics API "
            "(custom.metrics.k8s.io) registered on Deployment test/web",
            "failed to get object metric value: failed to get hits object metric: {why}",
        ),
        (
            {"type": "External", "external": {"target": {"type": "Value", "value": "1"}}},
            "FailedGetExternalMetric",
            "unable to get external metric test/hits/nil: unable to fetch metrics from external metrics API: "
            "the server could not find the requested resource (get hits.external.metrics.k8s.io)",
            "failed to get hits external metric value: failed to get external metric hits: {why}",
        ),
        (
            {"type": "External", "external": {"target": {"type": "AverageValue", "averageValue": "1"}}},
            "FailedGetExternalMetric",
            "unable to get external metric test/hits/nil: unable to fetch metrics from external metrics API: "
            "the server could not find the requested resource (get hits.external.metrics.k8s.io)",
            "failed to get hits external metric value: failed to get hits external metric: {why}",
        ),
    ],
)
async def test_metrics_that_nobody_serves(
    world: World, metrics: Metrics, metric: Obj, reason: str, why: str, error: str
) -> None:
    await deployed(world)
    for source in (metric.get("object"), metric.get("external")):
        if source is not None:
            source["metric"] = {"name": "hits"}
    autoscaler(world, metrics=[metric])
    await world.until(lambda: told(world, "ScalingActive") == ("False", reason))
    await world.until(lambda: bool(world.events("web", reason="FailedComputeMetricsReplicas")))
    assert world.events("web", reason=reason) == [why]
    expected = f"invalid metrics (1 invalid out of 1), first error is: {error.format(why=why)}"
    assert world.events("web", reason="FailedComputeMetricsReplicas") == [expected]


async def test_replicas_at_zero_are_left_alone(world: World, metrics: Metrics) -> None:
    await deployed(world, replicas=0)
    autoscaler(world)
    await world.until(lambda: told(world, "ScalingActive") == ("False", "ScalingDisabled"))
    assert message(world, "ScalingActive") == "scaling is disabled since the replica count of the target is zero"
    assert "currentReplicas" not in world.get(KIND, "web")["status"]
    assert replicas(world) == 0


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ({"name": "ghost"}, 'deployments.apps "ghost" not found'),
        ({"kind": "Ghost"}, 'no matches for kind "Ghost" in group "apps"'),
        ({"kind": "DaemonSet"}, "the server could not find the requested resource"),
    ],
)
async def test_nothing_to_scale(world: World, target: Obj, why: str) -> None:
    autoscaler(world, scaleTargetRef={**WEB, **target})
    await world.until(lambda: told(world, "AbleToScale") == ("False", "FailedGetScale"))
    assert message(world, "AbleToScale") == f"the HPA controller was unable to get the target's current scale: {why}"
    assert world.events("web", reason="FailedGetScale") == [why]


async def test_two_for_the_same_pods(world: World, metrics: Metrics) -> None:
    await deployed(world)
    metrics.use["web"] = {"cpu": "50m"}
    autoscaler(world)
    await world.until(lambda: told(world, "ScalingActive")[0] == "True")
    world.create(KIND, {"metadata": {"name": "zweb"}, "spec": {"scaleTargetRef": WEB, "maxReplicas": 2}})
    text = "pods by selector app=web are controlled by multiple HPAs: [test/web test/zweb]"
    for name in ("web", "zweb"):
        await world.until(lambda name=name: message(world, "ScalingActive", name) == text)
        assert told(world, "ScalingActive", name) == ("False", "AmbiguousSelector")
        assert world.events(name, reason="AmbiguousSelector") == [text]
    world.delete(KIND, "zweb")
    await world.until(lambda: told(world, "ScalingActive")[0] == "True")


async def test_a_refused_change_is_told(world: World, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    await deployed(world)
    metrics.use["web"] = {"cpu": "100m"}
    monkeypatch.setattr(
        "pocketkube.controllers.horizontalpodautoscaler_target.Target.rescale",
        lambda *_: (_ for _ in ()).throw(StatusError("no more of this")),
    )
    autoscaler(world)
    await world.until(lambda: told(world, "AbleToScale") == ("False", "FailedUpdateScale"))
    assert message(world, "AbleToScale") == "the HPA controller was unable to update the target scale: no more of this"
    assert world.events("web", reason="FailedRescale") == [
        "New size: 2; reason: cpu resource utilization (percentage of request) above target; error: no more of this"
    ]
    assert replicas(world) == 1


async def test_nobody_is_woken_without_autoscalers(world: World) -> None:
    from pocketkube.client import Client
    from pocketkube.controllers.horizontalpodautoscaler import CONTROLLER

    controller = CONTROLLER(Client(world.registry, CONTROLLER.name))
    list(controller.watches())
    await deployed(world)
    assert not controller._timers
    assert not controller._queue


async def test_what_was_made_anew_while_metrics_were_asked_for_is_left_alone(world: World, metrics: Metrics) -> None:
    """As when a namespace is emptied and filled again at once: the old decision is not for the new Deployment."""
    await deployed(world)
    metrics.use["web"] = {"cpu": "500m"}
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(path: str) -> Obj:
        answer = await metrics.ask(path)
        asked.set()
        await go_on.wait()
        return answer

    world.registry.ask = slow
    autoscaler(world)
    await asked.wait()
    world.delete(KIND, "web")
    world.delete("deployments", "web")
    await world.until(lambda: not world.list("deployments"))
    await deployed(world)
    go_on.set()
    await world.until(lambda: any(e["reason"] == "FailedRescale" for e in world.list("events")))
    assert world.get("deployments", "web")["spec"]["replicas"] == 1


async def test_one_made_anew_at_once_knows_nothing_of_what_its_namesake_recommended(
    world: World, metrics: Metrics
) -> None:
    await deployed(world)
    metrics.use["web"] = {"cpu": "500m"}
    autoscaler(world, metrics=[resource()], behavior=None)
    await world.until(lambda: world.get("deployments", "web")["spec"]["replicas"] == 5)
    metrics.use["web"] = {"cpu": "1m"}
    world.delete(KIND, "web")
    world.patch("deployments", "web", lambda d: d["spec"].update(replicas=1))
    made = autoscaler(world, metrics=[resource()], behavior=None)  # nobody has been told of the deletion yet
    await world.until(lambda: (world.get(KIND, "web").get("status") or {}).get("currentMetrics"))
    assert world.get(KIND, "web")["metadata"]["uid"] == made["metadata"]["uid"]
    assert world.get("deployments", "web")["spec"]["replicas"] == 1
