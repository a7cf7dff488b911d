"""What a new volume is to contain: the claim or snapshot that a claim names as its source, and whether it may.

Models external-provisioner v6.3.0 (getPVCSource, getSnapshotSource, dataSource) with its errors. Left out: sources in
another namespace (an alpha feature), in-tree volumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pocketkube import claims, objects, quantity
from pocketkube.client import Client
from pocketkube.controllers import finalizers
from pocketkube.objects import Key, Obj
from pocketkube.storage import snapshots
from pocketkube.storage.driver import NAME
from pocketkube.storage.snapshots import CONTENTS, SNAPSHOTS

CLONED: Final = "provisioner.storage.kubernetes.io/cloning-protection"
"""Finalizer of a claim that has been a source."""
RESTORED: Final = "provisioner.storage.kubernetes.io/volumesnapshot-as-source-protection"
"""Finalizer of a snapshot while it is one."""
ALLOW_MODE_CHANGE: Final = "snapshot.storage.kubernetes.io/allow-volume-mode-change"


class NotUsable(ValueError):
    """Why nothing can be made of the source (yet)."""


@dataclass(frozen=True)
class Source:
    """What the driver is asked for: one of `volume` and `snapshot` is an id. `node`: where the bytes are, if known."""

    volume: str = ""
    snapshot: str = ""
    node: str = ""


def named(claim: Obj) -> Obj | None:
    """{kind, group, name} of the source a claim names. Raises NotUsable."""
    spec = objects.spec(claim)
    found = spec.get("dataSource")
    if found is None:
        found = spec.get("dataSourceRef")
        if found is None:
            return None
        if found.get("namespace"):
            text = "dataSourceRef namespace specified but the CrossNamespaceVolumeDataSource feature is disabled"
            raise NotUsable(text)
    return {"kind": found.get("kind", ""), "group": found.get("apiGroup") or "", "name": found.get("name", "")}


def snapshot_of(claim: Obj) -> Key | None:
    """The snapshot a claim is to be made of."""
    for field in ("dataSource", "dataSourceRef"):
        found = objects.spec(claim).get(field)
        if found and found.get("kind") == "VolumeSnapshot" and found.get("apiGroup") in (None, snapshots.GROUP):
            return objects.namespace(claim), str(found.get("name", ""))
    return None


def claim_of(claim: Obj) -> Key | None:
    """The claim a claim is to be a clone of."""
    found = objects.spec(claim).get("dataSource")
    if found and found.get("kind") == "PersistentVolumeClaim":
        return objects.namespace(claim), str(found.get("name", ""))
    return None


def of_claim(client: Client, claim: Obj, name: str) -> Source:
    """The volume of another claim of its namespace. Raises NotUsable."""
    namespace = objects.namespace(claim)
    source = client.find("persistentvolumeclaims", namespace, name)
    if source is None:
        text = f'from api server: persistentvolumeclaim "{name}" not found'
        raise NotUsable(f'error getting PVC {name} (namespace "{namespace}") {text}')
    if objects.status(source).get("phase") != "Bound":
        text = _go_status(objects.status(source))
        raise NotUsable(f"the PVC DataSource {name} must have a status of Bound.  Got {text}")
    if objects.is_terminating(source):
        raise NotUsable(f"the PVC DataSource {name} is currently being deleted")
    for whose, one in (("source", source), ("requested", claim)):
        if objects.spec(one).get("storageClassName") is None:
            raise NotUsable(f"the {whose} PVC ({objects.name(one)}) storageclass cannot be empty")
    wanted, has = requested(claim), requested(source)
    if wanted < has:
        text = "new PVC request must be greater than or equal in size to the specified PVC data source"
        raise NotUsable(f"error, {text}, requested {wanted} but source is {has}")
    if not (volume_name := objects.spec(source).get("volumeName")):
        raise NotUsable(f"volume name is empty in source PVC {name}")
    volume = client.find("persistentvolumes", "", volume_name)
    if volume is None or not _belongs(volume, source):
        raise NotUsable("claim in dataSource not bound or invalid")
    is_of, wanted_mode = claims.volume_mode(volume), claims.volume_mode(claim)
    if is_of != wanted_mode:
        text = "the source PVC and destination PVCs must have the same volume mode for cloning."
        raise NotUsable(f"{text}  Source is {is_of}, but new PVC requested {wanted_mode}")
    return Source(volume=volume["spec"]["csi"]["volumeHandle"], node=node_of(volume))


def of_snapshot(client: Client, claim: Obj, name: str, class_name: str) -> Source:
    """A snapshot of its namespace. Raises NotUsable."""
    snapshot = client.find(SNAPSHOTS, objects.namespace(claim), name)
    if snapshot is None:
        raise NotUsable(f'error getting snapshot {name} from api server: {SNAPSHOTS} "{name}" not found')
    if objects.is_terminating(snapshot) and not finalizers.is_held(snapshot, RESTORED):
        raise NotUsable(f"snapshot {name} is being deleted")
    status = objects.status(snapshot)
    if not (content_name := status.get("boundVolumeSnapshotContentName")):
        raise NotUsable(f"snapshot {name} not bound")
    content = client.find(CONTENTS, "", content_name)
    if content is None:
        raise NotUsable(f"error getting snapshotcontent {content_name} for snapshot {name}")
    reference = objects.spec(content).get("volumeSnapshotRef") or {}
    bound_to = reference.get("uid"), reference.get("namespace"), reference.get("name")
    if bound_to != (objects.uid(snapshot), *objects.key(snapshot)):
        raise NotUsable(f"snapshotcontent {content_name} for snapshot {name} is bound to a different snapshot")
    if objects.spec(content).get("driver") != NAME:
        text = f"is not handled by CSI driver of StorageClass {class_name}"
        raise NotUsable(f"snapshotcontent {content_name} for snapshot {name} {text}")
    if not status.get("readyToUse"):
        raise NotUsable(f"snapshot {name} is not Ready")
    if not (handle := objects.status(content).get("snapshotHandle")):
        raise NotUsable(f"snapshot handle {name} is not available")
    if (restore_size := status.get("restoreSize")) is not None:
        wanted, least = requested(claim), quantity.value(restore_size)
        if wanted < least:
            text = f"requested volume size {wanted} is less than the size {least} for the source snapshot {name}"
            raise NotUsable(text)
    _check_mode(claim, content)
    return Source(snapshot=handle)


def requested(claim: Obj) -> int:
    """Bytes."""
    return quantity.value(objects.dig(claim, "spec", "resources", "requests", "storage", default="0"))


def node_of(volume: Obj) -> str:
    """The only node a volume's affinity allows, as the hostpath driver says it; "" for none."""
    for term in objects.dig(volume, "spec", "nodeAffinity", "required", "nodeSelectorTerms", default=()):
        for wanted in term.get("matchExpressions") or ():
            if wanted.get("operator") == "In" and len(wanted.get("values") or ()) == 1:
                return str(wanted["values"][0])
    return ""


