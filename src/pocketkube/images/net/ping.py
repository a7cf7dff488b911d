"""ping of BusyBox: echo requests through the fabric. Pods and nodes answer, Service addresses do not.

Left out: record route; a round trip takes what the fabric takes, which is next to nothing.
"""

from __future__ import annotations

import asyncio
import errno
import signal

from pocketkube.images.coreutils.options import parse
from pocketkube.kubelet.process import Process
from pocketkube.network import resolver


async def ping6(process: Process) -> int:
    return await ping(process, resolver.IPV6)


async def ping(process: Process, version: int | None = None) -> int:
    options = await parse(process, "c:s:t:w:W:i:I:q46An")
    if len(options.rest) != 1:
        await process.error("BusyBox v1.36.1 multi-call binary.\n\nUsage: ping [OPTIONS] HOST")
        return 1
    host = options.rest[0]
    version = resolver.IPV4 if "4" in options else resolver.IPV6 if "6" in options else version
    try:
        address = await resolver.first(process, host, version)
    except resolver.ResolutionError:
        await process.error(f"ping: bad address '{host}'")
        return 1
    size, most = int(options.get("s", 56)), int(options.get("c", 0))
    wait, interval = float(options.get("W", 10)), float(options.get("i", 1))
    deadline = process.clock.monotonic() + float(options.get("w")) if "w" in options else None
    stopped = asyncio.Event()
    process.on_signal(signal.SIGINT, lambda _: stopped.set())
    await process.print(f"PING {host} ({address}): {size} data bytes")
    sent, times = 0, list[float]()
    while not stopped.is_set() and (not most or sent < most):
        left = wait if deadline is None else min(wait, deadline - process.clock.monotonic())
        if left <= 0:
            break
        began = process.clock.monotonic()
        sent += 1
        last = bool(most) and sent == most
        try:
            answered = await process.net.ping(address, timeout=left if last or deadline else min(left, interval))
        except OSError as error:
            if error.errno == errno.ENETUNREACH:
                await process.error("ping: sendto: Network is unreachable")
                return 1
            answered = False
        if answered:
            times.append((process.clock.monotonic() - began) * 1000)
            if "q" not in options:
                await process.print(f"{size + 8} bytes from {address}: seq={sent - 1} ttl=64 time={times[-1]:.3f} ms")
        passed = process.clock.monotonic() - began
        if not last and passed < interval:
            pause = interval - passed
            await process.clock.sleep(pause if deadline is None else min(pause, deadline - process.clock.monotonic()))
    lost = 100 * (sent - len(times)) // sent if sent else 0
    await process.print(f"\n--- {host} ping statistics ---")
    await process.print(f"{sent} packets transmitted, {len(times)} packets received, {lost}% packet loss")
    if times:
        spread = f"{min(times):.3f}/{sum(times) / len(times):.3f}/{max(times):.3f}"
        await process.print(f"round-trip min/avg/max = {spread} ms")
    return 0 if times else 1


COMMANDS = {"ping": ping, "ping6": ping6}
