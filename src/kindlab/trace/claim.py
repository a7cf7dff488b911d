"""The path from a claim to its bytes: claim -> class -> source -> provisioner -> volume -> binding -> scheduling ->
attach -> mount -> bytes.

Conditions, events and phases are the components' own words; each hop quotes them and says what to do. Only the last
hop runs a command in a Pod, and it writes nothing.
"""

from __future__ import annotations

from kindlab import quantities
from kindlab.api import Api, Obj
from kindlab.trace import datasource, events, mounting, offers, sidecars
from kindlab.trace.hops import Trace

DEFAULT_ANNOTATION = "storageclass.kubernetes.io/is-default-class"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
_TROUBLE = ("ProvisioningFailed", "VolumeModifyFailed")
_RESIZE_TROUBLE = ("VolumeResizeFailed", "FileSystemResizeFailed")


def trace(api: Api, namespace: str, name: str) -> Trace:
    """Trace PersistentVolumeClaim `name` to the first broken hop, or to the bytes in a Pod that uses it."""
    path = Trace(f"pvc/{name}", namespace)
    claim = api.get("PersistentVolumeClaim", name, namespace)
    if claim is None:
        there = [c["metadata"]["name"] for c in api.list("PersistentVolumeClaim", namespace)]
        path.missing("PersistentVolumeClaim", name, namespace, there, "persistentvolumeclaims")
        return path
    users = mounting.users(api, namespace, name)
    if not _claim(claim, users, path):
        return path
    named = claim["spec"].get("volumeName")
    if named and phase(claim) == "Pending":
        _wish(api, claim, named, path)
        return path
    if named:
        volume = _volume(api, claim, named, path)
        if volume is not None and datasource.honoured(claim, volume, path) and _size(api, claim, volume, path):
            mounting.follow(api, claim, volume, users, path)
        return path
    storage_class = _class(api, claim, path)
    if not path.broken and datasource.in_order(api, claim, storage_class, path):
        _unbound(api, claim, storage_class, users, path)
    return path


def phase(claim: Obj) -> str:
    return str((claim.get("status") or {}).get("phase", "Pending"))


def _claim(claim: Obj, users: list[Obj], path: Trace) -> bool:
    """The hop Claim: what it asks for; False when it is on its way out."""
    meta, spec = claim["metadata"], claim["spec"]
    size = offers.size(spec)
    if size.isdecimal():  # 5, where 5Gi was meant
        size += " byte" if size == "1" else " bytes"
    shown = f"asks for {size} {offers.modes(spec)}, {offers.mode(spec)}; it is {phase(claim)}"
    if meta.get("deletionTimestamp"):
        names = ", ".join(p["metadata"]["name"] for p in users)
        waits = f"Pod {names} still uses it" if names else f"finalizers: {', '.join(meta.get('finalizers') or ())}"
        then = f"kubectl delete pod {users[0]['metadata']['name']}" if users else f"kubectl describe pvc {meta['name']}"
        path.fail("Claim", f"{meta['name']} is being deleted and waits: {waits}", f"{then} -n {meta['namespace']}")
        return False
    path.ok("Claim", shown)
    return True


def _class(api: Api, claim: Obj, path: Trace) -> Obj | None:
    """The hop StorageClass: that of a claim that is not bound; None where there is none to provision by."""
    name = offers.class_name(claim)
    classes = {c["metadata"]["name"]: c for c in api.list("StorageClass")}
    if name:
        found = classes.get(name)
        if found is not None:
            path.ok("StorageClass", f"{name}: provisioner {found['provisioner']}, {_moment(found)}")
        elif not any(offers.class_name(volume) == name for volume in api.list("PersistentVolume")):
            path.missing("StorageClass", name, "", list(classes), "storageclasses")
        else:
            path.ok(
                "StorageClass", f"there is no StorageClass {name}, but volumes carry that name: one of those must fit"
            )
        return found
    if name is None:
        default = [n for n, c in classes.items() if _is_default(c)]
        if not default:
            words = "the claim names no class and the cluster has no default one: only a volume made by hand can fit"
            path.ok("StorageClass", f"{words}; classes: {', '.join(classes) or 'none'}")
        else:
            path.ok("StorageClass", f"the claim names none yet: it gets the default one, {' or '.join(default)}")
        return None
    path.ok("StorageClass", 'none ("" on purpose): only a volume made by hand, without a class, can fit')
    return None


def _is_default(storage_class: Obj) -> bool:
    return (storage_class["metadata"].get("annotations") or {}).get(DEFAULT_ANNOTATION) == "true"


