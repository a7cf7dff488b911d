from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.unit.pocketkube.resources import direct

from pocketkube import schema
from pocketkube.fieldmanager import shapes
from pocketkube.fieldmanager.shapes import Shape


def at(shape: Shape, *path: str) -> Shape:
    for name in path:
        found = shape.element if name == "[]" else shape.of(name)
        assert found is not None, path
        shape = found
    return shape


def test_a_built_in_kind() -> None:
    pod = shapes.of_kind("v1", "Pod")
    containers = at(pod, "spec", "containers")
    assert (containers.kind, containers.keys, containers.atomic) == ("list", ("name",), False)
    ports = at(containers, "[]", "ports")
    assert (ports.keys, ports.defaults) == (("containerPort", "protocol"), {"containerPort": 0, "protocol": "TCP"})
    assert at(containers, "[]", "command").atomic
    assert at(pod, "spec", "nodeSelector").atomic
    assert not at(pod, "metadata", "labels").atomic
    assert at(pod, "metadata", "finalizers").keys == ()
    assert at(pod, "metadata", "ownerReferences", "[]").atomic
    assert at(containers, "[]", "resources", "limits", "cpu").scalar == "untyped"
    assert at(containers, "[]", "livenessProbe", "httpGet", "port").scalar == "untyped"
    assert pod.of("nosuch") is None


def test_a_selector_is_one_value() -> None:
    assert at(shapes.of_kind("apps/v1", "Deployment"), "spec", "selector").atomic
    assert at(shapes.of_kind("apps/v1", "ControllerRevision"), "data").atomic


def test_types_that_contain_themselves() -> None:
    definition = shapes.of_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    schema = at(definition, "spec", "versions", "[]", "schema", "openAPIV3Schema")
    assert at(schema, "properties", "x", "properties", "y", "type").scalar == "string"


def test_a_custom_kind() -> None:
    shape = shapes.of_custom(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "size": {"x-kubernetes-int-or-string": True},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        "rules": {
                            "type": "array",
                            "x-kubernetes-list-type": "map",
                            "x-kubernetes-list-map-keys": ["name"],
                            "items": {"type": "object", "properties": {"name": {"type": "string", "default": "d"}}},
                        },
                        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                        "plain": {"type": "array", "items": {"type": "string"}},
                    },
                }
            },
        }
    )
    assert at(shape, "spec", "size").scalar == "untyped"
    assert at(shape, "spec", "free", "any", "thing").kind == "any"
    assert at(shape, "spec", "rules").defaults == {"name": "d"}
    assert (at(shape, "spec", "tags").atomic, at(shape, "spec", "plain").atomic) == (False, True)
    assert at(shape, "metadata", "labels").element is not None
    assert at(shape, "spec").of("nosuch") is None


def fields(type_: schema.Type, shape: Shape | None, seen: set[int]) -> Iterator[tuple[schema.Type, Shape | None]]:
    """A type, all that it is made of, and their shapes."""
    yield type_, shape
    if id(type_) in seen or shape is None or shape.kind == "any":
        return
    seen.add(id(type_))
    for name, field in type_.fields.items():
        yield from fields(field.type, shape.of(name), seen)
    if type_.element is not None:
        yield from fields(type_.element, shape.element, seen)


def test_every_field_of_every_kind_has_its_shape() -> None:
    seen: set[int] = set()
    for kind in direct.registry().resources.values():
        for type_, shape in fields(schema.for_kind(kind.api_version, kind.kind), kind.shape, seen):
            assert shape is not None, (kind.kind, type_)
            wanted = {"struct": "map", "map": "map", "list": "list", "any": shape.kind}.get(type_.kind, "scalar")
            assert shape.kind in (wanted, "any"), (kind.kind, type_)
    assert len(seen) > 500


def test_a_field_that_is_not_there() -> None:
    with pytest.raises(shapes.Unfit):
        shapes.of_kind("v1", "Pod").below("nosuch")
