"""The paths that name no resource: /version, the documents about tokens, the list of paths; health is in health.py.

Models apiserver/pkg/server/routes. Left out: /metrics, /logs, /debug, /flagz, /statusz.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from typing import Final

from aiohttp import web

from pocketkube.apiserver import discovery, health
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request
from pocketkube.apiserver.respond import JSON, answer, encode, not_found_page, raw
from pocketkube.apiserver.tokens import CONFIGURATION, KEY_SET, configuration
from pocketkube.errors import MethodNotAllowed
from pocketkube.objects import Obj

VERSION: Final = "v1.36.2"
NOT_ALLOWED: Final = "the server does not allow this method on the requested resource"


def version() -> Obj:
    """The model is Kubernetes v1.36.2; `pocket` as build metadata says who answers."""
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": f"{VERSION}+pocket",
        "gitCommit": "pocketkube",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": sys.implementation.name,
        "platform": f"{sys.platform}/{machine}",
    }


def serve(api: Api, request: Request, path: str) -> web.Response:
    """`path` has no slash at its end."""
    if path == "/version":
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(NOT_ALLOWED, details={})
        return answer(request, 200, version())
    if path == "":
        return answer(request, 200, {"paths": sorted(_paths(api))})
    if path in (CONFIGURATION, KEY_SET):
        return _about_tokens(api, request, path)
    head, _, check = path.lstrip("/").partition("/")
    if head in health.CHECKS:
        return health.serve(request, head, check)
    return not_found_page()


def _about_tokens(api: Api, request: Request, path: str) -> web.Response:
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(NOT_ALLOWED, details={})
    keys = path == KEY_SET
    content = "application/jwk-set+json" if keys else JSON
    response = raw(200, encode(api.tokens.key_set if keys else configuration()).strip(), content)
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def _paths(api: Api) -> Iterator[str]:
    yield from ("/api", "/api/v1", "/apis", "/apis/", "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/version")
    yield from (CONFIGURATION, KEY_SET)
    for group, found in discovery.versions(api).items():
        if group:
            yield f"/apis/{group}"
            yield from (f"/apis/{group}/{one}" for one in found)
    for name, checks in health.CHECKS.items():
        yield f"/{name}"
        yield from (f"/{name}/{check}" for check in checks)
