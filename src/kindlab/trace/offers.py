"""What volumes offer and claims ask for, and why one does not fit the other.

The rules are the binder's (component-helpers/storage/volume); here each is a reason in words.
"""

from __future__ import annotations

from kindlab.api import Obj
from kindlab.quantities import number
from kindlab.trace.labels import matches

_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_SHOWN = 4
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def size(spec: Obj) -> str:
    """The storage a claim's spec asks for, or a volume's has."""
    given = spec.get("capacity") or (spec.get("resources") or {}).get("requests") or {}
    return str(given.get("storage", "0"))


def modes(spec: Obj) -> str:
    return ",".join(_SHORT.get(mode, mode) for mode in spec.get("accessModes") or ())


def mode(spec: Obj) -> str:
    return str(spec.get("volumeMode") or "Filesystem")


def kind(volume: Obj) -> str:
    """What a volume is made of: `csi hostpath.csi.k8s.io`, `hostPath /data`, `local /mnt on node-1`."""
    spec = volume["spec"]
    if "csi" in spec:
        return f"csi {spec['csi']['driver']}"
    for name in ("hostPath", "local"):
        if name in spec:
            return f"{name} {spec[name]['path']}"
    others = ("nfs", "iscsi", "fc", "rbd", "cephfs")
    return next((name for name in others if name in spec), "of another type")


def objection(claim: Obj, volume: Obj) -> str:
    """Why this volume does not fit the claim; "" when it does."""
    asked, offered, meta = claim["spec"], volume["spec"], volume["metadata"]
    wanted = asked.get("volumeName")
    if wanted and wanted != meta["name"]:
        return f"the claim wants {wanted}"
    ref = offered.get("claimRef")
    if ref and not _for(ref, claim):
        status = (volume.get("status") or {}).get("phase", "")
        left = "was left by" if status == "Released" else "belongs to"
        return f"it is {status} and {left} {ref.get('namespace')}/{ref.get('name')}"
    if meta.get("deletionTimestamp"):
        return "it is being deleted"
    if mode(asked) != mode(offered):
        return f"its volumeMode is {mode(offered)}, the claim's {mode(asked)}"
    if (class_name(claim) or "") != (class_name(volume) or ""):
        return f"its class is {class_name(volume) or 'none'}, the claim's {class_name(claim) or 'none'}"
    missing = set(asked.get("accessModes") or ()) - set(offered.get("accessModes") or ())
    if missing:
        return f"it is {modes(offered)}, the claim needs {', '.join(_SHORT.get(m, m) for m in sorted(missing))}"
    if number(size(offered)) < number(size(asked)):
        return f"it has {size(offered)}, the claim needs {size(asked)}"
    labels = meta.get("labels") or {}
    if not matches(asked.get("selector") or {}, labels):
        shown = ",".join(f"{k}={v}" for k, v in labels.items()) or "none"
        return f"the claim's selector does not match its labels ({shown})"
    return ""


def none_fits(claim: Obj, volumes: list[Obj]) -> str:
    """One sentence: each volume with what is against it, those of the claim's class first, then those not in use."""
    if not volumes:
        return "there is no PersistentVolume at all, and without a provisioner somebody has to make one"
    wanted = class_name(claim) or ""
    nearest = sorted(volumes, key=lambda v: ((class_name(v) or "") != wanted, _is_taken(v)))
    told = [f"{v['metadata']['name']}: {objection(claim, v)}" for v in nearest]
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return f"none of the {len(told)} PersistentVolumes fits: {'; '.join(told[:_SHOWN])}{more}"


def class_name(obj: Obj) -> str | None:
    """The class a claim or a volume names; "" for none on purpose, None when it was left open."""
    annotations: dict[str, str] = obj["metadata"].get("annotations") or {}
    named: str | None = annotations.get(CLASS_ANNOTATION, obj["spec"].get("storageClassName"))
    return named


def _is_taken(volume: Obj) -> bool:
    return (volume.get("status") or {}).get("phase") == "Bound"


def _for(ref: Obj, claim: Obj) -> bool:
    meta = claim["metadata"]
    same = (ref.get("namespace"), ref.get("name")) == (meta["namespace"], meta["name"])
    return same and ref.get("uid") in (None, "", meta["uid"])
