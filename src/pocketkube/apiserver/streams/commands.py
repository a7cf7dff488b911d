"""pods/exec and pods/attach over WebSocket.

Models the outcome of pkg/registry/core/pod/rest/subresources.go together with the kubelet's streaming server. Left out:
SPDY (a later issue; refused with a Status).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from pocketkube import objects
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.streams import channels
from pocketkube.apiserver.streams.targets import choose_container, find_pod, runtime_of
from pocketkube.errors import BadRequest, InternalError, NotFound, StatusError, to_status
from pocketkube.resources.base import Resource

_SUCCESS: Final = {"metadata": {}, "status": "Success"}
Run = Callable[[dict[int, Any]], Awaitable[dict[str, Any]]]


async def exec_(api: Api, request: Request, kind: Resource, target: Target) -> web.StreamResponse:
    argv = request.query.all("command")
    container = _locate(api, request, target)
    runtime, tty = runtime_of(api), request.query.flag("tty")
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
    container = _locate(api, request, target)
    runtime, tty = runtime_of(api), request.query.flag("tty")
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


def _locate(api: Api, request: Request, target: Target) -> str:
    """The container meant. Refusals come before the upgrade, so that clients see a Status."""
    query = request.query
    pod = find_pod(api, target)
    if not any(query.flag(name) for name in ("stdin", "stdout", "stderr")):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    container = choose_container(pod, query.text("container"))
    if not objects.spec(pod).get("nodeName"):
        raise BadRequest(f"pod {target.name} does not have a host assigned")
    return container


async def _serve(api: Api, request: Request, run: Run) -> web.StreamResponse:
    socket = await _upgrade(request)
    query, stdin = request.query, channels.Stdin()
    fds: dict[int, Any] = {}
    if query.flag("stdin"):
        fds[0] = stdin
    if query.flag("stdout"):
        fds[1] = channels.Output(socket, channels.STDOUT)
    if query.flag("stderr") and not query.flag("tty"):
        fds[2] = channels.Output(socket, channels.STDERR)
    elif query.flag("tty") and 1 in fds:
        fds[2] = fds[1]
    first = channels.STDOUT if 1 in fds else channels.STDERR if 2 in fds else channels.STATUS
    await socket.send_bytes(bytes((first,)))  # an empty message: the session has begun
    task = asyncio.current_task()
    assert task is not None  # handlers always run in one
    api.streams.add(task)
    half_close = socket.ws_protocol == channels.PROTOCOLS[0]
    running = asyncio.ensure_future(run(fds))
    receiving = asyncio.ensure_future(channels.receive(socket, stdin, half_close=half_close))
    try:
        await asyncio.wait((running, receiving), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await channels.finish(socket, _outcome(running))
    finally:
        # a client that went away takes its command with it
        running.cancel()
        receiving.cancel()
        await asyncio.gather(running, receiving, return_exceptions=True)
        api.streams.discard(task)
    return socket


def _outcome(running: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
    error = running.exception()
    if error is None:
        return running.result()
    if isinstance(error, StatusError):
        return to_status(error)
    return to_status(InternalError(f"error executing command in container: {error}"))


async def _upgrade(request: Request) -> web.WebSocketResponse:
    """Raises BadRequest, before anything is sent, for what is not a WebSocket handshake we can answer."""
    headers = request.http.headers
    upgrade = headers.get("Upgrade", "").lower()
    if "upgrade" not in headers.get("Connection", "").lower() or not upgrade:
        raise BadRequest("Upgrade request required")
    if upgrade != "websocket":
        raise BadRequest(
            f"unable to upgrade: {upgrade} is not supported by this cluster yet; use a client that speaks WebSocket "
            f"({', '.join(channels.PROTOCOLS)})"
        )
    offered = [name.strip() for name in headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]
    if not any(name in channels.PROTOCOLS for name in offered):
        raise BadRequest(
            f"unable to upgrade: none of the protocols {offered} is supported, only {list(channels.PROTOCOLS)}"
        )
    socket = web.WebSocketResponse(protocols=channels.PROTOCOLS, compress=False)
    await socket.prepare(request.http)
    return socket
