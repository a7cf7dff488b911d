"""The volumes of pods: what they may say, what is filled in, and what is warned about."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

TEMPLATE = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}


@pytest.fixture
def held() -> Registry:
    found = registry()
    namespace(found, "ns")
    return found


def pod(*volumes: Obj, name: str = "p", **container: Any) -> Obj:
    spec = {"containers": [{"name": "c", "image": "i:1", **container}], "volumes": list(volumes)}
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": spec}


def volume(name: str = "v", **source: Any) -> Obj:
    return {"name": name, **source}


def refused(held: Registry, obj: Obj) -> list[str]:
    with pytest.raises(Invalid) as found:
        held.create("pods", obj)
    assert found.value.details is not None
    return [f"{cause['field']}: {cause['message']}" for cause in found.value.details["causes"]]


def warned(held: Registry, obj: Obj) -> list[str]:
    warnings: list[str] = []
    held.create("pods", obj, warn=warnings.append)
    return warnings


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        (
            {"emptyDir": {"sizeLimit": "-1"}},
            ["emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"],
        ),
        ({"persistentVolumeClaim": {}}, ["persistentVolumeClaim.claimName: Required value"]),
        (
            {"gitRepo": {"directory": "/x"}},
            ["gitRepo.repository: Required value", 'gitRepo.directory: Invalid value: "/x": must be a relative path'],
        ),
        ({"ephemeral": {}}, ["ephemeral.volumeClaimTemplate: Required value"]),
        (
            {"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "n", "labels": {"a b": "c"}}, "spec": {}}}},
            [
                'ephemeral.volumeClaimTemplate.metadata.labels: Invalid value: "a b": name part must consist of',
                "ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
                "ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required",
                "ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
            ],
        ),
        ({"csi": {}}, ["csi.driver: Required value"]),
        ({"csi": {"driver": "d", "nodePublishSecretRef": {}}}, ["csi.nodePublishSecretRef.name: Required value"]),
        (
            {"csi": {"driver": "d", "nodePublishSecretRef": {"name": "A"}}},
            ['csi.name: Invalid value: "A": a lowercase RFC 1123 subdomain'],
        ),
        (
            {"image": {"pullPolicy": "Sometimes"}},
            [
                "image.reference: Required value",
                'image.pullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
            ],
        ),
        (
            {"iscsi": {"targetPortal": "p", "iqn": "x"}},
            ['iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa'],
        ),
        ({"cinder": {"volumeID": "v", "secretRef": {}}}, ["cinder.secretRef.name: Required value"]),
        (
            {"secret": {"secretName": "s", "defaultMode": 512}},
            ["secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive"],
        ),
        ({"hostPath": {"path": "/a/.."}}, ["hostPath.path: Invalid value: \"/a/..\": must not contain '..'"]),
        (
            {"nfs": {"server": "s", "path": "x"}, "cephfs": {}, "downwardAPI": {}},
            [
                'nfs.path: Invalid value: "x": must be an absolute path',
                "cephFS: Forbidden: may not specify more than 1 volume type",
                "downwarAPI: Forbidden: may not specify more than 1 volume type",
            ],
        ),
    ],
)
def test_what_sources_must_say(held: Registry, source: Obj, texts: list[str]) -> None:
    found = refused(held, pod(volume(**source)))
    assert len(found) == len(texts)
    for seen, text in zip(found, texts, strict=True):
        assert seen.startswith(f"spec.volumes[0].{text}")


def test_the_claim_to_be_made_must_have_a_name_and_stay_the_pods_own(held: Registry) -> None:
    long = "p" * 250
    text = 'spec.volumes[0].name: Invalid value: "v": PVC name "{}-v": must be no more than 253 characters'
    wide = pod(volume(ephemeral={"volumeClaimTemplate": TEMPLATE}), name=f"{long}xy")
    assert refused(held, wide) == [text.format(f"{long}xy")]
    taken = volume("w", persistentVolumeClaim={"claimName": "p-v"})
    assert refused(held, pod(volume(ephemeral={"volumeClaimTemplate": TEMPLATE}), taken)) == [
        'spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "p-v": '
        "must not reference a PVC that gets created for an ephemeral volume"
    ]


def test_what_is_filled_in(held: Registry) -> None:
    made = held.create(
        "pods",
        pod(
            volume("a", ephemeral={"volumeClaimTemplate": TEMPLATE}),
            volume("b", azureDisk={"diskName": "d", "diskURI": "https://x", "fsType": ""}),
            volume("c", iscsi={"targetPortal": "p", "iqn": "eui.0123456789abcdef"}),
            volume("d", projected={"sources": [{"clusterTrustBundle": {"name": "x", "path": "y"}}]}),
        ),
    )
    a, b, c, d = made["spec"]["volumes"][:4]
    assert a["ephemeral"]["volumeClaimTemplate"]["spec"]["volumeMode"] == "Filesystem"
    assert b["azureDisk"]["fsType"] == ""
    assert b["azureDisk"]["cachingMode"] == "ReadWrite"
    assert c["iscsi"]["iscsiInterface"] == "default"
    assert d["projected"]["sources"] == [{}]


def test_devices_and_mounts_are_kept_apart(held: Registry) -> None:
    claim = volume("block", persistentVolumeClaim={"claimName": "c"})
    files = volume("files", emptyDir={})
    device = {"name": "block", "devicePath": "/dev/x"}
    held.create("pods", pod(claim, volumeDevices=[device]))
    both = pod(claim, volumeDevices=[device], volumeMounts=[{"name": "block", "mountPath": "/dev/x"}])
    at = "spec.containers[0]"
    assert refused(held, both) == [
        f'{at}.volumeMounts[0].name: Invalid value: "block": must not already exist in volumeDevices',
        f'{at}.volumeMounts[0].mountPath: Invalid value: "/dev/x": must not already exist as a path in volumeDevices',
        f'{at}.volumeDevices[0].name: Invalid value: "block": must not already exist in volumeMounts',
        f'{at}.volumeDevices[0].devicePath: Invalid value: "/dev/x": must not already exist as a path in volumeMounts',
    ]
    assert refused(held, pod(files, volumeDevices=[{"name": "files", "devicePath": "/dev/../y"}])) == [
        f'{at}.volumeDevices[0].name: Invalid value: "files": '
        "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
        f"{at}.volumeDevices[0].devicePath: Invalid value: \"/dev/../y\": can not contain backsteps ('..')",
    ]


def test_warnings(held: Registry) -> None:
    template = {"spec": {**TEMPLATE["spec"], "resources": {"requests": {"storage": "1500m"}}}}
    items = [{"key": "a", "path": "dir"}, {"key": "b", "path": "dir/file"}, {"key": "c", "path": "other/"}]
    token = {"serviceAccountToken": {"path": "dir/file"}}
    found = warned(
        held,
        pod(
            volume("old", gitRepo={"repository": "r"}),
            volume("own", ephemeral={"volumeClaimTemplate": template}),
            volume("map", configMap={"name": "m", "items": items}),
            volume("all", projected={"sources": [{"secret": {"name": "s", "items": items[:1]}}, {}, token]}),
        ),
    )
    assert found == [
        "spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
        "spec.volumes[1].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: "
        'fractional byte value "1500m" is invalid, must be an integer',
        'volume "map" (ConfigMap "m"): overlapping paths: "dir/file" with "dir"',
        'volume "all" (Projected) has no sources provided',
        'volume "all" (Projected): overlapping paths: "dir/file" (ServiceAccountToken) with "dir" (Secret "s")',
    ]


def test_node_affinity_warns_of_labels_that_are_gone(held: Registry) -> None:
    term = {"matchExpressions": [{"key": "beta.kubernetes.io/os", "operator": "In", "values": ["no good"]}]}
    obj = pod()
    obj["spec"]["affinity"] = {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": term}]}
    }
    at = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0]"
    first, second = warned(held, obj)
    assert first == f'{at}.key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead'
    assert second.startswith(f"{at}.values[0]: no good is invalid, a valid label must be an empty string or consist of")