def _waits(storage_class: Obj | None) -> bool:
    return bool(storage_class and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer")


def _moment(storage_class: Obj) -> str:
    return "binds when a Pod is scheduled" if _waits(storage_class) else "binds at once"


def _unbound(api: Api, claim: Obj, storage_class: Obj | None, users: list[Obj], path: Trace) -> None:
    """Why a claim is Pending: nobody has asked for it, nobody provisions it, or no volume fits."""
    meta = claim["metadata"]
    describe = f"kubectl describe pvc {meta['name']} -n {meta['namespace']}"
    volumes = api.list("PersistentVolume")
    fitting = [v["metadata"]["name"] for v in volumes if not offers.objection(claim, v)]
    if storage_class is None or storage_class["provisioner"] == NO_PROVISIONER:
        if not fitting:
            look = "kubectl get pv"
            if offers.class_name(claim) is None:
                look = (
                    "kubectl get storageclasses; name one in the claim, mark one as default, or make a volume by hand"
                )
            path.fail("Volume", offers.none_fits(claim, volumes), look)
            return
        path.ok("Volume", f"{fitting[0]} fits")
    if _waits(storage_class) and SELECTED_NODE not in (meta.get("annotations") or {}):
        if not users:
            name = storage_class["metadata"]["name"] if storage_class else ""
            path.fail(
                "Binding",
                f"class {name} waits for the first Pod that uses the claim, and no Pod does",
                f"make a Pod with a volume persistentVolumeClaim.claimName: {meta['name']}",
            )
            return
        if not mounting.scheduled(users, path):
            return
    if storage_class is not None and storage_class["provisioner"] != NO_PROVISIONER:
        _provisioner(api, claim, storage_class["provisioner"], describe, path)
        return
    said = events.last(api, claim)
    path.fail("Binding", f"the claim is not bound yet{f': {said}' if said else ''}", describe)


def _provisioner(api: Api, claim: Obj, name: str, describe: str, path: Trace) -> None:
    """The broken hop of a claim that its provisioner has not served."""
    trouble = events.last(api, claim, _TROUBLE)
    if (idle := sidecars.stopped(api, "provisioner", name)) is not None:
        said = f"; it said last: {trouble}" if trouble else ""
        path.fail("Provisioner", f"{name} does not run: {idle.text}{said}", idle.next)
    elif trouble:
        path.fail("Provisioner", f"{name} cannot: {trouble}", describe)
    elif events.said(api, claim, ("Provisioning",)):
        path.fail("Provisioner", f"{name} is at it, and has not made the volume yet", f"{describe}; ask again soon")
    else:
        drivers = [d["metadata"]["name"] for d in api.list("CSIDriver")]
        known = "" if name in drivers else f"; the CSI drivers there are: {', '.join(drivers) or 'none'}"
        path.fail(
            "Provisioner",
            f"nothing in the cluster has answered for provisioner {name}{known}",
            "kubectl get storageclasses, then look whether that provisioner's Pods run: kubectl get pods -A",
        )


def _wish(api: Api, claim: Obj, name: str, path: Trace) -> None:
    """The broken hop of a Pending claim that names its volume: no other is chosen, and none is made for it."""
    meta = claim["metadata"]
    volume = api.get("PersistentVolume", name)
    if volume is None:
        why = f"the claim names volume {name}, and there is no such PersistentVolume; no other is chosen or made for it"
        again = (
            f"or make the claim anew without spec.volumeName: kubectl delete pvc {meta['name']} -n {meta['namespace']}"
        )
        path.fail("Volume", why, f"kubectl get pv, {again}")
    elif objection := offers.objection(claim, volume):
        why = f"the claim names volume {name}, which does not fit: {objection}"
        path.fail("Volume", why, f"kubectl describe pv {name}")
    else:
        path.ok("Volume", f"{name}, which the claim names, fits")
        said = events.last(api, claim)
        describe = f"kubectl describe pvc {meta['name']} -n {meta['namespace']}"
        path.fail("Binding", f"the claim is not bound yet{f': {said}' if said else ''}", describe)


def _volume(api: Api, claim: Obj, name: str, path: Trace) -> Obj | None:
    """The hops Volume and Binding of a claim that has a volume; None where the path ends."""
    meta = claim["metadata"]
    volume = api.get("PersistentVolume", name)
    if volume is None:
        why = f"its PersistentVolume {name} is gone, and with it what was written: the claim is {phase(claim)}"
        path.fail("Volume", why, f"make the claim anew: kubectl delete pvc {meta['name']} -n {meta['namespace']}")
        return None
    status = (volume.get("status") or {}).get("phase", "Pending")
    policy = volume["spec"].get("persistentVolumeReclaimPolicy", "Retain")
    path.ok("Volume", f"{name}: {offers.size(volume['spec'])} {offers.kind(volume)}, reclaim policy {policy}")
    ref = volume["spec"].get("claimRef") or {}
    owner = f"{ref.get('namespace')}/{ref.get('name')}"
    if ref.get("uid") != meta["uid"] or status != "Bound" or phase(claim) != "Bound":
        whose = f"claimed by {owner} (uid {ref.get('uid', 'none')})" if ref else "claimed by nobody"
        why = f"volume {name} is {status}, {whose}; the claim is {phase(claim)}"
        path.fail("Binding", why, f"kubectl describe pv {name}")
        return None
    path.ok("Binding", f"claim and volume name each other, both are {status}")
    return volume


def _size(api: Api, claim: Obj, volume: Obj, path: Trace) -> bool:
    """The hop Size of a claim that asks for more than it has; False when that failed."""
    meta, status = claim["metadata"], claim.get("status") or {}
    wanted, has = offers.size(claim["spec"]), (status.get("capacity") or {}).get("storage", "0")
    if quantities.number(wanted) <= quantities.number(has):
        return True
    trouble = events.last(api, claim, _RESIZE_TROUBLE)
    describe = f"kubectl describe pvc {meta['name']} -n {meta['namespace']}"
    if trouble:
        then = f"{describe}; to give up, ask for less, but for more than {has}"
        path.fail("Size", f"it asks for {wanted} and has {has}: {trouble}", then)
        return False
    if "csi" not in volume["spec"]:
        why = f"nothing expands a volume that is {offers.kind(volume)}, though its class allows it"
        path.fail("Size", f"it asks for {wanted} and has {has}: {why}", "make a larger claim, and copy the files to it")
        return False
    pending = any(c["type"] == "FileSystemResizePending" for c in status.get("conditions") or ())
    why = "the node finishes that once a Pod uses the claim" if pending else "the expansion is under way"
    path.ok("Size", f"it asks for {wanted} and has {has}: {why}")
    return True
