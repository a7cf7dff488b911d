"""agnhost's commands that end by themselves or just wait: pause, connect, dns-*, etc-hosts, entrypoint-tester, logs."""

from __future__ import annotations

import asyncio
import errno
import random
import signal
from contextlib import suppress

from pocketkube.images import golang
from pocketkube.images.golang import Flags, klog
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.images.programs.agnhost.network import ResolveFailure, resolve, split
from pocketkube.kubelet.process import Process
from pocketkube.network.addresses import host_port, wildcard

_POD_NAME = "bcdfghjklmnpqrstvwxz2456789"


async def pause(process: Process, words: list[str]) -> int:
    """Wait for SIGINT (exit 1) or SIGTERM (exit 2), and say which in the termination message."""
    caught: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def handler(number: int) -> None:
        if not caught.done():
            caught.set_result(number)

    await process.print("Paused")
    process.on_signal(signal.SIGINT, handler)
    process.on_signal(signal.SIGTERM, handler)
    await process.print("Signals registered")
    number = await caught
    text = f'exiting because of signal "{"interrupt" if number == signal.SIGINT else "terminated"}"\n'
    with suppress(OSError):
        process.fs.write_bytes(process.env.get("TERMINATION_MESSAGE_PATH") or "/dev/termination-log", text.encode())
    await process.print(text, end="")
    return 1 if number == signal.SIGINT else 2


async def connect(process: Process, words: list[str]) -> int:
    flags = Flags({"timeout": 0.0, "protocol": "tcp", "udp-data": "hostname", "sctp-data": "hostname"})
    problem = flags.parse(words)
    if not problem and len(flags.rest) != 1:
        problem = f"accepts 1 arg(s), received {len(flags.rest)}"
    if problem:
        return await flag_error(process, problem)
    protocol = flags["protocol"]
    if protocol not in ("", "tcp", "udp"):
        known = protocol == "sctp"
        await process.error("OTHER: protocol not supported" if known else f"Unsupported protocol\n{protocol}")
        return 1
    try:
        host, port = split(flags.rest[0])
        address = await resolve(process, host, port, protocol or "tcp")
    except ValueError as failure:
        await process.error(f"{'UNKNOWN' if protocol != 'udp' else 'DNS'}: {failure}")
        return 1
    except ResolveFailure as failure:
        await process.error(f"DNS: {failure}")
        return 1
    text = await (_udp if protocol == "udp" else _tcp)(process, address, flags["timeout"] or None, flags["udp-data"])
    if text:
        await process.error(text)
    return 1 if text else 0


async def _tcp(process: Process, address: tuple[str, int], timeout: float | None, data: str) -> str:
    try:
        (await process.net.connect(*address, timeout=timeout)).close()
    except TimeoutError:
        return "TIMEOUT"
    except ConnectionRefusedError:
        return "REFUSED"
    except OSError as failure:
        return f"OTHER: {golang.dial_error('tcp', host_port(*address), failure)}"
    return ""


async def _udp(process: Process, address: tuple[str, int], timeout: float | None, data: str) -> str:
    where, source = host_port(*address), process.net.source_for(address[0])
    with process.net.bind_udp(0, wildcard(address[0])) as socket:
        socket.connect(address)
        here = f"read udp {host_port(source, socket.port)}->{where}"
        try:
            socket.send(f"{data}\n".encode())
            async with process.clock.timeout(timeout):
                answered, _ = await socket.recvfrom()
        except TimeoutError:
            return f"TIMEOUT: {here}: i/o timeout"
        except ConnectionRefusedError:
            return f"REFUSED: {here}: read: connection refused"
        except OSError as failure:
            unreachable = failure.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)
            return f"{'OTHER' if unreachable else 'UNKNOWN'}: {golang.dial_error('udp', where, failure)}"
    return (
        ""
        if answered
        else ("OTHER: No data received from the server. Cannot guarantee the server received the request.")
    )


async def _resolv(process: Process, keyword: str) -> int:
    try:
        text = process.fs.read_bytes("/etc/resolv.conf").decode()
    except OSError:
        text = ""
    for line in text.split("\n"):
        if line.startswith(keyword):
            await process.print(",".join(line.split(" ")[1:]))
            return 0
    await process.error("panic: Could not find DNS search list!\n\ngoroutine 1 [running]:")
    return 2


async def dns_suffix(process: Process, words: list[str]) -> int:
    return await _resolv(process, "search")


async def dns_server_list(process: Process, words: list[str]) -> int:
    return await _resolv(process, "nameserver")


async def etc_hosts(process: Process, words: list[str]) -> int:
    await process.print(process.fs.read_bytes("/etc/hosts").decode(errors="replace"))
    return 0


async def entrypoint_tester(process: Process, words: list[str]) -> int:
    await process.print(f"[{' '.join(process.argv)}]")
    return 0


async def logs_generator(process: Process, words: list[str]) -> int:
    flags = Flags({"log-lines-total": 0, "run-duration": 0.0}, {"t": "log-lines-total", "d": "run-duration"})
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    golang.die_on_signals(process)
    total, seconds = flags["log-lines-total"], flags["run-duration"]
    if total <= 0:
        await klog(process, f"Invalid total number of lines: {total}", "logs_generator.go:66", "F")
        return 255
    if seconds <= 0:
        text = f"Invalid duration: {golang.format_duration(seconds)}"
        await klog(process, text, "logs_generator.go:70", "F")
        return 255
    for number in range(total):
        name = "".join(random.choices(_POD_NAME, k=random.choice((3, 4))))
        where = f"/api/v1/namespaces/{random.choice(('kube-system', 'default', 'ns'))}/pods/{name}"
        method = random.choice(("GET", "POST", "PUT"))
        line = f"{number} {method} {where} {random.randrange(200, 600)}"
        await klog(process, line, "logs_generator.go:79")
        await process.clock.sleep(seconds / total)
    return 0
