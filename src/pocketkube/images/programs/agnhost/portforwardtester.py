"""agnhost port-forward-tester: one connection, told about on standard output; its exit code says what went wrong."""

from __future__ import annotations

import errno
import os

from pocketkube.images import golang
from pocketkube.images.golang import Flags
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network.sockets import Listener

LINGER = 0.5
"""Seconds between ending the answer and closing the connection."""


async def port_forward_tester(process: Process, words: list[str]) -> int:
    problem = Flags({}).parse(words)
    if problem:
        return await flag_error(process, problem)
    golang.die_on_signals(process)
    listener = await _listen(process)
    stream = await listener.accept()
    await process.print("Accepted client connection")
    try:
        expected = process.env.get("EXPECTED_CLIENT_DATA", "").encode()
        if expected:
            got, why = b"", "<nil>"
            try:
                got = await stream.read(len(expected))
                why = why if got else "EOF"
            except ConnectionError:
                why = f"read tcp {stream.local[0]}:{stream.local[1]}: read: connection reset by peer"
            if len(got) != len(expected):
                text = f"Expected to read {len(expected)} bytes from client, but got {len(got)} instead. err={why}"
                await process.print(text)
                return 2
            if got != expected:
                await process.print(
                    f'Expect to read "{expected.decode()}", but got "{got.decode(errors="replace")}". err={why}'
                )
                return 3
            await process.print("Received expected client data")
        chunks, size = await _number(process, "CHUNKS"), await _number(process, "CHUNK_SIZE")
        interval = await _number(process, "CHUNK_INTERVAL") / 1000
        for chunk in range(chunks):
            try:
                await stream.write(b"x" * size)
            except ConnectionError as failure:
                text = os.strerror(failure.errno or errno.EPIPE).lower()
                await process.print(f"Expected to write {size} bytes from client, but wrote 0 instead. err={text}")
                return 4
            if chunk + 1 < chunks:
                await process.clock.sleep(interval)
        await process.print("Shutting down connection")
        stream.write_eof()
        await process.clock.sleep(LINGER)
    finally:
        stream.close()
    await process.print("Done")
    return 0


async def _listen(process: Process) -> Listener:
    address, port = process.env.get("BIND_ADDRESS") or "localhost", process.env.get("BIND_PORT", "")
    try:
        return process.net.listen(int(port), "127.0.0.1" if address == "localhost" else address)
    except (OSError, ValueError) as failure:
        await process.print(f"Error listening: listen tcp {address}:{port}: {failure}")
        raise ProcessExit(1) from None


async def _number(process: Process, name: str) -> int:
    text = process.env.get(name, "")
    try:
        return int(text)
    except ValueError:
        problem = f'strconv.Atoi: parsing "{text}": invalid syntax'
        await process.print(f'Error parsing {name} "{text}": {problem}')
        raise ProcessExit(1) from None
