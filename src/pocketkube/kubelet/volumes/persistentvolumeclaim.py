"""persistentVolumeClaim: the volume behind a claim, whatever it is made of.

Models createVolumeSpec of pkg/kubelet/volumemanager/populator and what the mount operation checks of any
PersistentVolume. Left out: sources no plugin here declares (nfs, iscsi, ...: the mount fails, saying so).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pocketkube import claims, objects
from pocketkube.errors import NotFound
from pocketkube.kubelet.filesystem import Tree
from pocketkube.kubelet.volumes.base import SET_UP, MountError, NotProcessed, Volume
from pocketkube.kubelet.volumes.expansion import expand
from pocketkube.objects import Key, Obj
from pocketkube.resources.persistentvolume_spec.volumes import MOUNT_OPTIONS, SOURCES

_PROTECTION = "kubernetes.io/pvc-protection"
_GROUP = "pv.beta.kubernetes.io/gid"
_SHARED = "volume uses the ReadWriteOncePod access mode and is already in use by another pod"


class VOLUME(Volume):
    type = "persistentVolumeClaim"
    _inner: Volume | None = None
    _volume: str = ""
    """Name of the PersistentVolume, as far as it is known."""

    @property
    def claim_name(self) -> str:
        return str(self.source.get("claimName", ""))

    def check_claim(self, claim: Obj) -> None:
        """Raises NotProcessed when it is not for this pod."""

    @property
    def spec_name(self) -> str:
        return self._volume or self.name

    @property
    def inner(self) -> Volume:
        assert self._inner is not None, "set_up comes first"
        return self._inner

    @property
    def tree(self) -> Tree:
        return self.inner.tree

    @property
    def root(self) -> Any:
        return self.inner.root

    @property
    def read_only(self) -> bool:  # type: ignore[override]
        return self.inner.read_only

    @property
    def mount_options(self) -> str:  # type: ignore[override]
        return self.inner.mount_options

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        yield "persistentvolumeclaims", (objects.namespace(self.context.pod), self.claim_name)
        if self._volume:
            yield "persistentvolumes", ("", self._volume)
        if self._inner is not None:
            yield from self._inner.depends_on()

    def set_up(self) -> None:
        claim, volume = self._look()
        inner = self._plugin(volume)
        inner.context.pod, inner.context.persistent = self.context.pod, volume
        inner.set_up()
        group = objects.annotations(volume).get(_GROUP, "")
        self.group = _group_id(group)
        self._expand(claim, volume)
        self.context.in_use.mount(self._volume, objects.uid(self.context.pod))

    def refresh(self) -> None:
        try:
            claim, volume = self._look()
        except NotProcessed:
            return  # what is mounted stays mounted
        self.inner.context.persistent = volume
        self.inner.refresh()
        self._expand(claim, volume)

    def tear_down(self) -> None:
        if self._inner is not None:
            self._inner.tear_down()
        self.context.in_use.release(self._volume, objects.uid(self.context.pod))

    # -- what it is

    def _look(self) -> tuple[Obj, Obj]:
        """The claim and its volume. Raises NotProcessed."""
        space = objects.namespace(self.context.pod)
        try:
            claim = self._claim(space)
        except NotProcessed as error:
            raise NotProcessed(f"error processing PVC {space}/{self.claim_name}: {error}") from None
        self.check_claim(claim)
        try:
            volume = self._bound(claim)
        except NotProcessed as error:
            raise NotProcessed(f"error processing PVC {space}/{self.claim_name}: {error}") from None
        mode = objects.spec(volume).get("volumeMode", "Filesystem")
        if self.context.mounted and mode != "Filesystem":
            raise NotProcessed(f"volume {self.name} has volumeMode {mode}, but is specified in volumeMounts")
        if self.context.mapped and mode != "Block":
            raise NotProcessed(f"volume {self.name} has volumeMode {mode}, but is specified in volumeDevices")
        return claim, volume

    def _claim(self, space: str) -> Obj:
        try:
            claim = self.context.client.get("persistentvolumeclaims", space, self.claim_name)
        except NotFound as missing:
            raise NotProcessed(f"failed to fetch PVC from API server: {missing.message}") from None
        if objects.is_terminating(claim) and _PROTECTION not in (claim["metadata"].get("finalizers") or ()):
            raise NotProcessed("PVC is being deleted")
        if objects.status(claim).get("phase") != "Bound":
            raise NotProcessed("PVC is not bound")
        if not objects.spec(claim).get("volumeName"):
            raise NotProcessed("PVC has empty pvc.Spec.VolumeName")
        return claim

    def _bound(self, claim: Obj) -> Obj:
        self._volume = name = objects.spec(claim)["volumeName"]
        try:
            volume = self.context.client.get("persistentvolumes", "", name)
        except NotFound as missing:
            raise NotProcessed(f"failed to fetch PV {name} from API server: {missing.message}") from None
        ref = objects.spec(volume).get("claimRef")
        if ref is None:
            raise NotProcessed(
                f"found PV object {name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim"
            )
        if ref.get("uid") != objects.uid(claim):
            raise NotProcessed(
                f"found PV object {name} but its pv.Spec.ClaimRef.UID {ref.get('uid', '')} does not point to "
                f"claim.UID {objects.uid(claim)}"
            )
        return volume

    def _plugin(self, volume: Obj) -> Volume:
        """Made once for a volume. Raises MountError."""
        from pocketkube.kubelet.volumes import persistent

        spec = objects.spec(volume)
        known = self._inner.context.persistent if self._inner is not None else None
        if known is None or objects.uid(known) != objects.uid(volume):
            kind = next((field for field in SOURCES if spec.get(field) is not None), "")
            plugin = persistent().get(kind)
            if plugin is None:
                step = "MountVolume.FindPluginBySpec failed"
                mounts = ", ".join(sorted(persistent()))
                text = f"pocketkube has no {kind or 'such'} storage; PersistentVolumes it can mount are {mounts}"
                raise MountError(text, step)
            if self._inner is not None:
                self._inner.tear_down()
            read_only = bool(self.source.get("readOnly"))
            context = replace(self.context, persistent=volume, read_only=read_only)
            self._inner = plugin(context, self.name, spec[kind])
        assert self._inner is not None
        return self._inner

    def _expand(self, claim: Obj, volume: Obj) -> None:
        context, read_only = self.context, bool(self.source.get("readOnly"))
        expand(context.client, context.pod, claim, volume, node=context.node_name, read_only=read_only)


def _group_id(text: str) -> int | None:
    """None for what is no group, or root's."""
    return (int(text) or None) if text.isdecimal() and len(text) <= 10 else None


