"""One VolumeSnapshot and what it is bound to: its class, its claim's volume, its VolumeSnapshotContent.

Models the creating half of external-snapshotter's pkg/common-controller (snapshot_controller.go), its texts included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pocketkube import claims, objects
from pocketkube.client import Client
from pocketkube.controllers import finalizers
from pocketkube.errors import StatusError
from pocketkube.objects import Obj
from pocketkube.storage import csisecrets, snapshots
from pocketkube.storage.snapshots import CLASSES, CONTENTS, SNAPSHOTS, quoted, title

CLAIMS, VOLUMES = "persistentvolumeclaims", "persistentvolumes"
CLASS_MISSING = "GetSnapshotClassFailed"


class Refused(Exception):
    """Why a snapshot cannot be had now. `message` is told, in an event and in its status; `why` is what the log says.

    `unready`: the status says so too; `event_only`: the status is left alone."""

    def __init__(
        self, reason: str, message: str, *, why: str = "", unready: bool = True, event_only: bool = False
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.why = reason, message, why or message
        self.unready, self.event_only = unready, event_only


class Unusable(Exception):
    """What is wrong with the source of a snapshot to be cut."""


class Binding:
    """`snapshot` is always the version stored last."""

    def __init__(self, client: Client, snapshot: Obj) -> None:
        self.client = client
        self.snapshot = snapshot

    def change(self, change: Callable[[Obj], None], subresource: str = "") -> None:
        self.snapshot = self.client.patch(SNAPSHOTS, objects.key(self.snapshot), change, subresource=subresource)

    def tell(self, refused: Refused) -> None:
        """Record it. What the status says already is not said again."""
        if not refused.event_only:
            error = objects.status(self.snapshot).get("error") or {}
            if error.get("message") == refused.message:
                return
            self.change(lambda copy: self._fail(copy, refused), "status")
        self.client.record(self.snapshot, "Warning", refused.reason, refused.message)

    def _fail(self, copy: Obj, refused: Refused) -> None:
        status = copy.setdefault("status", {})
        status["error"] = {"message": refused.message, "time": self.client.clock.now()}
        if refused.unready:
            status["readyToUse"] = False

    # -- the class

    def find_class(self) -> None:
        """See that the class is there; where none is named, name the default one. Raises Refused."""
        name = snapshots.class_name(self.snapshot)
        if name is not None:
            if self.client.find(CLASSES, "", name) is None:
                text = f'volumesnapshotclass.{snapshots.GROUP} "{name}" not found'
                raise Refused(CLASS_MISSING, f"Failed to get snapshot class with error {text}", unready=False)
        elif snapshots.existing_content_name(self.snapshot) is None:
            try:
                default = objects.name(self._default_class())
            except Unusable as why:
                text = f"Failed to set default snapshot class with error {why}"
                raise Refused("SetDefaultSnapshotClassFailed", text, unready=False) from None
            self.change(lambda copy: copy["spec"].update(volumeSnapshotClassName=default))

    def _default_class(self) -> Obj:
        """The only default class of the volume's driver."""
        csi = objects.spec(self._volume()).get("csi")
        if csi is None:
            raise Unusable(f"snapshotting non-CSI volumes is not supported, snapshot:{title(self.snapshot)}")
        found = [c for c in self.client.list(CLASSES) if snapshots.is_default(c) and c["driver"] == csi["driver"]]
        if not found:
            raise Unusable("cannot find default snapshot class")
        if len(found) > 1:
            raise Unusable(f"{len(found)} default snapshot classes were found")
        return found[0]

    # -- the source

    def _claim(self) -> Obj:
        name = snapshots.claim_name(self.snapshot)
        if not name:
            raise Unusable(f"the PVC name is not specified in snapshot {title(self.snapshot)}")
        claim = self.client.find(CLAIMS, objects.namespace(self.snapshot), name)
        if claim is None:
            missing = quoted(f'persistentvolumeclaim "{name}" not found')
            raise Unusable(f"failed to retrieve PVC {name} from the lister: {missing}")
        return claim

    def _volume(self) -> Obj:
        claim = self._claim()
        if objects.status(claim).get("phase") != "Bound":
            text = "is not yet bound to a PV, will not attempt to take a snapshot"
            raise Unusable(f"the PVC {objects.name(claim)} {text}")
        name = objects.spec(claim)["volumeName"]
        volume = self.client.find(VOLUMES, "", name)
        if volume is None:
            missing = quoted(f'persistentvolumes "{name}" not found')
            raise Unusable(f"failed to retrieve PV {name} from the API server: {missing}")
        if not claims.is_promised(volume, claim):
            raise Unusable("claim in dataSource not bound or invalid")
        return volume

    def _hold_claim(self) -> None:
        """Keep the claim while its volume is being copied."""
        try:
            claim = self._claim()
        except Unusable:
            raise Unusable(_failed_update(objects.name(self.snapshot), "cannot get claim from snapshot")) from None
        if finalizers.is_held(claim, snapshots.CLAIM_FINALIZER):
            return
        if objects.is_terminating(claim):
            text = "cannot add finalizer on claim because it is being deleted"
            raise Unusable(_failed_update(objects.name(claim), text))
        self.client.patch(CLAIMS, objects.key(claim), lambda copy: finalizers.hold(copy, snapshots.CLAIM_FINALIZER))

    # -- the content

    def content(self) -> Obj | None:
        """The content that is the snapshot's, or that it waits to bind to. Raises Refused where it is another's."""
        snapshot, existing = self.snapshot, snapshots.existing_content_name(self.snapshot)
        name = snapshots.new_content_name(snapshot) if existing is None else existing
        content = self.client.find(CONTENTS, "", name)
        if content is None:
            return None
        if existing is not None and snapshots.existing_handle(content) is None:
            raise Refused(
                "SnapshotContentMismatch",
                "VolumeSnapshotContent is dynamically provisioned while expecting a pre-provisioned one",
                why=f"snapshot {title(snapshot)} expects a pre-provisioned VolumeSnapshotContent {name} "
                "but gets a dynamically provisioned one",
            )
        if existing is None and snapshots.volume_handle(content) is None:
            raise Refused(
                "SnapshotContentMismatch",
                f"VolumeSnapshotContent {name} is pre-provisioned while expecting a dynamically provisioned one",
                why=f"snapshot {title(snapshot)} expects a dynamically provisioned VolumeSnapshotContent {name} "
                "but gets a pre-provisioned one",
            )
        wanted = (objects.uid(snapshot),) if existing is None else (objects.uid(snapshot), "")
        if snapshots.snapshot_of(content) != objects.key(snapshot) or snapshots.bound_uid(content) not in wanted:
            text = f"VolumeSnapshotContent [{name}] is bound to a different snapshot"
            raise Refused("SnapshotContentMisbound", text)
        return content

    def sync(self) -> None:
        """Go one step further: make or bind the content, take over what it says, or see that it is still there.

        Raises Refused."""
        if snapshots.is_ready(self.snapshot) and (name := snapshots.bound_content_name(self.snapshot)):
            self._check(self.client.find(CONTENTS, "", name))
            return
        content = self.content()
        if (existing := snapshots.existing_content_name(self.snapshot)) is not None:
            if content is None:
                why = f"snapshot {title(self.snapshot)} requests an non-existing content {existing}"
                raise Refused("SnapshotContentMissing", "VolumeSnapshotContent is missing", why=why)
            content = self._bind(content)
        elif content is None:
            try:
                content = self._create_content()
            except Unusable as why:
                text = f"Failed to create snapshot content with error {why}"
                raise Refused("SnapshotContentCreationFailed", text) from None
        self._follow(content)

    def _check(self, content: Obj | None) -> None:
        """What a snapshot was made of may go or turn away; that is told once."""
        if content is None:
            self.tell(Refused("SnapshotContentMissing", "VolumeSnapshotContent is missing"))
        elif not snapshots.belongs_to(content, self.snapshot):
            text = "VolumeSnapshotContent is not bound to the VolumeSnapshot correctly"
            self.tell(Refused("SnapshotMisbound", text))

    def _bind(self, content: Obj) -> Obj:
        """Say in a content that was there before whose it is."""

        def bind(copy: Obj) -> None:
            copy["spec"]["volumeSnapshotRef"]["uid"] = objects.uid(self.snapshot)
            if (name := snapshots.class_name(self.snapshot)) is not None:
                copy["spec"]["volumeSnapshotClassName"] = name

        if snapshots.bound_uid(content) and snapshots.class_name(content) is not None:
            return content
        return self.client.patch(CONTENTS, objects.key(content), bind)

    def _create_content(self) -> Obj:
        """Raises Unusable."""
        snapshot = self.snapshot
        self._hold_claim()
        class_ = self.client.get(CLASSES, "", str(snapshots.class_name(snapshot)))
        content_name = snapshots.new_content_name(snapshot)
        try:
            volume = self._volume()
            secret = csisecrets.snapshot_reference(
                "snapshotter", class_.get("parameters") or {}, content_name, snapshot
            )
        except (Unusable, csisecrets.InvalidParameters) as why:
            name = objects.name(snapshot)
            raise Unusable(f"failed to get input parameters to create snapshot {name}: {quoted(why)}") from None
        if (csi := objects.spec(volume).get("csi")) is None:
            raise Unusable(f"cannot find CSI PersistentVolumeSource for volume {objects.name(volume)}")
        spec: dict[str, Any] = {
            "volumeSnapshotRef": _reference(snapshot),
            "source": {"volumeHandle": csi["volumeHandle"]},
            "volumeSnapshotClassName": objects.name(class_),
            "deletionPolicy": class_["deletionPolicy"],
            "driver": class_["driver"],
        }
        if (mode := objects.spec(volume).get("volumeMode")) is not None:
            spec["sourceVolumeMode"] = mode
        metadata: dict[str, Any] = {"name": content_name}
        if secret is not None:
            names = {snapshots.SECRET_NAME: secret["name"], snapshots.SECRET_NAMESPACE: secret["namespace"]}
            metadata["annotations"] = names
        try:
            made = self.client.create(CONTENTS, {"metadata": metadata, "spec": spec})
        except StatusError as error:
            text = f"Error creating volume snapshot content object for snapshot {title(snapshot)}: {error}."
            self.client.record(snapshot, "Warning", "CreateSnapshotContentFailed", text)
            raise Unusable(_failed_update(title(snapshot), str(error))) from None
        text = f"Waiting for a snapshot {title(snapshot)} to be created by the CSI driver."
        self.client.record(snapshot, "Normal", "CreatingSnapshot", text)
        return made

    def _follow(self, content: Obj) -> None:
        """Take over what the content says, once it is safe from being deleted."""
        protect(self.client, content)
        before = objects.status(self.snapshot)
        after = snapshots.status_from_content(self.snapshot, content)
        if "creationTime" in after and "creationTime" not in before:
            text = f"Snapshot {title(self.snapshot)} was successfully created by the CSI driver."
            self.client.record(self.snapshot, "Normal", "SnapshotCreated", text)
        if after["readyToUse"] and not before.get("readyToUse"):
            text = f"Snapshot {title(self.snapshot)} is ready to use."
            self.client.record(self.snapshot, "Normal", "SnapshotReady", text)
        self.change(lambda copy: copy.update(status=after), "status")


def protect(client: Client, content: Obj) -> None:
    """A content that belongs to a snapshot is not to go before it."""
    if not objects.is_terminating(content) and not finalizers.is_held(content, snapshots.CONTENT_FINALIZER):
        at = objects.key(content)
        client.patch(CONTENTS, at, lambda copy: finalizers.hold(copy, snapshots.CONTENT_FINALIZER))


def _reference(snapshot: Obj) -> Obj:
    meta = snapshot["metadata"]
    known = {field: meta[field] for field in ("name", "namespace", "resourceVersion", "uid")}
    return {"apiVersion": snapshot["apiVersion"], "kind": snapshot["kind"], **known}


def _failed_update(name: str, why: str) -> str:
    return f"snapshot controller failed to update {name} on API server: {why}"
