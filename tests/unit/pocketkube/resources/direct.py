"""Recorded requests answered by a Registry directly: no HTTP, no controllers, nothing waits.

What the API server does around the registry (decoding, patches, Tables, Status errors) is done here in its shortest
form, so that a difference is a difference of a kind's rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from tests.golden import scenario
from tests.golden.compare import best, compare, compare_body, is_cut
from tests.golden.inputs import expand
from tests.golden.placeholders import Diff, World
from tests.golden.values import Values

from pocketkube import objects, patch, schema, selectors
from pocketkube.clock import Clock
from pocketkube.errors import BadRequest, StatusError, to_status
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.base import DeleteOptions, Resource
from pocketkube.store import Store

GOLDEN = Path(__file__).parents[3] / "golden" / "api"
ZONE = {
    "pod_cidr": "10.244.0.0/16",
    "service_cidr": "10.96.0.0/16",
    "cluster_domain": "cluster.local",
    "dns_ip": "10.96.0.10",
}


def registry() -> Registry:
    return Registry(Store(None), Clock(), ZONE)


def namespace(held: Registry, name: str) -> None:
    """A namespace as controllers leave it: with its ServiceAccount."""
    held.create("namespaces", {"metadata": {"name": name}})
    held.create("serviceaccounts", {"metadata": {"name": "default", "namespace": name}})
    if held.find("namespaces", "", "default") is None:
        held.create("namespaces", {"metadata": {"name": "default"}})
        api = {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]}
        held.create("services", {"metadata": {"name": "kubernetes", "namespace": "default"}, "spec": api})


class Replay:
    """One scenario's steps against one registry."""

    def __init__(self, name: str) -> None:
        self.scenario = scenario.load(GOLDEN / f"{name}.yaml")
        self.registry = registry()
        if self.scenario.namespace:
            namespace(self.registry, self.scenario.namespace)
        self._values = Values(self.scenario, cast(Any, None))  # the connection is for live objects and tokens

    def step(self, step: scenario.Step) -> tuple[Diff, ...]:
        """What the answer has wrong."""
        expected = step["response"]
        code, body, warnings = self._answer(step)
        self._values.note_answer(step["id"], body)
        if code != expected["code"]:
            return (Diff("code", expected["code"], (code, body)),)
        wanted = [text.removeprefix("299 - ") for text in expected.get("warnings") or ()]
        seen = [json.dumps(text) for text in warnings]
        if wanted != seen:
            return (Diff("warnings", wanted, seen),)
        golden = expected.get("body")
        if golden is None:
            return ()
        worlds: list[World] = []
        for world in self._values.worlds:
            if is_cut(golden):
                worlds += compare(golden, body, world.next_answer(), subset=True)
            else:
                worlds += compare_body(golden, body, world.next_answer(), step["path"])
        self._values.worlds = best(worlds)
        return self._values.worlds[0].diffs

    def _answer(self, step: scenario.Step) -> tuple[int, Any, list[str]]:
        warnings: list[str] = []
        step = {**step, **{name: self._values.filled(step, step[name]) for name in ("path", "body") if name in step}}
        try:
            kind, at, name, subresource = self._target(step["path"])
            if kind.deprecated:
                warnings.append(kind.deprecated)
            code, body = self._do(step, kind, at, name, subresource, warnings)
        except StatusError as error:
            return error.code, to_status(error), warnings
        return code, body, list(dict.fromkeys(warnings))

    def _target(self, path: str) -> tuple[Resource, str, str, str]:
        parts = path.strip("/").split("/")
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
            namespace, rest = rest[1], rest[2:]
        kind = next(k for k in self.registry.resources.values() if (k.group, k.plural) == (group, rest[0]))
        name, subresource = [*rest[1:], "", ""][:2]
        return kind, namespace, name, subresource

    def _do(
        self, step: scenario.Step, kind: Resource, at: str, name: str, subresource: str, warnings: list[str]
    ) -> tuple[int, Any]:
        held, id_ = self.registry, kind.resource_id()
        dry_run = "dryRun" in (step.get("query") or {})
        method, body = step["method"], step.get("body")
        if method == "GET" and name:
            obj = held.get(id_, at, name)
            return 200, obj if "Table" not in step.get("accept", "") else table(kind, [obj])
        if method == "GET":
            wanted = selectors.parse_labels((step.get("query") or {}).get("labelSelector", ""))
            items = [item for item in held.objects(id_, at or None) if wanted(objects.labels(item))]
            if "Table" in step.get("accept", ""):
                return 200, table(kind, items)
            items = [
                {name: value for name, value in item.items() if name not in ("apiVersion", "kind")} for item in items
            ]
            meta = {"resourceVersion": str(held.store.revision)}
            return 200, {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items}
        if method == "DELETE":
            given = body if isinstance(body, dict) else {}
            options = DeleteOptions(given.get("gracePeriodSeconds"), given.get("propagationPolicy"))
            obj, gone = held.delete(id_, at, name, options, dry_run=dry_run)
            if gone and not kind.returns_deleted:
                return 200, deleted(kind, obj)
            return 200, obj
        if method == "PATCH":
            change = self._change(kind, step)
            arguments: Any = {"subresource": subresource, "dry_run": dry_run, "warn": warnings.append}
            return 200, held.patch(id_, at, name, change, **arguments)
        obj = decode(kind, body)
        obj.setdefault("metadata", {}).setdefault("namespace", at)
        if method == "POST":
            return 201, held.create(id_, obj, dry_run=dry_run, warn=warnings.append)
        existed = held.find(id_, at, name) is not None
        stored = held.update(id_, obj, subresource=subresource, dry_run=dry_run, warn=warnings.append)
        return 200 if existed else 201, stored

    def _change(self, kind: Resource, step: scenario.Step) -> Any:
        type_ = schema.for_kind(kind.api_version, kind.kind)
        body = step["body"]
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        match step["contentType"]:
            case "application/json-patch+json":
                operations = patch.parse_json_patch(data)
                return lambda obj: decode(kind, patch.json_patch(obj, operations))
            case "application/merge-patch+json":
                merged = patch.parse_map_patch(data)
                return lambda obj: decode(kind, patch.merge_patch(obj, merged))
        given = patch.parse_map_patch(data, strategic=True)
        return lambda obj: schema.decode_patched(patch.strategic_merge(obj, given, type_), type_)[0]


def decode(kind: Resource, value: Any) -> Obj:
    value = json.loads(expand(json.dumps(value)))
    try:
        return schema.decode(value, schema.for_kind(kind.api_version, kind.kind))[0]
    except schema.DecodeError as error:
        version = kind.version
        text = f'{kind.kind} in version "{version}" cannot be handled as a {kind.kind}: {error}'
        raise BadRequest(text) from None


def table(kind: Resource, items: Iterable[Obj]) -> Obj:
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "columnDefinitions": [vars(column) for column in kind.columns],
        "rows": [{"cells": kind.row(item), "object": None} for item in items],
    }


def deleted(kind: Resource, obj: Obj) -> Obj:
    meta = obj["metadata"]
    details = {"name": meta["name"], "group": kind.group, "kind": kind.plural, "uid": meta["uid"]}
    details = {key: value for key, value in details.items() if value}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
