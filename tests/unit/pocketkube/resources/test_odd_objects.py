"""Objects of storage.k8s.io that nobody would write: each is stored or refused, and nothing else happens.

They are drawn from the kinds' own schemas, with values that rules look at among those of the right type.
"""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from functools import cache
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.pocketkube.resources.direct import decode, namespace, registry

from pocketkube.errors import StatusError
from pocketkube.objects import Obj
from pocketkube.registry import Registry

KINDS = {
    "storageclasses": {"provisioner": "a"},
    "volumeattributesclasses": {"driverName": "a", "parameters": {"a": "b"}},
    "csidrivers": {"spec": {}},
    "csinodes": {"spec": {"drivers": [{"name": "a", "nodeID": "b"}]}},
    "volumeattachments": {
        "spec": {"attacher": "a", "nodeName": "b", "source": {"persistentVolumeName": "c"}},
    },
    "csistoragecapacities": {"storageClassName": "a"},
}
"""Each kind with what makes a right object of it."""
DEEPEST = 7
TEXTS = ["", "a", "A b", "x.y/z", "é", "a" * 64, "Delete", "Retain", "WaitForFirstConsumer", "In", "Exists", "File"]
TEXTS += ["Persistent", "Ephemeral", "ReadWriteOnce", "ReadWriteOncePod", "Block", "1Gi", "-1", "2026-01-01T00:00:00Z"]
NUMBERS = [-1, 0, 1, 10, 600, 2**31 - 1]


@cache
def schemas() -> dict[str, Any]:
    text = resources.files("pocketkube").joinpath("data/openapi/apis_storage.k8s.io_v1.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)["components"]["schemas"]
    return found


@cache
def named(name: str, depth: int) -> st.SearchStrategy[Any]:
    return values(schemas()[name], depth)


def values(schema: Any, depth: int) -> st.SearchStrategy[Any]:
    """Values of a schema; null now and then, and nothing below the deepest level."""
    if "allOf" in schema:
        return values(schema["allOf"][0], depth)
    if "$ref" in schema:
        return named(schema["$ref"].rpartition("/")[2], depth)
    match schema.get("type"):
        case "string":
            return st.sampled_from(TEXTS)
        case "integer" | "number":
            return st.sampled_from(NUMBERS)
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(values(schema["items"], depth + 1), max_size=2) if depth < DEEPEST else st.just([])
        case "object" if "properties" in schema and depth < DEEPEST:
            fields = {name: values(below, depth + 1) for name, below in schema["properties"].items()}
            return st.fixed_dictionaries({}, optional=fields)
        case "object" if "additionalProperties" in schema:
            below = values(schema["additionalProperties"], depth + 1)
            return st.dictionaries(st.sampled_from(TEXTS), below, max_size=2)
        case "object":
            return st.just({})
    return st.sampled_from(["1Gi", "-5", "0"])  # a quantity


def fresh(plural: str) -> Registry:
    held = registry()
    namespace(held, "n")
    held.create(plural, decode(held.resources[plural], {**copy.deepcopy(KINDS[plural]), "metadata": meta("right")}))
    return held


def meta(name: str) -> Obj:
    return {"name": name, "namespace": "n"}


@pytest.mark.parametrize("plural", KINDS)
@settings(deadline=None)
@given(data=st.data())
def test_each_is_stored_or_refused(plural: str, data: st.DataObject) -> None:
    held = fresh(plural)
    kind = held.resources[plural]
    drawn = data.draw(named(f"io.k8s.api.storage.v1.{kind.kind}", 0))
    body = {key: value for key, value in drawn.items() if key not in ("apiVersion", "kind")}
    with suppress(StatusError):
        made = held.create(plural, decode(kind, {**body, "metadata": meta("odd")}))
        assert len(kind.row(made)) == len(kind.columns)
    right = held.get(plural, "n" if kind.namespaced else "", "right")
    version = {**meta("right"), "resourceVersion": right["metadata"]["resourceVersion"]}
    for subresource in ("", "status") if kind.has_status else ("",):
        with suppress(StatusError):
            changed = held.update(plural, decode(kind, {**body, "metadata": dict(version)}), subresource=subresource)
            assert len(kind.row(changed)) == len(kind.columns)


@pytest.mark.parametrize("plural", KINDS)
def test_the_right_ones_are_stored(plural: str) -> None:
    """Without this the test above could pass with everything refused."""
    held = fresh(plural)
    assert [o["metadata"]["name"] for o in held.objects(plural)] == ["right"]
