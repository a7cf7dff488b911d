"""Snapshots: the questions that the snapshot controller, the snapshotter and the provisioner ask of them alike.

Models external-snapshotter v8.6.0's pkg/utils. Pure: objects in, answers out. Left out: group snapshots.
"""

from __future__ import annotations

import json
from typing import Final

from pocketkube import duration, objects, quantity
from pocketkube.objects import Key, Obj

GROUP: Final = "snapshot.storage.k8s.io"
CLASSES: Final = f"volumesnapshotclasses.{GROUP}"
CONTENTS: Final = f"volumesnapshotcontents.{GROUP}"
SNAPSHOTS: Final = f"volumesnapshots.{GROUP}"
"""Resource ids, as the client knows custom kinds by."""

DOMAIN: Final = "snapshot.storage.kubernetes.io"
IS_DEFAULT: Final = f"{DOMAIN}/is-default-class"
BEING_CREATED: Final = f"{DOMAIN}/volumesnapshot-being-created"
"""On a content while its driver has not answered yet."""
BEING_DELETED: Final = f"{DOMAIN}/volumesnapshot-being-deleted"
"""On a content whose VolumeSnapshot goes: only then does what is stored go with a content that is deleted."""
SECRET_NAME: Final = f"{DOMAIN}/deletion-secret-name"
SECRET_NAMESPACE: Final = f"{DOMAIN}/deletion-secret-namespace"
"""On a content: the Secret that calls for it carry, kept for the time when its class is gone."""

SOURCE_FINALIZER: Final = f"{DOMAIN}/volumesnapshot-as-source-protection"
BOUND_FINALIZER: Final = f"{DOMAIN}/volumesnapshot-bound-protection"
CONTENT_FINALIZER: Final = f"{DOMAIN}/volumesnapshotcontent-bound-protection"
CLAIM_FINALIZER: Final = f"{DOMAIN}/pvc-as-source-protection"


def title(snapshot: Obj) -> str:
    """namespace/name, as messages have it."""
    return "/".join(objects.key(snapshot))


def quoted(error: object) -> str:
    """A text as Go's %q writes it."""
    return json.dumps(str(error), ensure_ascii=False)


# -- VolumeSnapshots


def claim_name(snapshot: Obj) -> str | None:
    """The claim to cut a snapshot of; None for a snapshot that exists already."""
    name: str | None = objects.dig(snapshot, "spec", "source", "persistentVolumeClaimName")
    return name


def existing_content_name(snapshot: Obj) -> str | None:
    """The content that stands for a snapshot made elsewhere; None where one is to be cut."""
    name: str | None = objects.dig(snapshot, "spec", "source", "volumeSnapshotContentName")
    return name


def new_content_name(snapshot: Obj) -> str:
    """Of the content made for a snapshot to be cut."""
    return f"snapcontent-{objects.uid(snapshot)}"


def class_name(obj: Obj) -> str | None:
    """The class a snapshot or a content names."""
    name: str | None = objects.spec(obj).get("volumeSnapshotClassName")
    return name


def bound_content_name(snapshot: Obj) -> str:
    """ "" while there is none."""
    return str(objects.status(snapshot).get("boundVolumeSnapshotContentName") or "")


def is_ready(obj: Obj) -> bool:
    """Whether a claim can be made of a snapshot or content."""
    return objects.status(obj).get("readyToUse") is True


def is_default(class_: Obj) -> bool:
    return objects.annotations(class_).get(IS_DEFAULT) == "true"


# -- VolumeSnapshotContents


def snapshot_of(content: Obj) -> Key:
    """Key of the VolumeSnapshot a content belongs to."""
    ref = objects.spec(content)["volumeSnapshotRef"]
    return str(ref["namespace"]), str(ref["name"])


def bound_uid(content: Obj) -> str:
    """uid of the VolumeSnapshot a content belongs to; "" while it waits for one to name it."""
    return str(objects.spec(content)["volumeSnapshotRef"].get("uid") or "")


def belongs_to(content: Obj, snapshot: Obj) -> bool:
    return snapshot_of(content) == objects.key(snapshot) and bound_uid(content) == objects.uid(snapshot)


def volume_handle(content: Obj) -> str | None:
    """The volume to cut a snapshot of."""
    handle: str | None = objects.spec(content)["source"].get("volumeHandle")
    return handle


def existing_handle(content: Obj) -> str | None:
    """The snapshot that was there before the content."""
    handle: str | None = objects.spec(content)["source"].get("snapshotHandle")
    return handle


def is_made_from(claim: Obj, snapshot: Obj) -> bool:
    """Whether a claim asks for the content of that VolumeSnapshot of its namespace."""
    source = objects.spec(claim).get("dataSource") or {}
    wanted = source.get("apiGroup"), source.get("kind"), source.get("name")
    return objects.namespace(claim) == objects.namespace(snapshot) and wanted == (
        GROUP,
        "VolumeSnapshot",
        objects.name(snapshot),
    )


# -- status


def status_from_content(snapshot: Obj, content: Obj) -> Obj:
    """The status a VolumeSnapshot has by that of its content: what is known once stays."""
    seen = objects.status(content)
    status: Obj = objects.copy(objects.status(snapshot))
    status.setdefault("boundVolumeSnapshotContentName", objects.name(content))
    status["readyToUse"] = bool(seen.get("readyToUse"))
    if "creationTime" not in status and "creationTime" in seen:
        status["creationTime"] = duration.format_time(seen["creationTime"] // 10**9)
    if "restoreSize" in seen and not quantity.value(status.get("restoreSize") or "0"):
        status["restoreSize"] = quantity.text_of(seen["restoreSize"], "BinarySI")
    status.pop("error", None)
    if "error" in seen:
        status["error"] = objects.copy(seen["error"])
    return status
