"""Bytes as Secrets of a namespace. A Secret holds 1 MiB at most, so what is larger goes in parts; the first part is
written last, and who finds it finds all. They are immutable: what was answered once is not answered otherwise later."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from kindlab.api import Api, ApiError, Obj

PART = 700 << 10
"""Bytes of a part: with base64 around it a request stays under etcd's 1.5 MiB, too."""
PARTS = 16
"""More than these are not sent."""
COUNT = "kindlab.dev/parts"
TAKEN = 409


def fits(data: bytes) -> bool:
    return len(data) <= PART * PARTS


def sent(api: Api, namespace: str, name: str, data: bytes, meta: Obj) -> None:
    """Write it as Secret `name`, and name-1, ... What is there already stays: somebody else was first. Raises Problem,
    ApiError."""
    for made in _secrets(name, data, meta):
        try:
            api.request("POST", _path(namespace), made)
        except ApiError as error:
            if error.code != TAKEN:
                raise


def received(api: Api, namespace: str, name: str) -> bytes | None:
    """What was sent under that name; None where nothing was, or not all of it. Raises Problem, ApiError."""
    first = _secret(api, namespace, name)
    if first is None:
        return None
    data = _content(first)
    for part in range(1, int(first["metadata"]["annotations"][COUNT])):
        if (more := _secret(api, namespace, f"{name}-{part}")) is None:
            return None
        data += _content(more)
    return data


def _secrets(name: str, data: bytes, meta: Obj) -> Iterator[Obj]:
    """From the last part to the first."""
    starts = range(0, max(len(data), 1), PART)
    for part, start in reversed(list(enumerate(starts))):
        named = {**meta, "name": f"{name}-{part}" if part else name, "annotations": {COUNT: str(len(starts))}}
        content = {"data": base64.b64encode(data[start : start + PART]).decode()}
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": named, "immutable": True, "data": content}


def _secret(api: Api, namespace: str, name: str) -> Obj | None:
    try:
        return api.request("GET", _path(namespace, name))  # type: ignore[no-any-return]
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _content(secret: Obj) -> bytes:
    return base64.b64decode(secret["data"]["data"])


def _path(namespace: str, name: str = "") -> str:
    """By hand: a thousand Pods that each ask which kinds there are would be a load of their own."""
    return f"/api/v1/namespaces/{namespace}/secrets" + (f"/{name}" if name else "")
