from __future__ import annotations

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
