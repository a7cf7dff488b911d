"""What goes over a live object: ours, but for what the cluster has written there."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kindlab.addons import putting
from kindlab.api import Api, ApiError, Obj
from kindlab.errors import Problem


def obj(kind: str = "ConfigMap", **more: Any) -> Obj:
    meta = {"name": "x", "namespace": "space", **more.pop("meta", {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, **more}


def live(kind: str = "ConfigMap", **more: Any) -> Obj:
    return obj(kind, meta={"resourceVersion": "7", "uid": "u", **more.pop("meta", {})}, **more)


def test_labels_of_others_and_finalizers_stay_and_ours_win() -> None:
    there = {"labels": {"theirs": "1", "both": "old"}, "finalizers": ["cleanup"], "annotations": {"revision": "1"}}
    found = putting.over(obj(meta={"labels": {"both": "new"}}), live(meta=there))
    assert found["metadata"] == {
        "name": "x",
        "namespace": "space",
        "resourceVersion": "7",
        "labels": {"theirs": "1", "both": "new"},
        "finalizers": ["cleanup"],
        "annotations": {"revision": "1"},
    }


def test_nothing_of_the_old_version_stays_in_it() -> None:
    assert putting.over(obj(data={"new": "1"}), live(data={"old": "1"}))["data"] == {"new": "1"}


def test_a_certificate_that_a_webhook_has_written_stays() -> None:
    def hook(**more: str) -> Obj:
        return {"name": "a", "clientConfig": {"service": "s", **more}}

    there = live(webhooks=[hook(caBundle="filled"), hook(caBundle="filled")])
    found = putting.over(obj(webhooks=[hook(), hook(caBundle="ours")]), there)
    assert [one["clientConfig"]["caBundle"] for one in found["webhooks"]] == ["filled", "ours"]
    assert "caBundle" not in putting.over(obj(webhooks=[hook()]), there)["webhooks"][0]["clientConfig"]


def test_a_secret_that_a_controller_has_filled_stays_filled() -> None:
    assert putting.over(obj("Secret"), live("Secret", data={"key": "a"}))["data"] == {"key": "a"}
    assert putting.over(obj("Secret", data={}), live("Secret", data={"key": "a"}))["data"] == {}


class Refusing:
    """An Api where x is there and may not change."""

    def __init__(self) -> None:
        self.deleted = False
        self.created: list[Obj] = []

    def live(self, wanted: Obj) -> Obj | None:
        return None if self.deleted else live(wanted["kind"])

    def path(self, *words: Any) -> str:
        return "/".join(words)

    def request(self, *words: Any) -> Obj:
        raise ApiError(422, "Invalid", "field is immutable")

    def delete(self, *words: Any, wait: bool) -> None:
        assert wait, "it is created again only when it is gone"
        self.deleted = True

    def create(self, wanted: Obj) -> None:
        self.created.append(wanted)


def test_what_may_not_change_is_made_anew() -> None:
    api = Refusing()
    assert putting.put(cast(Api, api), obj("Deployment"))
    assert api.created == [obj("Deployment")]


class Going:
    """An Api where x is on its way out."""

    def __init__(self) -> None:
        self.there = True

    def live(self, wanted: Obj) -> Obj | None:
        return live(meta={"deletionTimestamp": "now"}) if self.there else None

    def wait_gone(self, kind: str, name: str, space: str, *, uid: str) -> None:
        assert (kind, name, space, uid) == ("v1/ConfigMap", "x", "space", "u")
        self.there = False

    def create(self, wanted: Obj) -> None:
        assert not self.there


def test_what_is_on_its_way_out_is_waited_for() -> None:
    assert putting.put(cast(Api, Going()), obj())


@pytest.mark.parametrize("kind", putting.NEVER_ANEW)
def test_definitions_and_namespaces_are_never_made_anew(kind: str) -> None:
    api = Refusing()
    with pytest.raises(Problem, match="could not be put in place") as found:
        putting.put(cast(Api, api), obj(kind))
    assert found.value.why == "field is immutable."
    assert not api.deleted
