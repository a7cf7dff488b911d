"""The texts of `kubectl describe` for ConfigMaps, which show their values, and Secrets, which tell how long they are.
Lines with tabs, as `printers.tabbed` lays them out."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.kubectl.describing_fields import labels, notes

_TOKEN = ("kubernetes.io/service-account-token", "token")
"""The one value that kubectl shows: of Secrets of this type, the one of this name."""


def config_map(obj: Obj) -> Iterator[str]:
    yield from _head(obj)
    yield from ("", "Data", "====")
    for key, value in sorted((obj.get("data") or {}).items()):
        yield from (f"{key}:", "----", *value.split("\n"), "")
    yield from ("", "BinaryData", "====")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        yield f"{key}: {len(base64.b64decode(value))} bytes"
    yield ""


def secret(obj: Obj) -> Iterator[str]:
    yield from _head(obj)
    yield from ("", f"Type:\t{obj.get('type', '')}", "", "Data", "====")
    for key, value in sorted((obj.get("data") or {}).items()):
        plain = base64.b64decode(value)
        shown = plain.decode(errors="replace") if (obj.get("type"), key) == _TOKEN else f"{len(plain)} bytes"
        yield f"{key}:\t{shown}"


def _head(obj: Obj) -> Iterator[str]:
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata']['namespace']}"
    yield from labels(obj)
    yield from notes(obj)
