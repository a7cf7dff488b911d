"""HTTP answers: encoded objects, Status errors, Warning headers.

Models apiserver/pkg/endpoints/handlers/responsewriters and apimachinery/pkg/util/net.NewWarningHeader.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

from pocketkube.apiserver.request import Request
from pocketkube.errors import Expired, StatusError, to_status

JSON, YAML = "application/json", "application/yaml"
_PRETTY_AGENTS = ("curl", "Wget", "Mozilla/5.0")


class ContinueExpired(Expired):
    """A continue token from before the history kept; carries a token that goes on without consistency."""

    def __init__(self, message: str, continue_: str) -> None:
        super().__init__(message)
        self.continue_ = continue_


def warning_headers(warnings: Iterable[str]) -> list[str]:
    """Header values `299 - "text"`, quoted as upstream does."""
    return [f'299 - "{_escape(text)}"' for text in warnings]


def _escape(text: str) -> str:
    # control characters cannot stand in a header
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')


def encode(obj: Any) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_APPEND_NEWLINE)


def to_yaml(obj: Any) -> bytes:
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(obj, Dumper=dumper, default_flow_style=False, allow_unicode=True)
    return text.encode()


def answer(request: Request, code: int, obj: Any) -> web.Response:
    """The object in the representation asked for (its form is the caller's work: Table and such)."""
    if request.wanted.yaml:
        return raw(code, to_yaml(obj), YAML, request.warnings)
    return raw(code, _json(request, obj), JSON, request.warnings)


def _json(request: Request, obj: Any) -> bytes:
    """Indented for people (`?pretty=1`, curl, browsers), and then without a newline at the end, as upstream."""
    if "pretty" in request.query:
        pretty = request.query.flag("pretty")
    else:
        pretty = request.http.headers.get("User-Agent", "").startswith(_PRETTY_AGENTS)
    return orjson.dumps(obj, option=orjson.OPT_INDENT_2) if pretty else encode(obj)


def raw(code: int, body: bytes, content_type: str, warnings: Iterable[str] = ()) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict({"Content-Type": content_type, "Cache-Control": "no-cache, private"})
    for value in warning_headers(warnings):
        headers.add("Warning", value)
    return web.Response(body=body, status=code, headers=headers)


def plain_text(code: int, text: str) -> web.Response:
    return web.Response(text=text, status=code, headers={"X-Content-Type-Options": "nosniff"})


def not_found_page() -> web.Response:
    return plain_text(404, "404 page not found\n")


def status_of(error: StatusError) -> dict[str, Any]:
    status = to_status(error)
    if isinstance(error, ContinueExpired):
        status["metadata"] = {"continue": error.continue_}
    return status


def failure(error: StatusError, request: Request | None = None) -> web.Response:
    """The Status object of an error. Errors are always JSON: who asked for YAML can read it too."""
    status = status_of(error)
    body = _json(request, status) if request is not None else encode(status)
    response = raw(error.code, body, JSON, request.warnings if request is not None else ())
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry:
        response.headers["Retry-After"] = str(retry)
    return response
