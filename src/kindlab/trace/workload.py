"""The path from a controller's object to its Pods: object -> ReplicaSet -> Pods made (quotas, limits) -> the first Pod
that is not ready, which is followed as `pod/NAME` is.

Deployments, ReplicaSets, ReplicationControllers, StatefulSets, DaemonSets and Jobs.
"""

from __future__ import annotations

from collections.abc import Sequence

from kindlab.api import Api, Obj
from kindlab.conditions import is_over, is_ready
from kindlab.trace import events, pod, refusal
from kindlab.trace.hops import Trace

KINDS = {
    "Deployment": ("deploy", "deployment", "deployments"),
    "ReplicaSet": ("rs", "replicaset", "replicasets"),
    "ReplicationController": ("rc", "replicationcontroller", "replicationcontrollers"),
    "StatefulSet": ("sts", "statefulset", "statefulsets"),
    "DaemonSet": ("ds", "daemonset", "daemonsets"),
    "Job": ("job", "jobs"),
}
"""The words each is called by; the last is its plural."""
REVISION = "deployment.kubernetes.io/revision"


def kind_of(word: str) -> str:
    """The kind a word names; "" for others."""
    return next((kind for kind, words in KINDS.items() if word.lower() in words), "")


def trace(api: Api, namespace: str, kind: str, name: str) -> Trace:
    """Trace an object of a kind of KINDS to the first thing that keeps its Pods from being there and ready."""
    plural = KINDS[kind][-1]
    path = Trace(f"{kind.lower()}/{name}", namespace)
    live = api.get(kind, name, namespace)
    if live is None:
        path.missing(kind, name, namespace, [o["metadata"]["name"] for o in api.list(kind, namespace)], plural)
        return path
    if not _wants_pods(live, plural, path):
        return path
    maker = _replica_set(api, live, path) if kind == "Deployment" else live
    if maker is not None:
        _follow_pods(api, live, maker, plural, path)
    return path


def maker_of(api: Api, namespace: str, labels: dict[str, str]) -> tuple[str, str] | None:
    """(kind, name) of the first object whose Pods would carry these labels."""
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"):
        for found in api.list(kind, namespace):
            template = found["spec"].get("template") or {}
            if labels.items() <= ((template.get("metadata") or {}).get("labels") or {}).items():
                return kind, str(found["metadata"]["name"])
    return None


def _wants_pods(live: Obj, plural: str, path: Trace) -> bool:
    """The hop of the object itself: False where it asks for no Pods (any longer)."""
    kind, spec, status = live["kind"], live["spec"], live.get("status") or {}
    name, namespace = live["metadata"]["name"], live["metadata"]["namespace"]
    if live["metadata"].get("deletionTimestamp"):
        waits = ", ".join(live["metadata"].get("finalizers") or ()) or "nothing"
        path.fail(
            kind, f"{name} is being deleted; it waits for: {waits}", f"kubectl get {plural} {name} -n {namespace}"
        )
        return False
    if kind == "Job":
        return _job_runs(live, path)
    wanted = status.get("desiredNumberScheduled", 0) if kind == "DaemonSet" else spec.get("replicas", 1)
    if not wanted and kind == "DaemonSet":
        chosen = (spec["template"]["spec"].get("nodeSelector") or {}) if "template" in spec else {}
        why = (
            f"no node is to have a Pod of it: nodeSelector {chosen or 'is empty'}, and taints that it does not tolerate"
        )
        path.fail(kind, why, "kubectl get nodes --show-labels; kubectl describe nodes")
        return False
    if not wanted:
        then = f"kubectl scale {plural} {name} --replicas=1 -n {namespace}"
        path.fail(kind, f"{name} asks for no Pods: spec.replicas is 0", then)
        return False
    if spec.get("paused") and status.get("updatedReplicas", 0) < wanted:
        why = f"{name} is paused: its newest template has {status.get('updatedReplicas', 0)} of {wanted} Pods"
        path.fail(kind, why, f"kubectl rollout resume {plural} {name} -n {namespace}")
        return False
    path.ok(kind, f"{name} asks for {wanted} {'Pod' if wanted == 1 else 'Pods'}")
    return True


