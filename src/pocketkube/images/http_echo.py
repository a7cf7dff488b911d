"""docker.io/hashicorp/http-echo: answers every request with one text. No shell in it, as in the real image."""

from __future__ import annotations

import asyncio
import re
import signal
from datetime import UTC, datetime

from pocketkube.images import golang
from pocketkube.images.base import Image
from pocketkube.images.golang import Flags, Server, answer, log
from pocketkube.images.programs.agnhost.network import split
from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network.addresses import host_port, is_address
from pocketkube.network.http import Request, Response
from pocketkube.network.sockets import Listener

_GRACE = 5.0
_USAGE = """Usage of /http-echo:
  -listen string
    \taddress and port to listen (default ":5678")
  -status-code int
    \thttp response code, e.g.: 200 (default 200)
  -text string
    \ttext to put on the webpage
  -version
    \tdisplay version information"""


async def http_echo(process: Process, version: str) -> int:
    known = {"listen": ":5678", "text": "", "version": False, "help": False, "h": False}
    flags = Flags(known if version == "0.2.3" else {**known, "status-code": 200})
    problem = flags.parse(
        [word if word.startswith("--") or not word.startswith("-") else "-" + word for word in process.argv[1:]]
    )
    if problem or flags["help"] or flags["h"]:
        if problem:
            name = re.search(r"--([\w-]+)", problem)
            await process.error(f"flag provided but not defined: -{name.group(1) if name else ''}")
        await process.error(_USAGE)
        return 2 if problem else 0
    if flags["version"]:
        await process.error(f"http-echo v{version}")
        return 0
    text = flags["text"] or process.env.get("ECHO_TEXT", "")
    if not text:
        await process.error(
            "Missing -text option!" if version == "0.2.3" else "Missing -text option OR ENV var TEXT is empty!"
        )
        return 127
    if flags.rest:
        await process.error("Too many arguments!")
        return 127
    return await _serve(process, flags, text, version)


async def _serve(process: Process, flags: Flags, text: str, version: str) -> int:
    headers = [("X-App-Name", "http-echo"), ("X-App-Version", version)]
    body = text.encode("utf-8", "surrogateescape") + b"\n"
    status = flags.values.get("status-code", 200)

    async def handle(request: Request) -> Response:
        started = process.clock.monotonic()
        if request.path == "/health":
            return answer(process, request, b'{"status":"ok"}\n', 200, headers)
        response = answer(process, request, body, status, headers)
        now = datetime.fromtimestamp(process.clock.time(), UTC)
        spent = golang.format_duration(process.clock.monotonic() - started)
        await process.print(
            f"{now:%Y/%m/%d %H:%M:%S} {request.host} {host_port(*request.remote)} "
            f'"{request.method} {request.path} HTTP/{request.http_version}" {status} {len(body)} '
            f'"{request.header("user-agent")}" {spent}'
        )
        return response

    golang.die_on_signals(process, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    interrupted = asyncio.Event()
    process.on_signal(signal.SIGINT, lambda number: interrupted.set())
    await log(process, f"[INFO] server is listening on {flags['listen']}")
    try:
        listener = _listen(process, flags["listen"])
    except ValueError as failure:
        await log(process, f"[ERR] server exited with: listen tcp: {failure}")
        return 1
    except OSError as failure:
        reason = "address already in use" if failure.errno == 98 else "cannot assign requested address"
        await log(process, f"[ERR] server exited with: listen tcp {flags['listen']}: bind: {reason}")
        raise ProcessExit(1) from None
    server = Server(listener, handle)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        await interrupted.wait()
        await log(process, "[INFO] received interrupt, shutting down...")
        try:
            async with process.clock.timeout(_GRACE):
                await server.shutdown()
        except TimeoutError:
            await log(process, "[ERR] failed to shutdown server: context deadline exceeded")
            process.finish(1)
        process.finish(2)
    return 2


def _listen(process: Process, address: str) -> Listener:
    """On `host:port`, `[host]:port` or `:port`. Raises ValueError with Go's text, OSError as the network does."""
    host, port = split(address)
    if not port.isdecimal():
        raise ValueError(f"lookup tcp/{port}: unknown port")
    if host and host != "localhost" and not is_address(host):
        raise ValueError(f"lookup {host}: no such host")
    return process.net.listen(int(port), host or "::")


async def current(process: Process) -> int:
    return await http_echo(process, "1.0.0")


class IMAGE(Image):
    names = tuple(f"docker.io/hashicorp/http-echo:{tag}" for tag in ("1.0", "1.0.0", "latest"))
    size = 3_050_000
    memory = 3 << 20
    entrypoint = ("/http-echo",)
    user = 65532
    commands = {"/http-echo": current}
