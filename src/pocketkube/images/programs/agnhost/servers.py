"""agnhost's smaller servers: serve-hostname, porter, tcp-reset, test-webserver, liveness.

Left out: SERVE_SCTP_PORT_* of porter, which says so in the log.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from functools import partial
from typing import Any

from pocketkube.images import golang, golang_tls
from pocketkube.images.golang import Flags, Server, answer, klog
from pocketkube.images.programs.agnhost.dial import compact
from pocketkube.images.programs.agnhost.files import serve_files
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network.addresses import host_port
from pocketkube.network.http import Request, Response
from pocketkube.network.sockets import Listener
from pocketkube.network.stream import Stream


async def fatal(process: Process, text: str) -> None:
    await klog(process, text, level="F")
    raise ProcessExit(255)


async def serve_hostname(process: Process, words: list[str]) -> int:
    flags = Flags({"tcp": False, "udp": False, "http": True, "close": False, "port": 9376})
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    if flags["http"] and (flags["tcp"] or flags["udp"]):
        await fatal(process, "Can't server TCP/UDP mode and HTTP mode at the same time")
    port = flags["port"]
    terminated = asyncio.Event()
    process.on_signal(signal.SIGTERM, lambda number: terminated.set())
    name = process.hostname.encode()

    async def hello(request: Request) -> Response:
        await klog(process, f"HTTP request from {host_port(*request.remote)}")
        return answer(process, request, name, headers=[("Connection", "close")] if flags["close"] else None)

    async def tcp(listener: Any) -> None:
        async for stream in listener:
            await klog(process, f"TCP request from {host_port(*stream.remote)}")
            await stream.write(name)
            stream.close()

    async def udp(socket: Any) -> None:
        while True:
            _, client = await socket.recvfrom()
            await klog(process, f"UDP request from {host_port(*client)}")
            socket.sendto(name, client)

    async with asyncio.TaskGroup() as group:
        if flags["tcp"]:
            group.create_task(tcp(await golang.listen(process, port, fatal)))
        if flags["udp"]:
            group.create_task(udp(process.net.bind_udp(port, "::")))
        if flags["http"]:
            group.create_task(Server(await golang.listen(process, port, fatal), hello).serve())
        await klog(process, f"Serving on port {port}.")
        await terminated.wait()
        await klog(process, "Shutting down after receiving signal: terminated.")
        await klog(process, "Awaiting pod deletion.")
        await process.clock.sleep(60)
        process.finish(0)
    return 0


async def porter(process: Process, words: list[str]) -> int:
    flags = Flags({"json-response": False})
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    golang.die_on_signals(process)
    async with asyncio.TaskGroup() as group:
        for name, value in process.env.items():
            kind, _, port = name.removeprefix("SERVE_").rpartition("PORT_")
            if not name.startswith("SERVE_") or not port.isdecimal():
                continue
            match kind:
                case "" | "TCP_":
                    group.create_task(_port(process, int(port), value, flags["json-response"]))
                case "TLS_":
                    group.create_task(_port(process, int(port), value, flags["json-response"], secure=True))
                case "UDP_":
                    group.create_task(_datagrams(process, int(port), value))
                case "SCTP_":
                    await klog(process, f"{kind.strip('_')} port {port} is not supported in this cluster", level="E")
        await asyncio.Event().wait()
    return 0


async def _port(process: Process, port: int, value: str, as_json: bool, *, secure: bool = False) -> None:
    async def reply(request: Request) -> Response:
        if as_json:
            body = compact({"Method": request.method, "Body": value})
            body = f'{{"Method":{compact(request.method)},"Body":{compact(value)}}}'
            return answer(process, request, body.encode(), headers=[("Content-Type", "application/json")])
        return answer(process, request, value.encode())

    try:
        listener = process.net.listen(port, "::")
    except OSError as failure:
        text = f"listen tcp :{port}: bind: {os.strerror(failure.errno or 0).lower()}"
        await klog(process, f'server on port "{port}" failed: {text}')
        return
    if not secure:
        return await Server(listener, reply).serve()
    certificate, key = process.env.get("CERT_FILE") or "localhost.crt", process.env.get("KEY_FILE") or "localhost.key"
    try:
        context = golang_tls.context(process, certificate, key)
    except OSError as failure:
        listener.close()
        names = f'with certFile="{certificate}", keyFile="{key}"'
        await klog(process, f'tls server on port "{port}" {names} failed: {golang_tls.problem(failure)}')
        return
    await Server(listener, reply, context, partial(klog, process)).serve()


async def _datagrams(process: Process, port: int, value: str) -> None:
    try:
        socket = process.net.bind_udp(port, "::")
    except OSError as failure:
        await klog(process, f"UDP: failed to listen on port {port}: {failure}", level="F")
        process.finish(255)
        return
    await klog(process, f"Started UDP server on port {port}")
    while True:
        _, client = await socket.recvfrom()
        socket.sendto(value.encode(), client)


async def tcp_reset(process: Process, words: list[str]) -> int:
    """Resets every connection after the first byte of it."""
    flags = Flags({"port": 8080})
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    terminated = asyncio.Event()
    process.on_signal(signal.SIGTERM, lambda number: terminated.set())

    async def reset(stream: Stream) -> None:
        with suppress(ConnectionError):
            await stream.read(1)
        stream.abort()
        await golang.log(process, f"TCP request from {stream.remote[0]}:{stream.remote[1]}")

    async def accept(listener: Listener) -> None:
        async for stream in listener:
            group.create_task(reset(stream))

    async with asyncio.TaskGroup() as group:
        group.create_task(accept(await golang.listen(process, flags["port"], fatal)))
        await golang.log(process, f"Serving on port {flags['port']}.")
        await terminated.wait()
        await golang.log(process, "Shutting down after receiving signal: terminated.")
        await golang.log(process, "Awaiting pod deletion.")
        process.finish(0)
    return 0


async def test_webserver(process: Process, words: list[str]) -> int:
    flags = Flags({"port": 80})
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    golang.die_on_signals(process)
    common = [
        ("Cache-Control", "private"),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        (
            "Access-Control-Allow-Headers",
            "DNT,X-Mx-ReqToken,Keep-Alive,User-Agent,X-Requested-With,Cache-Control,Content-Type",
        ),
    ]

    async def handle(request: Request) -> Response:
        return serve_files(process, request, "/", common)

    await Server(await golang.listen(process, flags["port"], fatal), handle).serve()
    return 0


async def liveness(process: Process, words: list[str]) -> int:
    """Healthy for ten seconds, then not."""
    golang.die_on_signals(process)
    started = process.clock.monotonic()

    async def handle(request: Request) -> Response:
        alive = process.clock.monotonic() - started
        match request.path:
            case "/started":
                return answer(process, request, golang.format_duration(alive).encode())
            case "/healthz" if alive > 10:
                return answer(process, request, f"error: {alive!r}".encode(), 500)
            case "/healthz":
                return answer(process, request, b"ok")
            case "/redirect":
                return golang.redirect(process, request, request.query.get("loc", ""), 302)
        return golang.error(process, request, "404 page not found", 404)

    await Server(await golang.listen(process, 8080, fatal), handle).serve()
    return 0
