"""`agnhost netexec`: the HTTP and UDP server the labs and the end-to-end tests talk to.

Models test/images/agnhost/netexec of Kubernetes v1.36. Left out: SCTP, which the fabric does not carry.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import ssl
from collections.abc import Coroutine
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from typing import Any

from pocketkube.images import golang, golang_tls
from pocketkube.images.golang import Flags, Server, klog
from pocketkube.images.programs.agnhost.dial import Dialler, compact
from pocketkube.images.shell.descriptors import Collector
from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network.addresses import host_port
from pocketkube.network.http import Request, Response

FLAGS = {
    "http-port": 8080, "tls-cert-file": "", "tls-private-key-file": "", "udp-port": 8081, "sctp-port": -1,
    "http-override": "", "udp-listen-addresses": "", "delay-shutdown": 0,
}  # fmt: skip

LARGEST_OUTPUT = 64 << 20
"""Bytes of a /shell command's output; the real one takes what memory there is."""


class Netexec(Dialler):
    def __init__(self, process: Process, flags: Flags) -> None:
        super().__init__(process)
        self.flags = flags
        self.ready = False
        self.terminating = False
        self.server: Server | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        process, port = self.process, self.flags["http-port"]
        process.on_signal(signal.SIGTERM, self._terminate)
        async with asyncio.TaskGroup() as group:
            await klog(process, f"Started HTTP server on port {port}")
            if self.flags["udp-port"] != -1:
                for address in self._addresses():
                    await self._start_udp(group, address)
            if self.flags["sctp-port"] != -1:
                await klog(process, "SCTP is not supported in this cluster", level="F")
                process.finish(255)
            listener = await golang.listen(process, port, _fatal)
            self.server = Server(listener, self.handle, await self._context(), self.log)
            await self.server.serve()
            await asyncio.Event().wait()  # after a shutdown, until the exit
        return 0

    async def _context(self) -> ssl.SSLContext | None:
        """What TLS is served with; a pair that cannot be used is fatal."""
        if not self.flags["tls-cert-file"]:
            return None
        try:
            return golang_tls.context(self.process, self.flags["tls-cert-file"], self.flags["tls-private-key-file"])
        except OSError as failure:
            await _fatal(self.process, golang_tls.problem(failure))
            raise

    def _addresses(self) -> list[str]:
        given = self.flags["udp-listen-addresses"]
        return sorted(set(given.split(","))) if given else [""]

    def _terminate(self, number: int) -> None:
        if self.terminating:
            return
        self.terminating = True
        self._later(self._delayed_exit())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _delayed_exit(self) -> None:
        delay = self.flags["delay-shutdown"]
        if delay > 0:
            await klog(self.process, f"Sleeping {delay} seconds before terminating...")
            await self.process.clock.sleep(delay)
        self.process.finish(0)

    # HTTP

    async def handle(self, request: Request) -> Response:
        override = self.flags["http-override"]
        if override:
            request = Request("GET", override, [], b"", request.http_version, request.remote, request.local)
        route = getattr(self, f"on_{request.path.strip('/').lower()}", None)
        if route is None or request.path not in _ROUTES:
            return await self.on_root(request)
        response: Response = await route(request)
        return response

    async def on_root(self, request: Request) -> Response:
        await self.log("GET /")
        now = datetime.fromtimestamp(self.process.clock.time(), UTC)
        monotonic = self.process.clock.monotonic()
        return self.reply(request, f"NOW: {now:%Y-%m-%d %H:%M:%S.%f}000 +0000 UTC m=+{monotonic:.9f}")

    async def on_clientip(self, request: Request) -> Response:
        await self.log("GET /clientip")
        return self.reply(request, host_port(*request.remote))

    async def on_serverport(self, request: Request) -> Response:
        await self.log("GET /serverport")
        return self.reply(request, str(self.flags["http-port"]))

    async def on_header(self, request: Request) -> Response:
        key = golang.first(request, "key")
        if key:
            await self.log(f"GET /header?key={key}")
            return self.reply(request, "" if key.lower() == "host" else request.header(key))
        await self.log("GET /header")
        return self.reply(request, compact(golang.canonical(request.headers)))

    async def on_echo(self, request: Request) -> Response:
        text, code = golang.first(request, "msg"), golang.first(request, "code")
        await self.log(f"GET /echo?msg={text}&code={code}")
        if not code:
            return self.reply(request, text)
        if not re.fullmatch(r"[-+]?\d+", code):
            return self.reply(request, f"argument 'code' must be an integer or empty, got {json.dumps(code)}\n")
        return self.reply(request, text, int(code))

    async def on_hostname(self, request: Request) -> Response:
        await self.log(f"GET {request.path}")
        return self.reply(request, self.process.hostname)

    async def on_healthz(self, request: Request) -> Response:
        await self.log("GET /healthz")
        return self.reply(request, "", 200 if self.ready else 412)

    async def on_readyz(self, request: Request) -> Response:
        await self.log("GET /readyz")
        if self.terminating:
            return self.reply(request, "shutting down", 503)
        return self.reply(request, "ok") if self.ready else self.reply(request, "", 412)

    async def on_shutdown(self, request: Request) -> Response:
        await self.log("GET /shutdown")
        self.process.finish(0)
        await asyncio.Event().wait()
        raise AssertionError("the process is over")

    async def on_exit(self, request: Request) -> Response:
        code, timeout, wait = (golang.first(request, name) for name in ("code", "timeout", "wait"))
        await self.log(f"GET /exit?code={code}&timeout={timeout}&wait={wait}")
        seconds, pause = golang.duration(timeout), golang.duration(wait)
        for name, value, parsed in (("timeout", timeout, seconds), ("wait", wait, pause)):
            if value and parsed is None:
                text = f"argument '{name}' must be a valid golang duration or empty, got {json.dumps(value)}\n"
                return self.reply(request, text)
        if code and not re.fullmatch(r"[-+]?\d+", code):
            return self.reply(request, f"argument 'code' must be an integer [0-127] or empty, got {json.dumps(code)}\n")
        status = int(code or 0)
        await self.log(
            f"Will begin shutdown in {golang.format_duration(pause or 0)}, allowing "
            f"{golang.format_duration(seconds or 0)} for connections to close, then will exit with {status}"
        )
        await self.process.clock.sleep(pause or 0)
        if not seconds:
            self.process.finish(status)
            await asyncio.Event().wait()
        self._later(self._shut_down(seconds or 0, status))
        return self.reply(request, "")

    async def _shut_down(self, seconds: float, status: int) -> None:
        assert self.server is not None
        result = "<nil>"
        try:
            async with self.process.clock.timeout(seconds):
                await self.server.shutdown()
        except TimeoutError:
            result = "context deadline exceeded"
        await self.log(f"Graceful shutdown completed with: {result}")
        self.process.finish(status)

    async def on_redirect(self, request: Request) -> Response:
        location, code = golang.first(request, "location"), golang.first(request, "code")
        await self.log(f"{request.method} /redirect?msg={location}&code={code}")
        if code and not re.fullmatch(r"[-+]?\d+", code):
            return self.reply(request, f"argument 'code' must be an integer or empty, got {json.dumps(code)}\n")
        return golang.redirect(self.process, request, location, int(code or 302))

    async def on_shell(self, request: Request) -> Response:
        text = golang.first(request, "shellCommand") or golang.first(request, "cmd")
        await self.log(f"GET /shell?cmd={text}")
        collector = Collector(most=LARGEST_OUTPUT)
        output: dict[str, str] = {}
        try:
            child = self.process.spawn(["/bin/sh", "-c", text], fds={0: None, 1: collector, 2: collector})
        except OSError as failure:
            output["error"] = f"fork/exec /bin/sh: {os.strerror(failure.errno or 0).lower()}"
        else:
            data = await collector.everything()
            status = await child.wait()
            if data:
                output["output"] = data.decode("utf-8", "replace")
            if status > 128:
                output["error"] = f"signal: {(signal.strsignal(status - 128) or '').lower()}"
            elif status:
                output["error"] = f"exit status {status}"
        await self.log("Output: map[" + " ".join(f"{name}:{value}" for name, value in sorted(output.items())) + "]")
        return self.reply(request, compact(output))

    async def on_upload(self, request: Request) -> Response:
        await self.log("GET /upload")
        content = _form_file(request, "file")
        if content is None:
            text = "request Content-Type isn't multipart/form-data"
            return await self._upload_failed(request, "Unable to upload file.", "Unable to upload file", text)
        fs = self.process.fs
        path = f"/uploads/upload{int.from_bytes(os.urandom(4), 'big')}"
        try:
            fs.write_bytes(path, content)
            fs.chmod(path, 0o700)
        except OSError as failure:
            reason = f"open {path}: {os.strerror(failure.errno or 0).lower()}"
            return await self._upload_failed(
                request, "Unable to open file for write", "Unable to open file for write", reason
            )
        await self.log(f"Wrote upload to {path}")
        return self.reply(request, compact({"output": path}), 201)

    async def _upload_failed(self, request: Request, text: str, logged: str, reason: str) -> Response:
        await self.log(f"{logged}: {reason}")
        return self.reply(request, compact({"error": text}))

    # UDP

    async def _start_udp(self, group: asyncio.TaskGroup, address: str) -> None:
        port = self.flags["udp-port"]
        try:
            socket = self.process.net.bind_udp(port, address or "::")
        except OSError as failure:
            where = f"{address}:{port}"
            text = f"listen udp {where}: bind: {os.strerror(failure.errno or 0).lower()}"
            await klog(
                self.process, f"Error occurred: failed to create listener for UDP address {where}:{text}", level="F"
            )
            self.process.finish(255)
            return
        await self.log(f"Started UDP server on port {address} {port}")
        self.ready = True
        group.create_task(self._serve_udp(socket))

    async def _serve_udp(self, socket: object) -> None:
        while True:
            data, client = await socket.recvfrom()  # type: ignore[attr-defined]
            text = data[:2048].decode("utf-8", "replace").strip().lower()
            where = host_port(*client)
            if text == "hostname":
                await self.log("Sending udp hostName response")
                reply = self.process.hostname
            elif text.startswith("echo "):
                reply = text.partition(" ")[2]
                await self.log(f"Echoing {reply} to UDP client {where}")
            elif text == "clientip":
                await self.log(f"Sending clientip back to UDP client {where}")
                reply = where
            elif text == "serverport":
                reply = str(self.flags["udp-port"])
                await self.log(f"Sending server port to UDP client {reply}")
            else:
                if text:
                    await self.log(f"Unknown UDP command received from {where}: {text}")
                continue
            socket.sendto(reply.encode(), client)  # type: ignore[attr-defined]


_ROUTES = frozenset(
    {"/clientip", "/serverport", "/header", "/dial", "/echo", "/exit", "/healthz", "/readyz", "/hostname", "/redirect",
     "/shell", "/upload", "/hostName", "/shutdown"}
)  # fmt: skip


def _form_file(request: Request, name: str) -> bytes | None:
    """http.Request.FormFile."""
    kind = request.header("content-type")
    if not kind.startswith("multipart/form-data"):
        return None
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + request.body)
    for part in message.get_payload() if message.is_multipart() else []:
        if isinstance(part, Message) and part.get_param("name", header="content-disposition") == name:
            payload = part.get_payload(decode=True)
            return payload if isinstance(payload, bytes) else b""
    return None


async def _fatal(process: Process, text: str) -> None:
    await klog(process, text, level="F")
    raise ProcessExit(255)


async def netexec(process: Process, words: list[str]) -> int:
    flags = Flags(FLAGS)
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    return await Netexec(process, flags).run()


async def flag_error(process: Process, problem: str) -> int:
    """How cobra refuses a command line."""
    await process.error(f"Error: {problem}")
    return 1
