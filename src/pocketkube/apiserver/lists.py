"""LIST: selectors, chunks with limit and continue, resourceVersion rules.

Models apiserver/pkg/storage/{cacher,etcd3,continue.go}. A continued list shows the state of its first chunk as long as
the store's history reaches back to it, and no longer than ten minutes; then the client gets 410 and a token that goes
on without that promise.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from pocketkube import objects
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.options import ListOptions
from pocketkube.apiserver.respond import ContinueExpired
from pocketkube.errors import BadRequest, Expired, Timeout
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import Resource

_INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
LATEST = -1


def collect(api: Api, kind: Resource, namespace: str | None, options: ListOptions) -> tuple[list[Obj], Obj]:
    """(items in key order, list metadata); `namespace` None is all of them. Items are shared: do not change them."""
    if not kind.stored:
        return list(_matching(kind, options, kind.answers())), {}
    store = api.registry.store
    after: Key | None = None
    revision = store.revision
    if options.continue_:
        revision, after = decode_continue(options.continue_, kind, namespace)
        if revision == LATEST:
            revision = store.revision
        elif revision < max(api.compacted, store.compacted):
            raise ContinueExpired(_INCONSISTENT, encode_continue(LATEST, after, kind, namespace))
        if options.revision:
            raise BadRequest("specifying resource version is not allowed when using continue")
    elif options.revision:
        check_not_future(api, options.revision)
        if options.match == "Exact":
            revision = options.revision
            if revision < max(api.compacted, store.compacted):
                raise Expired("The resourceVersion for the provided list is too old.")
    found: Iterable[Obj] = kind.present_all(_candidates(api, kind, namespace, options, revision))
    if after is not None:
        found = (obj for obj in found if objects.key(obj) > after)
    matching = _matching(kind, options, found)
    meta: Obj = {"resourceVersion": str(revision)}
    if not options.limit:
        return list(matching), meta
    items = list(matching)
    if len(items) > options.limit:
        rest = len(items) - options.limit
        del items[options.limit :]
        meta["continue"] = encode_continue(revision, objects.key(items[-1]), kind, namespace)
        if options.labels is None and options.fields is None:
            meta["remainingItemCount"] = rest
    return items, meta


def check_not_future(api: Api, revision: int) -> None:
    """Raises Timeout for a resourceVersion this cluster has not reached (upstream waits three seconds first)."""
    current = api.registry.store.revision
    if revision > current:
        raise too_large(revision, current)


def too_large(revision: int, current: int) -> Timeout:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    text = f"Timeout: Too large resource version: {revision}, current: {current}"
    return Timeout(text, details={"causes": [cause], "retryAfterSeconds": 1})


def _candidates(api: Api, kind: Resource, namespace: str | None, options: ListOptions, revision: int) -> Iterable[Obj]:
    store, resource = api.registry.store, kind.resource_id()
    if revision != store.revision:
        return store.list_at(resource, namespace, revision)
    name = options.fields.exact("metadata.name") if options.fields is not None else None
    if name is not None and (namespace is not None or not kind.namespaced):
        one = store.get(resource, (namespace or "", name))
        return () if one is None else (one,)
    return store.list(resource, namespace)


def _matching(kind: Resource, options: ListOptions, found: Iterable[Obj]) -> Iterator[Obj]:
    if options.labels is None and options.fields is None:
        yield from found
        return
    for obj in found:
        if options.selects(kind, obj):
            yield obj


def bare(obj: Obj) -> Obj:
    """An item of a list: without apiVersion and kind, which the list has."""
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}


# -- continue tokens: {"v": "meta.k8s.io/v1", "rv": 17, "start": "namespace/name\0"}, relative to what is listed


def encode_continue(revision: int, last: Key, kind: Resource, namespace: str | None) -> str:
    start = f"{last[0]}/{last[1]}" if kind.namespaced and namespace is None else last[1]
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": f"{start}\0"}
    return base64.urlsafe_b64encode(orjson.dumps(token)).rstrip(b"=").decode()


def decode_continue(text: str, kind: Resource, namespace: str | None) -> tuple[int, Key]:
    """(revision, key to go on after). Raises BadRequest with upstream's texts."""
    problem = "invalid continue token: continue key is not valid"
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        position = next((i for i, c in enumerate(text) if not (c.isascii() and (c.isalnum() or c in "-_"))), len(text))
        raise BadRequest(f"{problem}: illegal base64 data at input byte {position}") from None
    token = _load_token(data, problem)
    if token.get("v") != "meta.k8s.io/v1":
        raise BadRequest(f"{problem}: server does not recognize this encoded version {token.get('v') or ''}")
    revision, start = token.get("rv") or 0, token.get("start") or ""
    if not revision:
        raise BadRequest(f"{problem}: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not start:
        raise BadRequest(f"{problem}: encoded start key empty (version meta.k8s.io/v1)")
    rooted = start if start.startswith("/") else f"/{start}"
    if posixpath.normpath(rooted) != rooted:
        raise BadRequest(f"{problem}: {start}")
    last = start.removesuffix("\0").lstrip("/")
    if kind.namespaced and namespace is None:
        space, _, name = last.partition("/")
        return int(revision), (space, name)
    return int(revision), (namespace or "" if kind.namespaced else "", last)


def _load_token(data: bytes, problem: str) -> dict[str, Any]:
    from pocketkube.schema import ParseError, loads_json

    try:
        token = loads_json(data)
    except ParseError as error:
        raise BadRequest(f"{problem}: {error}") from None
    if not isinstance(token, dict) or not isinstance(token.get("rv", 0), int):
        raise BadRequest(problem)
    return token
