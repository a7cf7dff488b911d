"""nc and telnet of BusyBox: a connection between standard input and output and a port.

nc also takes `-z` and `-v` as netcat-openbsd does. Left out: -e and -lk with programs, telnet's
negotiation.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import NoReturn

from pocketkube.images.coreutils.options import parse
from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network import resolver
from pocketkube.network.addresses import host_port, wildcard
from pocketkube.network.sockets import Datagram
from pocketkube.network.stream import Stream

CHUNK = 65536


async def _fail(process: Process, text: str) -> NoReturn:
    await process.error(f"{process.argv[0].rpartition('/')[2]}: {text}")
    raise ProcessExit(1)


async def _port(process: Process, text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        await _fail(process, f"bad port '{text}'")
    return int(text)


async def _address(process: Process, host: str, version: int | None) -> str:
    try:
        return await resolver.first(process, host, version)
    except resolver.ResolutionError:
        await _fail(process, f"bad address '{host}'")


async def _connect(process: Process, address: str, port: int, timeout: float | None) -> Stream:
    try:
        return await process.net.connect(address, port, timeout=timeout)
    except TimeoutError as error:
        if timeout is not None:
            await _fail(process, "timed out")
        await _fail(process, f"can't connect to remote host ({address}): {error.strerror}")
    except OSError as error:
        await _fail(process, f"can't connect to remote host ({address}): {error.strerror}")


async def nc(process: Process) -> int:
    options = await parse(process, "lp:w:uzvnkq:i:s:N46")
    wait = float(options.get("w", 0)) or None
    if "l" in options:
        port = await _port(process, str(options.get("p") or (options.rest[-1] if options.rest else "0")))
        return await (_listen_udp if "u" in options else _listen)(process, port, forever="k" in options)
    if len(options.rest) != 2:
        await process.error("BusyBox v1.36.1 multi-call binary.\n\nUsage: nc [-l] [-p PORT] [-w SEC] [IPADDR PORT]")
        return 1
    version = resolver.IPV4 if "4" in options else resolver.IPV6 if "6" in options else None
    host, first, last = options.rest[0], *(options.rest[1].partition("-")[::2])
    if "u" in options:
        return await _talk_udp(process, await _address(process, host, version), await _port(process, first), wait)
    if "z" in options:
        low, high = await _port(process, first), await _port(process, last or first)
        address = await _address(process, host, version)
        return await _scan(process, host, address, range(low, high + 1), wait, verbose="v" in options)
    address = await _address(process, host, version)
    stream = await _connect(process, address, await _port(process, first), wait)
    if "v" in options:
        await process.error(f"{host} ({host_port(*stream.remote)}) open")
    return await _converse(process, stream, wait)


async def _scan(process: Process, host: str, address: str, ports: range, wait: float | None, *, verbose: bool) -> int:
    """-z: is anything listening? Says so with -v, for each port."""
    status = 1
    for port in ports:
        try:
            stream = await process.net.connect(address, port, timeout=wait)
        except OSError as error:
            if verbose or len(ports) == 1:
                why = "Operation timed out" if isinstance(error, TimeoutError) and wait else error.strerror
                await process.error(f"nc: {host} ({host_port(address, port)}): {why}")
            continue
        stream.close()
        status = 0
        if verbose:
            await process.error(f"{host} ({host_port(address, port)}) open")
    return status


async def _converse(process: Process, stream: Stream, wait: float | None = None) -> int:
    """Both directions until the other side ends; `wait` is the longest silence, in seconds."""

    async def send() -> None:
        with suppress(ConnectionError):
            while data := await process.stdin.read(CHUNK):
                await stream.write(data)
            stream.write_eof()

    sending = asyncio.create_task(send())
    try:
        while True:
            async with process.clock.timeout(wait):
                data = await stream.read(CHUNK)
            if not data:
                return 0
            await process.stdout.write(data)
    except TimeoutError:
        return 0
    except ConnectionResetError:
        await _fail(process, "Connection reset by peer")
    finally:
        sending.cancel()
        stream.close()


async def _listen(process: Process, port: int, *, forever: bool) -> int:
    try:
        listener = process.net.listen(port, "::")
    except OSError as error:
        await _fail(process, f"bind: {error.strerror}")
    with listener:
        async for stream in listener:
            await _converse(process, stream)
            if not forever:
                break
    return 0


async def _listen_udp(process: Process, port: int, *, forever: bool) -> int:
    try:
        socket = process.net.bind_udp(port, "::")
    except OSError as error:
        await _fail(process, f"bind: {error.strerror}")
    with socket:
        data, sender = await socket.recvfrom()
        await process.stdout.write(data)
        socket.connect(sender)
        return await _converse_udp(process, socket, None)


async def _talk_udp(process: Process, address: str, port: int, wait: float | None) -> int:
    with process.net.bind_udp(0, wildcard(address)) as socket:
        socket.connect((address, port))
        return await _converse_udp(process, socket, wait)


async def _converse_udp(process: Process, socket: Datagram, wait: float | None) -> int:
    async def send() -> None:
        with suppress(ConnectionError):
            while data := await process.stdin.read(CHUNK):
                socket.send(data)

    sending = asyncio.create_task(send())
    try:
        while True:
            async with process.clock.timeout(wait):
                data, _ = await socket.recvfrom()
            await process.stdout.write(data)
    except TimeoutError:
        return 0
    except ConnectionRefusedError:
        await _fail(process, "read error: Connection refused")
    finally:
        sending.cancel()


async def telnet(process: Process) -> int:
    if len(process.argv) < 2:
        await process.error("BusyBox v1.36.1 multi-call binary.\n\nUsage: telnet [-a] [-l USER] HOST [PORT]")
        return 1
    port = await _port(process, process.argv[2] if len(process.argv) > 2 else "23")
    stream = await _connect(process, await _address(process, process.argv[1], None), port, None)
    await process.print(f"Connected to {process.argv[1]}")
    code = await _converse(process, stream)
    await process.error("Connection closed by foreign host")
    return code or 1


COMMANDS = {"nc": nc, "telnet": telnet}
