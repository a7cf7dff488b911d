"""When a kind cluster is ready: its API answers, all nodes are Ready, CoreDNS and the default StorageClass' provisioner
run. `kind create cluster` itself waits for none of it (its --wait looks at the control plane only).

Each wait says what it waits for; when it is in vain, which node or Pod is not there, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic, sleep

from kindlab.api import Api, ApiError, Obj
from kindlab.clusters.base import Step
from kindlab.conditions import is_ready
from kindlab.errors import Problem
from kindlab.selectors import of_pods

API_TIMEOUT = 120.0
"""Seconds after its containers were started; a machine that has just booted is slow."""
ALIVE_TIMEOUT = 30.0
"""Seconds for one whose containers run already."""
NODES_TIMEOUT = 300.0
PODS_TIMEOUT = 300.0
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
PROVISIONERS = {"rancher.io/local-path": ("local-path-storage", "local-path-provisioner")}
"""Provisioner -> (namespace, Deployment) as kind installs it (pkg/build/nodeimage/const_storage.go)."""


def answers(api: Api, timeout: float) -> bool:
    """Whether the API server says within `timeout` seconds that it is ready."""
    deadline = monotonic() + timeout
    while True:
        try:
            api.request("GET", "/readyz", accept="*/*", timeout=5, stream=True).close()
            return True
        except (ApiError, Problem):
            if monotonic() > deadline:
                return False
            sleep(0.5)


def everything(api: Api, nodes: int, step: Step) -> None:
    """Returns when it is all there. Raises Problem."""
    all_nodes(api, nodes, step)
    deployment(api, "kube-system", "coredns", "CoreDNS, the cluster's DNS server,", step)
    storage(api, step)


def all_nodes(api: Api, count: int, step: Step) -> None:
    """Returns when `count` nodes are registered and all are Ready."""

    def waiting(live: Iterable[Obj]) -> str:
        listed = list(live)
        late = sorted(node["metadata"]["name"] for node in listed if not is_ready(node))
        if late:
            return f"waiting for nodes to be Ready: {', '.join(late)}"
        missing = count - len(listed)
        return f"waiting for {missing} more node{'s' if missing > 1 else ''} to register" if missing > 0 else ""

    if not _followed(api, "Node", None, waiting, NODES_TIMEOUT, step):
        live = api.list("Node")
        late = [f"{n['metadata']['name']} ({_of_node(n)})" for n in live if not is_ready(n)]
        registered = f"{len(live)} of {count} nodes have registered"
        raise Problem(
            f"The nodes were not all Ready within {NODES_TIMEOUT:.0f} s.",
            f"Not Ready: {'; '.join(late)}." if late else f"{registered}; the others' kubelets have not come up.",
            "Look with: kubectl describe nodes. Often memory or disk are short: kindlab doctor looks at both. "
            "kindlab up waits again; kindlab down removes the cluster.",
        )


def deployment(api: Api, namespace: str, name: str, what: str, step: Step) -> None:
    """Returns when the Deployment is Available, all its replicas of its newest form."""

    def waiting(live: Iterable[Obj]) -> str:
        found = next((d for d in live if d["metadata"]["name"] == name), None)
        if found is None:
            return f"waiting for {what} to be installed (Deployment {name} in {namespace})"
        status, wanted = found.get("status") or {}, found["spec"].get("replicas", 1)
        fresh = status.get("observedGeneration") == found["metadata"]["generation"]
        ready = status.get("availableReplicas", 0) if fresh else 0
        return "" if fresh and ready >= wanted else f"waiting for {what} to run: {ready} of {wanted} Pods ready"

    if not _followed(api, "Deployment.apps", namespace, waiting, PODS_TIMEOUT, step):
        raise _not_there(api, namespace, name, what.strip(","))


def storage(api: Api, step: Step) -> None:
    """Returns when there is a default StorageClass and its provisioner runs (of those that kind brings)."""

    def default(live: Iterable[Obj]) -> list[Obj]:
        return [c for c in live if (c["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"]

    def waiting(live: Iterable[Obj]) -> str:
        return "" if default(live) else "waiting for a default StorageClass"

    if not _followed(api, "StorageClass", None, waiting, PODS_TIMEOUT, step):
        raise Problem(
            "The cluster has no default StorageClass.",
            "kind brings one, `standard`; in this cluster it is missing or not the default one.",
            f"kubectl annotate storageclass standard {DEFAULT_CLASS}=true; or make the cluster anew: kindlab down, "
            "then kindlab up --cluster kind",
        )
    for found in default(api.list("StorageClass")):
        if where := PROVISIONERS.get(found["provisioner"]):
            deployment(api, *where, "the provisioner of the default StorageClass", step)


def _followed(
    api: Api,
    kind: str,
    namespace: str | None,
    waiting: Callable[[Iterable[Obj]], str],
    timeout: float,
    step: Step,
) -> bool:
    """Follow those objects until there is nothing to wait for; what there is goes to `step`."""
    said = ""
    for live in api.follow(kind, namespace, timeout=timeout):
        text = waiting(live.values())
        if not text:
            return True
        if text != said:
            step(said := text)
    return False


def _of_node(node: Obj) -> str:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((c for c in conditions if c["type"] == "Ready"), None)
    return (ready or {}).get("message") or "its kubelet has not said anything yet"


def _not_there(api: Api, namespace: str, name: str, what: str) -> Problem:
    found = api.get("Deployment.apps", name, namespace)
    if found is None:
        return Problem(
            f"{what[:1].upper()}{what[1:]} is not there after {PODS_TIMEOUT:.0f} s.",
            f"There is no Deployment {name} in namespace {namespace}, which kind itself installs.",
            "The cluster is damaged. Make it anew: kindlab down, then kindlab up --cluster kind",
        )
    pods = api.list("Pod", namespace, labels=of_pods(found))
    late = {pod["metadata"]["name"]: said for pod in pods if (said := trouble(pod))}
    lines = [f"Pod {pod}: {said}" for pod, said in late.items()] or ["None of its Pods has been made."]
    missing = images_missing(pods)
    then = f"Look with: kubectl -n {namespace} describe pod {next(iter(late), '')}".rstrip() + ". "
    if missing:
        then = (
            f"The nodes cannot pull {', '.join(missing)}. With a connection: kindlab up --cluster kind --preload "
            "lets the container engine pull, which knows your proxy, and loads it into the nodes. "
        )
    return Problem(
        f"{what[:1].upper()}{what[1:]} did not run within {PODS_TIMEOUT:.0f} s.",
        " ".join(f"{line.rstrip('.')}." for line in lines),
        f"{then}kindlab up --cluster kind waits again.",
    )


def trouble(pod: Obj) -> str:
    """What a Pod that is not ready waits for, in the cluster's own words; "" for one that is ready."""
    status = pod.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    if conditions.get("Ready", {}).get("status") == "True" or status.get("phase") == "Succeeded":
        return ""
    placed = conditions.get("PodScheduled", {})
    if placed.get("status") == "False":
        return f"it has no node: {placed.get('message') or placed.get('reason')}"
    for found in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waits = (found.get("state") or {}).get("waiting")
        if waits:
            return f"container {found['name']}: {waits.get('reason')} {waits.get('message', '')}".strip()
        if not found.get("ready"):
            return f"container {found['name']} runs and is not ready yet"
    return f"it is {status.get('phase', 'Pending')}"


def images_missing(pods: Iterable[Obj]) -> list[str]:
    """The images that nodes could not pull for these Pods."""
    found = []
    for pod in pods:
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            reason = ((status.get("state") or {}).get("waiting") or {}).get("reason")
            if reason in ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"):
                found.append(status["image"])
    return sorted(set(found))
