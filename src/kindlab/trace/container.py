"""Whether one container of a Pod does what it should: its image, what it is configured with, its start, its probes.

Quotes the kubelet's states and events, and says what they mean.
"""

from __future__ import annotations

import difflib
import re
from typing import Final

from kindlab.api import Api, Obj
from kindlab.trace import ended, events
from kindlab.trace.hops import Trace

_IMAGE: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_MISSING: Final = re.compile(r'(configmap|secret) "(?P<name>[^"]+)" not found')
_KEY: Final = re.compile(r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) (?P<where>\S+)")


def follow(api: Api, pod: Obj, status: Obj, path: Trace, *, init: bool) -> bool:
    """Add the hop of one container; False when it does not do what it should."""
    name, state = status["name"], status.get("state") or {}
    meta = pod["metadata"]
    word = "init container" if init else "container"
    title, at = f"{word.capitalize()} {name}", f"{meta['name']} -n {meta['namespace']}"
    waiting, over = state.get("waiting"), state.get("terminated")
    if waiting:
        return _waiting(api, pod, status, waiting, title, path)
    if over:
        if init and not over.get("exitCode"):
            path.ok(title, "done")
            return True
        words = ended.last_words(api, pod, name, previous=False)
        said = f"; the last it printed: {words}" if words else ""
        path.fail(title, f"{ended.meaning(pod, name, over)}{said}", f"kubectl logs {at} -c {name}")
        return False
    if init:
        path.fail(title, "it still runs, and the others wait for its end", f"kubectl logs {at} -c {name}")
        return False
    restarts, last = status.get("restartCount", 0), (status.get("lastState") or {}).get("terminated")
    often = "once," if restarts == 1 else f"{restarts} times, the last time"
    again = f"; restarted {often} because {ended.meaning(pod, name, last)}" if last else ""
    if status.get("started") is False or not status.get("ready"):
        kind = "startup" if status.get("started") is False else "readiness"
        _probe(api, pod, name, kind, title, again, path)
        return False
    path.ok(title, f"it runs and is ready{again}")
    return True


def _probe(api: Api, pod: Obj, name: str, kind: str, title: str, again: str, path: Trace) -> None:
    """The broken hop of a container whose probe does not pass."""
    meta, container = pod["metadata"], spec_of(pod, name)
    probe = container.get(f"{kind}Probe")
    at = f"{meta['name']} -n {meta['namespace']}"
    if probe is None:
        path.fail(title, f"it runs and is not ready yet{again}", f"kubectl describe pod {at}; ask again soon")
        return
    failures = [e for e in events.said(api, pod, ("Unhealthy",)) if _about(e, name) and kind in e["message"].lower()]
    said = f"; {failures[0]['message'].strip()}" if failures else "; it has not passed yet"
    path.fail(
        title,
        f"it runs, but its {kind} probe ({_shown(probe)}) does not pass{said}{again}",
        f"kubectl logs {at} -c {name}: does the program listen there? If so, correct the probe",
    )


def _shown(probe: Obj) -> str:
    """What a probe asks."""
    if found := probe.get("httpGet"):
        return f"GET {found.get('scheme', 'HTTP').lower()}://...:{found['port']}{found.get('path', '/')}"
    if found := probe.get("tcpSocket"):
        return f"TCP port {found['port']}"
    if found := probe.get("grpc"):
        return f"gRPC port {found['port']}"
    return f"exec {' '.join((probe.get('exec') or {}).get('command') or ())}"


def _waiting(api: Api, pod: Obj, status: Obj, waiting: Obj, title: str, path: Trace) -> bool:
    """The broken hop of a container that waits, or True where it waits for another one only."""
    name, meta = status["name"], pod["metadata"]
    reason, message = waiting.get("reason", ""), (waiting.get("message") or "").strip()
    at = f"{meta['name']} -n {meta['namespace']}"
    quoted = f"{reason}{f': {message}' if message else ''}"
    if reason in _IMAGE:
        image = spec_of(pod, name).get("image", "")
        trouble = events.last(api, pod, ("Failed",)) if reason == "ImagePullBackOff" else ""
        why = f"its image {image} cannot be had. {quoted}{f'. {trouble}' if trouble and trouble not in quoted else ''}"
        path.fail(
            title, f"{why}{_catalogue(api)}", f"correct the name or the tag of the image: {_set_image(api, pod, name)}"
        )
    elif reason in ("CreateContainerConfigError", "CreateContainerError"):
        why = f"what it is to be started with is not there. {quoted}{near(api, message, meta)}"
        path.fail(title, why, maker(message, meta) or f"kubectl describe pod {at}")
    elif reason == "RunContainerError":
        path.fail(title, f"it cannot be started. {quoted}", f"check its command, args and image: kubectl get pod {at}")
    elif last := (status.get("lastState") or {}).get("terminated"):
        _crash(api, pod, status, last, title, path)
    elif reason == "PodInitializing" and pod["status"].get("initContainerStatuses"):
        path.fail(title, "it waits for the init containers", f"kubectl describe pod {at}; ask again soon")
    else:
        path.fail(title, f"it is being started. {quoted}", f"kubectl describe pod {at}; ask again soon")
    return False


