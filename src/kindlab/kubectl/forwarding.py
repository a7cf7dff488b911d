"""Local ports that lead into a Pod: listening, and a tunnel for every connection. What `kubectl port-forward` prints
goes to the session's outputs as it happens."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import aiohttp

from kindlab.api import ApiError
from kindlab.kubectl import tunnel
from kindlab.kubectl.access import Access
from kindlab.kubectl.session import Refused, Session

HEARTBEAT = 30.0
LOST = "error: lost connection to pod"


class Ports(NamedTuple):
    """`local` 0 means any free one."""

    local: int
    remote: int


class Address(NamedTuple):
    """`optional`: one of the two that localhost stands for, of which one is enough."""

    ip: str
    optional: bool


def addresses(texts: Sequence[str]) -> list[Address]:
    """What --address names. Raises Refused."""
    found: dict[str, Address] = {}
    for text in texts:
        if text == "localhost":
            for ip in ("127.0.0.1", "::1"):
                found.setdefault(ip, Address(ip, True))
            continue
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise Refused(f"error: {text} is not a valid IP") from None
        found[text] = Address(text, False)
    return sorted(found.values())


class Forwarder:
    """`path`: the URL path of the Pod's portforward subresource."""

    def __init__(self, session: Session, path: str) -> None:
        self._session = session
        self._path = path

    async def run(self, ports: Sequence[Ports], where: Sequence[Address]) -> None:
        """Until it is cancelled. Raises Refused when no port can be listened on, and when the Pod is lost."""
        async with Access(self._session.api) as access:
            try:
                alive = await tunnel.connect(access, self._path, heartbeat=HEARTBEAT)
            except ConnectionError as error:
                raise Refused(f"error: {await asyncio.to_thread(self._why, error)}") from error
            servers: list[asyncio.Server] = []
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_watch(alive), name="port-forward: is the server there")
                    for pair in ports:
                        servers += await self._listen(access, group, pair, where)
                    if not servers:
                        asked = " ".join(f"{{{pair.local} {pair.remote}}}" for pair in ports)
                        raise Refused(f"error: unable to listen on any of the requested ports: [{asked}]")
            except ExceptionGroup as failed:
                refused = failed.subgroup(Refused)
                if refused is None:
                    raise
                raise refused.exceptions[0] from None
            finally:
                for server in servers:
                    server.close()
                await alive.close()

    async def _listen(
        self, access: Access, group: asyncio.TaskGroup, pair: Ports, where: Sequence[Address]
    ) -> list[asyncio.Server]:
        """Listen for one pair of ports on every address; none at all when one that must be had is not to be had."""
        local, servers, errors = pair.local, list[asyncio.Server](), list[str]()
        refused = False

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            group.create_task(self._serve(access, Ports(local, pair.remote), reader, writer))

        for address in where:
            version = 6 if ":" in address.ip else 4
            family = socket.AF_INET6 if version == 6 else socket.AF_INET
            shown = f"[{address.ip}]" if version == 6 else address.ip
            try:
                server = await asyncio.start_server(accept, address.ip, local, family=family)
            except (OSError, OverflowError) as error:
                why = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
                errors.append(f"unable to create listener: Error listen tcp{version} {shown}:{local}: bind: {why}")
                refused = refused or not address.optional
                continue
            servers.append(server)
            local = int(server.sockets[0].getsockname()[1])
            self._say(f"Forwarding from {shown}:{local} -> {pair.remote}")
        if errors and (refused or not servers):
            text = f"Listeners failed to create with the following errors: [{' '.join(errors)}]"
            self._session.err.write(f"Unable to listen on port {local}: {text}\n")
            for server in servers:
                server.close()
            return []
        return servers

    async def _serve(
        self, access: Access, ports: Ports, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One local connection. Raises Refused when the Pod could not be reached: as with kubectl, that is the end."""
        self._say(f"Handling connection for {ports.local}")
        try:
            pod = await tunnel.connect(access, self._path)
            try:
                trouble = await tunnel.carry(pod, ports.remote, reader, writer)
            finally:
                await pod.close()
        except ConnectionError as error:
            trouble = str(error)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        if trouble:
            text = f"an error occurred forwarding {ports.local} -> {ports.remote}: {trouble}"
            now = datetime.now()
            head = f"E{now:%m%d %H:%M:%S.%f} {os.getpid():>7} forwarding.py]"
            self._session.err.write(f'{head} "Unhandled Error" err={json.dumps(text, ensure_ascii=False)}\n')
            raise Refused(LOST)

    def _say(self, text: str) -> None:
        self._session.say(text)
        self._session.out.flush()  # somebody waits for this line in a pipe

    def _why(self, error: ConnectionError) -> str:
        """A WebSocket's refusal says a number only; a plain request is told the reason."""
        try:
            self._session.api.request("GET", self._path)
        except ApiError as refusal:
            if refusal.code in (401, 403, 404):
                return f"error upgrading connection: {refusal.message}"
        return str(error)


async def _watch(alive: aiohttp.ClientWebSocketResponse) -> None:
    """Nothing is carried by the first connection: its end says that the server is gone. Raises Refused then."""
    async for _ in alive:
        pass
    raise Refused(LOST)
