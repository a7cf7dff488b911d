"""`kindlab why pod/NAME` for a Pod that has no node because of its volumes: it names the claim or the node that counts,
and the next command is about that one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.course.test_trace import broken, why
from tests.course.test_trace_claim import bound, claim, clusterwide, pod, put, running, storage_class
from tests.course.test_trace_pod import is_unscheduled, until

from kindlab.api import Obj
from kindlab.checks.live import LiveLab

__all__ = ["clusterwide"]  # the fixture
CSI = {"storageClassName": "csi-hostpath-sc"}
LATER = {"volumeBindingMode": "WaitForFirstConsumer"}


def of(name: str, *claims: str, **spec: object) -> Obj:
    """A Pod with several claims, all of which it mounts nowhere."""
    disks = [{"name": f"disk-{n}", "persistentVolumeClaim": {"claimName": c}} for n, c in enumerate(claims)]
    made = pod(name, **spec)
    made["spec"]["volumes"] = disks
    del made["spec"]["containers"][0]["volumeMounts"]
    return made


def told(live: LiveLab, name: str = "user") -> tuple[str, str]:
    """(evidence, next command) of the hop Scheduling, which must be the broken one."""
    path = why(live, f"pod/{name}")
    hop, evidence = broken(path)
    assert hop == "Scheduling"
    assert path.broken is not None
    return evidence, path.broken.next


def test_a_node_that_takes_no_more_volumes(live: LiveLab) -> None:
    limits = [d["allocatable"]["count"] for n in live.api.list("CSINode") for d in n["spec"].get("drivers") or ()]
    most = limits[0]
    names = [f"d{n}" for n in range(most + 1)]
    put(live, *(claim(name, **CSI) for name in names))
    bound(live, *names)
    put(live, of("first", *names[:most]))
    running(live, "first")
    put(live, of("user", names[0], names[-1]))
    until(live, is_unscheduled, "user")
    evidence, then = told(live)
    node = live.get("Pod", "first")
    assert node is not None
    full = node["spec"]["nodeName"]
    assert f"{full}: it takes {most} volumes of hostpath.csi.k8s.io and has {most}, the Pod brings 1 more" in evidence
    assert evidence.count("cannot be used there") >= len(limits) - 1
    assert then.startswith(f"kubectl get volumeattachments shows what {full} has")


def test_a_volume_that_is_on_another_node_than_the_pod_wants(live: LiveLab) -> None:
    put(live, claim(**CSI), of("first", "data"))
    running(live, "first")
    first = live.get("Pod", "first")
    assert first is not None
    other = next(
        n["metadata"]["name"]
        for n in live.api.list("Node")
        if n["metadata"]["name"] != first["spec"]["nodeName"] and not n["spec"].get("taints")
    )
    put(live, of("user", "data", nodeSelector={"kubernetes.io/hostname": other}))
    until(live, is_unscheduled, "user")
    evidence, then = told(live)
    assert " of claim data cannot be used there" in evidence.partition(f"{other}: ")[2]
    assert "kubectl describe pv pvc-" in then


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({"storageClassName": "nowhere"}, "claim second is not bound"),
        ({**CSI, "dataSource": {"kind": "VolumeSnapshot", "name": "never"}}, "claim second is not bound"),
        (None, "there is no claim second"),
    ],
)
def test_of_several_claims_the_one_that_keeps_the_pod_is_named(live: LiveLab, second: Obj | None, says: str) -> None:
    if second and "dataSource" in second:
        second["dataSource"]["apiGroup"] = "snapshot.storage.k8s.io"
    put(live, claim("first", **CSI), *([claim("second", **second)] if second else []))
    bound(live, "first")
    put(live, of("user", "first", "second"))
    until(live, is_unscheduled, "user")
    evidence, then = told(live)
    assert says in evidence
    assert then == f"kindlab why pvc/second -n {live.namespace}"


def test_a_class_that_waits_and_has_no_provisioner(live: LiveLab, clusterwide: Callable[[Obj], str]) -> None:
    by_hand = clusterwide(storage_class("kubernetes.io/no-provisioner", **LATER))
    put(live, claim("first", **CSI), claim("second", storageClassName=by_hand))
    bound(live, "first")
    put(live, of("user", "first", "second"))
    until(live, is_unscheduled, "user")
    evidence, then = told(live)
    assert "no volume fits claim second" in evidence
    assert then == f"kindlab why pvc/second -n {live.namespace}"


def test_a_provisioner_that_nobody_runs_after_a_node_was_chosen(
    live: LiveLab, clusterwide: Callable[[Obj], str]
) -> None:
    nobody = clusterwide(storage_class("disks.example.com", **LATER))
    put(live, claim("first", **CSI), claim("second", storageClassName=nobody))
    bound(live, "first")
    put(live, of("user", "first", "second"))
    chosen = "volume.kubernetes.io/selected-node"
    assert live.eventually(
        "PersistentVolumeClaim", lambda found: any(chosen in (c["metadata"].get("annotations") or {}) for c in found)
    )
    evidence, then = told(live)
    assert "is chosen for claim second, and its volume is not there yet" in evidence
    assert then == f"kindlab why pvc/second -n {live.namespace}"


def test_a_claim_for_one_pod_that_another_has(live: LiveLab) -> None:
    put(live, claim("first", **CSI), claim("second", **CSI, accessModes=["ReadWriteOncePod"]), of("holder", "second"))
    running(live, "holder")
    put(live, of("user", "first", "second"))
    until(live, is_unscheduled, "user")
    evidence, then = told(live)
    assert "claim second is ReadWriteOncePod, and Pod holder has it" in evidence
    assert then.startswith(f"kubectl describe pod holder -n {live.namespace}")
