"""external-provisioner for the hostpath driver: claims become CSI volumes, empty, cloned or restored.

Models external-provisioner v6.3.0 as the driver's deployment starts it (topology on, no strict topology, no extra
metadata, no default file system): the volume's fields and annotations, the class's parameters, events and errors. As
the driver attaches nothing itself, a volume is deleted whether or not its VolumeAttachment is gone, as recorded.
Left out: volumes that drivers make smaller than asked, sources in other namespaces, migration of in-tree volumes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from pocketkube import claims, objects, quantity
from pocketkube.client import Client
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Mapping as EventMapping
from pocketkube.errors import NotFound
from pocketkube.objects import Key, Obj
from pocketkube.storage import csisecrets, csisources, csitopology
from pocketkube.storage.base import Backend
from pocketkube.storage.csisources import CLONED, RESTORED, Source
from pocketkube.storage.driver import NAME, RpcError
from pocketkube.storage.provisioning import Ignored, Provisioner, ProvisioningFailed, volume_name
from pocketkube.storage.snapshots import GROUP, SNAPSHOTS
from pocketkube.store import Event

IDENTITY = "storage.kubernetes.io/csiProvisionerIdentity"
DELETION_SECRET = "volume.kubernetes.io/provisioner-deletion-secret-"
MODIFY_SECRET = "volume.kubernetes.io/controller-modify-secret-"


class CsiProvisioner(Provisioner):
    name = "csi-provisioner"
    image = "csi-provisioner"
    provisioner = NAME
    keeps_volumes = True

    def __init__(self, client: Client, backend: Backend) -> None:
        # the Pod the driver is deployed as, and an identity of this process, as upstream's events have it
        super().__init__(client.named(f"{NAME}_csi-hostpathplugin-0_{objects.new_uid()}"), backend)
        self._populators = client.named("external-provisioner")
        self._identity = f"{int(time.time() * 1000)}-{random.randrange(10000)}-{NAME}"

    def watches(self) -> Iterable[tuple[str, EventMapping]]:
        yield from super().watches()
        yield "csinodes", self.retried_when(lambda event, claim: True)
        yield "secrets", self.retried_when(self._secret_is_there)
        yield (
            "volumeattributesclasses",
            self.retried_when(
                lambda event, claim: objects.spec(claim).get("volumeAttributesClassName") == objects.name(event.object)
            ),
        )
        yield SNAPSHOTS, self.retried_when(_source_is_ready)

    def claims(self, event: Event) -> Iterable[Key]:
        yield from super().claims(event)
        yield from self.retried_when(_source_is_bound)(event)

    async def provision(self, claim: Obj, storage_class: Obj, node: str) -> Obj:
        with _telling():
            parameters = storage_class.get("parameters") or {}
            named = csisources.named(claim)
            if named is not None:
                self._check_named(claim, named)
            if objects.spec(claim).get("selector") is not None:
                raise ProvisioningFailed("claim Selector is not supported")
            fstype = csisecrets.fstype(parameters)
            source = self._source(claim, named, objects.name(storage_class)) if named else Source()
            node = csitopology.choose(self.client, self.backend.nodes, storage_class, node, source.node)
            secrets = self._secrets(claim, parameters)
            for_driver = csisecrets.driver_parameters(parameters)
            made = await self.backend.driver.create_volume(
                volume_name(claim),
                csisources.requested(claim),
                block=claims.volume_mode(claim) == "Block",
                parameters=for_driver,
                mutable=self._mutable(claim),
                snapshot=source.snapshot,
                volume=source.volume,
            )
        if source.snapshot:
            self._unmark(claim)
        csi = {
            "driver": NAME,
            "volumeHandle": made.id,
            **({"fsType": fstype} if fstype and not made.block else {}),
            "volumeAttributes": {**for_driver, IDENTITY: self._identity},
            **{field: secrets[call] for call, field in csisecrets.FIELDS.items() if call in secrets},
        }
        spec: Obj = {
            "capacity": {"storage": quantity.canonical(quantity.text_of(made.capacity, "BinarySI"))},
            "csi": csi,
            "accessModes": list(objects.spec(claim).get("accessModes") or ()),
            "volumeMode": claims.volume_mode(claim),
            "nodeAffinity": csitopology.affinity(node),
        }
        if options := storage_class.get("mountOptions"):
            spec["mountOptions"] = list(options)
        if attributes := objects.spec(claim).get("volumeAttributesClassName"):
            spec["volumeAttributesClassName"] = attributes
        annotations = _secret_annotations(DELETION_SECRET, secrets.get("provisioner", {}))
        if "controller-modify" in secrets:
            annotations |= _secret_annotations(MODIFY_SECRET, secrets["controller-modify"])
        return {"metadata": {"name": volume_name(claim), "annotations": annotations}, "spec": spec}

    async def remove(self, volume: Obj) -> None:
        if (csi := objects.spec(volume).get("csi")) is None:
            raise ProvisioningFailed("invalid CSI PV")
        with _telling():
            self.backend.driver.delete_volume(csi.get("volumeHandle", ""))

    # -- sources

    def _check_named(self, claim: Obj, named: Obj) -> None:
        if not named["name"]:
            raise ProvisioningFailed(f"the PVC source not found for PVC {objects.name(claim)}")
        if named["kind"] == "VolumeSnapshot":
            if named["group"] != GROUP:
                text = f"Expected {GROUP}, Got {named['group']}"
                raise ProvisioningFailed(f"the PVC source does not belong to the right APIGroup. {text}")
        elif named["kind"] != "PersistentVolumeClaim":
            text = "Assuming an external populator will provision the volume"
            self._populators.record(claim, "Normal", "Provisioning", text)
            raise Ignored

    def _source(self, claim: Obj, named: Obj, class_name: str) -> Source:
        kind, name = named["kind"], named["name"]
        at = objects.namespace(claim), name
        try:
            if kind == "VolumeSnapshot":
                found = csisources.of_snapshot(self.client, claim, name, class_name)
            else:
                found = csisources.of_claim(self.client, claim, name)
        except csisources.NotUsable as error:
            text = f"error getting handle for DataSource Type {kind} by Name {name}: {error}"
            raise ProvisioningFailed(text) from None
        if kind == "VolumeSnapshot":
            _mark(self.client, SNAPSHOTS, at, RESTORED)
        else:
            _mark(self.client, "persistentvolumeclaims", at, CLONED)
        return found

    def _unmark(self, claim: Obj) -> None:
        """The snapshot has served its purpose, unless other claims wait for it: then snapshotprotection does it."""
        at = csisources.snapshot_of(claim)
        if at is None or objects.spec(claim).get("dataSource") is None:
            return
        snapshot = self.client.find(SNAPSHOTS, *at)
        if snapshot is not None and finalizers.is_held(snapshot, RESTORED):
            self.client.patch(SNAPSHOTS, at, lambda copy: finalizers.release(copy, RESTORED))

    # -- parameters

    def _secrets(self, claim: Obj, parameters: Mapping[str, str]) -> dict[str, Obj]:
        found = {}
        for call in csisecrets.CALLS:
            reference = csisecrets.reference(call, parameters, volume_name(claim), claim)
            if call == "provisioner":
                csisecrets.check_exists(self.client, reference)
            if reference is not None:
                found[call] = reference
        return found

    def _secret_is_there(self, event: Event, claim: Obj) -> bool:
        storage_class = self.client.find("storageclasses", "", claims.class_of(claim))
        if event.type != "ADDED" or storage_class is None:
            return False
        try:
            named = csisecrets.reference(
                "provisioner", storage_class.get("parameters") or {}, volume_name(claim), claim
            )
        except csisecrets.InvalidParameters:
            return False
        return named is not None and (named["namespace"], named["name"]) == objects.key(event.object)

    def _mutable(self, claim: Obj) -> Mapping[str, str]:
        name = objects.spec(claim).get("volumeAttributesClassName")
        if not name:
            return {}
        found = self.client.find("volumeattributesclasses", "", name)
        if found is None:
            raise NotFound.of("volumeattributesclasses.storage.k8s.io", name)
        if found.get("driverName") != NAME:
            text = f"is for driver {found.get('driverName')} which does not match driver name {NAME}"
            raise ProvisioningFailed(f"VAC {name} referenced in PVC {text}")
        return found.get("parameters") or {}


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except RpcError as error:
        failure = ProvisioningFailed(
            str(error), reschedule=error.code == "ResourceExhausted", infeasible=error.code == "InvalidArgument"
        )
        raise failure from error
    except (csisources.NotUsable, csisecrets.InvalidParameters) as error:
        raise ProvisioningFailed(str(error)) from error


def _secret_annotations(prefix: str, secret: Obj) -> dict[str, str]:
    return {f"{prefix}{key}": secret.get(key, "") for key in ("name", "namespace")}


def _mark(client: Client, resource: str, at: Key, finalizer: str) -> None:
    if not finalizers.is_held(client.get(resource, *at), finalizer):
        client.patch(resource, at, lambda copy: finalizers.hold(copy, finalizer))


def _source_is_bound(event: Event, claim: Obj) -> bool:
    bound = objects.status(event.object).get("phase") == "Bound"
    was = event.old is not None and objects.status(event.old).get("phase") == "Bound"
    return bound and not was and _names(claim, "PersistentVolumeClaim", event.object)


def _source_is_ready(event: Event, claim: Obj) -> bool:
    return bool(objects.status(event.object).get("readyToUse")) and _names(claim, "VolumeSnapshot", event.object)


def _names(claim: Obj, kind: str, source: Obj) -> bool:
    try:
        named = csisources.named(claim)
    except csisources.NotUsable:
        return False
    same_namespace = objects.namespace(claim) == objects.namespace(source)
    return named is not None and same_namespace and (named["kind"], named["name"]) == (kind, objects.name(source))


PROGRAM = CsiProvisioner
