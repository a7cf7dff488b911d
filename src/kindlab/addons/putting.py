"""An object of an add-on put in its place, over what is there: nothing of the old version stays in it, but for what the
cluster has written into it. Definitions and namespaces are never made anew: everything in them would go with them."""

from __future__ import annotations

from typing import Any

from kindlab.api import CONFLICTS, Api, ApiError, Obj
from kindlab.errors import Problem

NEVER_ANEW = ("CustomResourceDefinition", "Namespace", "PersistentVolume", "PersistentVolumeClaim")
KEPT = ("labels", "annotations", "finalizers", "ownerReferences")
"""Of metadata: ours are laid over what others have written there."""
FILLED_IN = "caBundle"
"""A certificate that a webhook's own controller writes into its registration or definition."""


def put(api: Api, obj: Obj) -> bool:
    """Create the object, or put it in place of what is there; False when that was the same. Raises Problem when the
    cluster refuses it, ApiError for what may pass."""
    kind, meta = f"{obj['apiVersion']}/{obj['kind']}", obj["metadata"]
    space = meta.get("namespace")
    refusal = ""
    for _ in range(CONFLICTS):
        live = api.live(obj)
        try:
            if live is None:
                api.create(obj)
                return True
            if live["metadata"].get("deletionTimestamp"):
                api.wait_gone(kind, meta["name"], space, uid=live["metadata"]["uid"])
                continue
            wanted = over(obj, live)
            done: Obj = api.request("PUT", api.path(kind, space, meta["name"]), wanted)
        except ApiError as error:
            refusal = error.message
            if error.code == 409:  # somebody was faster: look again
                continue
            if error.code != 422 or live is None:
                raise
            if obj["kind"] in NEVER_ANEW:
                break
            api.delete(kind, meta["name"], space, wait=True)  # what may not change: a selector, a role of a binding
            continue
        return bool(done["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"])
    raise Problem(
        f"{label(obj)} could not be put in place.",
        f"{refusal.rstrip('.')}.",
        "See what is there, and what holds it: kindlab kubectl get "
        f"{obj['kind'].lower()} {meta['name']} -o yaml{f' -n {space}' if space else ''}",
    )


def over(obj: Obj, live: Obj) -> Obj:
    """The object as it goes over the live one."""
    wanted = _with_filled_in(obj, live)
    meta = {**obj["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
    for key in KEPT:
        there, ours = live["metadata"].get(key), obj["metadata"].get(key)
        if there and isinstance(there, dict):
            meta[key] = {**there, **(ours or {})}
        elif there:
            meta[key] = [*there, *(one for one in ours or () if one not in there)]
    if obj["kind"] == "Secret" and "data" not in obj and "stringData" not in obj and "data" in live:
        wanted["data"] = live["data"]  # made empty, for a controller to fill
    return {**wanted, "metadata": meta}


def _with_filled_in(wanted: Any, live: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict):
        filled = {key: _with_filled_in(value, live.get(key)) for key, value in wanted.items()}
        return {FILLED_IN: live[FILLED_IN], **filled} if FILLED_IN in live else filled
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return [_with_filled_in(one, other) for one, other in zip(wanted, live, strict=True)]
    return wanted


def label(obj: Obj) -> str:
    """How people name it: `Deployment traefik/traefik`."""
    meta = obj["metadata"]
    return f"{obj['kind']} " + "/".join(filter(None, (meta.get("namespace"), meta["name"])))
