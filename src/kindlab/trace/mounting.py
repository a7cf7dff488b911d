"""From a bound volume to the bytes in a container: the Pods that use it, where they run, attach, mount, content."""

from __future__ import annotations

import shlex

from kindlab.api import Api, Obj
from kindlab.checks.host import pod_host
from kindlab.checks.verdict import CouldNotGrade
from kindlab.checks.volumes import claim_of, uses
from kindlab.trace import events, offers, sidecars
from kindlab.trace.hops import Trace

_ATTACH_TROUBLE = ("FailedAttachVolume",)
_MOUNT_TROUBLE = ("FailedMount", "FailedMapVolume")
_LOOK = "cd {at} && ls -A | wc -l && {{ test -w . && echo writable || echo read-only; }} && df -kP . | tail -n 1"


def users(api: Api, namespace: str, claim: str) -> list[Obj]:
    """The Pods that use a claim and have not ended, by name."""
    using = [p for p in api.list("Pod", namespace) if uses(p, claim)]
    return sorted(using, key=lambda pod: str(pod["metadata"]["name"]))


def scheduled(pods: list[Obj], path: Trace) -> bool:
    """Add the hop Scheduling; False when one of the Pods has no node."""
    for pod in pods:
        if not pod["spec"].get("nodeName"):
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            conditions = pod["status"].get("conditions") or ()
            said = next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "")
            why = f"Pod {name} has no node{f': {said}' if said else ' yet'}"
            path.fail("Scheduling", why, _ways_out(said) or f"kubectl describe pod {name} -n {namespace}")
            return False
    placed = ", ".join(f"{p['metadata']['name']} on {p['spec']['nodeName']}" for p in pods[:4])
    path.ok("Scheduling", f"used by {placed}{', ...' if len(pods) > 4 else ''}")
    return True


def _ways_out(said: str) -> str:
    """Where to look, for what the scheduler says about volumes; "" for anything else."""
    if "exceed max volume count" in said:
        limits = "kubectl get csinodes -o custom-columns='NODE:.metadata.name,LIMIT:.spec.drivers[*].allocatable.count'"
        return f"{limits}; a volume that no Pod on the node uses any more makes room"
    if "ReadWriteOncePod" in said:
        return "kubectl describe pvc shows who has it (Used By): one Pod at a time may"
    if "PersistentVolume's node affinity" in said:
        return (
            "kubectl describe pv shows on which nodes the volume can be (Node Affinity), and where the Pod wants to be"
        )
    return ""


def follow(api: Api, claim: Obj, volume: Obj, pods: list[Obj], path: Trace) -> None:
    """Add the hops from the Pods of a bound claim to its bytes."""
    if not pods:
        path.ok("Pods", "no Pod uses the claim: nothing is attached or mounted, and the bytes wait")
        return
    if not scheduled(pods, path):
        return
    for pod in pods:
        if not _attached(api, volume, pod, path) or not _mounted(api, pod, path):
            return
    if offers.mode(claim["spec"]) == "Block":
        path.ok("Bytes", "a raw block device: there are no files to look at")
        return
    _bytes(api, claim, pods, path)


def _attached(api: Api, volume: Obj, pod: Obj, path: Trace) -> bool:
    """The hop Attach of one Pod's node; volumes without an attacher need none."""
    driver = (volume["spec"].get("csi") or {}).get("driver")
    if not driver:
        return True
    known = api.get("CSIDriver", driver)
    if known is not None and known["spec"].get("attachRequired") is False:
        return True
    name, node, pod_name = volume["metadata"]["name"], pod["spec"]["nodeName"], pod["metadata"]["name"]
    found = next(
        (
            a
            for a in api.list("VolumeAttachment")
            if a["spec"]["source"].get("persistentVolumeName") == name and a["spec"]["nodeName"] == node
        ),
        None,
    )
    describe = f"kubectl describe pod {pod_name} -n {pod['metadata']['namespace']}"
    status = (found or {}).get("status") or {}
    if status.get("attached"):
        path.ok("Attach", f"{name} is attached to {node}")
        return True
    error = (status.get("attachError") or {}).get("message") or events.last(api, pod, _ATTACH_TROUBLE)
    others = [
        a["spec"]["nodeName"]
        for a in api.list("VolumeAttachment")
        if a["spec"]["source"].get("persistentVolumeName") == name and a["spec"]["nodeName"] != node
    ]
    held = f"; it is attached to {', '.join(others)}" if others else ""
    idle = sidecars.stopped(api, "attacher", driver)
    error = f"the attacher of {driver} does not run: {idle.text}" if idle else error
    why = f"{name} is not attached to {node}, where Pod {pod_name} is{f': {error}' if error else ''}{held}"
    path.fail("Attach", why, idle.next if idle else describe)
    return False


