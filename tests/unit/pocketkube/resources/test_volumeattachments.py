"""VolumeAttachments: rules, status and columns."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry
from tests.unit.pocketkube.resources.storage_kinds import refused, row

from pocketkube.objects import Obj
from pocketkube.registry import Registry

ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


@pytest.fixture
def held() -> Registry:
    return registry()


def attachment(**fields: Any) -> Obj:
    spec = {"attacher": "csi.example.com", "nodeName": "node-1", "source": {"persistentVolumeName": "pv"}}
    return {"metadata": {"name": "csi-1"}, "spec": {**spec, **fields}}


def with_status(obj: Obj, **status: Any) -> Obj:
    return {**obj, "status": {"attached": False, **status}}


def test_it_starts_as_not_attached_whatever_was_sent(held: Registry) -> None:
    made = held.create("volumeattachments", {**attachment(), "status": {"attached": True}})
    assert made["status"] == {"attached": False}
    assert "generation" not in made["metadata"]
    assert row(held, "volumeattachments", made) == ["csi-1", "csi.example.com", "pv", "node-1", False]


def test_the_status_is_written_by_its_subresource_only(held: Registry) -> None:
    made = held.create("volumeattachments", attachment())
    made = held.update("volumeattachments", with_status(made, attached=True))
    assert made["status"] == {"attached": False}
    changed = with_status(made, attached=True, attachmentMetadata={"path": "/dev/x"})
    changed["metadata"] = {**made["metadata"], "labels": {"a": "b"}, "finalizers": ["example.com/x"]}
    changed["spec"] = attachment(nodeName="other")["spec"]
    made = held.update("volumeattachments", changed, subresource="status")
    assert made["status"] == {"attached": True, "attachmentMetadata": {"path": "/dev/x"}}
    assert made["spec"]["nodeName"] == "node-1"
    assert not made["metadata"].keys() & {"labels", "finalizers"}
    assert row(held, "volumeattachments", made)[-1] is True


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"attacher": ""}, ["spec.attacher: Required value"]),
        ({"source": {}}, [f"spec.source: Required value: {ONE_SOURCE}"]),
        (
            {"source": {"persistentVolumeName": "pv", "inlineVolumeSpec": {}}},
            [f"spec.source: Forbidden: {ONE_SOURCE}"],
        ),
    ],
)
def test_what_an_attachment_is_refused_for(held: Registry, fields: Obj, problems: list[str]) -> None:
    assert refused(held, "volumeattachments", attachment(**fields)) == problems


def test_a_volume_may_stand_in_an_attachment(held: Registry) -> None:
    inline = {"accessModes": ["ReadWriteOnce"], "csi": {"driver": "csi.example.com", "volumeHandle": "h"}}
    made = held.create("volumeattachments", attachment(source={"inlineVolumeSpec": inline}))
    assert row(held, "volumeattachments", made)[2] == ""


def test_what_a_volume_in_an_attachment_is_refused_for(held: Registry) -> None:
    inline = {
        "capacity": {"storage": "1Gi"},
        "claimRef": {"name": "c"},
        "persistentVolumeReclaimPolicy": "Delete",
        "nodeAffinity": {"required": {"nodeSelectorTerms": []}},
        "storageClassName": "s",
        "volumeMode": "Block",
        "hostPath": {"path": "/x", "type": ""},
    }
    at, no = "spec.source.inlineVolumeSpec", "may not be specified in the context of inline volumes"
    assert refused(held, "volumeattachments", attachment(source={"inlineVolumeSpec": inline})) == [
        f"{at}.claimRef: Forbidden: {no}",
        f"{at}.capacity: Forbidden: {no}",
        f"{at}.csi: Required value: has to be specified in the context of inline volumes",
        f"{at}.accessModes: Required value",
        f"{at}.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes",
        f"{at}.nodeAffinity: Forbidden: {no}",
        f"{at}.storageClassName: Forbidden: {no}",
        f"{at}.volumeMode: Forbidden: "
        "may not specify volumeMode other than Filesystem in the context of inline volumes",
    ]
    missing = attachment(source={"inlineVolumeSpec": {"accessModes": ["ReadWriteOnce"]}})
    assert refused(held, "volumeattachments", missing) == [
        f"{at}.csi: Required value: has to be specified in the context of inline volumes",
        f"{at}: Required value: must specify a volume type",
    ]


def test_names_must_be_names(held: Registry) -> None:
    fields: Obj = {"nodeName": "", "source": {"persistentVolumeName": ""}}
    problems = refused(held, "volumeattachments", attachment(**fields))
    name = "a lowercase RFC 1123 subdomain must consist of"
    heads = [
        "spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName",
        f'spec.nodeName: Invalid value: "": {name}',
        f'spec.source.persistentVolumeName: Invalid value: "": {name}',
    ]
    assert len(problems) == len(heads)
    for problem, head in zip(problems, heads, strict=True):
        assert problem.startswith(head)


def test_the_spec_does_not_change(held: Registry) -> None:
    made = held.create("volumeattachments", attachment())
    shown = (
        '{"Attacher":"csi.example.com",'
        '"Source":{"PersistentVolumeName":"pv","InlineVolumeSpec":null},"NodeName":"other"}'
    )
    changed = {**made, "spec": attachment(nodeName="other")["spec"]}
    assert refused(held, "volumeattachments", changed, update=True) == [
        f"spec: Invalid value: {shown}: field is immutable"
    ]


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (
            {"attachmentMetadata": {"k": "x" * 262144}},
            "status.attachmentMetadata: Too long: may not be more than 262144 bytes",
        ),
        (
            {"attachError": {"message": "x" * 1025}},
            "status.attachError.message: Too long: may not be more than 262144 bytes",
        ),
        (
            {"detachError": {"errorCode": -1}},
            "status.detachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        ),
    ],
)
def test_what_a_status_is_refused_for(held: Registry, status: Obj, problem: str) -> None:
    made = held.create("volumeattachments", attachment())
    changed = with_status(made, **status)
    assert refused(held, "volumeattachments", changed, update=True, subresource="status") == [problem]
