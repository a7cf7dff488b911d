"""What a user may do: admins everything, users discovery and questions about themselves, strangers version and health.

Models the outcome of RBAC with its bootstrap policy (system:masters, system:discovery, system:basic-user,
system:public-info-viewer) and the texts of responsewriters.ForbiddenStatusError. Left out: Roles and bindings.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pocketkube.apiserver.authentication import AUTHENTICATED, MASTERS, UNAUTHENTICATED, User
from pocketkube.errors import Forbidden

_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version")
_DISCOVERY_BELOW = ("/api/", "/apis/", "/openapi/")
_BASIC = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
}


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for: a resource, or (with `path`) a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def allowed(user: User, wanted: Attributes) -> bool:
    if MASTERS in user.groups:
        return True
    if AUTHENTICATED not in user.groups:
        return UNAUTHENTICATED in user.groups and wanted.verb == "get" and wanted.path in _PUBLIC
    if wanted.path:
        path = wanted.path.rstrip("/") or "/"
        return wanted.verb == "get" and (path in _DISCOVERY or path.startswith(_DISCOVERY_BELOW))
    return wanted.verb == "create" and (wanted.group, wanted.resource) in _BASIC


def check(user: User, wanted: Attributes) -> None:
    """Raises Forbidden with upstream's text."""
    if allowed(user, wanted):
        return
    who = json.dumps(user.name)
    if wanted.path:
        raise Forbidden(f'forbidden: User {who} cannot {wanted.verb} path "{wanted.path}"', details={})
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    scope = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    why = f'User {who} cannot {wanted.verb} resource "{resource}" in API group "{wanted.group}" {scope}'
    qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    raise Forbidden.of(qualified, wanted.name, why)