def _belongs(volume: Obj, claim: Obj) -> bool:
    bound = claims.is_owned(volume, claim) and objects.status(volume).get("phase") == "Bound"
    return bound and objects.dig(volume, "spec", "csi", "driver") == NAME


def _check_mode(claim: Obj, content: Obj) -> None:
    source_mode, wanted = objects.spec(content).get("sourceVolumeMode"), objects.spec(claim).get("volumeMode")
    if not source_mode or not wanted or source_mode == wanted:
        return
    text = f"requested volume {'/'.join(objects.key(claim))} modifies the mode of the source volume but does not have"
    text += " permission to do so. "
    allowed = objects.annotations(content).get(ALLOW_MODE_CHANGE)
    if allowed is None:
        text += f"{ALLOW_MODE_CHANGE} annotation is not present on snapshotcontent {objects.name(content)}"
        raise NotUsable(text)
    if allowed in ("0", "f", "F", "false", "FALSE", "False"):
        raise NotUsable(f"{text}{ALLOW_MODE_CHANGE} is set to false on snapshotcontent {objects.name(content)}")
    if allowed not in ("1", "t", "T", "true", "TRUE", "True"):
        text += f"failed to convert {ALLOW_MODE_CHANGE} annotation value to boolean with error: "
        raise NotUsable(f'{text}strconv.ParseBool: parsing "{allowed}": invalid syntax')


def _go_status(status: Mapping[str, object]) -> str:
    """A claim's status as Go prints the struct; of one that is not Bound, all but the phase is empty as a rule."""
    return f"{{{status.get('phase', '')} [] map[] [] map[] map[] <nil> nil}}"