def _catalogue(api: Api) -> str:
    """Where the images of a cluster that downloads none are told; "" for other clusters."""
    nodes = api.list("Node")
    if not any(node["status"].get("nodeInfo", {}).get("osImage", "").startswith("pocketkube") for node in nodes):
        return ""
    return (
        ". The embedded cluster downloads nothing: its images are those of docs/fidelity.md (Nodes and containers); "
        "any other needs kindlab up --cluster kind"
    )


def _set_image(api: Api, pod: Obj, container: str) -> str:
    """The command that gives a container another image, in what made the Pod where something did."""
    made, kind, name, space = pod, "pod", pod["metadata"]["name"], pod["metadata"]["namespace"]
    while owner := next((o for o in made["metadata"].get("ownerReferences") or () if o.get("controller")), None):
        kind, name = owner["kind"].lower(), owner["name"]
        found = api.get(owner["kind"], name, space) if kind == "replicaset" else None
        if found is None:
            break
        made = found
    if kind == "job":
        return f"kubectl delete job {name} -n {space} and make it again (a Job's template stays as it is)"
    return f"kubectl set image {kind}/{name} {container}=IMAGE -n {space}"


def _crash(api: Api, pod: Obj, status: Obj, last: Obj, title: str, path: Trace) -> None:
    """The broken hop of a container that ends again and again."""
    name, meta = status["name"], pod["metadata"]
    count = status.get("restartCount", 0)
    killed = [e for e in events.said(api, pod, ("Killing",)) if _about(e, name) and "probe" in e.get("message", "")]
    because = f"; {killed[0]['message'].strip()}" if killed else ""
    if not killed and not last.get("exitCode"):
        because = ", and a container that ends is started again: its program has to go on (or make it a Job)"
    words = ended.last_words(api, pod, name, previous=True)
    said = f". The last it printed: {words}" if words else ". It printed nothing"
    times = "once" if count == 1 else f"{count} times"
    path.fail(
        title,
        f"it ends again and again (restarted {times}): {ended.meaning(pod, name, last)}{because}{said}",
        f"kubectl logs {meta['name']} -n {meta['namespace']} -c {name} --previous",
    )


def near(api: Api, message: str, meta: Obj) -> str:
    """What there is of the kind that the message misses: usually the typing error shows at a glance."""
    if found := _KEY.search(message):
        name = found["where"].rpartition("/")[2]
        held = api.get(found["kind"], name, meta["namespace"]) or {}
        keys = sorted({**(held.get("data") or {}), **(held.get("binaryData") or {})})
        return f"; its keys are: {', '.join(keys) or 'none'}"
    if found := _MISSING.search(message):
        kind = {"configmap": "ConfigMap", "secret": "Secret"}[found[1]]
        there = [each["metadata"]["name"] for each in api.list(kind, meta["namespace"])]
        near = difflib.get_close_matches(found["name"], there, n=1)
        return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(there) or 'none'}"
    return ""


def maker(message: str, meta: Obj) -> str:
    """The command that makes what the message misses; "" when it misses nothing that is made so."""
    if found := _MISSING.search(message):
        kind = "configmap" if found[1] == "configmap" else "secret generic"
        return f"kubectl create {kind} {found['name']} -n {meta['namespace']} --from-literal=KEY=VALUE, or correct it"
    if found := _KEY.search(message):
        name = found["where"].rpartition("/")[2]
        return f"kubectl describe {found['kind'].lower()} {name} -n {meta['namespace']}"
    return ""


def spec_of(pod: Obj, name: str) -> Obj:
    """The container of that name, as the Pod declares it."""
    every: list[Obj] = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
    return next((c for c in every if c["name"] == name), {})


def _about(event: Obj, container: str) -> bool:
    return f"{{{container}}}" in (event.get("involvedObject") or {}).get("fieldPath", "") or not event[
        "involvedObject"
    ].get("fieldPath")
