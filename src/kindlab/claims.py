"""How a PersistentVolumeClaim, or a PersistentVolume, is put in place of one that is there.

What the cluster has filled in stays: the volume, and the class where neither the old nor the new manifest names one.
So a claim that only grows, or is applied a second time, keeps its bytes. One that may not change is made anew, and the
Pods that use it go first, for they hold it. A volume stays bound to the claim that has it.
"""

from __future__ import annotations

import json

from kindlab.api import Api, Obj
from kindlab.kubectl.applying import LAST_APPLIED, noted

KIND, VOLUME = "PersistentVolumeClaim", "PersistentVolume"


def replace(api: Api, claim: Obj, namespace: str) -> Obj:
    """Create the claim, or put it in place of the one that is there. Raises ApiError."""

    def over(live: Obj) -> Obj | None:
        if live["metadata"].get("deletionTimestamp"):
            return None
        return {**claim, "spec": {**_filled_in(live, claim), **claim["spec"]}}

    put = api.put_over(claim, namespace, over)
    if put is not None:
        return put
    name, space = claim["metadata"]["name"], claim["metadata"].get("namespace") or namespace
    remove(api, name, space)
    return api.create(claim, space)


def _filled_in(live: Obj, claim: Obj) -> Obj:
    note = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    asked = json.loads(note)["spec"] if note else live["spec"]
    kept = ["volumeName"] if "volumeName" in live["spec"] else []
    if "storageClassName" in live["spec"] and "storageClassName" not in asked:
        kept.append("storageClassName")
    return {field: live["spec"][field] for field in kept if field not in claim["spec"]}


def remove(api: Api, name: str, space: str) -> None:
    """Delete the claim and every Pod that names it; gone when this returns. The claim first: no Pod is scheduled to
    one that is on its way out."""
    live = api.get(KIND, name, space)
    if live is None:
        return
    api.delete(KIND, name, space)
    for pod in api.list("Pod", space):
        volumes = pod["spec"].get("volumes") or ()
        if any((v.get("persistentVolumeClaim") or {}).get("claimName") == name for v in volumes):
            api.delete("Pod", pod["metadata"]["name"], space)
    api.wait_gone(KIND, name, space, uid=live["metadata"]["uid"])


def replace_volume(api: Api, volume: Obj, namespace: str) -> Obj:
    """Create the PersistentVolume, or put it in place of the one that is there; one that may not change is made anew,
    and so is the claim that is bound to it. Raises ApiError."""
    name = volume["metadata"]["name"]
    live = api.get(VOLUME, name)
    claim = _bound(api, live) if live else None
    if live is None or claim is None:
        return api.replace(volume)
    bound = {"claimRef": live["spec"]["claimRef"], **volume["spec"]}
    put = api.put_over(volume, None, lambda _: {**volume, "spec": bound})
    if put is not None:
        return put
    space = claim["metadata"]["namespace"]
    remove(api, claim["metadata"]["name"], space)
    api.delete(VOLUME, name, wait=True)
    made = api.create(volume)
    note = (claim["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if note:
        api.create(noted(json.loads(note), space), space)
    return made


def _bound(api: Api, volume: Obj) -> Obj | None:
    """The claim that has the volume."""
    ref = volume["spec"].get("claimRef") or {}
    claim = api.get(KIND, ref["name"], ref["namespace"]) if ref.get("uid") else None
    return claim if claim and claim["metadata"]["uid"] == ref["uid"] else None
