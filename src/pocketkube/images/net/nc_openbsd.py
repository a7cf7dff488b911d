"""nc of netcat-openbsd, which agnhost has in place of BusyBox's: its options, its messages, its exit codes.

Models Debian's netcat-openbsd as Alpine packages it: end of input does not end a TCP conversation (but with -N or -q),
`-w` is the time to connect and the longest silence, a refused datagram is silent. Left out: proxies (-x, -X), UNIX
sockets (-U), telnet negotiation (-t is accepted, nobody here negotiates), buffer sizes and other socket options.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from pocketkube.images.coreutils.options import Options, parse
from pocketkube.images.net.nc import CHUNK
from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network import resolver
from pocketkube.network.sockets import Datagram
from pocketkube.network.stream import Stream

_SERVICES: Final = {"80/tcp": "http", "443/tcp": "https", "53/tcp": "domain", "53/udp": "domain", "22/tcp": "ssh"}
_OPTIONS: Final = "46bCDdFhI:i:klM:m:NnO:P:p:q:rSs:tT:UuV:vW:w:X:x:Zz"
_LEFT_OUT: Final = "FPUXxZ"


async def nc(process: Process) -> int:
    options = await parse(process, _OPTIONS)
    for letter in _LEFT_OUT:
        if letter in options:
            return await _fail(process, f"-{letter} is not supported in this cluster's nc")
    if "l" in options:
        return await _serve(process, options)
    if len(options.rest) != 2:
        await process.error("usage: nc [-46CDdFhklNnrStUuvZz] [-i interval] [-p source_port] [-q seconds]")
        await process.error("\t  [-s sourceaddr] [-w timeout] [destination] [port]")
        return 1
    host, ports = options.rest[0], await _ports(process, options.rest[1])
    try:
        addresses = await resolver.lookup(process, host)
    except resolver.ResolutionError:
        why = "Name does not resolve"
        return await _fail(process, f'getaddrinfo for host "{host}" port {ports[0]}: {why}')
    status = 1
    for port in ports:
        talk = _datagrams if "u" in options else _connection
        if await talk(process, options, host, addresses, port):
            status = 0
    return status


async def _ports(process: Process, text: str) -> Sequence[int]:
    first, _, last = text.partition("-")
    numbers = [int(part) if part.isdecimal() else 0 for part in (first, last or first)]
    if any(not 0 < number < 65536 for number in numbers):
        wrong = first if not 0 < numbers[0] < 65536 else last
        await _fail(process, f"port number {'invalid' if not wrong.isdecimal() else 'too large'}: {wrong}")
    return range(numbers[0], numbers[1] + 1)


async def _fail(process: Process, text: str) -> int:
    await process.error(f"nc: {text}")
    raise ProcessExit(1)


async def _connection(process: Process, options: Options, host: str, addresses: list[str], port: int) -> bool:
    """Connect to the first address that answers; talk, unless with -z."""
    for address in addresses:
        try:
            stream = await process.net.connect(address, port, timeout=_seconds(options, "w"))
        except OSError as error:
            if "v" in options:
                why = "Operation timed out" if isinstance(error, TimeoutError) else error.strerror
                where = host if host == address else f"{host} ({address})"
                await process.error(f"nc: connect to {where} port {port} (tcp) failed: {why}")
            continue
        await _tell(process, options, host, address, port, "tcp")
        if "z" in options:
            stream.close()
        else:
            await _converse(process, options, stream)
        return True
    return False


async def _tell(process: Process, options: Options, host: str, address: str, port: int, protocol: str) -> None:
    if "v" in options:
        where = host if host == address else f"{host} ({address})"
        service = "*" if "n" in options else _SERVICES.get(f"{port}/{protocol}", "*")
        await process.error(f"Connection to {where} {port} port [{protocol}/{service}] succeeded!")


def _seconds(options: Options, letter: str) -> float | None:
    return float(options.get(letter)) if str(options.get(letter, "")).isdecimal() else None


async def _converse(process: Process, options: Options, stream: Stream) -> None:
    """Both directions until the other side ends, or nothing was said for -w seconds, or -q seconds after our end."""
    quit_after = _seconds(options, "q")
    ended = asyncio.Event()

    async def send() -> None:
        with suppress(ConnectionError):
            while "d" not in options and (data := await process.stdin.read(CHUNK)):
                await stream.write(data)
            if "N" in options or quit_after is not None:
                stream.write_eof()
        if quit_after is not None:
            await process.clock.sleep(quit_after)
            ended.set()

    async def receive() -> None:
        with suppress(TimeoutError, ConnectionError):
            while True:
                async with process.clock.timeout(_seconds(options, "w")):
                    data = await stream.read(CHUNK)
                if not data:
                    break
                await process.stdout.write(data)
        ended.set()

    both = [asyncio.create_task(send()), asyncio.create_task(receive())]
    try:
        await ended.wait()
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        stream.close()


async def _datagrams(process: Process, options: Options, host: str, addresses: list[str], port: int) -> bool:
    with process.net.bind_udp(0, "::" if ":" in addresses[0] else "0.0.0.0") as socket:
        socket.connect((addresses[0], port))
        if "z" in options:
            with suppress(ConnectionRefusedError):
                for _ in range(4):
                    socket.send(b"X")
                await _tell(process, options, host, addresses[0], port, "udp")
                return True
            return False
        await _talk(process, options, socket)
    return True


async def _talk(process: Process, options: Options, socket: Datagram) -> None:
    async def send() -> None:
        with suppress(ConnectionError):
            while "d" not in options and (data := await process.stdin.read(CHUNK)):
                socket.send(data)

    sending = asyncio.create_task(send())
    try:
        while True:
            async with process.clock.timeout(_seconds(options, "w")):
                data, _ = await socket.recvfrom()
            await process.stdout.write(data)
    except (TimeoutError, ConnectionRefusedError):
        return
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _serve(process: Process, options: Options) -> int:
    """-l: one conversation, or with -k one after another. The port is -p's or the last operand."""
    words = [*options.rest]
    if "p" in options:
        words.append(str(options.get("p")))
    if not words:
        await process.error("usage: nc [-46CDdFhklNnrStUuvZz] -l [-p port] [source] [port]")
        return 1
    port = (await _ports(process, words[-1]))[0]
    address = str(options.get("s") or (words[0] if len(words) > 1 else "::" if "6" in options else "0.0.0.0"))
    try:
        if "u" in options:
            with process.net.bind_udp(port, address) as socket:
                data, sender = await socket.recvfrom()
                await process.stdout.write(data)
                socket.connect(sender)
                await _talk(process, options, socket)
            return 0
        listener = process.net.listen(port, address)
    except OSError as error:
        return await _fail(process, f"{error.strerror}")
    if "v" in options:
        await process.error(f"Listening on {address} {port}")
    with listener:
        async for stream in listener:
            if "v" in options:
                await process.error(f"Connection received on {stream.remote[0]} {stream.remote[1]}")
            await _converse(process, options, stream)
            if "k" not in options:
                break
    return 0
