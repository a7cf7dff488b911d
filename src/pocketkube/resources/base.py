"""What a kind declares: names, columns, defaults, validation and the few rules of its own.

Models the strategies of pkg/registry/*/*/strategy.go together with the printers' columns. One instance lives
per cluster, with `world` to read other objects. Routes, discovery, Tables, namespace deletion and garbage collection
loop over resources and name none. All methods are synchronous: a request is atomic on the event loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

from pocketkube import schema
from pocketkube.clock import Clock
from pocketkube.errors import Cause
from pocketkube.fieldmanager import shapes
from pocketkube.fieldmanager.fieldsets import Set
from pocketkube.objects import Key, Obj
from pocketkube.resources import formats
from pocketkube.store import Event

CONNECT = ("create", "delete", "get", "patch", "update")
"""The verbs of a subresource that hands any request on: proxy."""

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class World(Protocol):
    """What a kind may look at while it admits an object: stored objects (shared: never change them), and the time."""

    clock: Clock
    zone: Mapping[str, str]
    """Cluster settings: `pod_cidr`, `service_cidr` (each one or two, comma between), `cluster_domain`, `dns_ip`."""

    def find(self, resource: str, namespace: str, name: str) -> Obj | None: ...

    def objects(self, resource: str, namespace: str | None = None) -> Iterable[Obj]: ...

    def subscribe(self, resource: str, notify: Callable[[Event], None]) -> Callable[[], None]: ...


def version_rank(version: str) -> tuple[Any, ...]:
    """Sorts versions as Kubernetes does: stable before beta before alpha, higher numbers first, other names last."""
    found = re.fullmatch(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?", version)
    if found is None:
        return 1, version
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return 0, stage, -int(found[1]), -int(found[3] or 0)


@dataclass(frozen=True)
class Column:
    """A Table column; priority 1 shows in `-o wide` only. `description` is what `kubectl explain`-like tools show."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True)
class Scale:
    """Where the scale subresource reads: dotted paths below the object, as in a CustomResourceDefinition."""

    replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"


