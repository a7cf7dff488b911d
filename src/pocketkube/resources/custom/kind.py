"""A kind that a CustomResourceDefinition declares: one class per served version, and one for the stored version.

Models apiextensions-apiserver/pkg/registry/customresource/{strategy,status_strategy,validator}.go and what its codecs
do to objects (apiserver/customresource_handler.go): coerce, prune, default. Unless a webhook converts, versions differ
in their apiVersion and in what their schemas keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

from pocketkube import fields, objects, schema
from pocketkube.errors import BadRequest, Cause, Forbidden
from pocketkube.fieldmanager import shapes
from pocketkube.objects import Obj
from pocketkube.resources.base import ALL_VERBS, Resource, Scale, version_rank
from pocketkube.resources.custom import (
    conversion,
    defaulting,
    embedded,
    jsonpath,
    lists,
    printing,
    pruning,
    values,
)
from pocketkube.resources.custom.correlation import Correlated
from pocketkube.resources.custom.schemas import RULES, Schema, properties, walk
from pocketkube.resources.formats import qualified_name
from pocketkube.resources.metadata import STANDARD_FINALIZERS

_VERBS: Final = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_TERMINATING_VERBS: Final = ("delete", "deletecollection", "get", "list", "watch")
_KEPT: Final = 10_000
_INT32: Final = 2**31 - 1
_BLOCKING: Final = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)


class CustomResource(Resource):
    """Subclassed by `declare`; `versions` (by name) and `storage` are the same for all classes of one definition."""

    custom = True
    bumps_generation = True
    unconditional_update = False
    knows_finalizers = False
    schema: ClassVar[Schema]
    served: ClassVar[bool]
    terminating: ClassVar[bool]
    names: ClassVar[Obj]
    selectable: ClassVar[tuple[str, ...]]
    printers: ClassVar[tuple[printing.Printer, ...]]
    storage_version: ClassVar[str]
    definition: ClassVar[Obj]
    by_webhook: ClassVar[bool]
    """Whether a webhook makes one version out of another."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.versions: dict[str, CustomResource] = {}
        self._presented: dict[tuple[str, str], tuple[str, Obj, Obj]] = {}
        self._rules: Any = None

    @property
    def singular(self) -> str:
        return str(self.names.get("singular") or self.kind.lower())

    @property
    def list_kind(self) -> str:
        return str(self.names.get("listKind") or f"{self.kind}List")

    # -- versions

    @property
    def discovered_verbs(self) -> tuple[str, ...]:
        return _TERMINATING_VERBS if self.terminating else self.verbs

    @property
    def stored_version(self) -> str:
        return self.storage_version

    def of(self, obj: Obj) -> Resource:
        group, _, version = str(obj.get("apiVersion") or "").partition("/")
        return self.versions.get(version, self) if group == self.group else self

    def present(self, obj: Obj) -> Obj:
        at, revision = objects.key(obj), obj["metadata"].get("resourceVersion", "")
        known = self._presented.get(at)
        if known is not None and known[0] == revision and (known[1] is obj or known[2] is obj):
            return known[2]
        written = self.of(obj)
        assert isinstance(written, CustomResource)
        shown = written._settled(obj)
        if shown["apiVersion"] != self.api_version:
            if self.by_webhook:  # which may say something else the next time
                other = conversion.converted(self.definition, shown, self.api_version)
                return written.present(obj) if other is None else self._settled(other)
            shown["apiVersion"] = self.api_version
            pruning.prune(shown, self.schema)
        if shown == obj:
            shown = obj
        if len(self._presented) > _KEPT:
            self._presented.clear()
        self._presented[at] = revision, obj, shown
        return shown

    def _settled(self, obj: Obj) -> Obj:
        """A copy of an object of this version as its schema wants it by now."""
        shown: Obj = objects.copy(obj)
        pruning.prune(shown, self.schema)
        pruning.prune_nulls(shown, self.schema)
        defaulting.default(shown, self.schema)
        return shown

    def present_all(self, found: Iterable[Obj]) -> Iterable[Obj]:
        if self.by_webhook:
            found = list(found)
            others = (one for one in found if one["apiVersion"] != self.api_version)
            settled = [self.versions[one["apiVersion"].partition("/")[2]]._settled(one) for one in others]
            conversion.expect(self.definition, settled, self.api_version)
        return map(self.present, found)

    def at_rest(self, obj: Obj) -> Obj:
        return self.of(obj).present(obj) if self.by_webhook else self.present(obj)

    def written(self, obj: Obj, stored: Obj) -> Obj:
        if not self.by_webhook or self.version == self.storage_version:
            return self.present(stored)
        return {**obj, "metadata": stored["metadata"]}

    def encode(self, obj: Obj) -> Obj:
        if self.version == self.storage_version:
            return obj
        storage = self.versions[self.storage_version]
        stored: Obj | None
        if self.by_webhook:
            stored = conversion.converted(self.definition, obj, storage.api_version)
            if stored is None:
                return obj
        else:
            stored = objects.copy({**obj, "apiVersion": storage.api_version})
        pruning.prune(stored, storage.schema)
        return stored

    def decode(self, value: Any) -> tuple[Obj, list[str]]:
        """Drops unknown fields and forbidden nulls, rewrites embedded metadata."""
        obj, problems = schema.decode(objects.copy(value), schema.UNSTRUCTURED)
        _whole_numbers(obj)
        unknown = pruning.prune(obj, self.schema)
        pruning.prune_nulls(obj, self.schema)
        try:
            unknown += sorted(embedded.coerce(obj, self.schema))
        except embedded.Malformed as error:
            raise BadRequest(str(error.cause)) from None
        return obj, problems + [f'unknown field "{path}"' for path in unknown]

    @cached_property
    def shape(self) -> shapes.Shape:
        return shapes.of_custom(self.schema)

    def zero(self) -> Obj:
        return {}

    # -- reading

    def row(self, obj: Obj) -> list[Any]:
        cells = [printing.cell(self.world.clock, column, path, obj) for column, path in self.printers]
        return [objects.name(obj), *cells]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        found = dict(super().fields(obj))
        for path in self.selectable:
            there = jsonpath.find(obj, path)
            found[path.removeprefix(".")] = _shown(there[0]) if there else ""
        return found

    # -- writing

    def default(self, obj: Obj) -> None:
        defaulting.default(obj, self.schema)

    def admit(self, new: Obj, old: Obj | None) -> None:
        if old is None and self.terminating:
            why = "create not allowed while custom resource definition is terminating"
            raise Forbidden.of(self.qualified, new["metadata"].get("name", ""), why)

    def prepare_create(self, obj: Obj) -> None:
        if self.has_status:
            obj.pop("status", None)

    def prepare_status(self, new: Obj, old: Obj) -> None:
        new["metadata"] = objects.copy(old["metadata"])
        defaulting.default(new, self.schema)

    def generation_basis(self, obj: Obj) -> Any:
        return {name: value for name, value in obj.items() if name != "metadata"}

    def validate(self, obj: Obj) -> Iterator[Cause]:
        causes = [
            *values.validate(obj, self.schema),
            *self._scale_causes(obj, "spec"),
            *self._scale_causes(obj, "status"),
        ]
        causes += embedded.validate(obj, self.schema)
        causes += lists.duplicates(obj, self.schema)
        yield from causes
        yield from self._rule_causes(obj, None, causes)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        correlated = Correlated(new, old, self.schema)
        causes = values.validate(new, self.schema, correlated=correlated)
        causes += [*self._scale_causes(new, "spec"), *self._scale_causes(new, "status")]
        causes += embedded.validate(new, self.schema)
        if not any(lists.duplicates(old, self.schema)):
            causes += lists.duplicates(new, self.schema)
        yield from causes
        yield from self._rule_causes(new, old, causes)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        status, causes = properties(self.schema).get("status"), []
        if "status" in new and status is not None:
            correlated = Correlated(new["status"], old.get("status"), status)
            causes += values.validate(new["status"], status, prefix="status", correlated=correlated)
        causes += self._scale_causes(new, "status")
        if not any(lists.duplicates(old, self.schema)):
            causes += lists.duplicates(new, self.schema)
        yield from causes
        yield from self._rule_causes(new, old, causes)

    def _scale_causes(self, obj: Obj, side: str) -> Iterator[Cause]:
        if self.scale is None:
            return
        path = self.scale.replicas if side == "spec" else self.scale.status_replicas
        value = objects.dig(obj, *path.split("."), default=0)
        if isinstance(value, bool) or not isinstance(value, int):
            yield fields.invalid(
                f".{path}",
                0,
                f".{path} accessor error: {_go_value(value)} is of the type {_go_type(value)}, expected int64",
            )
        elif value < 0:
            yield fields.invalid(f".{path}", value, "should be a non-negative integer")
        elif value > _INT32:
            yield fields.invalid(f".{path}", value, f"should be less than or equal to {_INT32}")

    def _rule_causes(self, new: Obj, old: Obj | None, found: list[Cause]) -> Iterator[Cause]:
        """x-kubernetes-validations, evaluated when what they rely on is right."""
        if self._rules is None:
            self._rules = ()
            if any(one.get(RULES) for one in walk(self.schema)):
                from pocketkube.resources.custom.rules import Rules

                self._rules = Rules(self.schema)
        if not self._rules:
            return
        if any(cause.reason in _BLOCKING for cause in found):
            why = "some validation rules were not checked because the object was invalid; "
            why += "correct the existing errors to complete validation"
            yield fields.invalid("<nil>", None, why)
            return
        yield from self._rules.causes(new, old)

    def warnings(self, new: Obj, old: Obj | None) -> Iterator[str]:
        before = set((old or {"metadata": {}})["metadata"].get("finalizers") or ())
        for name in sorted(set(new["metadata"].get("finalizers") or ()) - before):
            head = f"metadata.finalizers: {fields.show(name)}: "
            yield from (head + problem for problem in qualified_name(name))
            if "/" not in name and name not in STANDARD_FINALIZERS:
                more = " including a path (/)" if "." in name else ""
                why = "to avoid accidental conflicts with other finalizer writers"
                yield f"{head}prefer a domain-qualified finalizer name{more} {why}"