def _mounted(api: Api, pod: Obj, path: Trace) -> bool:
    """The hop Mount: whether the Pod's containers could start with their volumes."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    statuses = [*(pod["status"].get("initContainerStatuses") or ()), *(pod["status"].get("containerStatuses") or ())]
    if any(not (s.get("state") or {}).get("waiting") for s in statuses):
        path.ok("Mount", f"Pod {name} started with it")
        return True
    trouble = events.last(api, pod, _MOUNT_TROUBLE)
    stuck: Obj = next((s["state"]["waiting"] for s in statuses), {})
    waiting = stuck.get("reason", "ContainerCreating")
    describe = f"kubectl describe pod {name} -n {namespace}"
    if waiting not in ("ContainerCreating", "PodInitializing") and not trouble:
        said = f"{waiting}{': ' + stuck['message'] if stuck.get('message') else ''}"
        path.fail("Mount", f"Pod {name} has its volumes, but its container waits: {said}", describe)
        return False
    path.fail("Mount", f"Pod {name} waits with its containers{f': {trouble}' if trouble else ': ' + waiting}", describe)
    return False


def _bytes(api: Api, claim: Obj, pods: list[Obj], path: Trace) -> None:
    """The hop Bytes: what a running container sees at the mount, without writing there."""
    namespace, name = claim["metadata"]["namespace"], claim["metadata"]["name"]
    for pod in pods:
        for container, at in _mounts(pod, name):
            try:
                result = pod_host(api, namespace, pod["metadata"]["name"], container).run(
                    _LOOK.format(at=shlex.quote(at))
                )
            except CouldNotGrade as error:
                path.ok("Bytes", f"not looked at: {error}")
                return
            lines = result.stdout.splitlines()
            if result.rc != 0 or len(lines) < 3 or len(lines[2].split()) < 5:
                said = (result.stderr or result.stdout).strip()
                exec_ = f"kubectl exec -n {namespace} {pod['metadata']['name']} -c {container} -- ls -la {at}"
                path.fail("Bytes", f"{at} in {pod['metadata']['name']} cannot be looked at: {said}", exec_)
                return
            _tell(pod, at, lines, path)
            return
    path.ok("Bytes", "no container that mounts it runs now: nobody to look with")


def _tell(pod: Obj, at: str, lines: list[str], path: Trace) -> None:
    count, access, (_, total, used, free, *_) = lines[0].strip(), lines[1], lines[2].split()
    where = f"{at} in Pod {pod['metadata']['name']}"
    if free == "0" and total != "0":
        path.fail(
            "Bytes",
            f"{where} is full: {_amount(used)} of {_amount(total)} used",
            "delete what is not needed (a larger claim helps where a volume has a file system of its own)",
        )
        return
    path.ok("Bytes", f"{where}: {count} {'entry' if count == '1' else 'entries'}, {access}, {_amount(free)} free")


def _amount(kib: str) -> str:
    """A number of KiB for people: `74.0 GiB`."""
    amount, units = float(kib), ["KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "KiB" else f"{amount:.1f} {units[0]}"


def _mounts(pod: Obj, claim: str) -> list[tuple[str, str]]:
    """(container, path) where a claim is mounted in containers that run."""
    volumes = {v["name"] for v in pod["spec"].get("volumes") or () if claim_of(pod, v) == claim}
    running = {s["name"] for s in pod["status"].get("containerStatuses") or () if (s.get("state") or {}).get("running")}
    return [
        (container["name"], mount["mountPath"])
        for container in pod["spec"]["containers"]
        if container["name"] in running
        for mount in container.get("volumeMounts") or ()
        if mount["name"] in volumes
    ]
