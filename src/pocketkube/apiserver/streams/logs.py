"""GET pods/log: what a container wrote, as plain text, over WebSocket too.

Models pkg/registry/core/pod/rest/log.go and the kubelet's answer. Left out: `stream` (stdout or stderr alone, a feature
gate that is off by default).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Final

from aiohttp import web

from pocketkube import fields, objects
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Query, Request, Target
from pocketkube.apiserver.streams import sink
from pocketkube.apiserver.streams.targets import choose_container, find_pod, runtime_of
from pocketkube.errors import BadRequest, Cause, Invalid
from pocketkube.resources.base import Resource

_BATCH: Final = 65536
_FIRST_WORD: Final = 0.25
"""Seconds to wait for a refusal (which needs a status code) before a follower gets its headers."""


async def handle(api: Api, request: Request, kind: Resource, target: Target) -> web.StreamResponse:
    query = request.query
    tail, limit = query.integer("tailLines"), query.integer("limitBytes")
    since = _since(api, query)
    _refuse(target.name, _problems(tail, limit, query))
    pod = find_pod(api, target)
    container = choose_container(pod, query.text("container"))
    if not objects.spec(pod).get("nodeName"):
        return web.Response(text="", content_type="text/plain")
    follow = query.flag("follow")
    lines = runtime_of(api).log_lines(
        target.namespace,
        target.name,
        container,
        previous=query.flag("previous"),
        follow=follow,
        tail=tail,
        since=since,
        timestamps=query.flag("timestamps"),
        limit_bytes=limit,
    )
    return await _stream(api, request, lines, follow=follow)


async def _stream(api: Api, request: Request, lines: AsyncIterator[bytes], *, follow: bool) -> web.StreamResponse:
    to = sink.of(request)
    task = asyncio.current_task()
    assert task is not None  # handlers always run in one
    first: asyncio.Future[bytes | None] = asyncio.ensure_future(anext(lines, None))
    api.streams.add(task)
    try:
        await asyncio.wait((first,), timeout=_FIRST_WORD if follow else None)
        if first.done():
            first.result()  # a refusal becomes a Status answer: nothing has been sent yet
        await to.begin()
        line = await first
        held, size = [], 0
        while line is not None:
            held.append(line)
            size += len(line)
            if follow or size >= _BATCH:
                await to.write(b"".join(held))
                held, size = [], 0
            line = await anext(lines, None)
        if held:
            await to.write(b"".join(held))
    except ConnectionResetError:
        return to.response
    except asyncio.CancelledError:
        if not api.stopping or not to.response.prepared:
            raise
        task.uncancel()
    finally:
        first.cancel()
        api.streams.discard(task)
        close = getattr(lines, "aclose", None)
        if close is not None:
            await close()
    await to.end()
    return to.response


def _since(api: Api, query: Query) -> float | None:
    """sinceSeconds or sinceTime as cluster time. Raises BadRequest for a time that is none."""
    seconds = query.integer("sinceSeconds")
    if seconds is not None:
        return api.clock.time() - seconds
    text = query.text("sinceTime")
    if not text:
        return None
    try:
        # Go's fractions may have nine digits, Python's six
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
    except ValueError:
        layout = "2006-01-02T15:04:05Z07:00"
        raise BadRequest(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"') from None


def _problems(tail: int | None, limit: int | None, query: Query) -> Iterable[Cause]:
    if tail is not None and tail < 0:
        yield fields.invalid("tailLines", tail, "must be greater than or equal to 0")
    if limit is not None and limit < 1:
        yield fields.invalid("limitBytes", limit, "must be greater than 0")
    seconds = query.integer("sinceSeconds")
    if seconds is not None and query.text("sinceTime"):
        yield fields.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    elif seconds is not None and seconds < 1:
        yield fields.invalid("sinceSeconds", seconds, "must be greater than 0")
    if "stream" in query:
        yield fields.forbidden("stream", "may not be specified")


def _refuse(name: str, causes: Iterable[Cause]) -> None:
    found = list(causes)
    if found:
        raise Invalid.of("PodLogOptions", name, found)