def _whole_numbers(value: Any) -> None:
    """1.0 is written as 1, as Go prints it."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            _whole_numbers(item)
        elif isinstance(item, float) and item.is_integer() and abs(item) < 2**53:
            value[key] = int(item)


def _go_type(value: Any) -> str:
    names: tuple[tuple[type, str], ...] = (
        (bool, "bool"),
        (str, "string"),
        (float, "float64"),
        (dict, "map[string]interface {}"),
    )
    return next((name for python, name in names if isinstance(value, python)), "[]interface {}")


def _go_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def condition(definition: Obj, type_: str) -> bool:
    return objects.condition_status(definition, type_) == "True"


def declare(definition: Obj) -> list[type[CustomResource]]:
    """One class for each version, the stored one first."""
    spec, names = definition["spec"], definition["status"]["acceptedNames"]
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    found = [_declare(definition, version, names, storage) for version in spec["versions"]]
    return sorted(found, key=lambda one: one.version != storage)


def _declare(definition: Obj, version: Obj, names: Obj, storage: str) -> type[CustomResource]:
    spec, subresources = definition["spec"], version.get("subresources") or {}
    terminating = condition(definition, "Terminating")
    shown = printing.printers(version.get("additionalPrinterColumns") or ())
    attributes = {
        "group": spec["group"],
        "version": version["name"],
        "kind": names["kind"],
        "plural": names["plural"],
        "id": f"{names['plural']}.{spec['group']}",
        "short_names": tuple(names.get("shortNames") or ()),
        "categories": tuple(names.get("categories") or ()),
        "namespaced": spec["scope"] == "Namespaced",
        "verbs": _VERBS,
        "has_status": subresources.get("status") is not None,
        "scale": _scale(subresources.get("scale")),
        "columns": printing.columns(shown),
        "deprecated": _deprecation(spec, version),
        "schema": (version.get("schema") or {}).get("openAPIV3Schema") or {},
        "served": bool(version.get("served")),
        "terminating": terminating,
        "names": names,
        "selectable": tuple(field["jsonPath"] for field in version.get("selectableFields") or ()),
        "printers": shown,
        "storage_version": storage,
        "storage_prefix": f"{spec['group']}/{names['plural']}",
        "definition": definition,
        "by_webhook": conversion.is_by_webhook(definition),
    }
    assert set(_VERBS) == set(ALL_VERBS)
    return type(f"{names['kind']}.{version['name']}", (CustomResource,), attributes)


def _scale(declared: Obj | None) -> Scale | None:
    if declared is None:
        return None
    names = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
    replicas, status_replicas, selector = ((declared.get(name) or "").removeprefix(".") for name in names)
    return Scale(replicas, status_replicas, selector)


def _deprecation(spec: Obj, version: Obj) -> str:
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning") is not None:
        return str(version["deprecationWarning"])
    kind, group = spec["names"]["kind"], spec["group"]
    text = f"{group}/{version['name']} {kind} is deprecated"
    better = [v["name"] for v in spec["versions"] if v.get("served") and not v.get("deprecated")]
    newer = sorted((name for name in better if version_rank(name) < version_rank(version["name"])), key=version_rank)
    return f"{text}; use {group}/{newer[0]} {kind}" if newer else text
