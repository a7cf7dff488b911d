"""APIServices: defaults, what may not be, and how they show."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import registry
from tests.unit.pocketkube.resources.storage_kinds import refused

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.registry import Registry


@pytest.fixture
def held() -> Registry:
    return registry()


def apiservice(**spec: Any) -> Obj:
    body = {"group": "g.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, **spec}
    body = {name: value for name, value in body.items() if value is not None}
    return {"metadata": {"name": "v1.g.example.com"}, "spec": body}


SERVICE = {"namespace": "test", "name": "back"}


def cells(held: Registry, obj: Obj) -> list[Any]:
    return held.resources["apiservices"].row(obj)[:3]


def test_the_port_is_443_and_nothing_is_known_of_the_server_at_first(held: Registry) -> None:
    made = held.create("apiservices", apiservice(service=dict(SERVICE)))
    assert made["spec"]["service"]["port"] == 443
    assert made["status"] == {}
    assert cells(held, made) == ["v1.g.example.com", "test/back", "Unknown"]


def test_a_local_one_is_available_at_once(held: Registry) -> None:
    made = held.create("apiservices", apiservice())
    found = objects.condition(made, "Available") or {}
    assert (found["status"], found["reason"]) == ("True", "Local")
    assert found["message"] == "Local APIServices are always available"
    assert cells(held, made) == ["v1.g.example.com", "Local", "True"]


def test_why_one_is_not_available_shows(held: Registry) -> None:
    held.create("apiservices", apiservice(service=dict(SERVICE)))

    def fail(copy: Obj) -> None:
        copy["metadata"]["labels"] = {"no": "label"}
        copy["status"] = {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]}

    made = held.patch("apiservices", "", "v1.g.example.com", fail, subresource="status")
    assert cells(held, made)[2] == "False (MissingEndpoints)"
    assert "labels" not in made["metadata"], "metadata is not the status's to change"


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (apiservice(version="v2"), 'metadata.name: Invalid value: "v1.g.example.com": must be `spec.version+"."'),
        (apiservice(versionPriority=1001), "spec.versionPriority: Invalid value: 1001: must be positive and less than"),
        (apiservice(groupPriorityMinimum=0), "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less"),
        (apiservice(insecureSkipTLSVerify=True), "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices"),
        (apiservice(caBundle="QUJD"), 'spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a'),
        (apiservice(service={"name": "back"}), "spec.service.namespace: Required value"),
        (apiservice(service={**SERVICE, "port": 0}), "spec.service.port: Invalid value: 0: port is not valid: must be"),
        (
            apiservice(service=SERVICE, caBundle="QUJD", insecureSkipTLSVerify=True),
            "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
        ),
        (apiservice(group=None), "spec.group: Required value: only v1 may have an empty group"),
    ],
)
def test_what_may_not_be(held: Registry, wanted: Obj, problem: str) -> None:
    if problem.startswith("spec.group: Required"):
        wanted["metadata"]["name"], wanted["spec"]["version"] = "v2.", "v2"
    assert any(told.startswith(problem) for told in refused(held, "apiservices", wanted))
