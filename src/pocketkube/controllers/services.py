"""Which Services a pod event concerns, and what of a pod a Service shows.

Models staging/src/k8s.io/endpointslice/util/{controller_utils,trigger_time_tracker}.go and FindPort of its utils.go;
shared by the endpoints and the endpointslice controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import pods
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
HEADLESS = "service.kubernetes.io/headless"


def selects(service: Obj) -> bool:
    """Whether endpoints are made for the Service: it has a selector and is no ExternalName."""
    spec = objects.spec(service)
    return spec.get("selector") is not None and spec.get("type") != "ExternalName"


def selected(client: Client, service: Obj) -> list[Obj]:
    """The pods a Service's selector matches, in key order."""
    wanted = objects.spec(service)["selector"].items()
    return [pod for pod in client.list("pods", objects.namespace(service)) if wanted <= objects.labels(pod).items()]


def _matching(client: Client, pod: Obj) -> set[Key]:
    labels = objects.labels(pod).items()
    found = (service for service in client.list("services", objects.namespace(pod)) if selects(service))
    return {objects.key(service) for service in found if service["spec"]["selector"].items() <= labels}


def of_pod(client: Client, event: Event) -> Iterable[Key]:
    """The Services whose endpoints a pod event may change."""
    pod, old = event.object, event.old
    if event.type != "MODIFIED" or old is None:
        return _matching(client, pod)
    changed = _shown(pod) != _shown(old)
    if objects.labels(pod) == objects.labels(old) and _hostname(pod) == _hostname(old):
        return _matching(client, pod) if changed else ()
    before, now = _matching(client, old), _matching(client, pod)
    return before | now if changed else before ^ now


def _shown(pod: Obj) -> tuple[object, ...]:
    status = objects.status(pod)
    # not the phase: a pod that is not ready any more when it finishes stays listed until something else changes
    return (objects.is_terminating(pod), pods.is_ready(pod), status.get("podIPs"))


def _hostname(pod: Obj) -> tuple[object, object]:
    spec = objects.spec(pod)
    return spec.get("hostname"), spec.get("subdomain")


def addresses(pod: Obj) -> list[str]:
    return [entry["ip"] for entry in objects.status(pod).get("podIPs") or ()]


def hostname(pod: Obj, service: Obj) -> str | None:
    """The pod's name below the Service's: when its subdomain is the Service."""
    spec = objects.spec(pod)
    return spec["hostname"] if spec.get("hostname") and spec.get("subdomain") == objects.name(service) else None


def is_headless(service: Obj) -> bool:
    return objects.spec(service).get("clusterIP") in (None, "", "None")


def target_port(pod: Obj, port: Obj) -> int | None:
    """The number of a Service port's target in this pod; None when the pod has no port of that name and protocol."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for container in _serving_containers(pod):
        for found in container.get("ports") or ():
            if found.get("name") == target and found.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(found["containerPort"])
    return None


def _serving_containers(pod: Obj) -> Iterator[Obj]:
    spec = objects.spec(pod)
    yield from spec.get("containers") or ()
    yield from (c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always")


class TriggerTimes:
    """When the change that is being written down happened: the earliest news since the last look at a Service.

    All times are RFC 3339 in UTC with whole seconds, which compare as text.
    """

    def __init__(self) -> None:
        self._known: dict[Key, tuple[str, dict[str, str]]] = {}

    def next(self, service: Obj, matched: list[Obj]) -> str | None:
        """The time for the annotation, or None when no time has changed."""
        created: str = service["metadata"]["creationTimestamp"]
        times = {
            objects.name(pod): (objects.condition(pod, "Ready") or {}).get("lastTransitionTime") or ""
            for pod in matched
        }
        known = self._known.get(objects.key(service))
        self._known[objects.key(service)] = created, times
        if known is None:
            return created
        before, earlier = known
        news = [time for name, time in times.items() if time > earlier.get(name, "")]
        if created > before:
            news.append(created)
        return min(news, default=None)

    def forget(self, at: Key) -> None:
        self._known.pop(at, None)
