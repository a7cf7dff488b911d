"""Claims and volumes: the questions that the binder, the scheduler and the provisioners ask of them alike.

Models component-helpers/storage/volume and the order in which pkg/controller/volume/persistentvolume tries volumes.
Pure: objects in, answers out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Final

from pocketkube import objects, quantity
from pocketkube.objects import Obj
from pocketkube.podphase import is_terminal
from pocketkube.selectors import from_label_selector, term_matches

BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER: Final = "volume.beta.kubernetes.io/storage-provisioner"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT_CLASS: Final = "storageclass.beta.kubernetes.io/is-default-class"
NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
RESIZE_CONDITIONS: Final = ("FileSystemResizePending", "Resizing", "ControllerResizeError", "NodeResizeError")
"""The conditions of a claim that tell of its expansion."""


def class_of(obj: Obj) -> str:
    """The storage class a claim or volume names; "" for none."""
    annotated = objects.annotations(obj).get(CLASS_ANNOTATION)
    return annotated if annotated is not None else str(objects.spec(obj).get("storageClassName") or "")


def has_class(claim: Obj) -> bool:
    """Whether the claim says which class it wants; "" says: none, where an absent field says: the default one."""
    return CLASS_ANNOTATION in objects.annotations(claim) or objects.spec(claim).get("storageClassName") is not None


def default_class(classes: Iterable[Obj]) -> Obj | None:
    """The class that is the default; of several the newest, then the first by name."""
    marked = sorted((c for c in classes if is_default(c)), key=objects.name)
    marked.sort(key=lambda c: str(c["metadata"].get("creationTimestamp", "")), reverse=True)
    return marked[0] if marked else None


def is_default(storage_class: Obj) -> bool:
    """Whether the class says so of itself; several may."""
    annotations = objects.annotations(storage_class)
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(BETA_DEFAULT_CLASS))


def is_delayed(storage_class: Obj | None) -> bool:
    """Whether claims of the class (None: there is no such class) are bound when a pod that uses them is scheduled."""
    return storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"


def is_bound(claim: Obj) -> bool:
    """Whether claim and volume know of each other, so that pods may use the claim."""
    return bool(objects.spec(claim).get("volumeName")) and BIND_COMPLETED in objects.annotations(claim)


def is_promised(volume: Obj, claim: Obj) -> bool:
    """Whether the volume is reserved for this claim, or bound to it: a claimRef without uid means any of that name."""
    ref = objects.spec(volume).get("claimRef")
    return (
        ref is not None
        and (ref.get("namespace", ""), ref.get("name", "")) == objects.key(claim)
        and ref.get("uid", "") in ("", objects.uid(claim))
    )


def is_owned(volume: Obj, claim: Obj) -> bool:
    """Whether the volume is this very claim's, not that of an earlier one of its name."""
    return bool(objects.dig(volume, "spec", "claimRef", "uid") == objects.uid(claim))


def promise(volume: Obj, claim: Obj) -> bool:
    """Reserve the volume for exactly this claim, in place; returns whether anything changed.

    The annotation tells a reservation made here, which may be taken back, from one a user made.
    """
    ref, changed = objects.spec(volume).get("claimRef") or {}, False
    reserved = is_promised(volume, claim)
    if not reserved or ref.get("uid") != objects.uid(claim):
        volume["spec"]["claimRef"] = reference(claim)
        changed = True
    if not reserved and BOUND_BY_CONTROLLER not in objects.annotations(volume):
        objects.meta(volume).setdefault("annotations", {})[BOUND_BY_CONTROLLER] = "yes"
        changed = True
    return changed


def reference(claim: Obj) -> Obj:
    """A volume's claimRef to the claim, as it is now."""
    return {
        "kind": "PersistentVolumeClaim",
        "namespace": objects.namespace(claim),
        "name": objects.name(claim),
        "uid": objects.uid(claim),
        "apiVersion": "v1",
        "resourceVersion": claim["metadata"]["resourceVersion"],
    }