def _job_runs(job: Obj, path: Trace) -> bool:
    """The hop Job: False when it is over, for good or bad, or suspended."""
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    status = job.get("status") or {}
    true = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
    if found := true.get("Complete") or true.get("SuccessCriteriaMet"):
        path.ok(
            "Job", f"{name} is done: {status.get('succeeded', 0)} Pods succeeded. {found.get('message', '')}".rstrip()
        )
        return False
    if found := true.get("Failed") or true.get("FailureTarget"):
        why = f"{name} has failed ({found.get('reason')}): {found.get('message')}"
        path.fail("Job", why, f"kubectl logs -l batch.kubernetes.io/job-name={name} -n {namespace} --tail=20")
        return False
    if job["spec"].get("suspend"):
        change = '{"spec":{"suspend":false}}'
        path.fail("Job", f"{name} is suspended", f"kubectl patch job {name} -n {namespace} --type=merge -p '{change}'")
        return False
    path.ok("Job", f"{name} runs: {status.get('active', 0)} active, {status.get('succeeded', 0)} succeeded")
    return True


def _replica_set(api: Api, deployment: Obj, path: Trace) -> Obj | None:
    """The hop ReplicaSet: the one of the newest template."""
    revision = (deployment["metadata"].get("annotations") or {}).get(REVISION)
    owned = [
        found for found in api.list("ReplicaSet", path.namespace) if _owner(found) == deployment["metadata"]["uid"]
    ]
    newest = next((f for f in owned if (f["metadata"].get("annotations") or {}).get(REVISION) == revision), None)
    behind = deployment["metadata"]["generation"] > (deployment.get("status") or {}).get("observedGeneration", 0)
    if newest is None or behind:
        name = deployment["metadata"]["name"]
        said = events.last(api, deployment) or "the deployment controller has not looked at its newest template yet"
        path.fail("ReplicaSet", said, f"kubectl describe deployment {name} -n {path.namespace}; ask again soon")
        return None
    path.ok("ReplicaSet", f"{newest['metadata']['name']} is of its newest template (revision {revision})")
    return newest


def _follow_pods(api: Api, live: Obj, maker: Obj, plural: str, path: Trace) -> None:
    """The hops Pods and those of the first Pod that is not ready."""
    name, uid = live["metadata"]["name"], maker["metadata"]["uid"]
    there = [found for found in api.list("v1/Pod", path.namespace) if _owner(found) == uid]
    alive = [found for found in there if not is_over(found)]
    wanted = _wanted(live)
    if len(alive) < wanted and (refused := refusal.of(api, maker)):
        why, then = refusal.meaning(path.namespace, plural, name, refused)
        path.fail("Pods", f"{len(alive)} of {wanted} are there. {why}", then)
        return
    late = _deadline(live)
    waiting = [found for found in _in_order(alive) if not is_ready(found)]
    if waiting:
        path.ok("Pods", f"{len(alive)} of {wanted} are there, {len(alive) - len(waiting)} ready{late}")
        path.hops += pod.trace(api, path.namespace, waiting[0]["metadata"]["name"]).hops
    elif len(alive) < wanted:
        said = events.last(api, maker) or "its controller has not made them yet"
        path.fail(
            "Pods",
            f"{len(alive)} of {wanted} are there{late}. {said}",
            f"kubectl describe {plural} {name} -n {path.namespace}",
        )
    else:
        path.ok("Pods", f"{len(alive)} of {wanted} are ready{late}")


def _wanted(live: Obj) -> int:
    spec, status = live["spec"], live.get("status") or {}
    if live["kind"] == "DaemonSet":
        return int(status.get("desiredNumberScheduled", 0))
    if live["kind"] == "Job":
        left = spec.get("completions", spec.get("parallelism", 1)) - status.get("succeeded", 0)
        return int(min(spec.get("parallelism", 1), left))
    return int(spec.get("replicas", 1))


def _deadline(live: Obj) -> str:
    for condition in (live.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return f"; for more than {live['spec'].get('progressDeadlineSeconds', 600)} seconds nothing has got better"
    return ""


def _in_order(pods: Sequence[Obj]) -> list[Obj]:
    """By name, those of a StatefulSet by their number: each waits for the one before."""
    return sorted(pods, key=lambda found: (len(found["metadata"]["name"]), found["metadata"]["name"]))


def _owner(obj: Obj) -> str:
    """The uid of an object's controller, or ""."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")
