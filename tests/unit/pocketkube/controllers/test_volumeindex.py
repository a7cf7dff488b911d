"""The index of the binder keeps up with every kind of change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pocketkube import claims, objects
from pocketkube.controllers.volumeindex import ClaimIndex, VolumeIndex
from pocketkube.objects import Obj
from pocketkube.store import Event

names = st.sampled_from(["a", "b", "c"])
classes = st.sampled_from(["", "fast", "slow"])
refs = st.none() | st.builds(lambda name: {"namespace": "n", "name": name}, names)
volumes = st.builds(
    lambda name, class_name, ref, phase: {
        "metadata": {"name": name},
        "spec": {"storageClassName": class_name, **({"claimRef": ref} if ref else {})},
        "status": {"phase": phase},
    },
    names,
    classes,
    refs,
    st.sampled_from(["Pending", "Available", "Bound"]),
)
asked = st.builds(
    lambda name, class_name, wish, done: {
        "metadata": {
            "namespace": "n",
            "name": name,
            "annotations": {claims.BIND_COMPLETED: "yes"} if done else {},
        },
        "spec": {"storageClassName": class_name, "volumeName": wish or ""},
    },
    names,
    classes,
    st.none() | names,
    st.booleans(),
)
KEYS = [("n", name) for name in "abc"]


def applied(changes: list[tuple[Obj, bool]]) -> tuple[list[Event], dict[str, Obj]]:
    """The events of creating, changing or (the flag) deleting objects, and what is there in the end."""
    there: dict[str, Obj] = {}
    events = []
    for obj, delete in changes:
        old = there.pop(objects.name(obj), None)
        if not delete:
            there[objects.name(obj)] = obj
            events.append(Event("MODIFIED" if old else "ADDED", "", obj, old, 1))
        elif old is not None:
            events.append(Event("DELETED", "", objects.copy(old), old, 1))
    return events, there


@given(st.lists(st.tuples(volumes, st.booleans())))
def test_volumes_are_found_by_claim_or_class(changes: list[tuple[Obj, bool]]) -> None:
    events, there = applied(changes)
    index = VolumeIndex()
    for event in events:
        index.note(event)
    for at in KEYS:
        named = [objects.key(v) for v in there.values() if objects.dig(v, "spec", "claimRef", "name") == at[1]]
        assert sorted(index.promised(at)) == sorted(named)
    for class_name in ("", "fast", "slow"):
        free = [
            v for v in there.values() if "claimRef" not in v["spec"] and v["spec"]["storageClassName"] == class_name
        ]
        available = [v for v in free if v["status"]["phase"] == "Available"]
        assert sorted(map(objects.name, index.available(class_name))) == sorted(map(objects.name, available))
        claim = {"metadata": {"namespace": "n", "name": "a"}, "spec": {"storageClassName": class_name}}
        found = sorted(map(objects.name, index.candidates(claim)))
        assert found == sorted([*map(objects.name, free), *(name for _, name in index.promised(("n", "a")))])


@given(st.lists(st.tuples(asked, st.booleans())))
def test_claims_are_found_by_what_they_wait_for(changes: list[tuple[Obj, bool]]) -> None:
    events, there = applied(changes)
    index = ClaimIndex()
    for event in events:
        index.note(event)
    for class_name in ("", "fast", "slow"):
        waiting = [
            objects.key(c)
            for c in there.values()
            if c["spec"]["storageClassName"] == class_name and not c["spec"]["volumeName"]
        ]
        assert sorted(index.waiting(class_name)) == sorted(waiting)
    for name in "abc":
        naming = [objects.key(c) for c in there.values() if c["spec"]["volumeName"] == name]
        assert sorted(index.naming(name)) == sorted(naming)


def test_who_waits_longest_comes_first_and_keeps_the_turn() -> None:
    index = ClaimIndex()

    def claim(name: str, **labels: str) -> Obj:
        return {"metadata": {"namespace": "n", "name": name, "labels": labels}, "spec": {"storageClassName": "fast"}}

    first, second = claim("z"), claim("a")
    index.note(Event("ADDED", "", first, None, 1))
    index.note(Event("ADDED", "", second, None, 2))
    index.note(Event("MODIFIED", "", claim("z", seen="yes"), first, 3))
    assert index.waiting("fast") == [("n", "z"), ("n", "a")]
