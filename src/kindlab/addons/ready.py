"""Waiting until an add-on is of use: its definitions served, its programs running, its signs seen. What takes long is
said while it lasts, and what never comes is said with the Pod that waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

from kindlab.addons.model import Addon, Sign
from kindlab.addons.records import Ref
from kindlab.api import Api, ApiError, Obj
from kindlab.clusters.base import Step
from kindlab.conditions import condition, is_over, is_ready
from kindlab.errors import Problem
from kindlab.kubectl.rollouts import BY_KIND
from kindlab.kubectl.session import Refused
from kindlab.selectors import of_pods

WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")
LOOK = 2.0
"""Seconds after which Pods are looked at while a workload is waited for."""
REFUSED = 90.0
"""Seconds that a refusal gets to pass: a webhook's certificate is made after its program has started."""
NOT_PULLED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def definition(api: Api, ref: Ref, deadline: float) -> None:
    """Return when the API server serves it. Raises Problem."""
    for found in _one(api, ref, deadline):
        if any(condition(obj, "Established").get("status") == "True" for obj in found):
            return
    raise Problem(
        f"The definition {ref.name} is not served.",
        "The API server has it and does not say that it is established.",
        f"kindlab kubectl describe crd {ref.name} shows what is against it.",
    )


def is_running(kind: str, live: Obj | None) -> bool:
    """A workload of that kind (what is listed does not say its own), as `kubectl rollout status` decides."""
    try:
        return live is not None and BY_KIND[kind].progress(live)[1]
    except Refused:
        return False


def workload(api: Api, addon: Addon, ref: Ref, step: Step, deadline: float, *, unpulled: float) -> None:
    """Return when all its Pods run. Raises Problem when they do not at the deadline, or after `unpulled` seconds in
    which an image could not be pulled: a mistake or a missing network does not pass, a slow registry may."""
    since = None
    while True:
        live = None
        for found in _one(api, ref, min(deadline, monotonic() + LOOK)):
            live = next(iter(found), None)
            if is_running(ref.kind, live):
                return
        pods = _pods(api, live) if live else []
        waiting = [f"{pod['metadata']['name']}: {text}" for pod in pods if (text := waits_for(pod))]
        step(f"{addon}: {waiting[0] if waiting else f'waiting for {ref.kind} {ref.name}'}"[:200])
        since = (since or monotonic()) if any(map(_unpulled, pods)) else None
        if since is not None and monotonic() - since >= unpulled:
            raise _not_pulled(addon, waiting, [image for pod in pods for image in _unpulled(pod)])
        if monotonic() >= deadline:
            raise _not_running(addon, ref, [*waiting, *_warnings(api, pods)])


def sign(api: Api, addon: Addon, wanted: Sign, step: Step, deadline: float) -> None:
    """Return when it is seen. Raises Problem."""
    step(f"{addon}: waiting for {wanted}")
    for found in _one(api, Ref(wanted.kind, None, wanted.name), deadline):
        if any(is_seen(obj, wanted) for obj in found):
            return
    raise Problem(
        f"{addon} is not ready: {wanted} was not seen.",
        "Its Pods run, and what they should bring about has not come.",
        "Install it once more: kindlab addons install "
        f"{addon.name}. If it stays so, look at its Pods' logs: kindlab kubectl get pods -A",
    )


def is_seen(obj: Obj, wanted: Sign) -> bool:
    if wanted.condition:
        return bool(condition(obj, wanted.condition).get("status") == "True")
    return wanted.value in map(str, _values(obj, wanted.field.split(".")))


def _values(at: Any, words: list[str]) -> Iterator[Any]:
    """All that is at this path, through lists."""
    if isinstance(at, list):
        for one in at:
            yield from _values(one, words)
    elif not words:
        yield at
    elif isinstance(at, dict) and words[0] in at:
        yield from _values(at[words[0]], words[1:])


