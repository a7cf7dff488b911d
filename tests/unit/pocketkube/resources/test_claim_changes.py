"""Whatever a claim says: writing it back as it is is allowed, and what is refused is refused for what changed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources import internal
from pocketkube.resources.persistentvolume_spec import claims, defaults

names = st.sampled_from(["a", "b", "standard"])
sizes = st.sampled_from(["1Gi", "1024Mi", "2Gi", "500m", "1073741824", "1e3"])
sources = st.fixed_dictionaries(
    {"name": names},
    optional={"apiGroup": st.sampled_from(["snapshot.storage.k8s.io", "example.com"]), "namespace": names},
).map(lambda found: {"kind": "VolumeSnapshot" if "apiGroup" in found else "PersistentVolumeClaim", **found})
MODES = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]


@st.composite
def specs(draw: st.DrawFn) -> Obj:
    spec: Obj = {
        "accessModes": draw(st.lists(st.sampled_from(MODES), min_size=1, max_size=2)),
        "resources": {"requests": {"storage": draw(sizes)}},
    }
    optional: dict[str, st.SearchStrategy[Any]] = {
        "volumeName": names,
        "storageClassName": st.one_of(names, st.just("")),
        "volumeMode": st.sampled_from(["Block", "Filesystem"]),
        "dataSource": sources.map(lambda found: {key: found[key] for key in found if key != "namespace"}),
        "dataSourceRef": sources,
        "volumeAttributesClassName": names,
        "selector": st.just({"matchLabels": {"a": "b"}}),
    }
    for name, value in optional.items():
        if draw(st.booleans()):
            spec[name] = draw(value)
    defaults.claim_spec(spec)
    claims.prepare(spec, None)
    return spec


def claim(spec: Obj, phase: str) -> Obj:
    status = {"phase": phase, "capacity": {"storage": "1"}} if phase == "Bound" else {"phase": phase}
    return {"metadata": {"name": "c", "namespace": "ns"}, "spec": spec, "status": status}


phases = st.sampled_from(["Pending", "Bound", "Lost"])


@given(specs(), phases)
def test_what_was_taken_may_be_written_back(spec: Obj, phase: str) -> None:
    if list(claims.validate(spec)):  # two sources that say different things
        return
    again = objects.copy(spec)
    claims.prepare(again, spec)
    assert again == spec
    assert not list(claims.validate_update(claim(again, phase), claim(spec, phase)))


@given(specs(), specs(), phases)
def test_what_is_refused_did_change_and_what_changes_is_told(spec: Obj, wanted: Obj, phase: str) -> None:
    if list(claims.validate(spec)) or list(claims.validate(wanted)):
        return
    old, new = claim(spec, phase), claim(wanted, phase)
    claims.prepare(wanted, spec)
    causes = [cause for cause in claims.validate_update(new, old) if cause.field == "spec"]
    free = {"volumeName"} if not spec.get("volumeName") else set()
    free |= {"storageClassName"} if spec.get("storageClassName") is None else set()
    free |= {"volumeAttributesClassName", "resources"} if phase == "Bound" else set()
    kept = [{key: value for key, value in each.items() if key not in free} for each in (spec, wanted)]
    same = internal.equal("PersistentVolumeClaimSpec", *kept)
    assert bool(causes) == (not same)
    for cause in causes:
        lines = cause.message.splitlines()[2:]
        assert any(line[0] in "+-" for line in lines)


@given(specs(), specs())
def test_equal_values_are_printed_alike_but_for_how_amounts_are_written(one: Obj, other: Obj) -> None:
    assert internal.equal("PersistentVolumeClaimSpec", one, one)
    assert internal.diff("PersistentVolumeClaimSpec", one, one) == ""
    if not internal.equal("PersistentVolumeClaimSpec", one, other):
        assert internal.diff("PersistentVolumeClaimSpec", one, other)