def mount_options(volume: Obj) -> list[str]:
    """Of a PersistentVolume."""
    annotated = objects.annotations(volume).get(MOUNT_OPTIONS)
    return annotated.split(",") if annotated else list(objects.spec(volume).get("mountOptions") or ())


def check(volume: Volume, *, takes_options: bool = True) -> None:
    """What is checked before any PersistentVolume is mounted. Raises MountError."""
    context, persistent = volume.context, volume.context.persistent
    assert persistent is not None
    kind, reason = ("MapVolume", "FailedMapVolume") if context.mapped else ("MountVolume", "FailedMount")
    node = context.client.find("nodes", "", context.node_name)
    if node is None or not claims.node_matches(persistent, node):
        raise MountError("no matching NodeSelectorTerms", f"{kind}.NodeAffinity check failed", reason)
    if mount_options(persistent) and not takes_options:
        text = "mount options are not supported for this volume type"
        raise MountError(text, f"{kind}.MountOptionSupport check failed", reason)
    alone = objects.spec(persistent).get("accessModes") == ["ReadWriteOncePod"]
    if alone and context.in_use.mounted_elsewhere(volume.spec_name, objects.uid(context.pod)):
        raise MountError(_SHARED, "MapVolume.SetUpDevice failed" if context.mapped else SET_UP, reason)
