"""csi-snapshotter: has the driver cut, look up and delete what VolumeSnapshotContents stand for.

Models external-snapshotter v8.6.0's pkg/sidecar-controller beside the hostpath driver. One snapshot is cut after the
other. The hostpath driver asks for no credentials; a Secret that a class names must exist all the same. Left out: group
snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Mapping, Retry, own_key
from pocketkube.objects import Key, Obj
from pocketkube.storage import csisecrets, driver, snapshots
from pocketkube.storage.base import Program
from pocketkube.storage.driver import RpcError, Snapshot
from pocketkube.storage.snapshots import (
    BEING_CREATED,
    BEING_DELETED,
    CLASSES,
    CONTENT_FINALIZER,
    CONTENTS,
    SECRET_NAME,
    SECRET_NAMESPACE,
    quoted,
)
from pocketkube.store import Event


class Failed(Exception):
    """What went wrong, for the content's status and event."""


class CsiSnapshotter(Program):
    name = f"csi-snapshotter {driver.NAME}"
    image = "csi-snapshotter"
    every_kind = True

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        for resource, _ in self.client.kinds():
            if resource == CONTENTS:
                yield resource, _what_others_changed

    async def reconcile(self, at: Key) -> float | None:
        content = self.client.find(CONTENTS, *at)
        if content is None or not self._is_ours(content):
            return None
        if _may_go(content):
            self._remove(content)
        elif snapshots.volume_handle(content) is not None and not objects.status(content):
            await self._sync(content, "SnapshotCreationFailed", "Failed to create snapshot")
        elif snapshots.is_ready(content):
            self._annotate(at, being_created=False)
        else:
            await self._sync(
                content, "SnapshotContentCheckandUpdateFailed", "Failed to check and update snapshot content"
            )
        return None

    def _is_ours(self, content: Obj) -> bool:
        class_ = self.client.find(CLASSES, "", snapshots.class_name(content) or "")
        return objects.spec(content)["driver"] == driver.NAME and (class_ is None or class_["driver"] == driver.NAME)

    # -- cutting and looking up

    async def _sync(self, content: Obj, reason: str, failed: str) -> None:
        """Ask the driver, and write down what it says. Raises Retry."""
        at = objects.key(content)
        try:
            if snapshots.existing_handle(content) is not None:
                snapshot = self._look_up(content)
            else:
                snapshot = await self._cut(content)
        except Failed as why:
            self._tell(at, reason, f"{failed}: {why}")
            raise Retry(f"{failed}: {why}") from None
        self.client.patch(CONTENTS, at, lambda copy: _report(copy, snapshot), subresource="status")
        self._annotate(at, being_created=False)
        if not snapshot.ready:
            raise Retry("the driver has not finished yet")

    async def _cut(self, content: Obj) -> Snapshot:
        """Raises Failed."""
        name, at, handle = objects.name(content), objects.key(content), str(snapshots.volume_handle(content))
        class_name = snapshots.class_name(content)
        inputs = f"failed to get input parameters to create snapshot for content {name}"
        if class_name is None:
            raise Failed(f"{inputs}: {quoted(f'failed to take snapshot {name} without a snapshot class')}")
        class_ = self.client.find(CLASSES, "", class_name)
        if class_ is None:
            missing = f'volumesnapshotclass.{snapshots.GROUP} "{class_name}" not found'
            raise Failed(f"{inputs}: {quoted(missing)}")
        if not self._has_credentials(content):
            raise Failed(f"{inputs}: {quoted(f'cannot get credentials for snapshot content {quoted(name)}')}")
        try:
            csisecrets.check_snapshot_parameters(class_.get("parameters") or {})
            self._annotate(at, being_created=True)  # upstream before the check: such a snapshot could never be deleted
            made = await self.backend.driver.create_snapshot(f"snapshot-{snapshots.bound_uid(content)}", handle)
            self.log.info('"Snapshot created" content="%s" snapshotHandle="%s"', name, made.id)
            return made
        except csisecrets.InvalidParameters as why:
            raise Failed(str(why)) from None
        except RpcError as error:
            if error.is_final:
                self._annotate(at, being_created=False)
            raise Failed(f"failed to take snapshot of the volume {handle}: {quoted(error)}") from None

    def _look_up(self, content: Obj) -> Snapshot:
        """Raises Failed."""
        name, handle = objects.name(content), str(snapshots.existing_handle(content))
        if (class_name := snapshots.class_name(content)) is not None:
            class_ = self.client.find(CLASSES, "", class_name)
            if class_ is None:
                missing = f'volumesnapshotclass.{snapshots.GROUP} "{class_name}" not found'
                raise Failed(f"failed to get snapshot class {class_name} for snapshot content {name}: {missing}")
            self._check_list_secret(name, class_)
        snapshot = self.backend.driver.find_snapshot(handle)
        if snapshot is None:
            missing = f"can not find snapshot for snapshotID {handle}"
            raise Failed(f"failed to list snapshot for content {name}: {quoted(missing)}")
        return snapshot

    def _check_list_secret(self, name: str, class_: Obj) -> None:
        """Raises Failed."""
        what = "secret reference"
        try:
            secret = csisecrets.snapshot_reference("snapshotter-list", class_.get("parameters") or {}, name, None)
            what = "credentials"
            csisecrets.check_exists(self.client, secret)
        except csisecrets.InvalidParameters as why:
            raise Failed(f"failed to get {what} for snapshot content {name}: {why}") from None

    def _has_credentials(self, content: Obj) -> bool:
        """Whether the Secret is there that the content names, if any."""
        annotations = objects.annotations(content)
        if SECRET_NAME not in annotations or SECRET_NAMESPACE not in annotations:
            return True
        return self.client.find("secrets", annotations[SECRET_NAMESPACE], annotations[SECRET_NAME]) is not None

    def _tell(self, at: Key, reason: str, message: str) -> None:
        """Put what went wrong into the content's status; an event follows if that is news."""
        content = self.client.find(CONTENTS, *at)
        if content is None or (objects.status(content).get("error") or {}).get("message") == message:
            return
        error = {"message": message, "time": self.clock.now()}

        def fail(copy: Obj) -> None:
            copy.setdefault("status", {}).update(error=error, readyToUse=False)

        self.client.record(self.client.patch(CONTENTS, at, fail, subresource="status"), "Warning", reason, message)

    def _annotate(self, at: Key, *, being_created: bool) -> None:
        def annotate(copy: Obj) -> None:
            kept = {**objects.annotations(copy)}
            kept.pop(BEING_CREATED, None)
            if being_created:
                kept[BEING_CREATED] = "yes"
            copy["metadata"].pop("annotations", None)
            if kept:
                copy["metadata"]["annotations"] = kept

        self.client.patch(CONTENTS, at, annotate)

    # -- deleting

    def _remove(self, content: Obj) -> None:
        """Delete what is stored, if the policy says so, and let the content go. Raises Retry."""
        at, handle = objects.key(content), objects.status(content).get("snapshotHandle")
        if objects.spec(content)["deletionPolicy"] == "Delete" and handle is not None:
            if not self._has_credentials(content):
                self.client.record(content, "Warning", "SnapshotDeleteError", "Failed to get snapshot credentials")
                raise Retry(f"cannot get credentials for snapshot content {quoted(objects.name(content))}")
            try:
                self.backend.driver.delete_snapshot(handle)
            except RpcError as error:
                self.client.record(content, "Warning", "SnapshotDeleteError", "Failed to delete snapshot")
                name = objects.name(content)
                why = f"failed to delete snapshot content {name}: {quoted(error)}"
                raise Retry(f"failed to delete snapshot {quoted(name)}, err: {why}") from None
            self.log.info('"Snapshot deleted" content="%s" snapshotHandle="%s"', at[1], handle)
            self.client.patch(CONTENTS, at, _forget, subresource="status")
        self.client.patch(CONTENTS, at, lambda copy: finalizers.release(copy, CONTENT_FINALIZER))


