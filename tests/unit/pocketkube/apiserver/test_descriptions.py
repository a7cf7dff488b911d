"""Descriptions of kinds and fields: whose they are, and that they read as they did before they were wrapped."""

from typing import Any

import pytest

from pocketkube.apiserver import descriptions, openapi
from pocketkube.apiserver.descriptions import _unwrapped

CORE = "io.k8s.api.core.v1"


def described(name: str, *fields: str, **more: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {field: {"type": "string"} for field in fields}, **more}
    descriptions.attach({name: schema})
    return schema


def test_kinds_and_fields_have_theirs() -> None:
    pod = described(f"{CORE}.Pod", "spec")
    assert pod["description"] == (
        "Pod is a collection of containers that can run on a host. This resource is created by clients and scheduled "
        "onto hosts."
    )
    assert pod["properties"]["spec"]["description"] == (
        "Specification of the desired behavior of the pod. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#spec-and-status"
    )


@pytest.mark.parametrize(
    ("name", "field", "start"),
    [
        ("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta", "continue", "continue may be set if the user set a limit"),
        (
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
            "x-kubernetes-map-type",
            "x-kubernetes-map-type annotates an object",
        ),
        ("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec", "caBundle", "CABundle is a PEM encoded"),
    ],
)
def test_names_that_python_spells_otherwise_are_found(name: str, field: str, start: str) -> None:
    assert described(name, field)["properties"][field]["description"].startswith(start)


def test_what_nobody_knows_stays_without() -> None:
    assert "description" not in described("com.example.v1.Widget", "size")
    thing = described(f"{CORE}.Thing", "size")
    assert "description" not in thing
    assert "description" not in thing["properties"]["size"]
    assert "description" not in described(f"{CORE}.Pod", "size")["properties"]["size"]


def test_a_description_of_ones_own_stays() -> None:
    assert described(f"{CORE}.Pod", description="mine")["description"] == "mine"


def test_every_field_of_the_core_is_described() -> None:
    schemas = openapi.packaged("api/v1")
    assert schemas is not None
    bare = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, inner in schema.get("properties", {}).items()
        if not inner.get("description")
    ]
    assert bare == ["io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent.type"]  # upstream's neither


def test_lines_are_joined_to_paragraphs() -> None:
    full = "word " * 15 + "end"  # 78 letters: nothing more has room
    assert _unwrapped(f"{full}\n        goes on\n        new") == f"{full} goes on\n\nnew"
    assert _unwrapped("one.\n      \n      two") == "one.\n\ntwo"
    assert _unwrapped("list:\n        * one\n          * below") == "list:\n\n* one\n  * below"
