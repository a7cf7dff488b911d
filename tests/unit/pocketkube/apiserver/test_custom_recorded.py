"""What a real API server said about custom kinds: the refusals of csi-07, replayed against kinds with the same rules.

The definitions are written down here as far as the recording needs them; the kinds' own work is the snapshot
controller's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from tests.unit.pocketkube.apiserver.world import World, serving
from tests.unit.pocketkube.resources.custom.definitions import install

from pocketkube.objects import Obj

GOLDEN = Path(__file__).parents[3] / "golden" / "api" / "csi-07-snapshot-invalid.yaml"
NAMESPACE = "golden-csi-07"
GROUP = "snapshot.storage.k8s.io"
APPROVED = {"api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/814"}
TEXT: Obj = {"type": "string"}
POLICY: Obj = {"type": "string", "enum": ["Delete", "Retain"]}


def _object(properties: Obj, *required: str, rules: tuple[tuple[str, str], ...] = ()) -> Obj:
    found: Obj = {"type": "object", "properties": properties}
    if required:
        found["required"] = list(required)
    if rules:
        found["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in rules]
    return found


def _immutable(name: str) -> Obj:
    return {**TEXT, "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": f"{name} is immutable"}]}


def _source(first: str, second: str) -> Obj:
    """Exactly one of two, which stays."""
    kept = [(f"!has(oldSelf.{name}) || has(self.{name})", f"{name} is required once set") for name in (first, second)]
    exactly = (f"has(self.{first}) != has(self.{second})", f"exactly one of {first} and {second} must be set")
    return _object({first: _immutable(first), second: _immutable(second)}, rules=(*kept, exactly))


_EMPTY = "volumeSnapshotClassName must not be the empty string when set"
_CLASS: Obj = {**TEXT, "x-kubernetes-validations": [{"rule": "size(self) > 0", "message": _EMPTY}]}
_BOTH = "both spec.volumeSnapshotRef.name and spec.volumeSnapshotRef.namespace must be set"
_REF = _object({"name": TEXT, "namespace": TEXT}, rules=(("has(self.name) && has(self.__namespace__)", _BOTH),))
KINDS: dict[str, Obj] = {
    "VolumeSnapshot": _object(
        {
            "spec": _object(
                {
                    "source": _source("volumeSnapshotContentName", "persistentVolumeClaimName"),
                    "volumeSnapshotClassName": _CLASS,
                },
                "source",
            ),
            "status": _object({"readyToUse": {"type": "boolean"}}),
        },
        "spec",
    ),
    "VolumeSnapshotClass": _object({"driver": TEXT, "deletionPolicy": POLICY}, "deletionPolicy", "driver"),
    "VolumeSnapshotContent": _object(
        {
            "spec": _object(
                {
                    "deletionPolicy": POLICY,
                    "driver": TEXT,
                    "source": _source("volumeHandle", "snapshotHandle"),
                    "sourceVolumeMode": _immutable("sourceVolumeMode"),
                    "volumeSnapshotRef": _REF,
                },
                *("deletionPolicy", "driver", "source", "volumeSnapshotRef"),
            )
        },
        "spec",
    ),
}


def recorded() -> list[Obj]:
    """The recorded requests for these kinds that were refused, and those that made what they are about."""
    steps = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))["steps"]
    asked = [step for step in steps if GROUP in step.get("path", "") and step.get("method") in ("POST", "PATCH")]
    return [step for step in asked if _is_refusal(step) or _name(step) in ("base", "golden-csi07-c")]


def _name(step: Obj) -> str:
    body = step.get("body")
    named = body["metadata"].get("name", "") if isinstance(body, dict) and "metadata" in body else ""
    return str(named or step["path"].rpartition("/")[2])


def _is_refusal(step: Obj) -> bool:
    body = (step.get("response") or {}).get("body")
    return isinstance(body, dict) and body.get("status") == "Failure"


def _definition(kind: str, schema: Obj) -> Obj:
    plural = f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    if "status" in schema["properties"]:
        version["subresources"] = {"status": {}}
    spec = {
        "group": GROUP,
        "scope": "Namespaced" if kind == "VolumeSnapshot" else "Cluster",
        "names": {"kind": kind, "plural": plural},
        "versions": [version],
    }
    return {"metadata": {"name": f"{plural}.{GROUP}", "annotations": APPROVED}, "spec": spec}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(tmp_path) as it:
        it.registry.create("namespaces", {"metadata": {"name": NAMESPACE}})
        for kind, schema in KINDS.items():
            install(it.registry, _definition(kind, schema))
        yield it


async def test_refusals_are_worded_as_recorded(world: World) -> None:
    seen = 0
    for step in recorded():
        content = step.get("contentType") or "application/json"
        path = f"{step['path']}?{urlencode(step.get('query') or {})}"
        code, said = await world.ask(step["method"], path, step.get("body"), content_type=content)
        if not _is_refusal(step):
            assert code in (200, 201), (step["id"], said)
            continue
        wanted: Any = step["response"]["body"]
        assert "message" in said, (step["id"], said)
        assert (step["id"], code, said["message"]) == (step["id"], step["response"]["code"], wanted["message"])
        assert (step["id"], said.get("details")) == (step["id"], wanted.get("details"))
        seen += 1
    assert seen > 20
