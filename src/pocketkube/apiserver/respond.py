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
    pretty = "pretty" in request.query and request.query.flag("pretty")
    if not pretty and "pretty" not in request.query:
        pretty = request.http.headers.get("User-Agent", "").startswith(_PRETTY_AGENTS)
    body = orjson.dumps(obj, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE) if pretty else encode(obj)
    return raw(code, body, JSON, request.warnings)


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


def failure(error: StatusError, warnings: Iterable[str] = ()) -> web.Response:
    """The Status object of an error. Errors are always JSON: who asked for YAML can read it too."""
    response = raw(error.code, encode(status_of(error)), JSON, warnings)
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry:
        response.headers["Retry-After"] = str(retry)
    return response
