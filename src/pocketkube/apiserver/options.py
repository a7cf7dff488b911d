"""The options of requests: CreateOptions, UpdateOptions, PatchOptions, DeleteOptions, ListOptions, TableOptions.

Models apimachinery/pkg/apis/meta/{v1,internalversion}/validation with their texts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pocketkube import fields, selectors
from pocketkube.apiserver.request import Query, Request
from pocketkube.errors import BadRequest, Cause, Invalid, Unknown
from pocketkube.fieldmanager.writers import Updater
from pocketkube.resources.base import DeleteOptions, Resource

_PROPAGATION = ("Foreground", "Background", "Orphan")
_MANAGER_LIMIT = 128


@dataclass(slots=True)
class WriteOptions:
    """`validation` is Strict, Warn or Ignore (what to do about unknown and repeated fields)."""

    dry_run: bool = False
    validation: str = "Warn"
    manager: str = ""
    force: bool | None = None

    def writer(self, request: Request, subresource: str = "") -> Updater:
        """Who owns what the request writes: the field manager, or else the program by its User-Agent."""
        if self.manager:
            return Updater(self.manager, subresource)
        agent = request.http.headers.get("User-Agent", "").partition("/")[0]
        printable = "".join(itertools.takewhile(str.isprintable, agent))
        return Updater(printable.encode()[:_MANAGER_LIMIT].decode(errors="ignore"), subresource)


def write_options(query: Query, kind: str, *, apply: bool = False) -> WriteOptions:
    """`kind` is CreateOptions, UpdateOptions or PatchOptions. Raises Invalid."""
    manager, dry_run, validation = query.text("fieldManager"), query.all("dryRun"), query.text("fieldValidation")
    force = query.flag("force") if kind == "PatchOptions" and "force" in query else None
    causes: list[Cause] = []
    if kind == "PatchOptions":
        if apply and not manager:
            causes.append(fields.required("fieldManager", "is required for apply patch"))
        elif not apply and force is not None:
            causes.append(fields.forbidden("force", "may not be specified for non-apply patch"))
    causes += _manager_causes(manager)
    causes += _dry_run_causes(dry_run)
    if validation not in ("", "Ignore", "Strict", "Warn"):
        causes.append(fields.not_supported("fieldValidation", validation, ("", "Ignore", "Strict", "Warn")))
    _refuse(kind, causes)
    return WriteOptions(bool(dry_run), validation or "Warn", manager, force)


def _manager_causes(manager: str) -> Iterable[Cause]:
    if len(manager.encode()) > _MANAGER_LIMIT:
        yield fields.too_long("fieldManager", _MANAGER_LIMIT)
    position = 0
    for letter in manager:
        if not letter.isprintable():
            yield fields.invalid(
                "fieldManager", manager, f"invalid character U+{ord(letter):04X} (at position {position})"
            )
        position += len(letter.encode())


def _dry_run_causes(dry_run: list[str]) -> Iterable[Cause]:
    if any(value != "All" for value in dry_run):
        yield fields.not_supported("dryRun", dry_run, ("All",))


def delete_options(query: Query, body: dict[str, Any] | None) -> tuple[DeleteOptions, bool]:
    """(options, dry run); the query counts only when there is no body. Raises Invalid, BadRequest."""
    if body is None:
        orphan = query.flag("orphanDependents") if "orphanDependents" in query else None
        policy = query.text("propagationPolicy") if "propagationPolicy" in query else None
        options = DeleteOptions(query.integer("gracePeriodSeconds"), policy, orphan)
        dry_run = query.all("dryRun")
    else:
        wanted = body.get("preconditions") or {}
        options = DeleteOptions(
            body.get("gracePeriodSeconds"),
            body.get("propagationPolicy"),
            body.get("orphanDependents"),
            wanted.get("uid"),
            wanted.get("resourceVersion"),
        )
        dry_run = body.get("dryRun") or []
    causes: list[Cause] = []
    policy = options.propagation_policy
    if policy is not None and options.orphan_dependents is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(fields.invalid("propagationPolicy", policy, text))
    if policy is not None and policy not in _PROPAGATION:
        causes.append(fields.not_supported("propagationPolicy", policy, (*_PROPAGATION, "nil"), in_order=True))
    causes += _dry_run_causes(dry_run)
    _refuse("DeleteOptions", causes)
    return options, bool(dry_run)


@dataclass(slots=True)
class ListOptions:
    """`labels` and `fields` are None when they select everything; `revision` None means "as of now"."""

    watch: bool
    labels: selectors.LabelSelector | None
    fields: selectors.FieldSelector | None
    limit: int
    continue_: str
    revision: int | None
    match: str
    send_initial: bool | None
    bookmarks: bool
    timeout: int | None

    def selects(self, kind: Resource, obj: dict[str, Any]) -> bool:
        if self.labels is not None and not self.labels(obj["metadata"].get("labels")):
            return False
        return self.fields is None or self.fields(kind.fields(obj))


def list_options(query: Query, kind: Resource, *, watch: bool) -> ListOptions:
    """Raises BadRequest, Invalid and (for a watch's resourceVersion that is no number) Unknown, as upstream does."""
    text = query.text
    labels = selectors.parse_labels(text("labelSelector")) if text("labelSelector") else None
    field_selector = selectors.parse_fields(text("fieldSelector")) if text("fieldSelector") else None
    limit, timeout = query.integer("limit") or 0, query.integer("timeoutSeconds")
    version, match = text("resourceVersion"), text("resourceVersionMatch")
    send_initial = query.flag("sendInitialEvents") if "sendInitialEvents" in query else None
    if watch and send_initial is None and not match and version in ("", "0"):
        send_initial, match = True, "NotOlderThan"
    causes = _watch_causes if watch else _list_causes
    _refuse("ListOptions", causes(match, version, text("continue"), send_initial))
    if field_selector is not None:
        check_fields(kind, field_selector)
    return ListOptions(
        watch=watch,
        labels=None if labels is None or labels.empty else labels,
        fields=None if field_selector is None or field_selector.empty else field_selector,
        limit=max(0, limit),
        continue_=text("continue"),
        revision=parse_revision(version, watch=watch),
        match=match,
        send_initial=send_initial,
        bookmarks=query.flag("allowWatchBookmarks"),
        timeout=timeout,
    )


def parse_revision(version: str, *, watch: bool = False) -> int | None:
    if not version:
        return None
    if not re.fullmatch(r"[0-9]+", version):
        problem = f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        raise Unknown(problem) if watch else BadRequest(f"invalid resource version: {problem}")
    return int(version)


def _list_causes(match: str, version: str, continue_: str, send_initial: bool | None) -> Iterable[Cause]:
    path = "resourceVersionMatch"
    if match:
        if not version:
            yield fields.forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided")
        if continue_:
            yield fields.forbidden(path, "resourceVersionMatch is forbidden when continue is provided")
        if match not in ("Exact", "NotOlderThan"):
            yield fields.not_supported(path, match, ("Exact", "NotOlderThan", ""), in_order=True)
        if match == "Exact" and version == "0":
            yield fields.forbidden(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if send_initial is not None:
        yield fields.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _watch_causes(match: str, version: str, continue_: str, send_initial: bool | None) -> Iterable[Cause]:
    path = "resourceVersionMatch"
    if send_initial is not None and match != "NotOlderThan":
        yield fields.forbidden(path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if match:
        if send_initial is None:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            yield fields.forbidden(path, text)
        if match != "NotOlderThan":
            yield fields.not_supported(path, match, ("NotOlderThan",))
        if continue_:
            yield fields.forbidden(path, "resourceVersionMatch is forbidden when continue is provided")


def check_fields(kind: Resource, selector: selectors.FieldSelector) -> None:
    """Raises BadRequest for a field this kind cannot be selected by."""
    own = type(kind).fields is not Resource.fields
    known = set(kind.fields({"metadata": {}, "spec": {}, "status": {}})) | {"metadata.name"}
    if not own:
        known.add("metadata.namespace")
    for requirement in selector.requirements:
        if requirement.field not in known:
            if own:
                raise BadRequest(f"field label not supported: {requirement.field}")
            raise BadRequest(
                f'"{requirement.field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            )


def include_object(query: Query) -> str:
    """TableOptions.includeObject: None, Metadata (the default) or Object. Raises BadRequest."""
    value = query.text("includeObject")
    if value not in ("", "None", "Metadata", "Object"):
        cause = fields.invalid("includeObject", value, "must be 'Metadata', 'Object', 'None', or empty")
        raise BadRequest(f"Unable to convert to Table as requested: {cause}")
    return value or "Metadata"


def _refuse(kind: str, causes: Iterable[Cause]) -> None:
    found = list(causes)
    if found:
        raise Invalid.of(f"{kind}.meta.k8s.io", "", found)
