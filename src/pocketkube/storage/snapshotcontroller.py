"""snapshot-controller: gives every VolumeSnapshot its VolumeSnapshotContent, and tells it what became of that.

Models external-snapshotter v8.6.0's pkg/common-controller. Keys are those of snapshots, and ("", name) of contents. A
claim that is bound, a class that comes or a claim that is restored wakes the snapshots that wait for it; upstream they
are looked at again after a back-off only. Left out: group snapshots, metrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from pocketkube import objects
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Mapping, Retry
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.storage import snapshots
from pocketkube.storage.base import Program
from pocketkube.storage.snapshotbinding import CLAIMS, CLASS_MISSING, Binding, Refused, protect
from pocketkube.storage.snapshots import BOUND_FINALIZER, CLASSES, CONTENTS, SNAPSHOTS, SOURCE_FINALIZER, title
from pocketkube.store import DELETED, Event


class SnapshotController(Program):
    name = "snapshot-controller"
    image = "snapshot-controller"
    every_kind = True

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield CLAIMS, self._waiting_for_claim
        for resource, _ in self.client.kinds():
            if resource == SNAPSHOTS:
                yield resource, _snapshot_and_content
            elif resource == CONTENTS:
                yield resource, _content_and_snapshot
            elif resource == CLASSES:
                yield resource, self._waiting_for_class

    def _waiting_for_claim(self, event: Event) -> Iterable[Key]:
        claim = event.object
        bound = objects.status(claim).get("phase") == "Bound"
        for snapshot in self.client.list(SNAPSHOTS, objects.namespace(claim)):
            cut_of_it = bound and snapshots.claim_name(snapshot) == objects.name(claim)
            if (cut_of_it and not snapshots.is_ready(snapshot)) or (
                objects.is_terminating(snapshot) and snapshots.is_made_from(claim, snapshot)
            ):
                yield objects.key(snapshot)

    def _waiting_for_class(self, event: Event) -> Iterable[Key]:
        for snapshot in self.client.list(SNAPSHOTS):
            if snapshots.class_name(snapshot) in (None, objects.name(event.object)):
                yield objects.key(snapshot)

    async def reconcile(self, at: Key) -> float | None:
        obj = self.client.find(SNAPSHOTS if at[0] else CONTENTS, *at)
        if obj is None:
            self._release_claims(at[0])
        elif at[0]:
            self._sync_snapshot(obj)
        else:
            self._sync_content(obj)
        return None

    # -- contents

    def _sync_content(self, content: Obj) -> None:
        """Protect a content that belongs to a snapshot; tell it when that goes."""
        if not snapshots.bound_uid(content):
            return
        protect(self.client, content)
        snapshot = self.client.find(SNAPSHOTS, *snapshots.snapshot_of(content))
        if snapshot is not None and snapshots.belongs_to(content, snapshot) and _may_go(snapshot):
            self._mark_being_deleted(content)

    def _mark_being_deleted(self, content: Obj) -> None:
        def mark(copy: Obj) -> None:
            copy["metadata"].setdefault("annotations", {}).setdefault(snapshots.BEING_DELETED, "yes")

        self.client.patch(CONTENTS, objects.key(content), mark)

    # -- snapshots

    def _sync_snapshot(self, snapshot: Obj) -> None:
        """Raises Retry."""
        binding = Binding(self.client, snapshot)
        try:
            self._find_class(binding)
            self._release_claim(binding.snapshot)
            if objects.is_terminating(snapshot):
                self._delete(binding.snapshot)
                return
            self._protect(binding)
            binding.sync()
        except Refused as refused:
            binding.tell(refused)
            raise Retry(refused.why) from None

    def _find_class(self, binding: Binding) -> None:
        """Raises Refused, but not for a class that went before its snapshot does."""
        try:
            binding.find_class()
        except Refused as refused:
            if refused.reason != CLASS_MISSING or not objects.is_terminating(binding.snapshot):
                raise
            binding.tell(refused)

    def _protect(self, binding: Binding) -> None:
        """Have the finalizers there that a snapshot needs so far. Raises Refused."""
        snapshot = binding.snapshot
        try:
            content = binding.content()
        except Refused as refused:
            binding.tell(refused)
            text = f"Failed to check and update snapshot: {refused.why}"
            raise Refused("SnapshotFinalizerError", text, why=refused.why, event_only=True) from None
        wanted = [SOURCE_FINALIZER]
        if content is not None and snapshots.bound_content_name(snapshot):
            wanted += [BOUND_FINALIZER] if objects.spec(content)["deletionPolicy"] == "Delete" else []
        for finalizer in wanted:
            if not finalizers.is_held(snapshot, finalizer):
                binding.change(partial(finalizers.hold, finalizer=finalizer))

    def _delete(self, snapshot: Obj) -> None:
        """Let a snapshot go, and by its policy what is stored first. Raises Retry while a claim is made of it."""
        if not _may_go(snapshot):
            return
        name = snapshots.bound_content_name(snapshot)
        if not name and snapshots.claim_name(snapshot) is not None:
            name = snapshots.new_content_name(snapshot)
        content = self.client.find(CONTENTS, "", name)
        if content is not None and not snapshots.belongs_to(content, snapshot):
            content = None
        goes_too = content is not None and objects.spec(content)["deletionPolicy"] == "Delete"
        if content is not None:
            if self._is_being_restored(snapshot):
                pending = "Snapshot is being used to restore a PVC"
                self.client.record(snapshot, "Warning", "SnapshotDeletePending", pending)
                raise Retry(f"snapshot {title(snapshot)} is in use (being used to restore a PVC), will retry deletion")
            self._mark_being_deleted(content)
        if goes_too:
            try:
                self.client.delete(CONTENTS, ("", name))
            except StatusError as error:
                failed = "Failed to delete snapshot content API object"
                self.client.record(snapshot, "Warning", "SnapshotContentObjectDeleteError", failed)
                raise Retry(f"failed to delete VolumeSnapshotContent {name} from API server: {error}") from None
        self._release_claim(snapshot, leaving=True)
        self.client.patch(SNAPSHOTS, objects.key(snapshot), lambda copy: _release(copy, bound=not goes_too))

    def _is_being_restored(self, snapshot: Obj) -> bool:
        return any(
            objects.status(claim).get("phase") == "Pending" and snapshots.is_made_from(claim, snapshot)
            for claim in self.client.list(CLAIMS, objects.namespace(snapshot))
        )

    def _release_claim(self, snapshot: Obj, *, leaving: bool = False) -> None:
        """Let the source claim go once no snapshot is being cut of it. `leaving`: this one does not count any more."""
        name = snapshots.claim_name(snapshot)
        claim = self.client.find(CLAIMS, objects.namespace(snapshot), name) if name else None
        if claim is None or not finalizers.is_held(claim, snapshots.CLAIM_FINALIZER):
            return
        if not self._is_being_cut(claim, without=objects.name(snapshot) if leaving else ""):
            self._unhold(claim)

    def _release_claims(self, namespace: str) -> None:
        """A snapshot has gone: one without finalizers, whose class was never found, had no part in letting its claim
        go, and yet may have kept another from it (upstream such a claim cannot be deleted any more)."""
        for claim in self.client.list(CLAIMS, namespace) if namespace else ():
            if finalizers.is_held(claim, snapshots.CLAIM_FINALIZER) and not self._is_being_cut(claim):
                self._unhold(claim)

    def _is_being_cut(self, claim: Obj, without: str = "") -> bool:
        """Whether a snapshot of the claim, other than `without`, is not ready yet."""
        return any(
            snapshots.claim_name(other) == objects.name(claim) and not snapshots.is_ready(other)
            for other in self.client.list(SNAPSHOTS, objects.namespace(claim))
            if objects.name(other) != without
        )

    def _unhold(self, claim: Obj) -> None:
        self.client.patch(CLAIMS, objects.key(claim), lambda copy: finalizers.release(copy, snapshots.CLAIM_FINALIZER))


def _may_go(snapshot: Obj) -> bool:
    return any(finalizers.may_be_released(snapshot, finalizer) for finalizer in (SOURCE_FINALIZER, BOUND_FINALIZER))


def _release(copy: Obj, *, bound: bool) -> None:
    finalizers.release(copy, SOURCE_FINALIZER)
    if bound:
        finalizers.release(copy, BOUND_FINALIZER)


def _snapshot_and_content(event: Event) -> Iterable[Key]:
    yield objects.key(event.object)
    if event.type == DELETED and (content := snapshots.bound_content_name(event.object)):
        yield "", content


def _content_and_snapshot(event: Event) -> Iterable[Key]:
    yield objects.key(event.object)
    yield snapshots.snapshot_of(event.object)


PROGRAM = SnapshotController
