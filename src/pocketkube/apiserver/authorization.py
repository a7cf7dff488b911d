"""Who may do what a request asks for, and the words of a refusal.

Models filters/authorization.go and responsewriters.ForbiddenStatusError: what a request asks for is read off its path,
the rules are policy.py's.
"""

from __future__ import annotations

import json

from pocketkube import selectors
from pocketkube.apiserver.authentication import User
from pocketkube.apiserver.policy import Policy
from pocketkube.apiserver.request import Request, Target
from pocketkube.errors import BadRequest, Forbidden
from pocketkube.rbac import Attributes
from pocketkube.resources import formats


def attributes(request: Request) -> Attributes:
    """What a request asks for; its target, where it has one, is known already."""
    target = request.target
    if target is None:
        return Attributes(request.verb, path=request.path)
    name = target.name or _selected_name(request)
    return Attributes(request.verb, target.group, target.resource, target.subresource, target.namespace, name)


def of_target(verb: str, target: Target) -> Attributes:
    """Another verb on the same object."""
    return Attributes(verb, target.group, target.resource, target.subresource, target.namespace, target.name)


def check(policy: Policy, user: User, wanted: Attributes) -> None:
    """Raises Forbidden with upstream's text."""
    decision = policy.decide(user, wanted)
    if not decision.allowed:
        raise refusal(user, wanted, decision.reason)


def refusal(user: User, wanted: Attributes, reason: str = "") -> Forbidden:
    why = _safe(_refused(user, wanted)) + (f": {reason}" if reason else "")
    if wanted.path:
        return Forbidden(f"forbidden: {why}", details={})
    qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    return Forbidden.of(qualified, wanted.name, why)


def _refused(user: User, wanted: Attributes) -> str:
    who = json.dumps(user.name, ensure_ascii=False)
    if wanted.path:
        return f'User {who} cannot {wanted.verb} path "{wanted.path}"'
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    scope = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    return f'User {who} cannot {wanted.verb} resource "{resource}" in API group "{wanted.group}" {scope}'


def _safe(text: str) -> str:
    """Nothing that a browser could take for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _selected_name(request: Request) -> str:
    """The one object that a list or a watch selects by its name: who may only have that one may list it so."""
    text = request.query.text("fieldSelector") if request.method in ("GET", "HEAD") else ""
    if not text:
        return ""
    try:
        name = selectors.parse_fields(text).exact("metadata.name") or ""
    except BadRequest:
        return ""
    return "" if formats.path_segment(name) else name
