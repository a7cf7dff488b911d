"""Resources that are only answered: who am I, may I, may they, whose token is this; and POSTed bindings.

Models pkg/registry/{authentication,authorization} and core/pod's binding REST.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from aiohttp import web

from pocketkube import fields, objects
from pocketkube.apiserver import body, discovery, options, subresources
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.authentication import ADMIN, User, service_account
from pocketkube.apiserver.info import NOT_ALLOWED
from pocketkube.apiserver.policy import aggregate
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.respond import answer
from pocketkube.apiserver.tokens import ISSUER
from pocketkube.errors import BadRequest, Cause, Invalid, MethodNotAllowed, NotFound
from pocketkube.objects import Obj
from pocketkube.rbac import Attributes, Rule

_NO_RESOURCE: Final = "the server could not find the requested resource"


def _entry(target: Target) -> tuple[str, str, str, bool] | None:
    found = discovery.VIRTUAL.get((target.group, target.version), ())
    return next((entry for entry in found if entry[0] == target.resource), None)


def serves(target: Target) -> bool:
    return _entry(target) is not None


async def handle(api: Api, request: Request, target: Target) -> web.StreamResponse:
    entry = _entry(target)
    if entry is None or target.name or bool(target.namespace) != entry[3]:
        raise NotFound(_NO_RESOURCE, details={})
    if request.method != "POST":
        raise MethodNotAllowed(NOT_ALLOWED, details={})
    request.tables = False
    api_version = f"{target.group}/{target.version}" if target.group else target.version
    wanted = options.write_options(request.query, "CreateOptions")
    obj = await body.read_object(request, api_version, entry[2], wanted.validation)
    if entry[2] == "Binding":
        return subresources.bind(api, request, target, obj, dry_run=wanted.dry_run)
    return await _ANSWERS[entry[2]](api, request, target, obj)


async def _whoami(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    return _reviewed(request, obj, {"userInfo": request.user.info()})


async def _self_access(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    spec = obj.get("spec") or {}
    _refuse(target, "SelfSubjectAccessReview", [*_spec_causes(spec), *_meta_causes(obj)])
    return _reviewed(request, obj, _decision(api, request.user, spec))


async def _access(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    spec = obj.get("spec") or {}
    causes = [*_spec_causes(spec)]
    if not spec.get("user") and not spec.get("groups"):
        causes.append(fields.invalid("spec.user", "", "at least one of user or group must be specified"))
    if target.namespace:
        _fill_namespace(obj, target.namespace)
        causes += [*_meta_causes(obj, "namespace"), *_local_causes(spec, target.namespace)]
        _refuse(target, "LocalSubjectAccessReview", causes)
    else:
        _refuse(target, "SubjectAccessReview", [*causes, *_meta_causes(obj)])
    user = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
    return _reviewed(request, obj, _decision(api, user, spec))


def _fill_namespace(obj: Obj, namespace: str) -> None:
    given = objects.meta(obj).setdefault("namespace", namespace)
    if given != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")


def _spec_causes(spec: dict[str, Any]) -> Iterator[Cause]:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if about is not None and path is not None:
        shown = {"Path": path.get("path", ""), "Verb": path.get("verb", "")}
        why = "cannot be specified in combination with resourceAttributes"
        yield fields.invalid("spec.nonResourceAttributes", shown, why)
    if about is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield fields.invalid("spec.resourceAttributes", None, why)


def _local_causes(spec: dict[str, Any], namespace: str) -> Iterator[Cause]:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if about is not None and about.get("namespace", "") != namespace:
        why = "must match metadata.namespace"
        yield fields.invalid("spec.resourceAttributes.namespace", about.get("namespace", ""), why)
    if path is not None:
        shown = {"Path": path.get("path", ""), "Verb": path.get("verb", "")}
        yield fields.invalid("spec.nonResourceAttributes", shown, "disallowed on this kind of request")


def _meta_causes(obj: Obj, but: str = "") -> Iterator[Cause]:
    meta = objects.meta(obj)
    if any(value for name, value in meta.items() if name not in (but, "managedFields")):
        yield fields.invalid("metadata", meta, f"must be empty except for {but}" if but else "must be empty")


def _refuse(target: Target, kind: str, causes: list[Cause]) -> None:
    if causes:
        raise Invalid.of(f"{kind}.{target.group}", "", causes)


def _decision(api: Api, user: User, spec: dict[str, Any]) -> Obj:
    path, about = spec.get("nonResourceAttributes"), spec.get("resourceAttributes") or {}
    if path is not None:
        wanted = Attributes(path.get("verb", ""), path=path.get("path", "") or "/")
    else:
        wanted = Attributes(
            about.get("verb", ""),
            about.get("group", ""),
            about.get("resource", ""),
            about.get("subresource", ""),
            about.get("namespace", ""),
            about.get("name", ""),
        )
    decision = api.policy.decide(user, wanted)
    return {"allowed": decision.allowed} | ({"reason": decision.reason} if decision.reason else {})


async def _rules(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    """What roles give to who asks; the answer does not repeat the question."""
    namespace = (obj.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise BadRequest("no namespace on request")
    found, errors = api.policy.rules(request.user, namespace)
    status: Obj = {
        "resourceRules": [_of(rule, _OF_RESOURCES) for rule in found if rule.get("resources")],
        "nonResourceRules": [_of(rule, _OF_PATHS) for rule in found if rule.get("nonResourceURLs")],
        "incomplete": False,
    }
    if errors:
        status["evaluationError"] = aggregate(errors)
    answered = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": {}, "spec": {}}
    return _reviewed(request, answered, status)


_OF_RESOURCES: Final = ("verbs", "apiGroups", "resources", "resourceNames")
_OF_PATHS: Final = ("verbs", "nonResourceURLs")


def _of(rule: Rule, names: tuple[str, ...]) -> Obj:
    return {name: rule[name] for name in names if rule.get(name)}


async def _token(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    spec = obj.get("spec") or {}
    if not spec.get("token"):
        raise BadRequest("token is required for TokenReview in authentication")
    audiences = tuple(spec.get("audiences") or (ISSUER,))
    if ISSUER in audiences and api.authenticator.is_admin(spec["token"]):
        return _reviewed(request, obj, {"authenticated": True, "user": ADMIN.info(), "audiences": [ISSUER]})
    found = {audience: claims for audience in audiences if (claims := api.tokens.verify(spec["token"], audience))}
    if found:
        claims = next(iter(found.values()))
        user = service_account(claims.namespace, claims.name, claims.uid, claims.extra)
        return _reviewed(request, obj, {"authenticated": True, "user": user.info(), "audiences": [*found]})
    return _reviewed(request, obj, {"user": {}, "error": "[invalid bearer token, token lookup failed]"})


def _reviewed(request: Request, obj: Obj, status: Obj) -> web.Response:
    objects.meta(obj)
    obj["status"] = status
    return answer(request, 201, obj)


_ANSWERS: Final[dict[str, Callable[[Api, Request, Target, Obj], Awaitable[web.Response]]]] = {
    "SelfSubjectReview": _whoami,
    "SelfSubjectAccessReview": _self_access,
    "SubjectAccessReview": _access,
    "LocalSubjectAccessReview": _access,
    "SelfSubjectRulesReview": _rules,
    "TokenReview": _token,
}
