"""Secrets: types with required keys, stringData merged into data.

Models pkg/registry/core/secret and ValidateSecret*. Left out: the token controller's checks of service account tokens
beyond the annotation.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pocketkube import fields, objects, schema
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.payload import SIZE_LIMIT, immutable, size

_ACCOUNT: Final = "kubernetes.io/service-account.name"


class RESOURCE(Resource):
    kind = "Secret"
    plural = "secrets"
    revalidates_metadata = True
    columns = described("secrets", NAME, Column("Type"), Column("Data"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), obj.get("type", ""), len(obj.get("data") or ()), age(self.world.clock, obj)]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        return {**super().fields(obj), "type": obj.get("type", "")}

    def default(self, obj: Obj) -> None:
        for key, text in (obj.pop("stringData", None) or {}).items():
            obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
        if not obj.get("type"):
            obj["type"] = "Opaque"

    def prepare_update(self, new: Obj, old: Obj) -> None:
        # a writer that never read the type may leave it away
        if not new.get("type"):
            new["type"] = old["type"]

    def validate(self, obj: Obj) -> Iterator[Cause]:
        data = obj.get("data") or {}
        for key in sorted(data):
            for problem in formats.config_key(key):
                yield fields.invalid(f"data[{key}]", key, problem)
        if size({}, data) > SIZE_LIMIT:
            yield fields.too_long("data", SIZE_LIMIT)
        match obj.get("type"):
            case "kubernetes.io/service-account-token":
                if not objects.annotations(obj).get(_ACCOUNT):
                    yield fields.required(f"metadata.annotations[{_ACCOUNT}]")
            case "kubernetes.io/dockercfg":
                yield from _json(data, ".dockercfg")
            case "kubernetes.io/dockerconfigjson":
                yield from _json(data, ".dockerconfigjson")
            case "kubernetes.io/basic-auth":
                if "username" not in data and "password" not in data:
                    yield fields.required("data[username]")
                    yield fields.required("data[password]")
            case "kubernetes.io/ssh-auth":
                if not data.get("ssh-privatekey"):
                    yield fields.required("data[ssh-privatekey]")
            case "kubernetes.io/tls":
                for key in ("tls.crt", "tls.key"):
                    if key not in data:
                        yield fields.required(f"data[{key}]")

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from metadata.immutable("type", new.get("type"), old.get("type"))
        yield from immutable(new, old, "data")
        yield from self.validate(new)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return _tls_warnings(new) if new.get("type") == "kubernetes.io/tls" else ()


def _json(data: Mapping[str, str], key: str) -> Iterator[Cause]:
    if key not in data:
        yield fields.required(f"data[{key}]")
        return
    try:
        schema.loads_json(base64.b64decode(data[key]))
    except schema.ParseError as error:
        yield fields.invalid(f"data[{key}]", "<secret contents redacted>", str(error))


def _tls_warnings(secret: Obj) -> Iterator[str]:
    data = secret.get("data") or {}
    kinds = (("tls.crt", "certificate", b"CERTIFICATE-----"), ("tls.key", "key", b"PRIVATE KEY-----"))
    for key, noun, marker in kinds:
        if marker not in base64.b64decode(data.get(key, "")):
            yield f"tls: failed to find any PEM data in {noun} input"
            return
