"""What a real API server said about custom kinds: the refusals of csi-07, replayed against the snapshot add-on's kinds.

Nothing runs beside the API server; what the kinds' controllers do is held by the recording itself (tests/golden).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from tests.unit.pocketkube.apiserver.world import World, serving
from tests.unit.pocketkube.resources.custom.definitions import install

from pocketkube.objects import Obj, copy

GOLDEN = Path(__file__).parents[3] / "golden" / "api" / "csi-07-snapshot-invalid.yaml"
ADDON = files("pocketkube") / "data" / "addons" / "snapshots.yaml"
NAMESPACE = "golden-csi-07"
GROUP = "snapshot.storage.k8s.io"


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


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(tmp_path) as it:
        it.registry.create("namespaces", {"metadata": {"name": NAMESPACE}})
        for obj in yaml.safe_load_all(ADDON.read_text()):
            if obj["kind"] == "CustomResourceDefinition":
                install(it.registry, copy(obj))  # what YAML anchors share is shared no more
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