def find_match(
    claim: Obj, volumes: Iterable[Obj], *, node: Obj | None = None, excluded: Collection[str] = (), delay: bool = False
) -> Obj | None:
    """The smallest volume that fits the claim, or one that is already promised to it.

    `node`: as the scheduler asks, for that node only; a promised volume decides alone, whether it fits or not.
    Without a node, as the binder asks: of the volumes that fit, those with the fewest access modes go first.
    `excluded`: names of volumes promised meanwhile; `delay`: as the binder asks for a WaitForFirstConsumer class: only
    what is promised to the claim already. Of equals the first in the order given.
    """
    found, found_rank = None, (0, False, Decimal(0))
    selector = objects.spec(claim).get("selector")
    chosen = from_label_selector(selector) if selector is not None else None
    asked, class_name = requested(claim), class_of(claim)
    for volume in volumes:
        if objects.name(volume) in excluded or not _could_serve(claim, asked, volume):
            continue
        promised = is_promised(volume, claim)
        if promised and node is not None:
            return volume if node_matches(volume, node) else None
        if not modes_fit(claim, volume):
            continue
        if not promised:
            if node is None and delay:
                continue
            if class_of(volume) != class_name or objects.status(volume).get("phase") != "Available":
                continue
            if chosen is not None and not chosen(objects.labels(volume)):
                continue
            if node is not None and not node_matches(volume, node):
                continue
        modes = len(set(objects.spec(volume).get("accessModes") or ())) if node is None else 0
        rank = (modes, not promised, Decimal(0) if promised else capacity(volume))
        if found is None or rank < found_rank:
            found, found_rank = volume, rank
    return found


def _could_serve(claim: Obj, asked: Decimal, volume: Obj) -> bool:
    """What holds for a promised volume too."""
    if objects.spec(volume).get("claimRef") is not None and not is_promised(volume, claim):
        return False
    return (
        capacity(volume) >= asked
        and volume_mode(volume) == volume_mode(claim)
        and attributes_class(volume) == attributes_class(claim)
        and not objects.is_terminating(volume)
    )


def node_matches(volume: Obj, node: Obj) -> bool:
    """Whether a volume's nodeAffinity lets a pod of this node use it."""
    required = objects.dig(volume, "spec", "nodeAffinity", "required")
    if required is None:
        return True
    labels = objects.labels(node)
    return any(term_matches(term, labels) for term in required.get("nodeSelectorTerms") or ())


def modes_fit(claim: Obj, volume: Obj) -> bool:
    """Whether the volume has every access mode the claim asks for."""
    return set(objects.spec(claim).get("accessModes") or ()) <= set(objects.spec(volume).get("accessModes") or ())


def requested(claim: Obj) -> Decimal:
    """Bytes a claim asks for."""
    return quantity.parse(objects.dig(claim, "spec", "resources", "requests", "storage", default="0"))


def capacity(volume: Obj) -> Decimal:
    """Bytes a volume has."""
    return quantity.parse(objects.dig(volume, "spec", "capacity", "storage", default="0"))


def volume_mode(obj: Obj) -> str:
    """Filesystem or Block, of a claim or a volume."""
    return str(objects.spec(obj).get("volumeMode") or "Filesystem")


def attributes_class(obj: Obj) -> str:
    """The VolumeAttributesClass a claim asks for or a volume has; "" for none."""
    return str(objects.spec(obj).get("volumeAttributesClassName") or "")


def ephemeral_name(pod: Obj, volume_name: str) -> str:
    """The name of the claim that is made for a pod's ephemeral volume."""
    return f"{objects.name(pod)}-{volume_name}"


def claim_name(pod: Obj, volume: Obj) -> str | None:
    """The claim behind one of a pod's volumes, which for an ephemeral one is made for it; None for other types."""
    if "persistentVolumeClaim" in volume:
        return str(volume["persistentVolumeClaim"].get("claimName", ""))
    return ephemeral_name(pod, volume["name"]) if "ephemeral" in volume else None


def used_by(pod: Obj) -> list[str]:
    """The names of the claims a pod mentions, in the order of its volumes."""
    names = (claim_name(pod, volume) for volume in objects.spec(pod).get("volumes") or ())
    return [name for name in names if name is not None]


def not_made_for(pod: Obj, claim: Obj) -> str | None:
    """Why the claim of an ephemeral volume's name is not the pod's own; None when it is."""
    owner = objects.controller_ref(claim)
    if objects.namespace(claim) == objects.namespace(pod) and owner is not None and owner["uid"] == objects.uid(pod):
        return None
    claim_text, pod_text = "/".join(objects.key(claim)), "/".join(objects.key(pod))
    return f"PVC {claim_text} was not created for pod {pod_text} (pod is not owner)"


def is_done(pod: Obj) -> bool:
    """Whether a pod has stopped using its volumes: finished, or going with no container that runs."""
    if is_terminal(pod):
        return True
    status = objects.status(pod)
    fields = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    running = (s for field in fields for s in status.get(field) or () if "running" in (s.get("state") or {}))
    return objects.is_terminating(pod) and not any(running)


def attached_name(driver: str, handle: str) -> str:
    """How a node's status names a CSI volume, in volumesAttached and volumesInUse."""
    return f"kubernetes.io/csi/{driver}^{handle}"


def attachment_name(driver: str, handle: str, node: str) -> str:
    """The name of the VolumeAttachment of a CSI volume and a node."""
    return "csi-" + hashlib.sha256(f"{handle}{driver}{node}".encode()).hexdigest()
