"""What one metric of a HorizontalPodAutoscaler says: ask for it, and how many replicas it calls for.

Models computeReplicasForMetric and computeStatusFor* of pkg/controller/podautoscaler/horizontal.go, and the resource
half of its metrics/client.go.
Left out: Pods, Object and External metrics: there are no servers for them here, and what is told is what a cluster
without any tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from pocketkube import objects, quantity
from pocketkube.client import Client
from pocketkube.controllers.disruption_scale import shown
from pocketkube.controllers.horizontalpodautoscaler_replicas import (
    Patience,
    Proposal,
    Sample,
    Tolerance,
    Unknown,
    by_average,
    by_utilization,
    look,
    requests_of,
)
from pocketkube.duration import go_seconds, parse_time
from pocketkube.errors import StatusError
from pocketkube.objects import Obj

_NO_CUSTOM: Final = (
    "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
)
_API: Final = "/apis/metrics.k8s.io/v1beta1/namespaces"


class Unavailable(Exception):
    """A metric that says nothing. `reason` and `why`: of the event and the condition; the text: the error's."""

    def __init__(self, reason: str, why: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason
        self.why = why


@dataclass(frozen=True)
class Measured:
    """`name`: how events and conditions call the metric; `status`: its entry in currentMetrics."""

    replicas: int
    name: str
    status: Obj


class Metrics:
    """The metrics of one autoscaler's pods, asked for once each time it is looked after."""

    def __init__(self, client: Client, namespace: str, selector: str, patience: Patience) -> None:
        self._client = client
        self._namespace = namespace
        self._selector = selector
        self._patience = patience
        self._answer: Obj | StatusError | None = None

    async def measure(self, metric: Obj, pods: Sequence[Obj], current: int, tolerance: Tolerance) -> Measured:
        """Raises Unavailable."""
        type_ = metric.get("type", "")
        if type_ == "Resource":
            return await self._resource(metric, metric["resource"], pods, current, tolerance)
        if type_ == "ContainerResource":
            return await self._resource(metric, metric["containerResource"], pods, current, tolerance)
        raise _unserved(metric, self._namespace)

    async def _resource(
        self, metric: Obj, source: Obj, pods: Sequence[Obj], current: int, tolerance: Tolerance
    ) -> Measured:
        type_, name, container = metric["type"], source["name"], source.get("container", "")
        target = source.get("target") or {}
        average = target.get("averageValue")
        aim = "utilization" if average is None else "usage"
        try:
            samples = await self._samples(name, container)
            seen = look(pods, samples, name, self._patience, self._client.clock.time())
            if average is not None:
                found = by_average(seen, current, quantity.milli(average), tolerance)
            else:
                percent = target["averageUtilization"]
                found = by_utilization(seen, requests_of(pods, name, container), current, percent, tolerance)
        except Unknown as error:
            why = f"failed to get {name} {aim}: {error}"
            subject = f"{container} container metric" if container else f"{name} resource metric"
            raise Unavailable(f"FailedGet{type_}Metric", why, f"failed to get {subject} value: {why}") from None
        told = f"{name} resource"
        if average is None:
            told = f"{name} {'container ' if container else ''}resource utilization (percentage of request)"
        return Measured(found.replicas, told, _status(metric, source, found, raw=average is not None))

    async def _samples(self, resource: str, container: str) -> dict[str, Sample]:
        """What each pod, or its container of that name, used. Raises Unknown."""
        if self._answer is None:
            self._answer = await self._ask()
        if isinstance(self._answer, StatusError):
            why = f"unable to fetch metrics from resource metrics API: {self._answer.message}"
        else:
            items = self._answer.get("items") or []
            if items:
                return {objects.name(item): sample for item in items if (sample := _sample(item, resource, container))}
            why = "no metrics returned from resource metrics API"
        raise Unknown(f"unable to get metrics for resource {resource}: {why}")

    async def _ask(self) -> Obj | StatusError:
        try:
            return await self._client.ask(
                f"{_API}/{self._namespace}/pods?labelSelector={quote(self._selector, safe='')}"
            )
        except StatusError as error:
            return error


def _sample(item: Obj, resource: str, container: str) -> Sample | None:
    """None when a container of the pod, or that one, says nothing about the resource."""
    used = [one.get("usage") or {} for one in item.get("containers") or () if container in ("", one.get("name"))]
    if not used or any(resource not in one for one in used):
        return None
    total = sum(quantity.milli(one[resource]) for one in used)
    return Sample(total, parse_time(item["timestamp"]).timestamp(), go_seconds(item.get("window", "0")))


def _status(metric: Obj, source: Obj, found: Proposal, *, raw: bool) -> Obj:
    name = source["name"]
    format_: quantity.Format = "BinarySI" if name == "memory" else "DecimalSI"
    current: Obj = {"averageValue": quantity.text_of(Decimal(found.average) / 1000, format_)}
    if not raw:
        current["averageUtilization"] = found.current
    field = metric["type"][0].lower() + metric["type"][1:]
    container = {"container": source["container"]} if "container" in source else {}
    return {"type": metric["type"], field: {"name": name, **container, "current": current}}


# -- metrics that no server here has


def _unserved(metric: Obj, namespace: str) -> Unavailable:
    type_ = metric.get("type", "")
    if type_ == "Pods":
        why = f"unable to get metric {metric['pods']['metric']['name']}: {_NO_CUSTOM}"
        return Unavailable("FailedGetPodsMetric", why, f"failed to get pods metric value: {why}")
    if type_ == "Object":
        return _object(metric["object"], namespace)
    if type_ == "External":
        return _external(metric["external"], namespace)
    why = f'unknown metric source type "{type_}"'
    return Unavailable("InvalidMetricSourceType", why, why)


def _object(source: Obj, namespace: str) -> Unavailable:
    name, about, target = source["metric"]["name"], source["describedObject"], source["target"]
    why = f"unable to get metric {name}: {_NO_CUSTOM} on {about['kind']} {namespace}/{about['name']}"
    error = why
    if target.get("type") == "AverageValue" and target.get("averageValue") is not None:
        error = f"failed to get {name} object metric: {why}"
    elif target.get("type") != "Value" or target.get("value") is None:
        error = why = "invalid object metric source: neither a value target nor an average value target was set"
    return Unavailable("FailedGetObjectMetric", why, f"failed to get object metric value: {error}")


def _external(source: Obj, namespace: str) -> Unavailable:
    name, target = source["metric"]["name"], source["target"]
    why = (
        f"unable to get external metric {namespace}/{name}/{shown(_selector(source))}: unable to fetch metrics from "
        f"external metrics API: the server could not find the requested resource (get {name}.external.metrics.k8s.io)"
    )
    if target.get("averageValue") is not None:
        error = f"failed to get {name} external metric: {why}"
    elif target.get("value") is not None:
        error = f"failed to get external metric {name}: {why}"
    else:
        error = why = "invalid external metric source: neither a value target nor an average value target was set"
    return Unavailable("FailedGetExternalMetric", why, f"failed to get {name} external metric value: {error}")


def _selector(source: Mapping[str, Obj]) -> Obj | None:
    return source["metric"].get("selector")
