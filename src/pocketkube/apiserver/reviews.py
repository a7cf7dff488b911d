"""Resources that are only answered: who am I, may I, may they, whose token is this; and POSTed bindings.

Models pkg/registry/{authentication,authorization} and core/pod's binding REST.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from pocketkube import objects
from pocketkube.apiserver import body, discovery, options, subresources
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.authentication import MASTERS, User, service_account
from pocketkube.apiserver.authorization import Attributes, allowed
from pocketkube.apiserver.info import NOT_ALLOWED
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.respond import answer
from pocketkube.apiserver.tokens import ISSUER
from pocketkube.errors import BadRequest, MethodNotAllowed, NotFound
from pocketkube.objects import Obj

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
    api_version = f"{target.group}/{target.version}" if target.group else target.version
    wanted = options.write_options(request.query, "CreateOptions")
    obj = await body.read_object(request, api_version, entry[2], wanted.validation)
    if entry[2] == "Binding":
        return subresources.bind(api, request, target, obj, dry_run=wanted.dry_run)
    return await _ANSWERS[entry[2]](api, request, target, obj)


async def _whoami(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    return _reviewed(request, obj, {"userInfo": request.user.info()})


async def _self_access(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    return _reviewed(request, obj, _decision(request.user, obj.get("spec") or {}))


async def _access(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    spec = obj.get("spec") or {}
    if not spec.get("user") and not spec.get("groups"):
        raise BadRequest("at least one of user or group must be specified")
    name, groups = spec.get("user", ""), tuple(spec.get("groups") or ())
    if name.startswith("system:serviceaccount:") and name.count(":") == 3 and not groups:
        _, _, namespace, account = name.split(":")
        return _reviewed(request, obj, _decision(service_account(namespace, account), spec))
    return _reviewed(request, obj, _decision(User(name, groups), spec))


def _decision(user: User, spec: dict[str, Any]) -> Obj:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (about is None) == (path is None):
        raise BadRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified")
    if path is not None:
        wanted = Attributes(path.get("verb", ""), path=path.get("path", "") or "/")
    else:
        about = about or {}
        wanted = Attributes(
            about.get("verb", ""),
            about.get("group", ""),
            about.get("resource", ""),
            about.get("subresource", ""),
            about.get("namespace", ""),
            about.get("name", ""),
        )
    return {"allowed": allowed(user, wanted)}


async def _rules(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    """What the bootstrap policy gives: everything to system:masters, questions and discovery to the rest."""
    basic = [
        {
            "verbs": ["create"],
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        },
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
    ]
    paths: list[Obj] = [
        {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"]},
        {
            "verbs": ["get"],
            "nonResourceURLs": [
                "/api",
                "/api/*",
                "/apis",
                "/apis/*",
                "/healthz",
                "/livez",
                "/openapi",
                "/openapi/*",
                "/readyz",
                "/version",
                "/version/",
            ],
        },
    ]
    if MASTERS in request.user.groups:
        basic.insert(0, {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        paths.insert(0, {"verbs": ["*"], "nonResourceURLs": ["*"]})
    return _reviewed(request, obj, {"resourceRules": basic, "nonResourceRules": paths, "incomplete": False})


async def _token(api: Api, request: Request, target: Target, obj: Obj) -> web.Response:
    spec = obj.get("spec") or {}
    audiences = tuple(spec.get("audiences") or (ISSUER,))
    for audience in audiences:
        claims = api.tokens.verify(spec.get("token", ""), audience)
        if claims is not None:
            user = service_account(claims.namespace, claims.name, claims.uid, claims.extra)
            return _reviewed(request, obj, {"authenticated": True, "user": user.info(), "audiences": [audience]})
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
