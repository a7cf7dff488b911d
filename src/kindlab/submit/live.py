"""What a learner's cluster has that their files do not: made with `kubectl create`, changed with `kubectl scale`.

Grading puts the lab's start and the learner's files on a fresh cluster. So for each object of those the API server is
asked what it would be after that (a dry run), and what is live and differs goes along as it is live. What a controller
made is left to the controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kindlab.api import Api, ApiError, Obj, Served
from kindlab.checks.trouble import OURS
from kindlab.kinds import WRITTEN
from kindlab.kubectl.applying import LAST_APPLIED
from kindlab.labs import CLUSTER_KINDS, Lab
from kindlab.managed import MANAGED

_SERVERS = WRITTEN | {"ownerReferences", "finalizers"}
_CONTROLLERS = (
    LAST_APPLIED,
    "deployment.kubernetes.io/",
    "deprecated.daemonset.template.generation",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "batch.kubernetes.io/",
    "endpoints.kubernetes.io/",
)
"""Beginnings of annotations that nobody writes by hand."""
_OTHERS_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/", "topology.kubernetes.io/")
"""Beginnings of labels that the server writes on Jobs and Pods."""
_NOBODYS = {"Event", "Endpoints", "Lease", "ControllerRevision", "PodMetrics", "CSIStorageCapacity"}
_TOKEN = "kube-api-access-"


@dataclass
class Beside:
    """`live` is ready to be applied; `made` and `changed` name what of it is in no file, and what is in one, but
    differently. `gone` is in a file or the start, and not on the cluster."""

    live: list[Obj] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def beside(api: Api, lab: Lab, objects: Iterable[Obj]) -> Beside:
    """Compare the cluster with what grading would put there (`objects`: the start's and then the files'). Raises
    ApiError, Problem."""
    found = Beside()
    wanted: dict[tuple[str, str, str], Obj] = {}
    for obj in objects:
        try:
            space = _space(api, obj, lab)
        except ApiError as error:
            if error.code != 404:
                raise
            continue  # a kind that this cluster does not serve
        wanted[(obj["kind"], space, obj["metadata"]["name"])] = obj
    for (kind, space, name), obj in wanted.items():
        label = f"{kind.lower()}/{name}"
        if (live := api.live(obj, space or None)) is None:
            found.gone.append(label)
        elif _differs(api, obj, live, space):
            found.live.append(cleaned(live, lab))
            found.changed.append(label)
    for obj in _made_by_hand(api, lab):
        meta = obj["metadata"]
        if (obj["kind"], meta.get("namespace", ""), meta["name"]) not in wanted:
            found.live.append(cleaned(obj, lab))
            found.made.append(f"{obj['kind'].lower()}/{meta['name']}")
    return found


def _space(api: Api, obj: Obj, lab: Lab) -> str:
    namespaced = api.namespaced(f"{obj['apiVersion']}/{obj['kind']}")
    return (obj["metadata"].get("namespace") or lab.namespace) if namespaced else ""


def _differs(api: Api, obj: Obj, live: Obj, space: str) -> bool:
    """Whether the object would be another one after it was put in place again. Where that may not be done (a Pod, a
    claim), whether something that it says is not so."""
    kind = f"{obj['apiVersion']}/{obj['kind']}"
    meta = {**obj["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
    try:
        path = api.path(kind, space or None, meta["name"])
        after = api.request("PUT", path, {**obj, "metadata": meta}, query={"dryRun": "All"})
    except ApiError as error:
        if error.code not in (400, 403, 405, 409, 422):
            raise
        return not _says(_bare(live), _bare(obj))
    return _bare(after) != _bare(live)


def _says(live: Any, wanted: Any) -> bool:
    """Whether all that is wanted is so; lists are compared element by element."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(_says(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) >= len(wanted) and all(map(_says, live, wanted))
    return bool(live == wanted) or (wanted in (None, "") and live is None)


def _made_by_hand(api: Api, lab: Lab) -> Iterator[Obj]:
    """Everything in the lab's namespaces, and of its own kinds without one, that no controller made."""
    for served in api.kinds():
        if served.kind in _NOBODYS or not {"list", "create"} <= set(served.verbs):
            continue
        if served.namespaced:
            for space in lab.spaces:
                yield from filter(_is_by_hand, _listed(api, served, space))
        elif served.kind in lab.cluster_kinds and served.kind in CLUSTER_KINDS:
            for obj in _listed(api, served, None):
                if obj["metadata"]["name"].startswith(lab.prefix) and _is_by_hand(obj):
                    yield obj


def _listed(api: Api, served: Served, space: str | None) -> list[Obj]:
    """With what a list leaves out of its items: which kind they are."""
    version = served.prefix.removeprefix("/apis/").removeprefix("/api/")
    try:
        found = api.list(f"{version}/{served.kind}", space)
    except ApiError as error:
        if error.code not in (403, 404, 405):
            raise
        return []
    return [{"apiVersion": version, "kind": served.kind, **obj} for obj in found]


