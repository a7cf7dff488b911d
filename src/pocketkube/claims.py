"""Claims and volumes: the questions that the binder, the scheduler and the provisioners ask of them alike.

Models component-helpers/storage/volume and pkg/controller/volume/persistentvolume/util. Pure: objects in, answers out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from pocketkube import objects
from pocketkube.objects import Obj

BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER: Final = "volume.beta.kubernetes.io/storage-provisioner"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"


def class_of(obj: Obj) -> str:
    """The storage class a claim or volume names; "" for none."""
    annotated = objects.annotations(obj).get(CLASS_ANNOTATION)
    return annotated if annotated is not None else str(objects.spec(obj).get("storageClassName") or "")


def find_match(
    claim: Obj, volumes: Iterable[Obj], *, node: Obj | None = None, excluded: Collection[str] = (), delay: bool = False
) -> Obj | None:
    """The smallest volume that fits the claim, or one that is already promised to it.

    `node`: as the scheduler asks, for that node only; `excluded`: names of volumes promised meanwhile; `delay`: as
    the binder asks for a WaitForFirstConsumer class: only what is promised to the claim already.
    """
    raise NotImplementedError


def node_matches(volume: Obj, node: Obj) -> bool:
    """Whether a volume's nodeAffinity lets a pod of this node use it."""
    raise NotImplementedError
