"""WATCH: events as JSON lines, with selectors, bookmarks, initial events, Tables and metadata-only objects.

Models apiserver/pkg/endpoints/handlers/watch.go and the watch cache (storage/cacher). A watcher that cannot keep up is
ended with 410. Left out: watches over WebSocket, protobuf framing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial

import orjson
from aiohttp import web

from pocketkube import selectors
from pocketkube.apiserver import lists, options, table
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.options import ListOptions
from pocketkube.apiserver.request import Request
from pocketkube.apiserver.respond import JSON, warning_headers
from pocketkube.errors import Expired, NotAcceptable, StatusError, to_status
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.custom import conversion
from pocketkube.store import ADDED, DELETED, MODIFIED, Event, Watch
from pocketkube.unanswered import answered

INITIAL_END = {"k8s.io/initial-events-end": "true"}
_BOOKMARK_EVERY = 60.0
_BEFORE_END = 2.0
"""A bookmark comes that many seconds before a watch ends, when it lasts long enough."""
_EARLY = 0.01
"""Seconds by which a loop's timers may be early."""


class Watcher:
    """One watch: which events it sees and how they are written."""

    def __init__(self, api: Api, kind: Resource, namespace: str | None, wanted: ListOptions, request: Request) -> None:
        self.api = api
        self.kind = kind
        self.namespace = namespace
        self.options = wanted
        self.form = request.wanted.form
        self.version = request.wanted.version
        self.include = options.include_object(request.query) if self.form == "Table" else ""
        self.sent_columns = False
        self.plain = wanted.labels is None and wanted.fields is None

    # -- what is seen

    def lines(self, events: Iterable[Event], since: int) -> list[bytes]:
        """Nothing is written before all is seen: for that webhooks may have to be asked (pocketkube.unanswered)."""
        seen = [(self.see(event), event.revision) for event in events if event.revision > since]
        return [self.line(*one, revision) for one, revision in seen if one is not None]

    def see(self, event: Event) -> tuple[str, Obj] | None:
        """(type, object) as this watcher sees a write: entering a selection is ADDED, leaving it DELETED."""
        obj, old = self.kind.present(event.object), event.old
        if self.namespace is not None and obj["metadata"].get("namespace", "") != self.namespace:
            return None
        if self.plain:
            return event.type, obj
        if old is not None:
            old = self.kind.present(old)
        before = old is not None and self.options.selects(self.kind, old)
        if event.type == DELETED:
            return (DELETED, obj) if before else None
        now = self.options.selects(self.kind, obj)
        if now:
            return (MODIFIED if before else ADDED), obj
        if before and old is not None:
            meta = {**old["metadata"], "resourceVersion": str(event.revision)}
            return DELETED, {**old, "metadata": meta}
        return None

    # -- how it is written

    def line(self, type_: str, obj: Obj, revision: int) -> bytes:
        if self.form == "Table":
            return self._encode(type_, self._table(obj))
        key = (revision, type_, self.form, self.version if self.form else self.kind.api_version)
        found = self.api.encoded(key)
        if found is None:
            found = self._encode(type_, table.partial(obj, self.version) if self.form else obj)
            self.api.keep_encoded(key, found)
        return found

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        meta: Obj = {"resourceVersion": str(revision)}
        if initial_end:
            meta["annotations"] = INITIAL_END
        obj = {"kind": self.kind.kind, "apiVersion": self.kind.api_version, "metadata": meta}
        if self.form == "Table":
            return self._encode("BOOKMARK", self._table(obj))
        return self._encode("BOOKMARK", table.partial(obj, self.version) if self.form else obj)

    def _table(self, obj: Obj) -> Obj:
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        first, self.sent_columns = not self.sent_columns, True
        return table.table(self.kind, (obj,), meta, version=self.version, include=self.include, definitions=first)

    @staticmethod
    def _encode(type_: str, obj: Obj) -> bytes:
        return orjson.dumps({"type": type_, "object": obj}, option=orjson.OPT_APPEND_NEWLINE)

    # -- the session

    async def chunks(self, timeout: float) -> AsyncIterator[bytes]:
        """Pieces of the answer until `timeout` seconds have passed. Raises StatusError to end with an ERROR event."""
        wanted, store = self.options, self.api.registry.store
        since = wanted.revision or 0
        current = store.revision
        if wanted.send_initial:
            if since:
                lists.check_not_future(self.api, since)
            since = current
        elif not since:
            since = current
        elif since < self.api.oldest:
            raise Expired(f"too old resource version: {since} ({self.api.oldest})")
        resource = self.kind.resource_id()
        watch = store.watch(resource, since)
        self.api.watching.setdefault(resource, set()).add(watch)
        try:
            if wanted.send_initial:
                yield await answered(lambda: self._initial(current))
            async for chunk in self._follow(watch, since, timeout):
                yield chunk
        finally:
            self.api.watching[resource].discard(watch)
            watch.close()

    def _initial(self, current: int) -> bytes:
        found, _ = lists.collect(self.api, self.kind, self.namespace, _everything(self.options))
        parts = [self.line(ADDED, obj, int(obj["metadata"]["resourceVersion"])) for obj in found]
        if self.options.bookmarks:
            parts.append(self.bookmark(current, initial_end=True))
        return b"".join(parts)

    async def _follow(self, watch: Watch, since: int, timeout: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        next_bookmark = min(loop.time() + _BOOKMARK_EVERY, end - _BEFORE_END) if self.options.bookmarks else end
        alarm = Alarm(watch, min(next_bookmark, end))  # one for many events: a timer each would cost more than they do
        try:
            while True:
                await watch.changed()
                if events := watch.pending():
                    chunk = b"".join(await self._told(events, since))
                    if chunk:
                        yield chunk
                elif watch.is_over():
                    return
                if not alarm.rang:
                    continue
                if loop.time() >= end - _EARLY:
                    return
                yield self.bookmark(self.api.registry.store.revision)
                next_bookmark = loop.time() + _BOOKMARK_EVERY
                if next_bookmark > end - _BEFORE_END:
                    next_bookmark = end - _BEFORE_END if loop.time() < end - _BEFORE_END else end
                alarm = Alarm(watch, min(next_bookmark, end))
        finally:
            alarm.cancel()

    async def _told(self, events: Sequence[Event], since: int) -> list[bytes]:
        if not self.kind.custom:
            return self.lines(events, since)
        try:
            return await answered(partial(self.lines, events, since))
        finally:
            conversion.forget()


class Alarm:
    """Wakes up who waits for a watch, at a time of the loop."""

    def __init__(self, watch: Watch, at: float) -> None:
        self.rang = False
        self._watch = watch
        self._timer = asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        self.rang = True
        self._watch.wake()

    def cancel(self) -> None:
        self._timer.cancel()


def _everything(wanted: ListOptions) -> ListOptions:
    """The list a watch starts with: same selectors, no chunks, as of now."""
    return ListOptions(
        watch=False,
        labels=wanted.labels,
        fields=wanted.fields,
        limit=0,
        continue_="",
        revision=None,
        match="",
        send_initial=None,
        bookmarks=False,
        timeout=None,
    )


async def serve(api: Api, request: Request, kind: Resource, namespace: str | None) -> web.StreamResponse:
    wanted = options.list_options(request.query, kind, watch=True)
    if request.wanted.yaml:
        raise NotAcceptable("only the following media types are accepted: application/json;stream=watch")
    target = request.target
    if target is not None and target.name and wanted.fields is None:  # the deprecated /watch/.../name
        wanted.fields = selectors.parse_fields(f"metadata.name={target.name}")
    watcher = Watcher(api, kind, namespace, wanted, request)
    # upstream: between one and two times --min-request-timeout (1800 s)
    timeout = float(wanted.timeout) if wanted.timeout else 1800.0 * (1 + random.random())
    headers = {"Content-Type": JSON, "Cache-Control": "no-cache, private", **request.flow}
    response = web.StreamResponse(headers=headers)
    for value in warning_headers(request.warnings):
        response.headers.add("Warning", value)
    response.enable_chunked_encoding()
    await response.prepare(request.http)
    task = asyncio.current_task()
    assert task is not None  # handlers always run in one
    api.streams.add(task)
    try:
        async for chunk in watcher.chunks(timeout):
            await response.write(chunk)
    except StatusError as error:
        await response.write(watcher._encode("ERROR", to_status(error)))
    except asyncio.CancelledError:
        if not api.stopping:
            raise
        task.uncancel()
    except ConnectionResetError:
        return response
    finally:
        api.streams.discard(task)
    await response.write_eof()
    return response