@dataclass
class DeleteOptions:
    """metav1.DeleteOptions; None = not given."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None


class Resource:
    """Subclass once per kind, name the class `RESOURCE` in the module, override what differs."""

    group: ClassVar[str] = ""
    version: ClassVar[str] = "v1"
    kind: ClassVar[str]
    plural: ClassVar[str]
    id: ClassVar[str] = ""
    """The name inside pocketkube (store, client); the plural unless another kind has taken it."""
    short_names: ClassVar[tuple[str, ...]] = ()
    categories: ClassVar[tuple[str, ...]] = ()
    namespaced: ClassVar[bool] = True
    verbs: ClassVar[tuple[str, ...]] = ALL_VERBS
    has_status: ClassVar[bool] = False
    scale: ClassVar[Scale | None] = None
    subresources: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {}
    """Further subresources for discovery: name -> (kind, verbs); e.g. {"log": ("Pod", ("get",))}."""
    status_subresources: ClassVar[tuple[str, ...]] = ()
    """Which of them write the status, as `status` does."""
    columns: ClassVar[tuple[Column, ...]]
    bumps_generation: ClassVar[bool] = False
    """metadata.generation starts at 1 and grows when `generation_basis` changes."""
    unconditional_update: ClassVar[bool] = True
    create_on_update: ClassVar[bool] = False
    returns_deleted: ClassVar[bool] = False
    """DELETE answers with the deleted object instead of a Status."""
    default_propagation: ClassVar[str] = "Background"
    """What becomes of dependents when a deletion does not say."""
    storage_prefix: ClassVar[str] = ""
    """What upstream's storage calls the kind, where that is not the plural; some error texts show it."""
    revalidates_metadata: ClassVar[bool] = False
    """Whether this kind's update validation looks at the whole metadata again, as some do upstream."""
    knows_finalizers: ClassVar[bool] = True
    """Whether finalizers without a domain and a path must be standard ones, as core kinds ask."""
    custom: ClassVar[bool] = False
    """Whether a CustomResourceDefinition declares it."""
    other_versions: ClassVar[tuple[type[Resource], ...]] = ()
    """Further versions that are served, of other groups as well: they show what is stored (`present`) and take what is
    written (`internal`)."""
    stored: ClassVar[bool] = True
    """Whether its objects are in the store; those of a kind that only answers are made by `answers`."""
    deprecated: ClassVar[str] = ""
    """Warned about in the answer to every request for this kind; the API server does that."""

    def __init__(self, world: World) -> None:
        self.world = world

    # -- names

    @classmethod
    def resource_id(cls) -> str:
        return cls.id or cls.plural

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployments.apps`, as error texts name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """`Deployment.apps`, as `is invalid` texts name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    # -- versions: of a kind with several, each is a declaration of its own, and one is stored. Each version of a
    #    custom kind has rules of its own (`of`); other kinds have one set of rules, for the stored version (`internal`)

    @property
    def discovered_verbs(self) -> tuple[str, ...]:
        return self.verbs

    @property
    def stored_group(self) -> str:
        return self.group

    @property
    def stored_version(self) -> str:
        return self.version

    def of(self, obj: Obj) -> Resource:
        """The declaration of the version `obj` is written in."""
        return self

    def present(self, obj: Obj) -> Obj:
        """A stored object as this version shows it. Shared: do not change it."""
        return obj

    def internal(self, obj: Obj) -> Obj:
        """An object of this version, as a client wrote it, in the version that the rules below are for."""
        return obj

    def present_all(self, found: Iterable[Obj]) -> Iterable[Obj]:
        """As `present`, of many."""
        return map(self.present, found)

    def at_rest(self, obj: Obj) -> Obj:
        """A stored object as the cluster's own components read it, who know no versions. Shared: do not change it."""
        return obj

    def written(self, obj: Obj, stored: Obj) -> Obj:
        """An object of this version that was just stored, as this version shows it."""
        return self.present(stored)

    def encode(self, obj: Obj) -> Obj:
        """An object of this version as it is stored."""
        return obj

    def decode(self, value: Any) -> tuple[Obj, list[str]]:
        """An object (left as it is) as the server holds it, and what strict decoding has against it. Raises
        DecodeError, and of custom kinds BadRequest."""
        return schema.decode(value, schema.for_kind(self.api_version, self.kind))

    # -- ownership of fields (fieldmanager)

    @cached_property
    def shape(self) -> shapes.Shape:
        """What of an object is one value, and what has fields of its own."""
        return shapes.of_kind(self.api_version, self.kind)

    def zero(self) -> Obj:
        """An object of this kind before anybody has said anything: what its type always writes."""
        found: Obj = schema.for_kind(self.api_version, self.kind).zero()
        return found

    def reset_fields(self, subresource: str) -> Set:
        """What a write to the object ("") or to a subresource leaves as it is, so that nobody owns it by that."""
        if subresource == "status":
            return {"f:spec": {}}
        return {"f:status": {}} if self.has_status and not subresource else {}

    # -- reading

    def answers(self) -> tuple[Obj, ...]:
        """The objects of a kind that is not stored as they are now."""
        return ()

    def row(self, obj: Obj) -> list[Any]:
        """The Table cells of one object, in `columns` order."""
        raise NotImplementedError

    def ordered(self, items: Iterable[Obj]) -> Iterable[Obj]:
        """In which order a Table shows them."""
        return items

    def row_conditions(self, obj: Obj) -> list[Obj]:
        """The `conditions` of a Table row (metav1.TableRowCondition); rows without any have no such field."""
        return []

    def fields(self, obj: Obj) -> Mapping[str, str]:
        """Values for field selectors; the keys are the labels this kind supports."""
        meta = obj.get("metadata", {})
        values = {"metadata.name": meta.get("name", "")}
        if self.namespaced:
            values["metadata.namespace"] = meta.get("namespace", "")
        return values

    # -- writing; `obj` and `new` may be changed in place, `old` is shared and may not

    def default(self, obj: Obj) -> None:
        """Fill in what upstream's SetDefaults_* fills in."""

    def admit(self, new: Obj, old: Obj | None) -> None:
        """What admission plugins do to this kind, before validation; raises StatusError to refuse."""

    def awaits(self, obj: Obj) -> tuple[str, Key] | None:
        """What a create from outside waits a moment for, as controllers are about to make it: (resource, its key)."""
        return None

    def initial_status(self, obj: Obj) -> Obj:
        """The status a new object starts with when `has_status`, whatever the client sent."""
        return {}

    def prepare_create(self, obj: Obj) -> None:
        """PrepareForCreate: drop what a client may not set. The status is the initial one already when `has_status`."""

    def prepare_update(self, new: Obj, old: Obj) -> None:
        """PrepareForUpdate. The old status is restored already when `has_status`."""

    def prepare_status(self, new: Obj, old: Obj) -> None:
        """PrepareForUpdate of the status subresource. Everything but metadata and status is restored already."""

    def update_subresource(self, subresource: str, new: Obj, old: Obj) -> Iterable[Cause]:
        """Rules of a subresource other than status: PrepareForUpdate (let only what it may write differ from `old`) and
        field errors. The old status is restored already when `has_status`, but for `status_subresources`. No defaults,
        no admission."""
        return self.validate_update(new, old)

    def canonicalize(self, obj: Obj) -> None:
        """Last touches after validation, when a generated name is known."""

    def validate(self, obj: Obj) -> Iterable[Cause]:
        """Field errors of a new object, metadata apart."""
        return ()

    def validate_update(self, new: Obj, old: Obj) -> Iterable[Cause]:
        """Field errors of an update, metadata apart; most kinds yield from `validate(new)` too."""
        return self.validate(new)

    def validate_status(self, new: Obj, old: Obj) -> Iterable[Cause]:
        return ()

    def validate_name(self, name: str, *, prefix: bool = False) -> Iterable[str]:
        """What is wrong with metadata.name (`prefix`: generateName); DNS subdomain unless overridden."""
        return formats.dns1123_subdomain(name, prefix=prefix)

    def allocate(self, new: Obj, old: Obj | None, *, dry_run: bool = False) -> None:
        """Before PrepareFor* and validation (as upstream's BeginCreate and BeginUpdate): choose what must be unique
        (addresses, ports). Nothing may be taken here: the request may still fail. Raises to refuse."""

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        """Texts for Warning headers on create and update."""
        return ()

    def generation_basis(self, obj: Obj) -> Any:
        return obj.get("spec")

    def check_update(self, new: Obj, old: Obj) -> None:
        """What validating admission plugins have against an update that is valid; raises StatusError."""

    # -- deleting

    def check_delete(self, obj: Obj) -> None:
        """What admission plugins have against deleting this object; raises StatusError."""

    def delete_warnings(self, options: DeleteOptions) -> Iterable[str]:
        """Texts for Warning headers on delete."""
        return ()

    def grace_period(self, obj: Obj, options: DeleteOptions) -> int | None:
        """Seconds until removal for kinds that die gracefully (Pods), else None: removed at once."""
        return None

    def prepare_delete(self, obj: Obj) -> bool:
        """Change a copy of an object that is asked to go; True keeps it stored, terminating, until `may_remove`."""
        return False

    def may_remove(self, obj: Obj) -> bool:
        """Whether a terminating object without finalizers is removed now."""
        return not obj["metadata"].get("deletionGracePeriodSeconds")
