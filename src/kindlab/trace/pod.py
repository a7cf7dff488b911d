"""The way of a Pod to being ready: Pod -> gates -> scheduling -> node -> volumes -> init containers -> containers
(image, config, start, crashes, probes) -> readiness gates.

Conditions, container states and events are the cluster's own words; each hop quotes them, says what they mean and what
to do. Nothing is run in the Pod.
"""

from __future__ import annotations

from typing import Final

from kindlab.api import Api, Obj
from kindlab.checks.volumes import claim_of
from kindlab.trace import container, ended, events, placing
from kindlab.trace.hops import Trace

_MOUNT: Final = ("FailedMount", "FailedMapVolume", "FailedAttachVolume")
_SANDBOX: Final = ("FailedCreatePodSandBox", "FailedSync", "NetworkNotReady")
_GONE: Final = ("Preempted", "Evicted", "TaintManagerEviction", "NodeNotReady", "Killing", "DeletingNode")


def trace(api: Api, namespace: str, name: str) -> Trace:
    """Trace Pod `name` to the first thing that keeps it from being ready."""
    path = Trace(f"pod/{name}", namespace)
    pod = api.get("Pod", name, namespace)
    if pod is None:
        _absent(api, namespace, name, path)
        return path
    placed = _alive(api, pod, path) and placing.scheduled(api, pod, path) and _node(api, pod, path)
    if placed and _volumes(api, pod, path) and _containers(api, pod, path):
        _ready(pod, path)
    return path


def _absent(api: Api, namespace: str, name: str, path: Trace) -> None:
    """The broken hop of a Pod that is not there: what was said of it when it went, or the nearest name."""
    found = [e for e in api.list("Event", namespace, fields=f"involvedObject.name={name}") if e["reason"] in _GONE]
    if found:
        said = "; ".join(dict.fromkeys(f"{e['reason']}: {e.get('message', '').strip()}" for e in found[-3:]))
        path.fail("Pod", f"Pod {name} is gone. What was said: {said}", f"kubectl get pods -n {namespace} -o wide")
        return
    there = [p["metadata"]["name"] for p in api.list("Pod", namespace)]
    path.missing("Pod", name, namespace, there, "pods")


def _alive(api: Api, pod: Obj, path: Trace) -> bool:
    """The hop Pod: False when it is on its way out, or over."""
    meta, status = pod["metadata"], pod["status"]
    describe = f"kubectl describe pod {meta['name']} -n {meta['namespace']}"
    target = next((c for c in status.get("conditions") or () if c["type"] == "DisruptionTarget"), None)
    asked = f": {target.get('message')} ({target.get('reason')})" if target and target["status"] == "True" else ""
    if meta.get("deletionTimestamp"):
        waits = ", ".join(meta.get("finalizers") or ())
        until = f"finalizers: {waits}" if waits else f"its containers have until {meta['deletionTimestamp']} to end"
        path.fail("Pod", f"{meta['name']} is being deleted{asked}; {until}", describe)
        return False
    owner = next((ref for ref in meta.get("ownerReferences") or () if ref.get("controller")), None)
    made = f", made by {owner['kind']} {owner['name']}" if owner else ""
    phase = status.get("phase", "Pending")
    if phase == "Failed":
        why = ": ".join(filter(None, (status.get("reason"), (status.get("message") or "").strip())))
        if not why:
            why = _ends(api, pod)
        path.fail("Pod", f"{meta['name']} has failed for good{made}. {why}{asked}", _after_failure(pod, describe))
        return False
    if phase == "Succeeded":
        path.ok("Pod", f"{meta['name']} is done: its containers ended without an error{made}")
        return False
    path.ok("Pod", f"{meta['name']} is {phase}{made}")
    return True


def _after_failure(pod: Obj, describe: str) -> str:
    reason = pod["status"].get("reason", "")
    if reason.startswith("OutOf") or reason in ("NodeAffinity", "NodePorts", "TaintToleration"):
        return "spec.nodeName puts a Pod on a node without asking the scheduler: leave it out, and make the Pod anew"
    if reason == "Evicted":
        return f"{describe}; a Pod without a controller has to be made anew"
    return f"kubectl logs {pod['metadata']['name']} -n {pod['metadata']['namespace']}, then {describe}"


