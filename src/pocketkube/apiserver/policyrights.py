"""Who writes an admission policy must be able to read what it takes as parameters: else it would tell their contents.

Models pkg/registry/admissionregistration/*/authz.go. Upstream looks once the object is valid, this before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, objects
from pocketkube.admission.matching import versions
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.authentication import MASTERS, User
from pocketkube.apiserver.request import Request
from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.rbac import ALL, Attributes
from pocketkube.resources.base import Resource

_POLICIES: Final = ("mutatingadmissionpolicies", "validatingadmissionpolicies")
_BINDINGS: Final = {f"{one.removesuffix('ies')}ybindings": one for one in _POLICIES}


def check(api: Api, request: Request, kind: Resource, new: Obj, old: Obj | None) -> None:
    """Raises Invalid."""
    if MASTERS in request.user.groups:
        return
    spec, before = objects.spec(new), objects.spec(old or {})
    if kind.plural in _POLICIES:
        if spec.get("paramKind") and spec["paramKind"] != before.get("paramKind"):
            _check_policy(api, request.user, kind, new)
    elif kind.plural in _BINDINGS and spec.get("paramRef"):
        asked = spec["paramRef"], spec.get("policyName")
        if asked != (before.get("paramRef"), before.get("policyName")):
            _check_binding(api, request.user, kind, new)


def _check_policy(api: Api, user: User, kind: Resource, policy: Obj) -> None:
    named = policy["spec"]["paramKind"]
    group, resource, _ = _resolved(api, named)
    if api.policy.decide(user, Attributes("get", group, resource, namespace=ALL, name=ALL)).allowed:
        return
    shown = f"(kind={named.get('kind', '')}, apiVersion={named.get('apiVersion', '')})"
    why = f'must have "get" permission on all objects of the referenced paramKind {shown}'
    _refuse(kind, policy, "spec.paramKind", f"user {_shown(user)} {why}")


def _check_binding(api: Api, user: User, kind: Resource, binding: Obj) -> None:
    ref, name = binding["spec"]["paramRef"], binding["spec"].get("policyName") or ""
    policy = api.registry.find(_BINDINGS[kind.plural], "", name)
    named = objects.spec(policy or {}).get("paramKind")
    group, resource, known = _resolved(api, named) if named else (ALL, ALL, True)
    verb = "get" if ref.get("name") else "list"
    wanted = Attributes(verb, group, resource, namespace=ref.get("namespace") or "", name=ref.get("name") or "")
    if api.policy.decide(user, wanted).allowed:
        return
    lacks = f'user {_shown(user)} does not have "{verb}" permission'
    everything = f"to determine minimum required permissions and {lacks} for all groups, versions and resources"
    if policy is None:
        why = f"unable to get policy {name} {everything}"
    elif not known:
        why = f"unable to resolve paramKind {_go(named)} {everything}"
    else:
        why = f"{lacks} on the object referenced by paramRef"
    _refuse(kind, binding, "spec.paramRef", why)


def _resolved(api: Api, named: Obj) -> tuple[str, str, bool]:
    """(group, resource, whether there is such a kind)."""
    for one in _kinds(api):
        if (one.api_version, one.kind) == (named.get("apiVersion"), named.get("kind")):
            return one.group, one.plural, True
    return str(named.get("apiVersion") or "").rpartition("/")[0], ALL, False


def _kinds(api: Api) -> Iterator[Resource]:
    for stored in api.registry.resources.values():
        yield from versions(stored)


def _shown(user: User) -> str:
    """A user as Go prints the struct."""
    extra = " ".join(f"{name}:[{' '.join(values)}]" for name, values in sorted(user.extra.items()))
    return f"&{{{user.name} {user.uid} [{' '.join(user.groups)}] map[{extra}]}}"


def _go(named: Obj | None) -> str:
    found = named or {}
    return f"&ParamKind{{APIVersion:{found.get('apiVersion', '')},Kind:{found.get('kind', '')},}}"


def _refuse(kind: Resource, obj: Obj, field: str, why: str) -> None:
    raise Invalid.of(kind.qualified_kind, objects.name(obj), [fields.forbidden(field, why)])