def _is_by_hand(obj: Obj) -> bool:
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    if meta.get("ownerReferences") or meta.get("deletionTimestamp") or meta["name"].startswith(OURS):
        return False
    if MANAGED.items() <= labels.items() or "endpointslice.kubernetes.io/managed-by" in labels:
        return False
    match obj["kind"]:
        case "ServiceAccount":
            return bool(meta["name"] != "default")
        case "ConfigMap":
            return bool(meta["name"] != "kube-root-ca.crt")
        case "Secret":
            return bool(obj.get("type") != "kubernetes.io/service-account-token")
        case "PersistentVolume":
            return "pv.kubernetes.io/provisioned-by" not in (meta.get("annotations") or {})
    return True


def cleaned(obj: Obj, lab: Lab) -> Obj:
    """An object as somebody would have written it: without what the server, controllers and this one cluster added.
    Names are the course's, without a learner's prefix."""
    bare = _bare(obj)
    meta = bare["metadata"]
    space = meta.pop("namespace", "")
    if space and space != lab.namespace:
        meta["namespace"] = space
    return bare


def _bare(obj: Obj) -> Obj:
    meta = {key: value for key, value in obj["metadata"].items() if key not in _SERVERS and value is not None}
    notes = {k: v for k, v in (meta.pop("annotations", None) or {}).items() if not k.startswith(_CONTROLLERS)}
    if notes:
        meta["annotations"] = notes
    labels = {k: v for k, v in (meta.pop("labels", None) or {}).items() if not k.startswith(_OTHERS_LABELS)}
    if labels:
        meta["labels"] = labels
    bare = {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind"), "metadata": meta}
    bare.update({key: value for key, value in obj.items() if key not in (*bare, "status")})
    spec = bare.get("spec")
    if isinstance(spec, dict) and (clean := _CLEAN.get(str(obj.get("kind")))):
        bare["spec"] = clean(dict(spec), obj)
    return bare


def _service(spec: dict[str, Any], _: Obj) -> dict[str, Any]:
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    spec.pop("healthCheckNodePort", None)
    return spec


def _pod(spec: dict[str, Any], _: Obj) -> dict[str, Any]:
    spec.pop("nodeName", None)
    spec["volumes"] = [v for v in spec.get("volumes") or () if not v.get("name", "").startswith(_TOKEN)]
    for key in ("containers", "initContainers"):
        if key in spec:
            spec[key] = [_container(one) for one in spec[key] or ()]
    spec["tolerations"] = [
        one
        for one in spec.get("tolerations") or ()
        if one.get("tolerationSeconds") is None or not str(one.get("key")).startswith("node.kubernetes.io/")
    ]
    spec.pop("serviceAccount", None)  # the old name of serviceAccountName
    spec.pop("priority", None)  # of its class; a number that is not its is refused
    return {key: value for key, value in spec.items() if value not in ([], None)}


def _container(one: dict[str, Any]) -> dict[str, Any]:
    mounts = [m for m in one.get("volumeMounts") or () if not m.get("name", "").startswith(_TOKEN)]
    rest = {key: value for key, value in one.items() if key != "volumeMounts"}
    return {**rest, "volumeMounts": mounts} if mounts else rest


def _claim(spec: dict[str, Any], obj: Obj) -> dict[str, Any]:
    notes = obj["metadata"].get("annotations") or {}
    if "pv.kubernetes.io/bound-by-controller" in notes:  # the controller chose the volume
        spec.pop("volumeName", None)
    return spec


def _volume(spec: dict[str, Any], obj: Obj) -> dict[str, Any]:
    claim = spec.get("claimRef")
    if not claim:
        return spec
    if "pv.kubernetes.io/bound-by-controller" in (obj["metadata"].get("annotations") or {}):
        return {key: value for key, value in spec.items() if key != "claimRef"}
    return {**spec, "claimRef": {k: v for k, v in claim.items() if k not in ("uid", "resourceVersion")}}


def _job(spec: dict[str, Any], _: Obj) -> dict[str, Any]:
    if spec.get("manualSelector"):
        return spec
    spec.pop("selector", None)
    template = spec.get("template") or {}
    meta = dict(template.get("metadata") or {})
    labels = {
        key: value for key, value in (meta.pop("labels", None) or {}).items() if not key.startswith(_OTHERS_LABELS)
    }
    spec["template"] = {**template, "metadata": {**meta, **({"labels": labels} if labels else {})}}
    return spec


_CLEAN = {
    "Service": _service,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "PersistentVolume": _volume,
    "Job": _job,
}
"""Kind -> what is taken out of its spec."""