def _ends(api: Api, pod: Obj) -> str:
    """Of which containers the Pod has died, and what they said last."""
    told = []
    for status in _statuses(pod):
        end = (status.get("state") or {}).get("terminated")
        if end and end.get("exitCode"):
            words = ended.last_words(api, pod, status["name"], previous=False)
            said = f"; the last it printed: {words}" if words else ""
            told.append(f"Container {status['name']}: {ended.meaning(pod, status['name'], end)}{said}")
    return ". ".join(told)


def _node(api: Api, pod: Obj, path: Trace) -> bool:
    """The hop Node, of one that does not work."""
    name = pod["spec"]["nodeName"]
    node = api.get("Node", name)
    if node is None:
        why = f"there is no Node {name}: a Pod that is put on a node by name waits for a node of that name"
        path.fail("Node", why, "kubectl get nodes")
        return False
    condition: Obj = next((c for c in node["status"].get("conditions") or () if c["type"] == "Ready"), {})
    if condition.get("status") != "True":
        said = condition.get("message") or "its kubelet has not said anything yet"
        path.fail("Node", f"{name} is not Ready: {said}", f"kindlab why node/{name}")
        return False
    return True


def _volumes(api: Api, pod: Obj, path: Trace) -> bool:
    """The hop Volumes, of a Pod whose containers wait for them (or for the Pod's network)."""
    if any(not (s.get("state") or {}).get("waiting") for s in _statuses(pod)):
        return True
    reasons = {s["state"]["waiting"].get("reason") for s in _statuses(pod)}
    if reasons - {"ContainerCreating", "PodInitializing"}:
        return True
    meta = pod["metadata"]
    describe = f"kubectl describe pod {meta['name']} -n {meta['namespace']}"
    if trouble := events.last(api, pod, _MOUNT):
        claims = [name for volume in pod["spec"].get("volumes") or () if (name := claim_of(pod, volume))]
        then = (
            f"kindlab why pvc/{claims[0]} -n {meta['namespace']}"
            if claims
            else container.maker(trouble, meta) or describe
        )
        path.fail(
            "Volumes", f"the containers wait for their volumes. {trouble}{container.near(api, trouble, meta)}", then
        )
        return False
    if trouble := events.last(api, pod, _SANDBOX):
        path.fail("Network", f"the Pod has no network of its own yet. {trouble}", describe)
        return False
    return True


def _containers(api: Api, pod: Obj, path: Trace) -> bool:
    """The hops of each container: those that go before the others first."""
    status = pod["status"]
    for each in status.get("initContainerStatuses") or ():
        if not container.follow(api, pod, each, path, init=not _is_sidecar(pod, each["name"])):
            return False
    listed = status.get("containerStatuses") or []
    if not listed:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        why = "the node has not begun with its containers yet"
        path.fail("Containers", why, f"kubectl describe pod {name} -n {namespace}; ask again soon")
        return False
    return all(container.follow(api, pod, each, path, init=False) for each in listed)


def _ready(pod: Obj, path: Trace) -> None:
    """The hops Readiness gates and Ready."""
    conditions = {c["type"]: c for c in pod["status"].get("conditions") or ()}
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    closed = [gate for gate in gates if conditions.get(gate, {}).get("status") != "True"]
    meta = pod["metadata"]
    if closed:
        why = (
            f"its containers are ready, but not {', '.join(closed)}: a condition that somebody else has to set to True"
        )
        path.fail("Readiness gates", why, f"kubectl get pod {meta['name']} -n {meta['namespace']} -o wide")
    elif conditions.get("Ready", {}).get("status") == "True":
        path.ok("Ready", f"since {conditions['Ready'].get('lastTransitionTime')}")
    else:
        said = conditions.get("Ready", {}).get("message") or "its status does not say so yet"
        path.fail("Ready", said, f"kubectl describe pod {meta['name']} -n {meta['namespace']}; ask again soon")


# -- reading


def _statuses(pod: Obj) -> list[Obj]:
    status = pod["status"]
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _is_sidecar(pod: Obj, name: str) -> bool:
    return container.spec_of(pod, name).get("restartPolicy") == "Always"
