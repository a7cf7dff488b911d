"""What is told of volumes that do not fit a claim."""

from __future__ import annotations

from kindlab.api import Obj
from kindlab.trace import offers


def volume(name: str, storage_class: str, phase: str = "Available") -> Obj:
    spec: Obj = {"storageClassName": storage_class, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Mi"}}
    if phase != "Available":
        spec["claimRef"] = {"namespace": "shop", "name": f"of-{name}", "uid": name}
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": phase}}


def test_the_volumes_that_nearly_fit_are_told_first() -> None:
    taken = [volume(f"taken-{n}", "fast", "Bound") for n in range(5)]
    asked: Obj = {"storageClassName": "by-hand", "accessModes": ["ReadWriteOnce"]}
    asked["resources"] = {"requests": {"storage": "2Mi"}}
    claim: Obj = {"metadata": {"namespace": "lab", "name": "data", "uid": "1"}, "spec": asked}
    said = offers.none_fits(claim, [*taken, volume("other", "slow"), volume("near", "by-hand")])
    assert said.startswith(
        "none of the 7 PersistentVolumes fits: near: it has 1Mi, the claim needs 2Mi; other: its class"
    )
    assert said.endswith("taken-1: it is Bound and belongs to shop/of-taken-1; and 3 more")


def test_a_volume_of_the_claims_class_is_told_though_another_claim_has_it() -> None:
    asked: Obj = {"storageClassName": "by-hand", "accessModes": ["ReadWriteOnce"]}
    asked["resources"] = {"requests": {"storage": "1Mi"}}
    claim: Obj = {"metadata": {"namespace": "lab", "name": "data", "uid": "1"}, "spec": asked}
    others = [volume(f"other-{n}", "slow") for n in range(5)]
    said = offers.none_fits(claim, [*others, volume("mine", "by-hand", "Bound")])
    assert said.startswith("none of the 6 PersistentVolumes fits: mine: it is Bound and belongs to shop/of-mine;")
