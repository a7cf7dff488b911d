"""find_match against a naive model written from the documentation's words, and the small questions by example."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import claims
from pocketkube.objects import Obj

MODES = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]
NODE = {"kind": "Node", "metadata": {"name": "n1", "labels": {"zone": "a", "disk": "ssd"}}}


def claim(**spec: Any) -> Obj:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} | spec
    return {"metadata": {"namespace": "shop", "name": "data", "uid": "u1", "resourceVersion": "7"}, "spec": spec}


def volume(name: str = "v", /, *, phase: str = "Available", labels: dict[str, str] | None = None, **spec: Any) -> Obj:
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}} | spec
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec, "status": {"phase": phase}}


def affinity(*terms: Obj) -> Obj:
    return {"required": {"nodeSelectorTerms": list(terms)}}


def zone(value: str) -> Obj:
    return {"matchExpressions": [{"key": "zone", "operator": "In", "values": [value]}]}


# -- the naive model: a list of plain rules, each a line of the documentation


def fits(asking: Obj, candidate: Obj) -> bool:
    want, have = asking["spec"], candidate["spec"]
    size = {"1Gi": 1, "2Gi": 2, "3Gi": 3}
    ref = have.get("claimRef")
    return (
        (ref is None or reserved(asking, candidate))
        and size[have["capacity"]["storage"]] >= size[want["resources"]["requests"]["storage"]]
        and have.get("volumeMode", "Filesystem") == want.get("volumeMode", "Filesystem")
        and (have.get("volumeAttributesClassName") or "") == (want.get("volumeAttributesClassName") or "")
        and "deletionTimestamp" not in candidate["metadata"]
    )


def reserved(asking: Obj, candidate: Obj) -> bool:
    ref = candidate["spec"].get("claimRef")
    if ref is None:
        return False
    meta = asking["metadata"]
    right_name = ref["name"] == meta["name"] and ref["namespace"] == meta["namespace"]
    return right_name and ref.get("uid") in (None, "", meta["uid"])


def free(asking: Obj, candidate: Obj) -> bool:
    selector = asking["spec"].get("selector") or {}
    wanted = selector.get("matchLabels") or {}
    return (
        candidate["status"]["phase"] == "Available"
        and (candidate["spec"].get("storageClassName") or "") == (asking["spec"].get("storageClassName") or "")
        and all(candidate["metadata"]["labels"].get(k) == v for k, v in wanted.items())
    )


def on_node(candidate: Obj, node: Obj) -> bool:
    terms = candidate["spec"].get("nodeAffinity")
    if terms is None:
        return True
    zones = [t["matchExpressions"][0]["values"][0] for t in terms["required"]["nodeSelectorTerms"]]
    return node["metadata"]["labels"].get("zone") in zones


def enough_modes(asking: Obj, candidate: Obj) -> bool:
    return all(mode in candidate["spec"]["accessModes"] for mode in asking["spec"]["accessModes"])


def as_binder(asking: Obj, volumes: list[Obj], delay: bool) -> Obj | None:
    for count in range(1, 5):
        group = [v for v in volumes if len(v["spec"]["accessModes"]) == count and enough_modes(asking, v)]
        group = [v for v in group if fits(asking, v)]
        for candidate in group:
            if reserved(asking, candidate):
                return candidate
        group = [] if delay else [v for v in group if free(asking, v)]
        if group:
            return sorted(group, key=lambda v: v["spec"]["capacity"]["storage"])[0]
    return None


def as_scheduler(asking: Obj, volumes: list[Obj], node: Obj, excluded: set[str]) -> Obj | None:
    group = [v for v in volumes if v["metadata"]["name"] not in excluded and fits(asking, v)]
    for candidate in group:
        if reserved(asking, candidate):
            return candidate if on_node(candidate, node) else None
    group = [v for v in group if free(asking, v) and enough_modes(asking, v) and on_node(v, node)]
    return sorted(group, key=lambda v: v["spec"]["capacity"]["storage"])[0] if group else None


sizes = st.sampled_from(["1Gi", "2Gi", "3Gi"])
modes = st.lists(st.sampled_from(MODES), min_size=1, max_size=4, unique=True)
optional_class = st.sampled_from([None, "", "fast"])
volume_modes = st.sampled_from(["Filesystem", "Filesystem", "Block"])
refs = st.sampled_from(
    [
        None,
        None,
        None,
        {"namespace": "shop", "name": "data"},
        {"namespace": "shop", "name": "data", "uid": "u1"},
        {"namespace": "shop", "name": "data", "uid": "older"},
        {"namespace": "shop", "name": "other", "uid": "u2"},
    ]
)


@st.composite
def asking_claims(draw: st.DrawFn) -> Obj:
    found = claim(accessModes=draw(modes), resources={"requests": {"storage": draw(sizes)}})
    spec = found["spec"]
    spec["volumeMode"] = draw(volume_modes)
    for field, values in (("storageClassName", optional_class), ("volumeAttributesClassName", optional_class)):
        if (value := draw(values)) is not None:
            spec[field] = value
    if draw(st.booleans()):
        spec["selector"] = {"matchLabels": draw(st.sampled_from([{}, {"tier": "gold"}]))}
    return found


@st.composite
def offered_volumes(draw: st.DrawFn) -> list[Obj]:
    found = []
    for index in range(draw(st.integers(0, 6))):
        one = volume(
            f"v{index}",
            phase=draw(st.sampled_from(["Available", "Available", "Available", "Bound", "Released", "Pending"])),
            labels=draw(st.sampled_from([{}, {"tier": "gold"}])),
            accessModes=draw(modes),
            capacity={"storage": draw(sizes)},
            volumeMode=draw(volume_modes),
        )
        for field, values in (
            ("storageClassName", optional_class),
            ("volumeAttributesClassName", st.sampled_from([None, None, None, "fast"])),
            ("claimRef", refs),
            ("nodeAffinity", st.sampled_from([None, affinity(zone("a")), affinity(zone("b")), affinity()])),
        ):
            if (value := draw(values)) is not None:
                one["spec"][field] = value
        if draw(st.integers(0, 9)) == 0:
            one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        found.append(one)
    return found


@given(asking_claims(), offered_volumes(), st.booleans())
def test_the_binder_gets_what_the_naive_model_says(asking: Obj, volumes: list[Obj], delay: bool) -> None:
    assert claims.find_match(asking, volumes, delay=delay) is as_binder(asking, volumes, delay)


@given(asking_claims(), offered_volumes(), st.sets(st.sampled_from(["v0", "v1", "v2"])))
def test_the_scheduler_gets_what_the_naive_model_says(asking: Obj, volumes: list[Obj], excluded: set[str]) -> None:
    found = claims.find_match(asking, volumes, node=NODE, excluded=excluded)
    assert found is as_scheduler(asking, volumes, NODE, excluded)


# -- by example


@pytest.mark.parametrize(
    ("terms", "matches"),
    [
        ([zone("a")], True),
        ([zone("b")], False),
        ([zone("b"), zone("a")], True),
        ([], False),
        ([{}], False),
        ([{"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["b"]}]}], True),
        ([{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}], True),
        ([{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}], False),
        ([{**zone("a"), "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["other"]}]}], True),
    ],
)
def test_a_volume_names_the_nodes_that_may_use_it(terms: list[Obj], matches: bool) -> None:
    assert claims.node_matches(volume(nodeAffinity=affinity(*terms)), NODE) is matches


def test_sizes_are_compared_as_amounts_not_as_texts() -> None:
    big, small = volume("big", capacity={"storage": "2Gi"}), volume("small", capacity={"storage": "1500M"})
    assert claims.find_match(claim(), [big, small]) is small
    assert claims.find_match(claim(resources={"requests": {"storage": "1500Mi"}}), [big, small]) is big


def test_a_class_written_as_annotation_goes_before_the_field() -> None:
    asking = claim(storageClassName="slow")
    asking["metadata"]["annotations"] = {claims.CLASS_ANNOTATION: "fast"}
    assert claims.class_of(asking) == "fast"
    assert claims.has_class(asking)
    assert not claims.has_class(claim())
    assert claims.has_class(claim(storageClassName=""))


def test_the_newest_default_class_wins_and_then_the_first_name() -> None:
    def marked(name: str, created: str, value: str = "true") -> Obj:
        annotations = {claims.DEFAULT_CLASS: value}
        return {"metadata": {"name": name, "creationTimestamp": created, "annotations": annotations}}

    old, b, a = (
        marked("0", "2026-01-01T00:00:00Z"),
        marked("b", "2026-01-02T00:00:00Z"),
        marked("a", "2026-01-02T00:00:00Z"),
    )
    assert claims.default_class([old, b, a]) is a
    assert claims.default_class([old]) is old
    assert claims.default_class([marked("no", "2026-01-03T00:00:00Z", "false")]) is None


def test_a_promise_is_exact_and_says_who_made_it() -> None:
    free_one, asking = volume(), claim()
    assert claims.promise(free_one, asking)
    assert free_one["spec"]["claimRef"] == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": "shop",
        "name": "data",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert free_one["metadata"]["annotations"] == {claims.BOUND_BY_CONTROLLER: "yes"}
    assert not claims.promise(free_one, asking), "it holds already"


def test_a_reservation_of_a_user_gets_the_uid_and_stays_theirs() -> None:
    reserved_one = volume(claimRef={"namespace": "shop", "name": "data"})
    assert claims.promise(reserved_one, claim())
    assert reserved_one["spec"]["claimRef"]["uid"] == "u1"
    assert claims.BOUND_BY_CONTROLLER not in reserved_one["metadata"].get("annotations", {})


def test_bound_means_both_the_name_and_the_annotation() -> None:
    asking = claim(volumeName="v")
    assert not claims.is_bound(asking)
    asking["metadata"]["annotations"] = {claims.BIND_COMPLETED: "yes"}
    assert claims.is_bound(asking)


@pytest.mark.parametrize("ref", [None, {"namespace": "shop", "name": "data"}])
@pytest.mark.parametrize("node", [None, NODE])
def test_a_volume_that_is_being_deleted_serves_nobody(ref: Obj | None, node: Obj | None) -> None:
    going = volume("going", **({"claimRef": ref} if ref else {}))
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert claims.find_match(claim(), [going], node=node) is None
    del going["metadata"]["deletionTimestamp"]
    assert claims.find_match(claim(), [going], node=node) is going
