"""`agnhost guestbook`: the sample application of kubectl's end-to-end test, a primary with replicas and a frontend."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

from pocketkube.images import golang
from pocketkube.images.golang import Flags, Server, answer, klog
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.images.programs.agnhost.network import ResolveFailure, resolve
from pocketkube.images.programs.agnhost.servers import fatal
from pocketkube.kubelet.process import Process
from pocketkube.network import http
from pocketkube.network.addresses import host_port
from pocketkube.network.http import Request, Response

_PATIENCE = 15.0
_CALL = 5.0
_LARGEST = 16 << 20
"""Bytes of the store."""


class Guestbook:
    def __init__(self, process: Process, flags: Flags) -> None:
        self.process = process
        self.flags = flags
        self.store: dict[str, str] = {}
        self.replicas: list[str] = []

    async def run(self) -> int:
        golang.die_on_signals(self.process)
        async with asyncio.TaskGroup() as group:
            if self.flags["replicaof"]:
                group.create_task(self.register(self.flags["replicaof"]))
            listener = await golang.listen(self.process, int(self.flags["http-port"]), fatal)
            await Server(listener, self.handle).serve()
        return 0

    async def register(self, primary: str) -> None:
        """Tell the primary where this replica is, and take over what it has."""
        place = host_port(primary, int(self.flags["backend-port"]))
        until = self.process.clock.monotonic() + _PATIENCE
        while self.process.clock.monotonic() < until:
            request = f"register?host={self.process.net.address}"
            await klog(self.process, f"Registering to primary: {place}/{request}")
            try:
                answered = await self.call(primary, request)
            except (OSError, ResolveFailure, TimeoutError, http.ProtocolError) as failure:
                text = failure if str(failure) else "i/o timeout"
                await klog(self.process, f"encountered error while registering to primary: {text}. Retrying in 1s.")
                await self.process.clock.sleep(1)
                continue
            self.store = json.loads(answered)["data"]
            await klog(self.process, f"Registered to node: {primary}")
            return
        await fatal(self.process, "Timed out while registering to primary.")

    async def call(self, host: str, request: str) -> str:
        """GET of another node. Raises OSError, ResolveFailure, TimeoutError."""
        address, port = await resolve(self.process, host, str(self.flags["backend-port"]), "tcp")
        headers = [("Host", host_port(host, port)), ("User-Agent", "Go-http-client/1.1")]
        response = await http.request(
            lambda: self.process.net.connect(address, port), "GET", f"/{request}", headers, timeout=_CALL
        )
        return response.text

    async def handle(self, request: Request) -> Response:
        match request.path:
            case "/register":
                return await self.on_register(request)
            case "/get":
                return await self.on_get(request)
            case "/set":
                return await self.on_set(request)
            case "/guestbook":
                return await self.on_guestbook(request)
        return golang.error(self.process, request, "404 page not found", 404)

    async def on_register(self, request: Request) -> Response:
        host = request.query.get("host", "")
        await klog(self.process, f"GET /register?host={host}")
        self.replicas.append(host)
        await klog(self.process, f"Node '{host}' registered.")
        return self.say(request, {"data": self.store})

    async def on_get(self, request: Request) -> Response:
        key = request.query.get("key", "")
        await klog(self.process, f"GET /get?key={key}")
        return self.say(request, {"data": self.store.get(key, "") if key else self.store})

    async def on_set(self, request: Request) -> Response:
        key, value = request.query.get("key", ""), request.query.get("value", "")
        await klog(self.process, f"GET /set?key={key}&value={value}")
        if not key:
            return golang.error(self.process, request, "cannot set with empty key.", 400)
        if sum(len(name) + len(text) for name, text in self.store.items()) + len(value) > _LARGEST:
            await fatal(self.process, "out of memory")
        self.store[key] = value
        for replica in self.replicas:
            try:
                await self.call(replica, f"set?key={quote(key)}&value={quote(value)}")
            except (OSError, ResolveFailure, TimeoutError, http.ProtocolError) as failure:
                text = f"encountered error while propagating to replica '{replica}': {failure}"
                return golang.error(self.process, request, text, 417)
        return self.say(request, {"message": "Updated"})

    async def on_guestbook(self, request: Request) -> Response:
        command, key = request.query.get("cmd", "").lower(), request.query.get("key", "")
        value = request.query.get("value", "")
        await klog(self.process, f"GET /guestbook?cmd={command}&key={key}&value={value}")
        if command not in ("get", "set"):
            return golang.error(self.process, request, f"unsupported cmd: '{command}'", 400)
        if command == "set" and not key:
            return golang.error(self.process, request, "cannot set with empty key.", 400)
        host = "agnhost-replica" if command == "get" else "agnhost-primary"
        try:
            said = await self.call(host, f"{command}?key={quote(key)}&value={quote(value)}")
        except ResolveFailure as failure:
            return golang.error(self.process, request, f"host and/or port param are invalid. {failure}", 400)
        except (OSError, TimeoutError, http.ProtocolError) as failure:
            return golang.error(self.process, request, f"encountered error: {failure}", 417)
        return answer(self.process, request, said.encode())

    def say(self, request: Request, data: object) -> Response:
        return answer(self.process, request, json.dumps(data, separators=(",", ":"), sort_keys=True).encode())


async def guestbook(process: Process, words: list[str]) -> int:
    flags = Flags({"http-port": "80", "backend-port": "6379", "replicaof": ""})
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    return await Guestbook(process, flags).run()
