"""PersistentVolumes: what is filled in, what may be said, what may change, and what is shown."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

MORE = "Forbidden: may not specify more than 1 volume type"
PAIRS = "must be a host:port pair or multiple pairs separated by commas"


def volume(name: str = "v", **spec: Any) -> Obj:
    held: Obj = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **spec}
    return {"metadata": {"name": name}, "spec": {key: value for key, value in held.items() if value is not None}}


def hostpath(name: str = "v", **spec: Any) -> Obj:
    return volume(name, **{"hostPath": {"path": "/data"}, **spec})


def on_node(key: str, value: str = "n") -> Obj:
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}
    return {"required": {"nodeSelectorTerms": [term]}}


def create(obj: Obj) -> tuple[Obj, list[str]]:
    warnings: list[str] = []
    return registry().create("persistentvolumes", obj, warn=warnings.append), warnings


def refused(obj: Obj) -> list[str]:
    with pytest.raises(Invalid) as found:
        create(obj)
    assert found.value.details is not None
    return [f"{cause['field']}: {cause['message']}" for cause in found.value.details["causes"]]


def change(held: Registry, spec: Obj, name: str = "v") -> Obj:
    """A merge of the top of the spec; None removes."""

    def apply(obj: Obj) -> None:
        for key, value in spec.items():
            obj["spec"].pop(key, None)
            if value is not None:
                obj["spec"][key] = value

    return held.patch("persistentvolumes", "", name, apply)


def not_changed(held: Registry, spec: Obj) -> list[str]:
    with pytest.raises(Invalid) as found:
        change(held, spec)
    assert found.value.details is not None
    return [f"{cause['field']}: {cause['message']}" for cause in found.value.details["causes"]]


def test_a_new_volume_is_pending_protected_and_kept() -> None:
    made, warnings = create({**hostpath(), "status": {"phase": "Bound", "message": "not a client's to say"}})
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert made["spec"]["volumeMode"] == "Filesystem"
    assert made["spec"]["hostPath"] == {"path": "/data", "type": ""}
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    assert made["status"] == {"phase": "Pending", "lastPhaseTransitionTime": made["metadata"]["creationTimestamp"]}
    assert not warnings


def test_a_finalizer_that_is_there_already_is_not_added_twice() -> None:
    obj = hostpath()
    obj["metadata"]["finalizers"] = ["kubernetes.io/pv-protection", "a.b/c"]
    assert create(obj)[0]["metadata"]["finalizers"] == ["kubernetes.io/pv-protection", "a.b/c"]


@pytest.mark.parametrize(
    ("type_", "source", "filled"),
    [
        ("rbd", {"monitors": ["m"], "image": "i"}, {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}),
        ("iscsi", {"targetPortal": "p", "iqn": "eui.0123456789abcdef"}, {"iscsiInterface": "default"}),
        (
            "azureDisk",
            {"diskName": "d", "diskURI": "https://x"},
            {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
        ),
        (
            "scaleIO",
            {"gateway": "g", "system": "s", "volumeName": "v", "storageMode": ""},
            {"storageMode": "ThinProvisioned", "fsType": "xfs"},
        ),
    ],
)
def test_sources_are_filled_up(type_: str, source: Obj, filled: Obj) -> None:
    made, _ = create(volume(**{type_: source}))
    assert made["spec"][type_] == {**source, **filled}


@pytest.mark.parametrize(
    ("type_", "source", "texts"),
    [
        ("hostPath", {}, ["hostPath.path: Required value"]),
        ("local", {"path": ""}, ["local.path: Required value"]),
        ("local", {"path": "a/.."}, ["local.path: Invalid value: \"a/..\": must not contain '..'"]),
        ("gcePersistentDisk", {}, ["persistentDisk.pdName: Required value"]),
        (
            "awsElasticBlockStore",
            {"volumeID": "v", "partition": 256},
            ["awsElasticBlockStore.partition: Invalid value: 256: must be between 1 and 255, inclusive"],
        ),
        ("glusterfs", {}, ["glusterfs.endpoints: Required value", "glusterfs.path: Required value"]),
        (
            "glusterfs",
            {"endpoints": "e", "path": "p", "endpointsNamespace": ""},
            [
                'glusterfs.endpointsNamespace: Invalid value: "": '
                "if the endpointnamespace is set, it must be a valid namespace name"
            ],
        ),
        ("flocker", {}, ["flocker: Required value: one of datasetName and datasetUUID is required"]),
        (
            "flocker",
            {"datasetName": "a/b", "datasetUUID": "u"},
            [
                'flocker: Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously',
                "flocker.datasetName: Invalid value: \"a/b\": must not contain '/'",
            ],
        ),
        (
            "nfs",
            {},
            [
                "nfs.server: Required value",
                "nfs.path: Required value",
                'nfs.path: Invalid value: "": must be an absolute path',
            ],
        ),
        ("rbd", {}, ["rbd.monitors: Required value", "rbd.image: Required value"]),
        (
            "quobyte",
            {"registry": "here"},
            [
                f'quobyte.registry: Invalid value: "here": {PAIRS}',
                "quobyte.volume: Required value",
            ],
        ),
        (
            "quobyte",
            {},
            [
                f"quobyte.registry: Required value: {PAIRS}",
                "quobyte.volume: Required value",
            ],
        ),
        ("cephfs", {}, ["cephfs.monitors: Required value"]),
        (
            "iscsi",
            {"lun": 256, "iqn": "no", "chapAuthSession": True, "initiatorName": "iqn.x"},
            [
                "iscsi.targetPortal: Required value",
                'iscsi.iqn: Invalid value: "no": must be valid format',
                "iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
                "iscsi.secretRef: Required value",
                'iscsi.initiatorname: Invalid value: "iqn.x": must be valid format',
            ],
        ),
        (
            "cinder",
            {"secretRef": {}},
            [
                "cinder.volumeID: Required value",
                "cinder.secretRef.name: Required value",
                "cinder.secretRef.namespace: Required value",
            ],
        ),
        (
            "fc",
            {},
            ["fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"],
        ),
        (
            "fc",
            {"targetWWNs": ["a"], "wwids": ["b"]},
            [
                'fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously',
                "fc.lun: Required value: lun is required if targetWWNs is specified",
            ],
        ),
        (
            "flexVolume",
            {"options": {"kubernetes.io/x": "y"}},
            [
                "flexVolume.driver: Required value",
                'flexVolume.options[kubernetes.io/x]: Invalid value: "kubernetes.io/x": '
                "kubernetes.io and k8s.io namespaces are reserved",
            ],
        ),
        (
            "azureFile",
            {"secretNamespace": ""},
            [
                "azureFile.secretName: Required value",
                "azureFile.shareName: Required value",
                "azureFile.secretNamespace: Required value",
            ],
        ),
        (
            "azureDisk",
            {"diskName": "d", "diskURI": "http://x", "kind": "Odd", "cachingMode": "All"},
            [
                'azureDisk.cachingMode: Unsupported value: "All": supported values: "None", "ReadOnly", "ReadWrite"',
                'azureDisk.kind: Unsupported value: "Odd": supported values: "Dedicated", "Managed", "Shared"',
                'azureDisk.diskURI: Unsupported value: "http://x": supported values: '
                '"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"',
            ],
        ),
        ("vsphereVolume", {}, ["vsphereVolume.volumePath: Required value"]),
        ("photonPersistentDisk", {}, ["photonPersistentDisk.pdID: Required value"]),
        ("portworxVolume", {}, ["portworxVolume.volumeID: Required value"]),
        (
            "scaleIO",
            {},
            [f"scaleIO.{name}: Required value" for name in ("gateway", "system", "volumeName")],
        ),
        ("storageos", {}, ["storageos.volumeName: Required value"]),
        (
            "csi",
            {"driver": "x" * 64, "volumeHandle": "h", "nodeStageSecretRef": {}, "nodePublishSecretRef": {}},
            [
                "csi.driver: Too long: may not be more than 63 bytes",
                "csi.nodePublishSecretRef.name: Required value",
                "csi.nodePublishSecretRef.namespace: Required value",
            ],
        ),
    ],
)
def test_what_sources_must_say(type_: str, source: Obj, texts: list[str]) -> None:
    affinity = on_node("a") if type_ == "local" else None
    assert refused(volume(**{type_: source}, nodeAffinity=affinity)) == [f"spec.{text}" for text in texts]


def test_the_name_counts_for_an_iscsi_initiator() -> None:
    source = {"targetPortal": "p" * 60, "iqn": "naa." + "0" * 32, "initiatorName": "naa." + "1" * 32}
    create(volume("abc", iscsi=source))
    assert refused(volume("abcd", iscsi=source)) == [
        f'spec.iscsi.targetportal: Invalid value: "{"p" * 60}": Total length of <volume name>:<iscsi.targetPortal> '
        "must be under 64 characters if iscsi.initiatorName is specified."
    ]


def test_one_source_only_and_upstreams_slips_in_telling_so() -> None:
    more = {"cephfs": {"monitors": ["m"]}, "csi": {}}
    assert refused(hostpath(**more)) == [f"spec.cephFS: {MORE}", f"spec.csi: {MORE}"]
    create(hostpath(flexVolume={"driver": "d"}))  # nobody counts this one


def test_an_amount_must_be_above_zero_and_of_storage() -> None:
    assert refused(hostpath(capacity={"storage": "-1", "cpu": "1"})) == [
        'spec.capacity: Unsupported value: {"cpu":"1","storage":"-1"}: supported values: "storage"',
        "spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity",
        'spec.capacity[storage]: Invalid value: "-1": must be greater than zero',
    ]


def test_rules_beside_the_source() -> None:
    obj = hostpath(
        accessModes=["ReadWriteOncePod", "ReadOnlyMany"],
        nodeAffinity={},
        storageClassName="Bad",
        volumeMode="Disk",
        volumeAttributesClassName="",
    )
    obj["metadata"]["annotations"] = {"volume.beta.kubernetes.io/mount-options": "ro"}
    found = refused(obj)
    assert found[0] == "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"
    assert found[1] == "spec.nodeAffinity.required: Required value: must specify required node constraints"
    assert found[2].startswith('spec.storageClassName: Invalid value: "Bad": a lowercase RFC 1123 subdomain')
    assert found[3:] == [
        'spec.volumeMode: Unsupported value: "Disk": supported values: "Block", "Filesystem"',
        "spec.volumeAttributesClassName: Required value: an empty string is disallowed",
        "spec.csi: Required value: has to be specified when using volumeAttributesClassName",
        "metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: "
        "may not specify mount options for this volume type",
    ]


def test_node_affinity_may_be_set_once_and_then_only_leave_old_labels() -> None:
    held = registry()
    held.create("persistentvolumes", hostpath())
    change(held, {"nodeAffinity": on_node("failure-domain.beta.kubernetes.io/zone")})
    change(held, {"nodeAffinity": on_node("topology.kubernetes.io/zone")})
    shown = (
        '{"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"a","Operator":"In","Values":["n"]}],'
        '"MatchFields":null}]}}'
    )
    immutable = "field is immutable, except for updating from beta label to GA"
    assert not_changed(held, {"nodeAffinity": on_node("a")}) == [f"nodeAffinity: Invalid value: {shown}: {immutable}"]
    assert not_changed(held, {"nodeAffinity": None}) == [f"nodeAffinity: Invalid value: null: {immutable}"]


def test_a_secret_for_expanding_may_be_added_and_nothing_else() -> None:
    held = registry()
    source = {"driver": "d", "volumeHandle": "h"}
    held.create("persistentvolumes", volume(csi=source))
    expanding = {**source, "controllerExpandSecretRef": {"name": "s", "namespace": "n"}}
    change(held, {"csi": expanding})
    (found,) = not_changed(held, {"csi": {**expanding, "readOnly": True}})
    assert found == (
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n"
        "@@ -23,7 +23,7 @@\n"
        '  "CSI": {\n'
        '   "Driver": "d",\n'
        '   "VolumeHandle": "h",\n'
        '-  "ReadOnly": false,\n'
        '+  "ReadOnly": true,\n'
        '   "FSType": "",\n'
        '   "VolumeAttributes": null,\n'
        '   "ControllerPublishSecretRef": null,\n'
    )


def test_a_class_of_attributes_may_change_but_not_go() -> None:
    held = registry()
    held.create("persistentvolumes", volume(csi={"driver": "d", "volumeHandle": "h"}))
    change(held, {"volumeAttributesClassName": "gold"})
    change(held, {"volumeAttributesClassName": "silver"})
    assert not_changed(held, {"volumeAttributesClassName": None}) == [
        "spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"
    ]


def test_the_time_of_the_last_phase_is_written_by_whoever_changes_it() -> None:
    held = registry()
    made = held.create("persistentvolumes", hostpath())
    began = made["status"]["lastPhaseTransitionTime"]

    def status(**said: str) -> Obj:
        def apply(obj: Obj) -> None:
            obj["spec"]["accessModes"] = []  # not a status: ignored
            obj["status"] = said

        return held.patch("persistentvolumes", "", "v", apply, subresource="status")["status"]

    assert status(phase="Pending", message="m") == {
        "phase": "Pending",
        "message": "m",
        "lastPhaseTransitionTime": began,
    }
    moment = "2020-01-01T00:00:00Z"
    assert status(phase="Available", lastPhaseTransitionTime=moment)["lastPhaseTransitionTime"] == moment
    assert status(phase="Bound", lastPhaseTransitionTime=moment)["lastPhaseTransitionTime"] >= began
    assert held.get("persistentvolumes", "", "v")["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_warnings() -> None:
    obj = volume(
        rbd={"monitors": ["m"], "image": "i"},
        persistentVolumeReclaimPolicy="Recycle",
        nodeAffinity=on_node("beta.kubernetes.io/os"),
    )
    obj["metadata"]["annotations"] = {
        "volume.beta.kubernetes.io/mount-options": "ro",
        "volume.beta.kubernetes.io/storage-class": "c",
    }
    assert create(obj)[1] == [
        "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; "
        'use "storageClassName" attribute instead',
        "metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; "
        'use "mountOptions" attribute instead',
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
        "approach is to use dynamic provisioning.",
        "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is "
        'deprecated since v1.14; use "kubernetes.io/os" instead',
        "spec.rbd: deprecated in v1.28, non-functional in v1.31+",
    ]


def test_what_the_table_shows() -> None:
    held = registry()
    kind = held.resources["persistentvolumes"]
    ref = {"kind": "PersistentVolumeClaim", "namespace": "ns", "name": "c"}
    modes = ["ReadWriteMany", "ReadWriteOnce", "ReadWriteOnce"]
    made = held.create("persistentvolumes", hostpath(accessModes=modes, claimRef=ref, storageClassName="fast"))
    row = ["v", "1Gi", "RWO,RWX", "Retain", "Pending", "ns/c", "fast", "<unset>", "", "0s", "Filesystem"]
    assert kind.row(made) == row
    held.delete("persistentvolumes", "", "v")
    assert kind.row(held.get("persistentvolumes", "", "v"))[4] == "Terminating"
