"""Whatever a client writes about storage is taken or refused, never a failure of the server: random values in every
field that volumes, claims and the volumes of pods have."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.pocketkube.resources.direct import decode, namespace, registry

from pocketkube.errors import StatusError
from pocketkube.objects import Obj
from pocketkube.resources import internal

TEXTS = [
    "",
    "a",
    "A_b",
    "..",
    "/a",
    "a/../b",
    "iqn.2001-04.com.example:x",
    "10.0.0.1:3260",
    "ReadWriteOnce",
    "Block",
    "1Gi",
]
AMOUNTS = ["0", "-1", "1Gi", "500m", "1e3", 5]
_LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "s": st.sampled_from(TEXTS),
    "i": st.sampled_from([0, -1, 255, 256, 2**31 - 1]),
    "b": st.booleans(),
    "q": st.sampled_from(AMOUNTS),
    "o": st.sampled_from([80, "http"]),
    "raw:LabelSelector": st.sampled_from(
        [{}, {"matchLabels": {"a": "b"}}, {"matchExpressions": [{"key": "k", "operator": "In"}]}]
    ),
    "raw:ObjectMeta": st.sampled_from([{}, {"name": "x"}, {"labels": {"a": "b c"}}]),
}


def values(kind: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of an internal type as manifests write them; null now and then."""
    if isinstance(kind, str):
        return _LEAVES[kind] if kind in _LEAVES else structures(kind, depth)
    ((how, inner),) = kind.items()
    found = values(inner, depth)
    if how == "l":
        return st.one_of(st.none(), st.lists(found, max_size=2))
    if how == "m":
        return st.one_of(
            st.none(), st.dictionaries(st.sampled_from(["storage", "a", "kubernetes.io/x"]), found, max_size=2)
        )
    return st.one_of(st.none(), found)


@st.composite
def structures(draw: st.DrawFn, type_: str, depth: int = 0, most: int = 8) -> Obj:
    """A value of the type with up to `most` of its fields."""
    members = {name: kind for _, name, kind in internal.types()[type_] if name and name[0] != "?"}
    chosen = draw(st.lists(st.sampled_from(sorted(members)), max_size=0 if depth > 5 else most, unique=True))
    return {name: draw(values(members[name], depth + 1)) for name in chosen}


METADATA = st.fixed_dictionaries(
    {"name": st.just("v")},
    optional={
        "annotations": st.dictionaries(st.sampled_from(["volume.beta.kubernetes.io/mount-options"]), st.just("x"))
    },
)
PLAIN: Obj = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
CLAIM: Obj = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
extras = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "nodeAffinity": values({"p": "VolumeNodeAffinity"}),
            "accessModes": values({"l": "s"}),
            "capacity": values({"m": "q"}),
            "volumeMode": values({"p": "s"}),
            "volumeAttributesClassName": values({"p": "s"}),
            "persistentVolumeReclaimPolicy": st.sampled_from(["Recycle", "x", ""]),
        },
    ),
)
sources = st.one_of(st.just({"hostPath": {"path": "/a"}}), structures("PersistentVolumeSource", most=2))
volume_specs = st.builds(lambda source, more: {**PLAIN, **source, **more}, sources, extras)
claim_specs = structures("PersistentVolumeClaimSpec", most=3).map(lambda more: {**CLAIM, **more})
pod_volumes = st.builds(lambda source: {**source, "name": "a"}, structures("Volume", most=2))
LAX = settings(suppress_health_check=list(HealthCheck), deadline=None)


def tried(resource: str, obj: Obj, later: Obj) -> None:
    """Created, and changed to something else if that went well."""
    held = registry()
    namespace(held, "ns")
    kind = held.resources[resource]
    with contextlib.suppress(StatusError):
        made = decode(kind, {"apiVersion": "v1", "kind": kind.kind, **obj})
        if kind.namespaced:
            made["metadata"]["namespace"] = "ns"
        stored = held.create(resource, made, warn=lambda text: None)
        kind.row(stored)
        changed = decode(kind, {**stored, "spec": later})
        kind.row(held.update(resource, changed, warn=lambda text: None))


@LAX
@given(METADATA, volume_specs, volume_specs)
def test_volumes(metadata: Obj, spec: Obj, later: Obj) -> None:
    tried("persistentvolumes", {"metadata": metadata, "spec": spec}, later)


@LAX
@given(METADATA, claim_specs, claim_specs)
def test_claims(metadata: Obj, spec: Obj, later: Obj) -> None:
    tried("persistentvolumeclaims", {"metadata": metadata, "spec": spec}, later)


@LAX
@given(METADATA, st.lists(pod_volumes, max_size=2), st.lists(structures("VolumeMount"), max_size=1))
def test_volumes_of_pods(metadata: Obj, volumes: list[Obj], mounts: list[Obj]) -> None:
    container = {"name": "c", "image": "i:1", "volumeMounts": mounts}
    spec = {"containers": [container], "volumes": volumes}
    tried("pods", {"metadata": metadata, "spec": spec}, {**spec, "volumes": []})