def _may_go(content: Obj) -> bool:
    """Whether a content that is deleted may be let go: nobody's, or its VolumeSnapshot's turn has come."""
    if not objects.is_terminating(content):
        return False
    if snapshots.existing_handle(content) is not None and not snapshots.bound_uid(content):
        return True
    annotations = objects.annotations(content)
    return BEING_CREATED not in annotations and BEING_DELETED in annotations


def _report(copy: Obj, snapshot: Snapshot) -> None:
    """What the driver says; what is known once stays."""
    status = copy.setdefault("status", {})
    status.setdefault("snapshotHandle", snapshot.id)
    status.setdefault("creationTime", int(snapshot.created * 10**9))
    if snapshot.size > 0:
        status.setdefault("restoreSize", snapshot.size)
    status["readyToUse"] = snapshot.ready
    if snapshot.ready:
        status.pop("error", None)


def _forget(copy: Obj) -> None:
    for field in ("snapshotHandle", "readyToUse", "creationTime", "restoreSize"):
        copy["status"].pop(field, None)


def _what_others_changed(event: Event) -> Iterable[Key]:
    """Not what the sidecar writes itself: its own complaint must not bring it back at once."""
    if event.old is None or _without_own(event.object) != _without_own(event.old):
        yield from own_key(event)


_OWN = ("resourceVersion", "managedFields", "finalizers", "annotations")


def _without_own(content: Obj) -> Obj:
    meta = {k: v for k, v in content["metadata"].items() if k not in _OWN}
    annotations = {k: v for k, v in objects.annotations(content).items() if k != BEING_CREATED}
    return {**{k: v for k, v in content.items() if k != "status"}, "metadata": {**meta, "annotations": annotations}}


PROGRAM = CsiSnapshotter
