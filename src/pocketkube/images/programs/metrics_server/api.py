"""What metrics-server answers: discovery, NodeMetrics and PodMetrics as objects, lists and Tables, health, errors.

Models pkg/api of metrics-server v0.8.1 on the library of Kubernetes' API servers. Left out: YAML and protobuf,
OpenAPI documents.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pocketkube import objects, quantity, selectors
from pocketkube.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, StatusError, to_status
from pocketkube.images.golang import format_duration
from pocketkube.network.http import Request, Response
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.clock import Clock
    from pocketkube.images.programs.metrics_server.storage import Rate, Storage

GROUP: Final = "metrics.k8s.io"
VERSION: Final = f"{GROUP}/v1beta1"
_GROUP: Final = {
    "name": GROUP,
    "versions": [{"groupVersion": VERSION, "version": "v1beta1"}],
    "preferredVersion": {"groupVersion": VERSION, "version": "v1beta1"},
}
_RESOURCES: Final = [
    {"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]}
    for name, namespaced, kind in (("nodes", False, "NodeMetrics"), ("pods", True, "PodMetrics"))
]
_DOCUMENTS: Final[dict[str, Obj]] = {
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]},
    f"/apis/{GROUP}": {"kind": "APIGroup", "apiVersion": "v1", **_GROUP},
    f"/apis/{VERSION}": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": VERSION,
        "resources": _RESOURCES,
    },
}
_COLUMNS: Final = [
    {"name": name, "type": "string", "format": form, "description": text, "priority": 0}
    for name, form, text in (
        ("Name", "name", "Name of the resource"),
        ("cpu", "quantity", ""),
        ("memory", "quantity", ""),
        ("Window", "duration", ""),
    )
]
_TABLE: Final = "as=table"
_OPEN: Final = ("/livez", "/readyz", "/healthz")
_ANONYMOUS: Final = "system:anonymous"
_LABEL_FIELDS: Final = ("metadata.name", "metadata.namespace")


class Api:
    """`find` and `all` read stored objects by resource (see Client)."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        find: Callable[[str, str, str], Obj | None],
        all: Callable[[str, str | None], Iterable[Obj]],
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._find = find
        self._all = all

    async def answer(self, request: Request, *, proxied: bool) -> Response:
        """`proxied`: it comes from the API server, which has looked at who asks and whether he may."""
        path = request.path.rstrip("/") or "/"
        if path in _OPEN:
            return self._health(path)
        try:
            if not (proxied and request.header("x-remote-user")):
                raise Forbidden(f'forbidden: User "{_ANONYMOUS}" cannot get path "{path}"', details={})
            return self._answer(request, path)
        except StatusError as error:
            return _json(error.code, to_status(error))

    def _health(self, path: str) -> Response:
        if path == "/livez" or self._storage.ready:
            return _text(200, "ok")
        checks = "[+]ping ok\n[+]log ok\n[-]metric-storage-ready failed: reason withheld\n"
        return _text(500, f"{checks}{path.strip('/')} check failed\n")

    def _answer(self, request: Request, path: str) -> Response:
        """Raises StatusError."""
        if path in _DOCUMENTS:
            _get_only(request)
            return _json(200, _DOCUMENTS[path])
        parts = path.strip("/").split("/")
        if parts[:3] != ["apis", *VERSION.split("/")]:
            return _text(404, "404 page not found\n")
        rest = parts[3:]
        if rest[0] == "nodes" and len(rest) <= 2:
            return self._resource(request, "nodes", "", rest[1:])
        if rest == ["pods"]:
            return self._resource(request, "pods", None, [])
        if len(rest) in (3, 4) and rest[0] == "namespaces" and rest[2] == "pods":
            return self._resource(request, "pods", rest[1], rest[3:])
        raise NotFound("the server could not find the requested resource", details={})

    def _resource(self, request: Request, resource: str, namespace: str | None, name: list[str]) -> Response:
        _get_only(request)
        query = request.query
        if name:
            return _shown(request, self._get(resource, namespace or "", name[0]))
        if query.get("watch", "0").lower() not in ("0", "false"):
            why = f'watch is not supported on resources of kind "{resource}.{GROUP}"'
            raise MethodNotAllowed(why, details={"group": GROUP, "kind": resource})
        wanted = selectors.parse_labels(query.get("labelSelector", ""))
        fields = selectors.parse_fields(query.get("fieldSelector", ""))
        for one in fields.requirements:
            if one.field not in _LABEL_FIELDS:
                raise BadRequest(f"field label not supported: {one.field}")
        items = []
        for obj in self._all(resource, namespace):
            meta = objects.meta(obj)
            values = {"metadata.name": meta["name"], "metadata.namespace": meta.get("namespace", "")}
            if _measurable(resource, obj) and wanted(objects.labels(obj)) and fields(values):
                found = self._metrics(resource, obj)
                if found is not None:
                    items.append(found)
        return _shown(request, items, f"{_kind(resource)}List")

    def _get(self, resource: str, namespace: str, name: str) -> Obj:
        obj = self._find(resource, namespace, name)
        if obj is None or not _measurable(resource, obj):
            raise NotFound.of("node" if resource == "nodes" else resource, name)
        found = self._metrics(resource, obj)
        if found is None:
            raise NotFound.of(f"{_kind(resource).lower()}.{GROUP}", f"{namespace}/{name}" if namespace else name)
        return found | {"kind": _kind(resource), "apiVersion": VERSION}

    def _metrics(self, resource: str, obj: Obj) -> Obj | None:
        """NodeMetrics or PodMetrics without kind and version; None while there is nothing to tell."""
        meta = objects.meta(obj)
        shown = {"name": meta["name"]}
        if resource == "pods":
            shown["namespace"] = meta["namespace"]
        shown["creationTimestamp"] = self._clock.now()
        if objects.labels(obj):
            shown["labels"] = objects.labels(obj)
        if resource == "nodes":
            rate = self._storage.node(meta["name"])
            return None if rate is None else {"metadata": shown, **_when(rate), "usage": rate.usage}
        held = self._storage.pod((meta["namespace"], meta["name"]))
        if held is None:
            return None
        containers = [{"name": name, "usage": usage} for name, usage in held[1].items()]
        return {"metadata": shown, **_when(held[0]), "containers": containers}


