"""How an object is put in place of the one that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kindlab.api import CONFLICTS, Api, ApiError, Obj, Served

WANTED: Obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}


class OneObject(Api):
    """A cluster with a Deployment whose status is written `busy` times between a look at it and the answer to it."""

    def __init__(self, busy: int = 0, refuses: int = 0) -> None:
        self.busy, self.refuses = busy, refuses
        self.there: Obj | None = {**WANTED, "metadata": {"name": "web", "uid": "first", "resourceVersion": "1"}}

    def path(self, kind: str, namespace: str | None = None, name: str = "") -> str:
        return f"/{name}"

    def live(self, obj: Obj, namespace: str | None = None) -> Obj | None:
        return self.there

    def request(self, method: str, path: str, body: Any = None, **_: Any) -> Any:
        assert method == "PUT"
        assert self.there is not None
        if self.refuses:
            raise ApiError(self.refuses, "Invalid", "field is immutable")
        if self.busy:
            self.busy -= 1
            raise ApiError(409, "Conflict", "the object has been modified")
        self.there = {**body, "metadata": {**body["metadata"], "uid": self.there["metadata"]["uid"]}}
        return self.there

    def create(self, obj: Obj, namespace: str | None = None) -> Obj:
        self.there = {**obj, "metadata": {**obj["metadata"], "uid": "second"}}
        return self.there

    def delete(
        self, kind: str, name: str, namespace: str | None = None, *, wait: bool = False, grace: int | None = None
    ) -> None:
        self.there = None


def test_what_a_controller_has_just_written_to_is_put_in_place_all_the_same() -> None:
    assert OneObject(busy=3).replace(WANTED)["metadata"]["uid"] == "first"


@pytest.mark.parametrize("api", [OneObject(refuses=422), OneObject(busy=CONFLICTS)])
def test_what_may_not_change_is_made_anew(api: OneObject) -> None:
    assert api.replace(WANTED)["metadata"]["uid"] == "second"


def test_what_is_not_there_is_created() -> None:
    api = OneObject()
    api.there = None
    assert api.replace(WANTED)["metadata"]["uid"] == "second"


def test_other_refusals_are_told() -> None:
    with pytest.raises(ApiError, match="immutable"):
        OneObject(refuses=403).replace(WANTED)


class OneKind(Api):
    """A cluster that serves ConfigMaps."""

    def __init__(self) -> None:
        pass

    def served(self, kind: str) -> Served:
        return Served("/api/v1", "configmaps", True, "ConfigMap", "")


@pytest.mark.parametrize(
    "name", [".", "..", "../secrets/x", "../../../kube-system/configmaps/coredns", "a/status", "a%2f"]
)
def test_no_name_of_a_stranger_leads_to_another_object(name: str) -> None:
    """Names come out of submissions. urllib3 takes `..` out of a path before it sends it, a server takes %2F for a
    slash; and no API server lets anything be called so (IsValidPathSegmentName)."""
    with pytest.raises(ApiError, match="no object can be called") as refused:
        OneKind().path("ConfigMap", "lab", name)
    assert refused.value.code == 404
    assert OneKind().get("ConfigMap", name, "lab") is None
    with pytest.raises(ApiError, match="no namespace can be called"):
        OneKind().path("ConfigMap", name, "x")


@pytest.mark.parametrize(
    ("name", "spelled"), [("a?dryRun=All", "a%3FdryRun%3DAll"), ("a#b", "a%23b"), ("system:a.b", "system:a.b")]
)
def test_a_name_is_no_more_than_a_name(name: str, spelled: str) -> None:
    assert OneKind().path("ConfigMap", "lab", name) == f"/api/v1/namespaces/lab/configmaps/{spelled}"


@pytest.mark.parametrize("no_proxy", ["", "example.com"])
@pytest.mark.parametrize(
    ("server", "direct"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("127.0.0.2", True), ("school.example", False)],
)
def test_a_cluster_on_this_machine_is_not_asked_by_way_of_a_proxy(
    server: str, direct: bool, no_proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kubectl does (Go's net/http, ProxyFromEnvironment)."""
    from urllib3 import ProxyManager

    for name in ("HTTP_PROXY", "https_proxy", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": {"server": f"https://{server}:6443"}}],
        "users": [{"name": "one", "user": {"token": "t"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "current-context": "one",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    api = Api(tmp_path / "config")
    assert isinstance(api.client.rest_client.pool_manager, ProxyManager) is not direct
