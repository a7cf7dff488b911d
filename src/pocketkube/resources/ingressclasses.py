"""IngressClasses: which controller answers for an Ingress, and which one is taken when the Ingress names none.

Models pkg/registry/networking/ingressclass, ValidateIngressClass*, SetDefaults_IngressClass and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

DEFAULT_ANNOTATION: Final = "ingressclass.kubernetes.io/is-default-class"
_LONGEST_CONTROLLER: Final = 250
_SCOPES: Final = ("Cluster", "Namespace")


def is_default(obj: Obj) -> bool:
    return objects.annotations(obj).get(DEFAULT_ANNOTATION) == "true"


def default_class(classes: Iterable[Obj]) -> Obj | None:
    """The class for Ingresses that name none: of several that are marked, the newest, then the first by name."""
    marked = sorted((c for c in classes if is_default(c)), key=objects.name)
    return max(marked, key=lambda c: str(c["metadata"]["creationTimestamp"]), default=None)


class RESOURCE(Resource):
    group = "networking.k8s.io"
    kind = "IngressClass"
    plural = "ingressclasses"
    namespaced = False
    bumps_generation = True
    revalidates_metadata = True
    columns = described("ingressclasses", NAME, Column("Controller"), Column("Parameters"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        return [
            objects.name(obj) + (" (default)" if is_default(obj) else ""),
            spec.get("controller", ""),
            _parameters(spec.get("parameters")),
            age(self.world.clock, obj),
        ]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("parameters") is not None:
            if spec["parameters"].get("scope") is None:  # always written, as null when it was not given
                spec["parameters"]["scope"] = "Cluster"
            spec["parameters"].setdefault("kind", "")
            spec["parameters"].setdefault("name", "")

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        controller = spec.get("controller", "")
        if len(controller.encode()) > _LONGEST_CONTROLLER:
            yield fields.too_long("spec.controller", _LONGEST_CONTROLLER)
        yield from metadata.domain_prefixed_path("spec.controller", controller)
        if spec.get("parameters") is not None:
            yield from typed_reference("spec.parameters", spec["parameters"])
            yield from _scope("spec.parameters", spec["parameters"])

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        new_name, old_name = (objects.spec(o).get("controller", "") for o in (new, old))
        yield from metadata.immutable("spec.controller", new_name, old_name)
        yield from self.validate(new)


def _parameters(reference: Obj | None) -> str:
    if reference is None:
        return "<none>"
    group = f".{reference['apiGroup']}" if "apiGroup" in reference else ""
    return f"{reference.get('kind', '')}{group}/{reference.get('name', '')}"


def typed_reference(at: str, reference: Obj) -> Iterator[Cause]:
    """Field errors of a TypedLocalObjectReference, as Ingress backends and class parameters hold one."""
    if "apiGroup" in reference:
        for problem in formats.dns1123_subdomain(reference["apiGroup"]):
            yield fields.invalid(f"{at}.apiGroup", reference["apiGroup"], problem)
    for name in ("kind", "name"):
        if not reference.get(name):
            yield fields.required(f"{at}.{name}")
        for problem in formats.path_segment(reference.get(name, "")):
            yield fields.invalid(f"{at}.{name}", reference[name], problem)


def _scope(at: str, reference: Obj) -> Iterator[Cause]:
    scope = reference.get("scope", "")
    if scope not in _SCOPES:
        yield fields.not_supported(f"{at}.scope", scope, _SCOPES)
    elif scope == "Namespace":
        if "namespace" not in reference:
            yield fields.required(f"{at}.namespace", "`parameters.scope` is set to 'Namespace'")
        else:
            for problem in formats.dns1123_label(reference["namespace"]):
                yield fields.invalid(f"{at}.namespace", reference["namespace"], problem)
    elif "namespace" in reference:
        yield fields.forbidden(f"{at}.namespace", "`parameters.scope` is set to 'Cluster'")
