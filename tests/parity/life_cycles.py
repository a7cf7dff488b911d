"""The life of objects of one kind, driven as upstream's API tests drive it: made, listed, watched, changed, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.parity.network.support import seen, watch

from kindlab.api import MERGE_PATCH, Api, ApiError, Obj


def version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])


def served(api: Api, group: str, plural: str) -> None:
    """The group, its version and the kind are in every discovery document."""
    groups = {g["name"]: [v["version"] for v in g["versions"]] for g in api.request("GET", "/apis")["groups"]}
    assert "v1" in groups[group]
    assert "v1" in [v["version"] for v in api.request("GET", f"/apis/{group}")["versions"]]
    assert plural in [r["name"] for r in api.request("GET", f"/apis/{group}/v1")["resources"]]


def noted(obj: Obj, **annotations: str) -> Obj:
    obj["metadata"].setdefault("annotations", {}).update(annotations)
    return obj


def was_patched(obj: Obj) -> bool:
    return bool((obj["metadata"].get("annotations") or {}).get("patched") == "true")


def again_on_conflict(write: Callable[[], Obj]) -> Obj:
    """Read and write again when somebody (a controller) wrote between."""
    for _ in range(5):
        try:
            return write()
        except ApiError as error:
            if error.code != 409:
                raise
    return write()


class Collection:
    """One kind of the API, driven as upstream's API tests drive it."""

    def __init__(self, api: Api, kind: str, namespace: str | None, label: str) -> None:
        self.api = api
        self.path = api.path(kind, namespace)
        self.everywhere = api.path(kind)
        self.selector = {"labelSelector": f"special-label={label}"}

    def ask(self, method: str, name: str = "", body: Any = None, **options: Any) -> Any:
        return self.api.request(method, f"{self.path}/{name}" if name else self.path, body, **options)

    def list(self, *, everywhere: bool = False) -> Obj:
        return self.api.request("GET", self.everywhere if everywhere else self.path, query=self.selector)  # type: ignore[no-any-return]

    def walk(self, *templates: Obj) -> Obj:
        """Create three, get, list here and everywhere, watch, patch and update the last one; it is returned."""
        assert len(templates) == 3
        *_, made = [self.ask("POST", body=template) for template in templates]
        name = made["metadata"]["name"]
        got = self.ask("GET", name)
        assert got["metadata"]["uid"] == made["metadata"]["uid"]
        assert version(got) > 0
        listed = self.list()
        assert len(listed["items"]) == len(self.list(everywhere=True)["items"]) == 3
        start = {**self.selector, "resourceVersion": listed["metadata"]["resourceVersion"]}
        patched = self.ask("PATCH", name, {"metadata": {"annotations": {"patched": "true"}}}, content_type=MERGE_PATCH)
        assert patched["metadata"]["annotations"]["patched"] == "true"
        assert version(patched) > version(made)
        updated = again_on_conflict(lambda: self.ask("PUT", name, noted(self.ask("GET", name), updated="true")))
        assert updated["metadata"]["annotations"]["updated"] == "true"
        for path in {self.path, self.everywhere}:
            seen(watch(self.api, path, **start), "MODIFIED", was_patched)
        return updated

    def end(self, name: str) -> None:
        """Delete one, then the others as a collection."""
        self.ask("DELETE", name)
        with pytest.raises(ApiError) as refused:
            self.ask("GET", name)
        assert refused.value.code == 404
        assert name not in [o["metadata"]["name"] for o in self.list()["items"]]
        assert len(self.list()["items"]) == 2
        self.ask("DELETE", query=self.selector)
        assert self.list()["items"] == []
