"""CustomResourceDefinitions: kinds of one's own. How they are named and established is the controllers' work.

Models apiextensions-apiserver/pkg/registry/customresourcedefinition/strategy.go and v1/defaults.go; what a definition
may say is judged in resources/custom, which is loaded when there is one to judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, described

_CREATED: Final = described("*", AGE)[0].description
CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"


class RESOURCE(Resource):
    group = "apiextensions.k8s.io"
    kind = "CustomResourceDefinition"
    plural = "customresourcedefinitions"
    short_names = ("crd", "crds")
    categories = ("api-extensions",)
    namespaced = False
    has_status = True
    bumps_generation = True
    unconditional_update = False
    knows_finalizers = False
    storage_prefix = "apiextensions.k8s.io/customresourcedefinitions"
    columns = described("customresourcedefinitions", NAME, Column("Created At", type="date", description=_CREATED))
    stored_version = "v1beta1"  # upstream still writes them so, and discovery tells by its hash

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), obj["metadata"].get("creationTimestamp")]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        names = spec.setdefault("names", {})
        if not names.get("singular") and names.get("kind"):
            names["singular"] = names["kind"].lower()
        if not names.get("listKind") and names.get("kind"):
            names["listKind"] = f"{names['kind']}List"
        conversion = spec.setdefault("conversion", {"strategy": "None"})
        service = objects.dig(conversion, "webhook", "clientConfig", "service")
        if service is not None and service.get("port") is None:
            service["port"] = 443

    def initial_status(self, obj: Obj) -> Obj:
        names = {"kind": "", "plural": ""}
        return {"acceptedNames": names, "conditions": None, "storedVersions": _stored(objects.spec(obj), [])}

    def prepare_update(self, new: Obj, old: Obj) -> None:
        before = list(new["status"].get("storedVersions") or ())
        after = _stored(objects.spec(new), before)
        if after != before:
            new["status"] = {**new["status"], "storedVersions": after}

    def validate_name(self, name: str, *, prefix: bool = False) -> Iterator[str]:
        yield from formats.dns1123_subdomain(name, prefix=prefix)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        from pocketkube.resources.custom import definition

        spec = objects.spec(obj)
        wanted = f"{objects.dig(spec, 'names', 'plural') or ''}.{spec.get('group', '')}"
        name = objects.name(obj)
        if name and name != wanted:
            yield fields.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
        yield from definition.validate(obj, None)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        from pocketkube.resources.custom import definition

        yield from definition.validate(new, old)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        from pocketkube.resources.custom import definition

        yield from definition.names(objects.status(new).get("acceptedNames") or {}, "status.acceptedNames")

    def prepare_delete(self, obj: Obj) -> bool:
        """Its objects go first: a finalizer and a condition say so."""
        if objects.is_terminating(obj):
            return False
        held = obj["metadata"].setdefault("finalizers", [])
        if CLEANUP not in held:
            held.append(CLEANUP)
        text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        set_condition(obj, self.world.clock.now(), "Terminating", "True", "InstanceDeletionPending", text)
        return True

    def warnings(self, new: Obj, old: Obj | None) -> Iterator[str]:
        from pocketkube.resources.custom import definition

        known = set(definition.unrecognised_formats(old)) if old is not None else set()
        for form in definition.unrecognised_formats(new):
            if form not in known:
                yield f"unrecognized format {fields.show(form)}"


def set_condition(definition: Obj, now: str, type_: str, status: str, reason: str, message: str) -> None:
    """Write a status condition in place; `now` is its lastTransitionTime when the status is another."""
    held = definition.setdefault("status", {})
    held["conditions"] = found = [dict(one) for one in held.get("conditions") or ()]
    said = {"status": status, "reason": reason, "message": message}
    for one in found:
        if one["type"] == type_:
            if one["status"] != status:
                one["lastTransitionTime"] = now
            one.update(said)
            return
    found.append({"type": type_, "lastTransitionTime": now, **said})


def _stored(spec: Obj, before: list[str]) -> list[str]:
    storage = next((v["name"] for v in spec.get("versions") or () if v.get("storage")), None)
    return before if storage is None or storage in before else [*before, storage]
