"""pods/exec and pods/attach, over WebSocket and over SPDY.

Models the outcome of pkg/registry/core/pod/rest/subresources.go together with the kubelet's streaming server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from pocketkube import objects
from pocketkube.apiserver import admitting
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.streams import sessions
from pocketkube.apiserver.streams.targets import choose_container, find_pod, require_create, runtime_of
from pocketkube.errors import BadRequest, InternalError, NotFound, StatusError, to_status
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

_STREAMS: Final = ("stdin", "stdout", "stderr")
_SUCCESS: Final = {"metadata": {}, "status": "Success"}
Run = Callable[[dict[int, Any]], Awaitable[dict[str, Any]]]


async def exec_(api: Api, request: Request, kind: Resource, target: Target) -> web.StreamResponse:
    asked = _asked(api, request, kind, target, "PodExecOptions", command=request.query.all("command"))
    container, argv = _locate(api, target, asked), asked.get("command") or []
    runtime, tty = runtime_of(api), bool(asked.get("tty"))
    if not argv:
        raise BadRequest("you must specify at least 1 command for the container")
    try:
        runtime.require_running(target.namespace, target.name, container)
    except NotFound as error:
        return _kubelet_refuses(error)

    async def run(fds: dict[int, Any]) -> dict[str, Any]:
        code = await runtime.exec(target.namespace, target.name, container, argv, fds=fds, tty=tty)
        return exit_status(argv, code)

    return await _serve(api, request, run)


async def attach(api: Api, request: Request, kind: Resource, target: Target) -> web.StreamResponse:
    asked = _asked(api, request, kind, target, "PodAttachOptions")
    container = _locate(api, target, asked)
    runtime, tty = runtime_of(api), bool(asked.get("tty"))
    try:
        runtime.require_running(target.namespace, target.name, container)
    except NotFound as error:
        return _kubelet_refuses(error)

    async def run(fds: dict[int, Any]) -> dict[str, Any]:
        await runtime.attach(target.namespace, target.name, container, fds=fds, tty=tty)
        return _SUCCESS

    return await _serve(api, request, run)


def _kubelet_refuses(error: NotFound) -> web.Response:
    """The kubelet's own answer, passed on as it is: a text and 500, no Status (streaming.WriteError)."""
    return web.Response(status=500, text=error.message)


def exit_status(argv: list[str], code: int) -> dict[str, Any]:
    """The Status a client reads a command's exit code from."""
    if code == 0:
        return _SUCCESS
    shown = " ".join(argv)
    return {
        "metadata": {},
        "status": "Failure",
        "message": (f"command terminated with non-zero exit code: error executing command [{shown}], exit code {code}"),
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _asked(api: Api, request: Request, kind: Resource, target: Target, options: str, **more: Any) -> Obj:
    """The options of a session. Refusals come before the upgrade, so that clients see a Status."""
    require_create(api, request, target)
    query = request.query
    given = {name: query.flag(name) for name in (*_STREAMS, "tty")}
    return admitting.connect(api, request, kind, target, options, **given, container=query.text("container"), **more)


def _locate(api: Api, target: Target, asked: Obj) -> str:
    """The container meant."""
    pod = find_pod(api, target)
    if not any(asked.get(name) for name in _STREAMS):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    container = choose_container(pod, asked.get("container") or "")
    if not objects.spec(pod).get("nodeName"):
        raise BadRequest(f"pod {target.name} does not have a host assigned")
    return container


async def _serve(api: Api, request: Request, run: Run) -> web.StreamResponse:
    session = await sessions.begin(request)
    if isinstance(session, web.Response):
        return session
    task = asyncio.current_task()
    assert task is not None  # handlers always run in one
    api.streams.add(task)
    running = asyncio.ensure_future(_run(session, run))
    receiving = asyncio.ensure_future(session.receive())
    try:
        await asyncio.wait((running, receiving), return_when=asyncio.FIRST_COMPLETED)
        if running.done() and (running.exception() is not None or running.result() is not None):
            await session.finish(_outcome(running))
    finally:
        # a client that went away takes its command with it
        running.cancel()
        receiving.cancel()
        await asyncio.gather(running, receiving, return_exceptions=True)
        api.streams.discard(task)
    return session.response


async def _run(session: sessions.Session, run: Run) -> dict[str, Any] | None:
    """None when the client never came to the point."""
    return await run(session.fds) if await session.ready() else None


def _outcome(running: asyncio.Future[dict[str, Any] | None]) -> dict[str, Any]:
    error = running.exception()
    if error is None:
        return running.result() or _SUCCESS
    if isinstance(error, StatusError):
        return to_status(error)
    return to_status(InternalError(f"error executing command in container: {error}"))
