"""Events: what those must say that say when they happened, and those that do not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources import storage_kinds
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.objects import Obj
from pocketkube.registry import Registry

WHEN = "2026-01-01T00:00:00.000000Z"
NO_MATCH = "does not match event.namespace"


@pytest.fixture
def held() -> Registry:
    found = registry()
    for name in ("test", "kube-system"):
        namespace(found, name)
    return found


def event(about: str = "test", where: str = "test", **fields: Any) -> Obj:
    return {"metadata": {"name": "e", "namespace": where}, "involvedObject": {"namespace": about}, **fields}


def new(about: str = "test", where: str = "test", **fields: Any) -> Obj:
    """One that says when it happened, and all that it must say then."""
    told = {"reportingComponent": "example.com/c", "reportingInstance": "c-0", "action": "Look", "reason": "Looked"}
    return event(about, where, eventTime=WHEN, **{**told, **fields})


@pytest.mark.parametrize("made", [event(), event("", "default"), new(), new("", "kube-system"), new("other", "test")])
def test_what_is_taken(held: Registry, made: Obj) -> None:
    held.create("events", made)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (event("other"), f'involvedObject.namespace: Invalid value: "other": {NO_MATCH}'),
        (event("", "kube-system"), f'involvedObject.namespace: Invalid value: "": {NO_MATCH}'),
        (new(""), f'involvedObject.namespace: Invalid value: "": {NO_MATCH}'),
        (new(reportingInstance=""), "reportingInstance: Required value"),
        (new(action=""), "action: Required value"),
        (new(reason=""), "reason: Required value"),
        (new(action="x" * 129), 'action: Invalid value: "": can have at most 128 characters'),
        (new(message="x" * 1025), 'message: Invalid value: "": can have at most 1024 characters'),
    ],
)
def test_what_is_refused(held: Registry, made: Obj, why: str) -> None:
    assert storage_kinds.refused(held, "events", made) == [why]


def test_who_tells_of_it_has_a_qualified_name(held: Registry) -> None:
    first, second, *_ = storage_kinds.refused(held, "events", new(reportingComponent=""))
    assert first == "reportingComponent: Required value"
    assert second.startswith('reportingComponent: Invalid value: "": name part must be non-empty')


def test_one_without_a_time_need_not_say_more(held: Registry) -> None:
    held.create("events", event(message="x" * 2000))
