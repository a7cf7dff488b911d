"""OpenAPI paths of what streams: logs, exec, attach, port-forward, proxies. What is asked for stands in the query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pocketkube.apiserver.openapi_parameters import parameter
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

_CONTAINER: Final = ("container", "stderr", "stdin", "stdout", "tty")
PARAMETERS: Final = {
    "attach": _CONTAINER,
    "exec": ("command", *_CONTAINER),
    "log": (
        "container",
        "follow",
        "insecureSkipTLSVerifyBackend",
        "limitBytes",
        "pretty",
        "previous",
        "sinceSeconds",
        "stream",
        "tailLines",
        "timestamps",
    ),
    "portforward": ("ports",),
    "proxy": ("path",),
}
_TEXTS: Final = ("text/plain", "application/json", "application/yaml")
_TEXT: Final = {"schema": {"type": "string"}}
_METHODS: Final = {"create": "post", "delete": "delete", "get": "get", "patch": "patch", "update": "put"}


def paths(
    named: str,
    kind: Resource,
    below: str,
    shown: str,
    verbs: tuple[str, ...],
    operation: Callable[[str, str], str],
    tag: str,
) -> Obj:
    """Those of subresource `below` of a kind, at `named`. `operation` makes an operationId of verb and rest."""
    scope = "Namespaced" if kind.namespaced else ""
    gvk = {"group": kind.group, "version": kind.version, "kind": shown}
    query = [parameter(name) for name in PARAMETERS[below]]
    whose = [parameter(name, placed=True) for name in ("name", *(["namespace"] if kind.namespaced else []))]
    given = sorted([*query, *whose], key=lambda one: str(one["name"]))
    if below == "log":
        made = _operation(
            tag, operation("read", f"{scope}{kind.kind}Log"), f"read log of the specified {kind.kind}", gvk
        )
        return {f"{named}/log": {"get": made | {"x-kubernetes-action": "get"}, "parameters": given}}
    methods = [_METHODS[verb] for verb in verbs] + (["head", "options"] if below == "proxy" else [])

    def operations(end: str) -> Obj:
        return {
            method: _operation(
                tag,
                operation("connect", f"{method.title()}{scope}{kind.kind}{below.title()}{end}"),
                f"connect {method.upper()} requests to {below} of {kind.kind}",
                gvk,
                ("*/*",),
            )
            for method in sorted(methods)
        }

    found = {f"{named}/{below}": {**operations(""), "parameters": given}}
    if below == "proxy":
        found[f"{named}/proxy/{{path}}"] = {
            **operations("WithPath"),
            "parameters": [*whose, parameter("path", placed=True), *query],
        }
    return found


def _operation(tag: str, name: str, text: str, gvk: Obj, forms: tuple[str, ...] = _TEXTS) -> Obj:
    return {
        "tags": [tag],
        "description": text,
        "operationId": name,
        "responses": {
            "200": {"description": "OK", "content": dict.fromkeys(forms, _TEXT)},
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": "connect",
        "x-kubernetes-group-version-kind": gvk,
    }
