"""What admission is told of a request: who writes, and how.

Models the admission.Attributes that apiserver/pkg/endpoints/handlers make. Requests that write no stored object are
judged by policies here; a Scale, a Binding and an Eviction are, too.
"""

from __future__ import annotations

from typing import Any

from pocketkube.admission.asking import Review, join
from pocketkube.admission.matching import CONNECT, CREATE, UPDATE, Attributes, Gvk
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.options import WriteOptions
from pocketkube.apiserver.request import Request, Target
from pocketkube.asked import Asked
from pocketkube.objects import Obj
from pocketkube.resources.base import DeleteOptions, Resource

_META = "meta.k8s.io/v1"


def of_write(api: Api, request: Request, wanted: WriteOptions, kind: str) -> Review | None:
    """`kind`: CreateOptions, UpdateOptions or PatchOptions. None where there is nobody to ask."""
    if not api.registry.policies.in_force and not api.webhooks.hooks:
        return None
    return _review(api, request, asked(request, write_options(wanted, kind), wanted.dry_run))


def of_deletion(api: Api, request: Request, wanted: DeleteOptions, dry_run: bool) -> Review | None:
    if not api.registry.policies.in_force and not api.webhooks.hooks:
        return None
    return _review(api, request, asked(request, delete_options(wanted, dry_run), dry_run))


def _review(api: Api, request: Request, by: Asked) -> Review | None:
    """What webhooks have said is kept with the request, whose handler is called again for it."""
    if request.asking is None:
        request.asking = api.webhooks.asking(by, request.kind)
    return join(api.registry.policies.review(by, request.kind), request.asking)


def judge(
    api: Api,
    request: Request,
    kind: Resource,
    target: Target,
    obj: Obj,
    old: Obj | None = None,
    *,
    options: Obj | None = None,
    dry_run: bool = False,
) -> Obj:
    """What is no stored object (options of a connection, a Scale) as webhooks want it. Raises Forbidden, Unanswered."""
    policies, webhooks = api.registry.policies, api.webhooks
    if not policies.in_force and not webhooks.hooks:
        return obj
    operation = CONNECT if options is None else UPDATE if old is not None else CREATE
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    named = Gvk(group, version, obj.get("kind", ""))
    namespace = target.namespace if kind.namespaced else ""
    user, at = request.user.info(), (target.subresource, namespace, target.name)
    attributes = Attributes(operation, kind, named, *at, obj, old, user, dry_run, options)
    if request.asking is None:
        request.asking = webhooks.asking(Asked(user, options, dry_run, request.warn), kind)
    if request.asking is not None:
        request.asking.change(attributes)
    if policies.in_force:
        policies.judge(attributes, request.warn)
    if request.asking is not None:
        request.asking.decide(attributes)
    return attributes.object or {}


def connect(api: Api, request: Request, kind: Resource, target: Target, options: str, **given: Any) -> Obj:
    """The options of a connection (`options`: their kind) as webhooks want them. Raises Forbidden, Unanswered."""
    fields = {name: value for name, value in given.items() if value}
    return judge(api, request, kind, target, {"kind": options, "apiVersion": "v1", **fields})


def create(api: Api, request: Request, kind: Resource, target: Target, obj: Obj, wanted: WriteOptions) -> Obj:
    """What is posted to a subresource as webhooks want it. Raises Forbidden, Unanswered."""
    options = write_options(wanted, "CreateOptions")
    return judge(api, request, kind, target, obj, options=options, dry_run=wanted.dry_run)


def asked(request: Request, options: Obj, dry_run: bool) -> Asked:
    return Asked(request.user.info(), options, dry_run, request.warn)


def write_options(wanted: WriteOptions, kind: str) -> Obj:
    found: dict[str, Any] = {"kind": kind, "apiVersion": _META}
    if wanted.dry_run:
        found["dryRun"] = ["All"]
    if wanted.force is not None:
        found["force"] = wanted.force
    if wanted.manager:
        found["fieldManager"] = wanted.manager
    return {**found, "fieldValidation": wanted.validation}


def delete_options(wanted: DeleteOptions, dry_run: bool) -> Obj:
    given: dict[str, Any] = {
        "gracePeriodSeconds": wanted.grace_period_seconds,
        "propagationPolicy": wanted.propagation_policy,
        "orphanDependents": wanted.orphan_dependents,
        "dryRun": ["All"] if dry_run else None,
    }
    conditions = {"uid": wanted.uid, "resourceVersion": wanted.resource_version}
    if any(value is not None for value in conditions.values()):
        given["preconditions"] = {name: value for name, value in conditions.items() if value is not None}
    found = {name: value for name, value in given.items() if value is not None}
    return {"kind": "DeleteOptions", "apiVersion": _META, **found}
