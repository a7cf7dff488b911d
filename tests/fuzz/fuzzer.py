"""Requests that nobody sends on purpose: real objects with something changed, made-up ones, and plain rubbish.

Everything comes from one `random.Random`, so a number tells a request again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import yaml

from pocketkube import objects, schema
from pocketkube.resources.base import Resource

ROOT = Path(__file__).parents[2]
NAMES = ("a", "b", "test", "default", "A", "-", "a.b", "a/b", "x" * 64, "x" * 254, "é", "", "..", "a b", "%2f")
TEXTS = (
    *NAMES,
    "TCP",
    "http",
    "Always",
    "None",
    "10.0.0.1",
    "::1",
    "10.0.0.0/33",
    "100m",
    "1Gi",
    "-1",
    "1e400",
    "true",
    "50%",
    "* * * * *",
    "2026-11-22T10:00:00Z",
    "not a time",
    "1-01-01T00:00:00Z",
    "$(A)",
    "$$",
    "\x00",
    "\ud7ff",
    "a=b",
    "!a",
    "a in (b",
    "[" * 300,
    "self.x",
    "{.a[0}",
    "nginx",
    "nginx:1.27",
    "kubernetes.io/os",
    "app",
    "0",
    "/",
    "/../..",
    "~",
    "x" * 5000,
)
NUMBERS = (
    0,
    1,
    -1,
    2,
    80,
    443,
    65535,
    65536,
    2**31 - 1,
    2**31,
    -(2**31),
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    0.5,
    -0.0,
    1e300,
)
SUBRESOURCES = (
    "status",
    "scale",
    "binding",
    "eviction",
    "token",
    "ephemeralcontainers",
    "resize",
    "log",
    "exec",
    "proxy",
    "approval",
    "finalize",
    "nothing",
)
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/json",
    "text/plain",
)
QUERIES = (
    "limit=1",
    "limit=-1",
    "limit=x",
    "continue=abc",
    "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0",
    "labelSelector=a%3Db",
    "labelSelector=a%20in%20(b",
    "labelSelector=%21",
    "fieldSelector=metadata.name%3Da",
    "fieldSelector=spec.x%3Da",
    "fieldSelector=%3D",
    "resourceVersion=0",
    "resourceVersion=1",
    "resourceVersion=x",
    "resourceVersion=99999999",
    "resourceVersionMatch=Exact",
    "resourceVersionMatch=Nothing",
    "dryRun=All",
    "dryRun=Some",
    "fieldValidation=Strict",
    "fieldValidation=Ignore",
    "fieldValidation=X",
    "fieldManager=f",
    "fieldManager=" + "x" * 200,
    "force=true",
    "force=x",
    "pretty=1",
    "gracePeriodSeconds=-1",
    "gracePeriodSeconds=x",
    "propagationPolicy=Foreground",
    "propagationPolicy=X",
    "orphanDependents=true",
    "watch=1&timeoutSeconds=1",
    "sendInitialEvents=true",
    "allowWatchBookmarks=x",
    "a=%zz",
    "=",
    "%00",
    "includeObject=Object",
    "timeout=1s",
    "container=%00",
    "command=&stdout=1",
    "tailLines=-1",
    "sinceSeconds=0",
)
ACCEPTS = (
    "application/json",
    "application/yaml",
    "*/*",
    "text/html",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf",
    ";;;q=x,",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
)


@dataclass
class Sent:
    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


def manifests() -> list[dict[str, Any]]:
    """Every object of the course's own answers and start files."""
    return list(_manifests())


def _manifests() -> Iterator[dict[str, Any]]:
    for folder in ("labs", "solutions"):
        for path in sorted((ROOT / folder).rglob("*.yaml")):
            try:
                found = list(yaml.safe_load_all(path.read_text()))
            except yaml.YAMLError:
                continue  # wrong answers are among them
            yield from (one for one in found if isinstance(one, dict) and one.get("kind") and one.get("apiVersion"))


