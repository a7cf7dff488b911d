"""Which pods an event is worth another try: those it can help, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.objects import Obj
from pocketkube.scheduler.waiting import WATCHED, WaitingPods
from pocketkube.store import Event

P, Q, R = ("ns", "p"), ("ns", "q"), ("ns", "r")


@pytest.fixture
def waiting() -> WaitingPods:
    """`p` uses the claim one, `q` an ephemeral volume, `r` none."""
    pods = WaitingPods()
    pods.add(pod("p", {"name": "d", "persistentVolumeClaim": {"claimName": "one"}}), hopeless=False)
    pods.add(pod("q", {"name": "d", "ephemeral": {}}), hopeless=True)
    pods.add(pod("r", {"name": "d", "emptyDir": {}}), hopeless=False)
    return pods


def pod(name: str, volume: Obj) -> Obj:
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": {"volumes": [volume]}}


def event(resource: str, new: Obj, old: Obj | None = None, type_: str = "") -> Event:
    return Event(type_ or ("MODIFIED" if old is not None else "ADDED"), resource, new, old, 1)


def named(name: str, **fields: Any) -> Obj:
    return {"metadata": {"name": name, "namespace": "ns"}, **fields}


def volume(claim: str = "") -> Obj:
    ref = {"claimRef": {"namespace": "ns", "name": claim}} if claim else {}
    return {"metadata": {"name": "v"}, "spec": ref}


def csi_node(count: int | None) -> Obj:
    allocatable = {} if count is None else {"allocatable": {"count": count}}
    return {"metadata": {"name": "n"}, "spec": {"drivers": [{"name": "d", **allocatable}]}}


@pytest.mark.parametrize(
    ("happened", "helped"),
    [
        (event("persistentvolumeclaims", named("one")), {P}),
        (event("persistentvolumeclaims", named("one"), named("one")), {P}),
        (event("persistentvolumeclaims", named("one"), type_="DELETED"), set()),
        (event("persistentvolumeclaims", named("q-d")), {Q}),
        (event("persistentvolumeclaims", named("two")), set()),
        (event("persistentvolumes", volume()), {P, Q}),
        (event("persistentvolumes", volume("one")), {P}),
        (event("persistentvolumes", volume("two"), volume()), set()),
        (event("persistentvolumes", volume("two"), type_="DELETED"), set()),
        (event("storageclasses", named("c")), {P, Q}),
        (event("storageclasses", named("c"), named("c")), set()),
        (event("storageclasses", named("c", allowedTopologies=[{}]), named("c")), {P, Q}),
        (event("csinodes", csi_node(1)), {P, Q}),
        (event("csinodes", csi_node(2), csi_node(1)), {P, Q}),
        (event("csinodes", csi_node(1), csi_node(2)), set()),
        (event("csinodes", csi_node(1), csi_node(1)), set()),
        (event("csinodes", csi_node(1), csi_node(None)), set()),
        (event("csinodes", csi_node(None), csi_node(1)), {P, Q}),
        (event("csinodes", csi_node(1), type_="DELETED"), {P, Q}),
        (event("csidrivers", named("d")), {P, Q}),
        (event("csistoragecapacities", named("c", capacity="1Gi")), {P, Q}),
        (event("csistoragecapacities", named("c", capacity="1Gi"), named("c", capacity="2Gi")), set()),
        (event("csistoragecapacities", named("c", capacity="2Gi"), named("c", capacity="1Gi")), {P, Q}),
        (event("csistoragecapacities", named("c"), named("c", capacity="1Gi")), set()),
        (event("volumeattachments", named("a")), set()),
        (event("volumeattachments", named("a"), type_="DELETED"), {P, Q}),
    ],
)
def test_who_is_helped(waiting: WaitingPods, happened: Event, helped: set[tuple[str, str]]) -> None:
    assert set(waiting.helped_by(happened)) == helped


def test_pods_that_are_placed_are_forgotten(waiting: WaitingPods) -> None:
    for key in (P, Q, R):
        waiting.discard(key)
    assert waiting.items() == []
    for resource in WATCHED:
        assert set(waiting.helped_by(event(resource, named("one")))) == set()


def test_a_pod_that_waits_again_waits_as_it_was_said_last(waiting: WaitingPods) -> None:
    waiting.add(pod("p", {"name": "d", "persistentVolumeClaim": {"claimName": "two"}}), hopeless=True)
    assert dict(waiting.items()) == {P: True, Q: True, R: False}
    assert set(waiting.helped_by(event("persistentvolumeclaims", named("one")))) == set()
    assert set(waiting.helped_by(event("persistentvolumeclaims", named("two")))) == {P}