def _one(api: Api, ref: Ref, deadline: float) -> Iterator[Iterable[Obj]]:
    """The objects of that kind, of that name if there is one, now and after every change."""
    fields = f"metadata.name={ref.name}" if ref.name else ""
    left = max(0.0, deadline - monotonic())
    for found in api.follow(ref.type, ref.namespace, fields=fields, timeout=left):
        yield found.values()


def until(what: Callable[[], Any], deadline: float, pause: Callable[[float], Any]) -> Any:
    """What is refused for the moment is tried again for a while: a kind that discovery does not list yet, an API whose
    backend or a webhook that does not answer yet. There is nothing to watch. Raises ApiError."""
    deadline = min(deadline, monotonic() + REFUSED)
    while True:
        try:
            return what()
        except ApiError as error:
            if error.code not in (404, 500, 503) or monotonic() >= deadline:
                raise
        pause(0.5)


# -- Pods


def _pods(api: Api, live: Obj) -> list[Obj]:
    return api.list("Pod", live["metadata"]["namespace"], labels=of_pods(live))


def _warnings(api: Api, pods: list[Obj]) -> list[str]:
    """The last one about each Pod that is not ready: a volume that cannot be mounted shows in nothing else."""
    said = []
    for pod in pods:
        if waits_for(pod):
            name, space = pod["metadata"]["name"], pod["metadata"]["namespace"]
            events = api.list("Event", space, fields=f"involvedObject.name={name},type=Warning")
            last = max(events, key=lambda event: event.get("lastTimestamp") or "", default={})
            said += [f"{name}: {last['reason']}: {last.get('message', '')}"] if last else []
    return said


def waits_for(pod: Obj) -> str:
    """What a Pod that is not ready waits for; "" for one that is."""
    if is_ready(pod) or is_over(pod):
        return ""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"finds no node: {scheduled.get('message', '')}"
    for container, waiting in _waiting(pod):
        if waiting.get("reason") in NOT_PULLED:
            return f"image {container['image']} is not pulled: {waiting.get('message') or waiting['reason']}"
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"container {container['name']}: {waiting['reason']} {waiting.get('message', '')}".rstrip()
    if any(waiting for _, waiting in _waiting(pod)) or not _statuses(pod):
        return "is being started (its images are pulled first)"
    return "runs, and its readiness probe does not succeed yet"


def _unpulled(pod: Obj) -> list[str]:
    return [container["image"] for container, waiting in _waiting(pod) if waiting.get("reason") in NOT_PULLED]


def _statuses(pod: Obj) -> list[Obj]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _waiting(pod: Obj) -> Iterator[tuple[Obj, Obj]]:
    """(container of the spec, its state `waiting`) of each that waits."""
    specs = {c["name"]: c for key in ("initContainers", "containers") for c in pod["spec"].get(key) or ()}
    for status in _statuses(pod):
        if (waiting := (status.get("state") or {}).get("waiting")) is not None and status["name"] in specs:
            yield specs[status["name"]], waiting


# -- what went wrong


def _not_pulled(addon: Addon, waiting: list[str], images: list[str]) -> Problem:
    image = images[0]
    return Problem(
        f"{addon} is not ready: the image {image} cannot be pulled.",
        "\n".join(waiting),
        "The nodes pull images themselves: look at the network, a proxy, or the registry's limit of pulls, then: "
        f"kindlab addons install {addon.name}. On kind, kindlab up --cluster kind --preload brings them in from this "
        "machine's engine.",
    )


def _not_running(addon: Addon, ref: Ref, waiting: list[str]) -> Problem:
    return Problem(
        f"{addon} is not ready: {ref.kind} {ref.name} in namespace {ref.namespace} does not run.",
        "\n".join(waiting) or "It has no Pods, and the cluster does not say why.",
        f"kindlab why {ref.kind.lower()}/{ref.name} -n {ref.namespace} looks closer. When it is mended, or was only "
        f"slow: kindlab addons install {addon.name}",
    )
