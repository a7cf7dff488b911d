"""What a request asks for: path and query taken apart, the user, the wanted representation.

Models apiserver/pkg/endpoints/request/requestinfo.go and the query conversions of apimachinery's
runtime/conversion.go (Go's ParseBool is not what the API uses: everything but "0" and "false" is true).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from pocketkube.apiserver.negotiation import Representation, negotiate
from pocketkube.errors import BadRequest

if TYPE_CHECKING:
    from aiohttp import web

    from pocketkube.apiserver.authentication import User
    from pocketkube.apiserver.webhooks.asking import Asking
    from pocketkube.resources.base import Resource

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


class Query:
    """Query parameters; the first value counts where one is meant."""

    __slots__ = ("_values",)

    def __init__(self, text: str = "") -> None:
        self._values = parse_qs(text, keep_blank_values=True) if text else {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        found = self._values.get(name)
        return found[0] if found else ""

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def flag(self, name: str) -> bool:
        found = self._values.get(name)
        return found is not None and not (found[0] == "0" or found[0].lower() == "false")

    def integer(self, name: str) -> int | None:
        """Raises BadRequest with strconv.ParseInt's words; a parameter without a value counts as absent."""
        found = self._values.get(name)
        if not found or not found[0]:
            return None
        if not re.fullmatch(r"[+-]?[0-9]+", found[0]):
            raise BadRequest(f'strconv.ParseInt: parsing "{found[0]}": invalid syntax')
        value = int(found[0])
        if not -(2**63) <= value < 2**63:
            raise BadRequest(f'strconv.ParseInt: parsing "{found[0]}": value out of range')
        return value


@dataclass(slots=True)
class Target:
    """A path below /api or /apis that names resources. Empty strings where a part is missing."""

    group: str
    version: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows the subresource (proxy paths)."""
    watch: bool = False
    """The deprecated form /api/v1/watch/..."""


def parse_target(group: str, version: str, parts: list[str]) -> Target:
    """`parts` is the path after the version, decoded; at least one part."""
    watch = parts[0] == "watch" and len(parts) > 1
    if watch:
        parts = parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    return Target(group, version, parts[0], namespace, name, subresource, "/".join(parts[3:]), watch)


def split_path(raw: str) -> tuple[str, str]:
    """(path with percent-escapes decoded, query text) of a request line's target."""
    path, _, query = raw.partition("?")
    if not path.startswith("/") and "://" in path:  # as clients of a proxy send it; servers must understand it, too
        path = "/" + path.partition("://")[2].partition("/")[2]
    return (unquote(path) if "%" in path else path), query


@dataclass(slots=True)
class Request:
    """One request on its way through the handlers. `kind` is set once the target is known to be served."""

    http: web.BaseRequest
    method: str
    path: str
    query: Query
    user: User
    target: Target | None = None
    kind: Resource | None = None
    warnings: list[str] = field(default_factory=list)
    asking: Asking | None = None
    """What webhooks have said to it so far."""
    flow: Mapping[str, str] = field(default_factory=dict)
    """Headers of the answer that tell of which flow it is (flows.py)."""
    tables: bool = True
    """Whether what is asked for can be shown as a Table: reviews cannot."""

    @property
    def wanted(self) -> Representation:
        """Raises NotAcceptable."""
        return negotiate(self.http.headers.get("Accept", ""), tables=self.tables)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    @property
    def verb(self) -> str:
        """As authorization names it: create, get, list, watch, update, patch, delete, deletecollection."""
        verb = _VERBS.get(self.method, "")
        target = self.target
        if target is None:
            return self.method.lower()
        if target.watch or (verb == "get" and not target.name and self.query.flag("watch")):
            return "watch"
        if not target.name:
            return {"get": "list", "delete": "deletecollection"}.get(verb, verb)
        return verb