def _kind(resource: str) -> str:
    return "NodeMetrics" if resource == "nodes" else "PodMetrics"


def _measurable(resource: str, obj: Obj) -> bool:
    return resource == "nodes" or objects.status(obj).get("phase") == "Running"


def _when(rate: Rate) -> Obj:
    moment = datetime.fromtimestamp(rate.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"timestamp": moment, "window": format_duration(round(rate.window, 3))}


def _get_only(request: Request) -> None:
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed("the server does not allow this method on the requested resource", details={})


def _shown(request: Request, found: Obj | list[Obj], list_kind: str = "") -> Response:
    accepted = request.header("accept").partition(",")[0].lower().replace(" ", "")
    if _TABLE in accepted:
        items = found if isinstance(found, list) else [found]
        return _json(
            200,
            {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {},
                "columnDefinitions": _COLUMNS,
                "rows": [_row(one) for one in items],
            },
        )
    if isinstance(found, list):
        return _json(200, {"kind": list_kind, "apiVersion": VERSION, "metadata": {}, "items": found})
    return _json(200, found)


def _row(found: Mapping[str, Any]) -> Obj:
    usages = [one["usage"] for one in found["containers"]] if "containers" in found else [found["usage"]]
    cells = [found["metadata"]["name"]]
    for what in "cpu", "memory":
        total = sum(quantity.parse(usage[what]) for usage in usages)
        cells.append(quantity.text_of(total, "DecimalSI" if what == "cpu" else "BinarySI"))
    cells.append(found["window"])
    described = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": found["metadata"]}
    return {"cells": cells, "object": described}


def _json(status: int, body: Obj) -> Response:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False) + "\n"
    headers = [("Cache-Control", "no-cache, private"), ("Content-Type", "application/json")]
    return Response(status, headers, text.encode())


def _text(status: int, text: str) -> Response:
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
    return Response(status, headers, text.encode())