class Fuzzer:
    """`kinds` are those that are served, `known` real objects to start from."""

    def __init__(self, seed: int, kinds: list[Resource], known: list[dict[str, Any]]) -> None:
        self.random = Random(seed)
        self.kinds = kinds
        self.known: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for one in known:
            self.known.setdefault((one["apiVersion"], one["kind"]), []).append(one)

    def request(self) -> Sent:
        kind = self.random.choice(self.kinds)
        make = self.random.choices((self._write, self._patch, self._read, self._rubbish), (8, 6, 3, 3))[0]
        sent = make(kind)
        chosen = [self.random.choice(QUERIES) for _ in range(self.random.choice((0, 0, 1, 1, 2, 4)))]
        if chosen:
            sent.path += "?" + "&".join(chosen)
        if self._chance(0.2):
            sent.headers["Accept"] = self.random.choice(ACCEPTS)
        return sent

    # -- what is asked

    def _write(self, kind: Resource) -> Sent:
        obj = self._object(kind)
        name = objects.dig(obj, "metadata", "name") if isinstance(obj, dict) else "a"
        if self._chance(0.6):
            return self._json("POST", self._path(kind, "", self._subresource(0.05)), obj)
        name = name if isinstance(name, str) and self._chance(0.7) else "a"
        return self._json("PUT", self._path(kind, name or "a", self._subresource(0.4)), obj)

    def _patch(self, kind: Resource) -> Sent:
        content = self.random.choice(PATCHES)
        obj = self._object(kind)
        body = [self._operation() for _ in range(self.random.randint(0, 4))] if "json-patch" in content else obj
        name = objects.dig(obj, "metadata", "name") if isinstance(obj, dict) else "a"
        sent = self._json(
            "PATCH", self._path(kind, name if isinstance(name, str) and name else "a", self._subresource(0.3)), body
        )
        sent.headers["Content-Type"] = content
        if "apply" in content and self._chance(0.8):
            sent.path += "?fieldManager=fuzz"
        return sent

    def _operation(self) -> Any:
        path = "/" + "/".join(
            self.random.choice(
                ("metadata", "spec", "status", "labels", "containers", "0", "-", "a~1b", "~", "", "ports", "1" * 30)
            )
            for _ in range(self.random.randint(0, 4))
        )
        operation: dict[str, Any] = {
            "op": self.random.choice(("add", "remove", "replace", "move", "copy", "test", "", "x")),
            "path": path,
        }
        if self._chance(0.7):
            operation["value"] = self._any()
        if self._chance(0.3):
            operation["from"] = path if self._chance(0.5) else self._any()
        return operation if self._chance(0.95) else self._any()

    def _read(self, kind: Resource) -> Sent:
        name = self.random.choice(NAMES) if self._chance(0.6) else ""
        method = self.random.choice(("GET", "GET", "DELETE", "HEAD", "OPTIONS", "TRACE", "TRACE"))
        sent = Sent(method, self._path(kind, name, self._subresource(0.3) if name else ""))
        if method == "DELETE" and self._chance(0.7):
            options = self._typed(schema.for_kind("v1", "DeleteOptions"), 0)
            return self._json("DELETE", sent.path, options)
        return sent

    def _rubbish(self, kind: Resource) -> Sent:
        body = json.dumps(self._object(kind)).encode()
        at = self.random.randrange(len(body) + 1)
        body = self.random.choice(
            (
                body[:at],
                body[:at] + self.random.randbytes(3) + body[at:],
                self.random.randbytes(40),
                b"k8s\x00" + self.random.randbytes(60),
                b"[" * 5000,
                b'{"a":' * 5000,
                b"&a [*a, *a]",
                b"a: &a [x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]",
                b"",
                b"null",
                b"1" * 400,
                b'"\\ud800"',
                body.replace(b'"', b"'"),
                b"\xef\xbb\xbf" + body,
            )
        )
        method = self.random.choice(("POST", "PUT", "PATCH", "DELETE"))
        content = self.random.choice(
            (
                "application/json",
                "application/yaml",
                "application/vnd.kubernetes.protobuf",
                "application/cbor",
                "x",
                *PATCHES,
            )
        )
        return Sent(method, self._path(kind, "" if method == "POST" else "a", ""), body, {"Content-Type": content})

    def _json(self, method: str, path: str, body: Any) -> Sent:
        return Sent(
            method, path, json.dumps(body).encode("utf-8", "surrogatepass"), {"Content-Type": "application/json"}
        )

    def _path(self, kind: Resource, name: str, subresource: str) -> str:
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        place = (
            f"/namespaces/{self.random.choice(('test', 'test', 'test', 'default', 'nowhere'))}"
            if kind.namespaced
            else ""
        )
        parts = [root + place, kind.plural, *([quote(name, safe="/%")] if name else []), subresource]
        return "/".join(part for part in parts if part)

    def _subresource(self, chance: float) -> str:
        return self.random.choice(SUBRESOURCES) if self._chance(chance) else ""

    # -- of what

    def _object(self, kind: Resource) -> Any:
        known = self.known.get((kind.api_version, kind.kind))
        if known and self._chance(0.6):
            obj = objects.copy(self.random.choice(known))
            for _ in range(self.random.choice((0, 1, 1, 2, 3))):
                self._mutate(obj)
        else:
            obj = self._typed(schema.for_kind(kind.api_version, kind.kind), 0)
            if not isinstance(obj, dict):
                return obj
            if self._chance(0.9):
                obj |= {"apiVersion": kind.api_version, "kind": kind.kind}
        meta = obj.get("metadata")
        if isinstance(meta, dict):
            meta["namespace"] = "test" if kind.namespaced else None
            if self._chance(0.7):
                meta["name"] = self.random.choice(("a", "b", "c"))
        return obj if self._chance(0.98) else self._any()

    def _mutate(self, obj: Any) -> None:
        """Change something somewhere below."""
        while isinstance(obj, dict | list) and obj:
            key = self.random.choice(list(obj)) if isinstance(obj, dict) else self.random.randrange(len(obj))
            if isinstance(obj[key], (dict, list)) and obj[key] and self._chance(0.8):
                obj = obj[key]
                continue
            change = self.random.randrange(4)
            if change == 0:
                del obj[key]
            elif change == 1 and isinstance(obj, list):
                obj.append(objects.copy(obj[key]))
            else:
                obj[key] = self._any()
            return

    def _typed(self, type_: schema.Type, depth: int) -> Any:
        if self._chance(0.04):
            return self._any()
        if type_.kind == "struct":
            share = (0.5, 0.5, 0.35, 0.25, 0.15, 0.1)[min(depth, 5)]
            return {name: self._typed(one.type, depth + 1) for name, one in type_.fields.items() if self._chance(share)}
        if type_.kind == "list" and type_.element is not None:
            return [self._typed(type_.element, depth + 1) for _ in range(self.random.choice((0, 1, 1, 2)))]
        if type_.kind == "map" and type_.element is not None:
            return {
                self.random.choice(TEXTS): self._typed(type_.element, depth + 1)
                for _ in range(self.random.choice((0, 1, 2)))
            }
        if type_.kind == "bool":
            return self._chance(0.5)
        if type_.kind in ("int32", "int64", "float64") or (type_.kind == "intstr" and self._chance(0.5)):
            return self.random.choice(NUMBERS)
        return self.random.choice(TEXTS)

    def _any(self, depth: int = 0) -> Any:
        choice = self.random.randrange(8 if depth < 3 else 6)
        if choice == 6:
            return [self._any(depth + 1) for _ in range(self.random.randrange(3))]
        if choice == 7:
            return {self.random.choice(TEXTS): self._any(depth + 1) for _ in range(self.random.randrange(3))}
        return (None, True, False, self.random.choice(NUMBERS), self.random.choice(TEXTS), self.random.choice(TEXTS))[
            choice
        ]

    def _chance(self, share: float) -> bool:
        return self.random.random() < share
