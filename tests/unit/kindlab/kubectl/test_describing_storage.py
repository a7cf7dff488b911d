"""How claims, volumes, classes, CSI objects and snapshots are described, held against what kubectl printed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from kindlab.kubectl import describing, describing_storage, printers

API = Path(__file__).resolve().parents[3] / "golden" / "api"
MADE = "2026-11-21T13:10:07Z"


def step(scenario: str, name: str) -> dict[str, Any]:
    steps = yaml.safe_load((API / f"{scenario}.yaml").read_text(encoding="utf-8"))["steps"]
    found: dict[str, Any] = next(s for s in steps if s.get("id") == name)
    return found


def recorded(scenario: str, name: str) -> dict[str, Any]:
    """An object as the API answered with it."""
    found: dict[str, Any] = step(scenario, name)["response"]["body"]
    return found


def printed(scenario: str, name: str) -> str:
    """What kubectl printed, up to a table of events."""
    text: str = step(scenario, name)["stdout"]
    head, table, _ = text.partition("Events:\n")
    return head if table else text


def described(obj: dict[str, Any], *pods: dict[str, Any], events: bool = False) -> str:
    """The text for an object, up to a table of events if it has some."""
    text = describing.describe(obj, lambda name: (None, []), lambda: list(pods)) + "\n"
    return printers.tabbed((text + ("" if events else describing.no_events(obj))).split("\n"))


def pod(name: str, claim: str = "", uid: str = "") -> dict[str, Any]:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}, {"name": "other", "emptyDir": {}}]
    return {"metadata": {"name": name, "uid": uid or name}, "spec": {"volumes": volumes if claim else []}}


USER = pod("user", "data")


@pytest.mark.parametrize(
    ("scenario", "obj", "name", "pods"),
    [
        ("csi-12-kubectl", "claim", "kubectl-describe-pvc", [USER]),
        ("csi-13-volume-attributes", "changed", "kubectl-describe-pvc", []),
        ("csi-04-snapshot", "restored-claim", "kubectl-describe-restored", [pod("reader", "restored")]),
        ("csi-08-clone", "smaller-state", "kubectl-describe-smaller", []),
        ("csi-01-provision-immediate", "too-large-pending", "kubectl-describe-pvc-too-large", []),
        ("csi-02-wait-for-first-consumer", "claim-waiting", "kubectl-describe-waiting", []),
        ("csi-04-snapshot", "snapshot-ready", "kubectl-describe-vs", []),
    ],
)
def test_with_events(scenario: str, obj: str, name: str, pods: list[dict[str, Any]]) -> None:
    assert described(recorded(scenario, obj), *pods, events=True) == printed(scenario, name)


@pytest.mark.parametrize(
    ("scenario", "obj", "name"),
    [
        ("csi-01-provision-immediate", "volume-bound", "kubectl-describe-pv"),
        ("csi-13-volume-attributes", "create-fast", "kubectl-describe-vac"),
        ("csi-12-kubectl", "create-class", "kubectl-describe-sc"),
        ("csi-12-kubectl", "volumeattachment", "kubectl-describe-va"),
        ("csi-04-snapshot", "content", "kubectl-describe-vsc"),
        ("csi-04-snapshot", "snapshotclass", "kubectl-describe-vsclass"),
    ],
)
def test_without_events(scenario: str, obj: str, name: str) -> None:
    assert described(recorded(scenario, obj)) == printed(scenario, name)


def test_a_driver() -> None:
    driver = recorded("csi-01-provision-immediate", "csidriver")
    assert described(driver) == printed("csi-12-kubectl", "kubectl-describe-csidriver")


def test_the_drivers_of_a_node() -> None:
    node = recorded("csi-01-provision-immediate", "csinode")
    migrated = [f"kubernetes.io/{name}" for name in ("aws-ebs", "azure-disk", "azure-file", "cinder", "gce-pd")]
    plugins = ",".join([*migrated, "kubernetes.io/portworx-volume", "kubernetes.io/vsphere-volume"])
    node["metadata"].update(
        annotations={"storage.alpha.kubernetes.io/migrated-plugins": plugins}, creationTimestamp=MADE
    )
    made = format_datetime(datetime.fromisoformat(MADE).astimezone())
    assert described(node) == printed("csi-12-kubectl", "kubectl-describe-csinode").replace("<time>", made)


def test_how_many_volumes_a_node_takes() -> None:
    drivers = [{"name": "d", "nodeID": "n", "topologyKeys": None, "allocatable": {"count": 16}}]
    obj = {"metadata": {"name": "n"}, "spec": {"drivers": drivers}}
    assert list(describing_storage.csi_node(obj))[3:] == [
        "CreationTimestamp:\tMon, 01 Jan 0001 00:00:00 +0000",
        "Spec:",
        "  Drivers:",
        "    d:",
        "      Node ID:\tn",
        "      Allocatables:",
        "        Count:\t16",
    ]


def test_the_default_class_and_its_parameters() -> None:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true", "a": "b"}
    obj = {"metadata": {"name": "s", "annotations": annotations}, "provisioner": "p", "parameters": {"b": "2", "a": ""}}
    assert list(describing_storage.storage_class(obj)) == [
        "Name:\ts",
        "IsDefaultClass:\tYes",
        "Annotations:\ta=b,storageclass.kubernetes.io/is-default-class=true",
        "Provisioner:\tp",
        "Parameters:\ta=,b=2",
        "AllowVolumeExpansion:\t<unset>",
        "MountOptions:\t<none>",
    ]


def test_a_claim_that_is_going() -> None:
    claim = recorded("csi-12-kubectl", "claim")
    gone = datetime.now(UTC) - timedelta(minutes=30)
    claim["metadata"]["deletionTimestamp"] = gone.isoformat().replace("+00:00", "Z")
    text = printed("csi-12-kubectl", "kubectl-describe-pvc-terminating")
    assert described(claim, USER, events=True) == text.replace("<age>", "30m")


def test_the_conditions_of_a_claim() -> None:
    claim = recorded("csi-03-expansion", "offline-pending")
    for condition in claim["status"]["conditions"]:
        condition.update(lastTransitionTime=MADE, lastProbeTime=None)
    lines = list(describing_storage.claim(claim, list))
    made = format_datetime(datetime.fromisoformat(MADE).astimezone())
    message = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."
    never = "Mon, 01 Jan 0001 00:00:00 +0000"
    assert lines[lines.index("Conditions:") + 3 :] == [
        f"  Resizing \tTrue \t{never} \t{made} \t \t",
        f"  FileSystemResizePending \tTrue \t{never} \t{made} \t \t{message}",
    ]


def test_who_uses_a_claim() -> None:
    claim = recorded("csi-12-kubectl", "claim")
    claim["metadata"]["ownerReferences"] = [{"kind": "Pod", "name": "owner", "uid": "o"}]
    pods = [pod("b", "data"), pod("a", "data"), pod("c", "other"), pod("owner", uid="o")]
    lines = list(describing_storage.claim(claim, lambda: pods))
    assert lines[lines.index("Used By:\ta") :] == ["Used By:\ta", "\tb", "\towner"]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (
            {"hostPath": {"path": "/d", "type": "DirectoryOrCreate"}},
            ["Type:\tHostPath (bare host directory volume)", "Path:\t/d", "HostPathType:\tDirectoryOrCreate"],
        ),
        (
            {"local": {"path": "/d"}},
            ["Type:\tLocalVolume (a persistent volume backed by local storage on a node)", "Path:\t/d"],
        ),
        (
            {"nfs": {"server": "s", "path": "/d"}},
            [
                "Type:\tNFS (an NFS mount that lasts the lifetime of a pod)",
                "Server:\ts",
                "Path:\t/d",
                "ReadOnly:\tfalse",
            ],
        ),
        (
            {
                "csi": {
                    "driver": "d",
                    "volumeHandle": "h",
                    "readOnly": True,
                    "volumeAttributes": {"b": "x" * 150, "a": ""},
                }
            },
            [
                "Type:\tCSI (a Container Storage Interface (CSI) volume source)",
                "Driver:\td",
                "FSType:\t",
                "VolumeHandle:\th",
                "ReadOnly:\ttrue",
                "VolumeAttributes:\t    a=",
                f"    \t    b={'x' * 138}...",
            ],
        ),
        ({"fc": {"lun": 1}}, ["Fc:", "  Lun:\t1"]),
    ],
)
def test_sources_of_volumes(source: dict[str, Any], lines: list[str]) -> None:
    spec = {"accessModes": ["ReadWriteOncePod", "ReadOnlyMany"], "capacity": {"storage": "1Gi"}, **source}
    obj = {"metadata": {"name": "pv"}, "spec": spec}
    found = list(describing_storage.volume(obj))
    assert found[found.index("Source:") + 1 :] == [f"    {line}" for line in lines]
    assert {"Access Modes:\tROX,RWOP", "Node Affinity:\t<none>", "Claim:\t"} <= set(found)


def test_where_a_volume_can_be() -> None:
    expressions = [{"key": "zone", "operator": "In", "values": ["a", "b"]}, {"key": "disk", "operator": "Exists"}]
    terms = [{"matchExpressions": expressions}, {}]
    spec = {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}, "local": {"path": "/d"}}
    lines = list(describing_storage.volume({"metadata": {"name": "pv"}, "spec": spec}))
    at = lines.index("Node Affinity:\t")
    assert lines[at + 1 : at + 5] == [
        "  Required Terms:\t",
        "    Term 0:\tzone in [a, b]",
        "    \tdisk exists",
        "    Term 1:\t<none>",
    ]
