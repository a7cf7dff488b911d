"""After 101 Switching Protocols: bytes both ways, whatever they mean, until both sides have ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pocketkube.network.ingress.inbox import Inbox
from pocketkube.network.ingress.wire import Wire, end


async def tunnel(inbox: Inbox, client: Wire, backend: Wire, first: bytes) -> int:
    """`first` came from the backend after its head. Returns the bytes the client got. Closes the backend."""
    sent = 0

    async def inward() -> None:
        while data := await inbox.read():
            await backend.write(data)
        if inbox.broken:
            backend.abort()
        await end(backend)

    async def outward() -> None:
        nonlocal sent
        data = first or await backend.read()
        while data:
            await client.write(data)
            sent += len(data)
            data = await backend.read()
        await end(client)

    with suppress(ExceptionGroup):  # one side was reset; closing tells the other
        async with asyncio.TaskGroup() as both:
            both.create_task(inward())
            both.create_task(outward())
    backend.close()
    return sent
