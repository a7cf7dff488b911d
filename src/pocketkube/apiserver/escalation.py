"""Nobody grants rights by RBAC objects that they do not have, unless they were given the right to do just that.

Models pkg/registry/rbac: escalation_check.go, */policybased and ConfirmNoEscalation. To write a role one needs its
rules or the verb `escalate`; to write a binding the rules of its role or the verb `bind`; to aggregate, everything.
Certificates grant rights, too: see `signing`; parameters of admission policies can be read by them: see
`policyrights`.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.apiserver import policyrights, signing
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.authentication import MASTERS
from pocketkube.apiserver.authorization import of_target
from pocketkube.apiserver.policy import aggregate
from pocketkube.apiserver.request import Request, Target
from pocketkube.errors import Forbidden, NotFound, Unknown
from pocketkube.objects import Obj
from pocketkube.rbac import EVERYTHING, GROUP, Attributes, Rule, covers, describe, quoted
from pocketkube.resources import certificatesigningrequests
from pocketkube.resources.admission_spec import registration
from pocketkube.resources.base import Resource

_ROLES = ("roles", "clusterroles")
_BINDINGS = ("rolebindings", "clusterrolebindings")


def check(api: Api, request: Request, kind: Resource, target: Target, new: Obj, old: Obj | None) -> None:
    """Before `new` is written (over `old`). Raises Forbidden, and NotFound for a binding's role that is not there."""
    if kind.group == certificatesigningrequests.GROUP:
        signing.check(api, request, kind, target.subresource, new, old)
    if kind.group == registration.GROUP and not target.subresource:
        policyrights.check(api, request, kind, new, old)
    if kind.group != GROUP or MASTERS in request.user.groups or (old is not None and _only_housekeeping(new, old)):
        return
    if kind.plural in _ROLES:
        _check_role(api, request, kind, target, new, old)
    elif kind.plural in _BINDINGS:
        _check_binding(api, request, kind, target, new)


def _check_role(api: Api, request: Request, kind: Resource, target: Target, new: Obj, old: Obj | None) -> None:
    if api.policy.decide(request.user, of_target("escalate", target)).allowed:
        return
    _confirm(api, request, kind, target, objects.name(new), new.get("rules") or ())
    if any((one.get("aggregationRule") or {}).get("clusterRoleSelectors") for one in (new, old or {})):
        held, _ = api.policy.rules(request.user, target.namespace)
        if covers(held, EVERYTHING):
            why = "must have cluster-admin privileges to use the aggregationRule"
            raise Forbidden.of(kind.qualified, objects.name(new), why)


def _check_binding(api: Api, request: Request, kind: Resource, target: Target, new: Obj) -> None:
    kind.default(new)
    role = new["roleRef"]
    plural = {"Role": "roles", "ClusterRole": "clusterroles"}.get(role.get("kind", ""))
    if plural is None:
        raise Unknown(f'unsupported role reference kind: "{role.get("kind", "")}"')
    name = role.get("name", "")
    bind = Attributes("bind", role["apiGroup"], plural, namespace=target.namespace, name=name)
    if api.policy.decide(request.user, bind).allowed:
        return
    found = api.policy.role(role, target.namespace)
    if found is None:
        raise NotFound.of(f"{plural}.{GROUP}", name)
    _confirm(api, request, kind, target, objects.name(new), found.get("rules") or ())


def _confirm(api: Api, request: Request, kind: Resource, target: Target, name: str, rules: Iterable[Rule]) -> None:
    user = request.user
    held, errors = api.policy.rules(user, target.namespace)
    missing = covers(held, rules)
    if not missing:
        return
    listed = "\n".join(describe(missing))
    why = (
        f"user {quoted([user.name])[1:-1]} (groups={quoted(user.groups)}) is attempting to grant RBAC permissions "
        f"not currently held:\n{listed}"
    )
    if errors:
        why += f"; resolution errors: [{aggregate(errors)}]"
    raise Forbidden.of(kind.qualified, name, why)


def _only_housekeeping(new: Obj, old: Obj) -> bool:
    """Whether nothing changes but owners and finalizers, as when garbage is collected."""
    kept = ("ownerReferences", "finalizers", "selfLink", "managedFields")

    def rest(obj: Obj) -> Obj:
        return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key not in kept}}

    return rest(new) == rest(old)
