"""csi: volumes of CSI drivers, behind a claim (attached first) or inline (made for the pod, gone with it).

Models pkg/volume/csi (attacher, mounter, block mapper). Drivers are the cluster's `services["csi"]`, by name, and serve
the nodes whose CSINode lists them; see storage/driver.py for what is asked of them. Left out: secrets, what a CSIDriver
asks to be told about the pod (podInfoOnMount, tokenRequests), SELinux, republishing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pocketkube import claims, objects
from pocketkube.kubelet.filesystem import DeviceTree, HostTree
from pocketkube.kubelet.volumes.base import SET_UP, MountError, NotAttached, Volume
from pocketkube.kubelet.volumes.persistentvolumeclaim import check, mount_options
from pocketkube.objects import Key, Obj

_INLINE = ".csi-inline"
"""The folder beside those of a pod's volumes (whose names have no dot, and which containers write to) with a note for
each inline volume: which driver made it, and its id."""


class _Csi(Volume):
    """What both have in common."""

    type = "csi"

    @property
    def driver_name(self) -> str:
        return str(self.source["driver"])

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        """What it waits for; mounted, it waits for nothing."""
        if self._tree is None:
            yield "csinodes", ("", self.context.node_name)
            yield "csidrivers", ("", self.driver_name)

    def _driver(self, step: str, where: str, reason: str = "FailedMount") -> Any:
        """The driver, when it serves this node. Raises MountError."""
        name, context = self.driver_name, self.context
        node = context.client.find("csinodes", "", context.node_name)
        listed = objects.spec(node or {}).get("drivers") or ()
        drivers: Mapping[str, Any] = context.services.get("csi") or {}
        if name not in drivers or not any(driver["name"] == name for driver in listed):
            text = f"kubernetes.io/csi: {where}: driver name {name} not found in the list of registered CSI drivers"
            raise MountError(text, step, reason)
        return drivers[name]

    def _policy(self) -> Obj:
        """The spec of the CSIDriver; empty when there is none."""
        return objects.spec(self.context.client.find("csidrivers", "", self.driver_name) or {})

    def _give_to_group(self) -> None:
        policy = self._policy().get("fsGroupPolicy") or "ReadWriteOnceWithFSType"
        persistent = self.context.persistent
        if policy == "ReadWriteOnceWithFSType":
            modes = objects.spec(persistent).get("accessModes") or () if persistent else ("ReadWriteOnce",)
            if not self.source.get("fsType") or not {"ReadWriteOnce", "ReadWriteOncePod"} & {*modes}:
                return
        if policy != "None":
            self.give_to_group()


class PERSISTENT(_Csi):
    @property
    def _handle(self) -> str:
        return str(self.source["volumeHandle"])

    @property
    def unique_name(self) -> str:
        return claims.attached_name(self.driver_name, self._handle)

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        yield from super().depends_on()
        if self._tree is None:
            yield "nodes", ("", self.context.node_name)
            yield "volumeattachments", ("", self._attachment)

    @property
    def _attachment(self) -> str:
        return claims.attachment_name(self.driver_name, self._handle, self.context.node_name)

    def set_up(self) -> None:
        context = self.context
        if self._policy().get("attachRequired", True):
            context.in_use.take(self.unique_name, objects.uid(context.pod))
            self._check_attached()
        check(self)
        self.read_only = context.read_only or bool(self.source.get("readOnly"))
        self.mount_options = ",".join(mount_options(context.persistent or {}))
        if context.mapped:
            self._map()
        else:
            self._mount()

    def _check_attached(self) -> None:
        """Raises NotAttached until the attach-detach controller says that it is, and MountError for what it is not."""
        context = self.context
        node = context.client.find("nodes", "", context.node_name)
        attached = objects.status(node or {}).get("volumesAttached") or ()
        if not any(volume["name"] == self.unique_name for volume in attached):
            raise NotAttached
        attachment = context.client.find("volumeattachments", "", self._attachment)
        status = objects.status(attachment or {})
        if status.get("attached"):
            return
        kind, reason = ("MapVolume", "FailedMapVolume") if context.mapped else ("MountVolume", "FailedMount")
        step = f"{kind}.WaitForAttach failed"
        if attachment is None or objects.is_terminating(attachment):
            gone = "has been deleted" if attachment is None else "is being deleted"
            raise MountError(f"volume attachment {gone}", step, reason)
        if status.get("attachError"):
            raise MountError(status["attachError"].get("message", ""), step, reason)
        raise NotAttached

    def _mount(self) -> None:
        where = "attacher.MountDevice failed to create newCsiDriverClient"
        driver = self._driver("MountVolume.MountDevice failed", where)
        folder = _ask(driver.node_publish, self._handle, step=SET_UP)
        self._tree = HostTree.of(folder)
        self._give_to_group()

    def _map(self) -> None:
        step, reason = "MapVolume.SetUpDevice failed", "FailedMapVolume"
        driver = self._driver(step, "blockMapper.SetUpDevice failed to get CSI client", reason)
        file: Path = _ask(driver.node_publish, self._handle, step=step, reason=reason)
        self._tree = DeviceTree(HostTree.of(file.parent), (file.name,), read_only=self.read_only)
        self._tell_mapped()

    def _tell_mapped(self) -> None:
        context, name = self.context, self.spec_name
        root = "/var/lib/kubelet"
        of_pod = f"{root}/pods/{objects.uid(context.pod)}/volumeDevices/kubernetes.io~csi"
        for text in (
            f'globalMapPath "{root}/plugins/kubernetes.io/csi/volumeDevices/{name}/dev"',
            f'volumeMapPath "{of_pod}"',
        ):
            message = f'MapVolume.MapPodDevice succeeded for volume "{name}" {text}'
            context.client.record(context.pod, "Normal", "SuccessfulMountVolume", message)

    def tear_down(self) -> None:
        self.context.in_use.release(self.unique_name, objects.uid(self.context.pod))


class VOLUME(_Csi):
    def set_up(self) -> None:
        context = self.context
        if self._tree is not None:  # it is made, and being given to its group
            self._give_to_group()
            return
        driver = self._driver(SET_UP, "mounter.SetUpAt failed to get CSI client")
        self._check_lifecycle()
        self.read_only = bool(self.source.get("readOnly"))
        handle = "csi-" + hashlib.sha256(f"{objects.uid(context.pod)}{self.name}".encode()).hexdigest()
        # written first: what a process that dies now has made is found by the next one
        notes = context.folder.parent / _INLINE
        notes.mkdir(parents=True, exist_ok=True, mode=0o700)
        (notes / self.name).write_text(f"{self.driver_name}\n{handle}\n")
        attributes = self.source.get("volumeAttributes") or {}
        self._tree = HostTree.of(_ask(driver.node_publish_ephemeral, handle, attributes, step=SET_UP))
        self._give_to_group()

    def _check_lifecycle(self) -> None:
        """Raises MountError when the driver does not make inline volumes."""
        client, name = self.context.client, self.driver_name
        driver = client.find("csidrivers", "", name)
        what = "kubernetes.io/csi: mounter.SetupAt failed to check volume lifecycle mode: volume mode"
        if driver is None:
            raise MountError(f'{what} "Ephemeral" not supported by driver {name} (no CSIDriver object)')
        modes = objects.spec(driver).get("volumeLifecycleModes") or ["Persistent"]
        if "Ephemeral" not in modes:
            only = " ".join(f'"{mode}"' for mode in modes)
            raise MountError(f'{what} "Ephemeral" not supported by driver {name} (only supports [{only}])')


def unpublish(folder: Path, services: Mapping[str, Any]) -> None:
    """Give back the inline volumes of a pod whose volumes lie in `folder`, whichever process made them."""
    drivers: Mapping[str, Any] = services.get("csi") or {}
    for note in (folder / _INLINE).glob("*"):
        match note.read_text().split():
            case [name, handle] if name in drivers:
                drivers[name].node_unpublish_ephemeral(handle)
            case _:  # no such driver any more, or a process died while it wrote: the driver had not been asked yet
                continue


def _ask(call: Any, *arguments: Any, step: str, reason: str = "FailedMount") -> Any:
    """What the driver answers. Raises MountError with its refusal."""
    try:
        return call(*arguments)
    except Exception as error:  # whatever a driver raises is its answer, as a gRPC status is
        raise MountError(str(error), step, reason) from error
