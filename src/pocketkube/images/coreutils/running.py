"""time, nice, nohup, setsid, watch, usleep, clear: commands that run others; and those only saying they are missing."""

from __future__ import annotations

import signal
from datetime import UTC, datetime

from pocketkube.images.coreutils.options import name_of, parse
from pocketkube.images.coreutils.system import run
from pocketkube.kubelet.process import Command, Process


async def time(process: Process) -> int:
    options = await parse(process, "pvf:o:", stop=True)
    if not options.rest:
        return 0
    started = process.clock.monotonic()
    try:
        status = await process.run(options.rest)
    except OSError:
        await process.error(f"time: can't execute '{options.rest[0]}': No such file or directory")
        status = 127
    spent = process.clock.monotonic() - started
    if "p" in options:
        await process.error(f"real {spent:.2f}\nuser 0.00\nsys 0.00")
    else:
        await process.error(f"real\t{int(spent // 60)}m {spent % 60:.2f}s\nuser\t0m 0.00s\nsys\t0m 0.00s")
    return status


async def wrapper(process: Process) -> int:
    """nice, setsid, stdbuf, chrt: what they set has no meaning here, the command runs."""
    options = await parse(process, "n:cwo:i:e:", {"adjustment": "n"}, stop=True)
    if not options.rest:
        await process.print("0")
        return 0
    return await run(process, options.rest)


async def nohup(process: Process) -> int:
    process.on_signal(signal.SIGHUP, None)
    return await run(process, process.argv[1:])


async def usleep(process: Process) -> int:
    await process.clock.sleep(float(process.argv[1] if len(process.argv) > 1 else 0) / 1e6)
    return 0


async def watch(process: Process) -> int:
    options = await parse(process, "n:t", {"interval": "n"}, stop=True)
    while True:
        now = datetime.fromtimestamp(process.clock.time(), UTC).strftime("%Y-%m-%d %H:%M:%S")
        await process.print(f"\033[H\033[JEvery {float(options.get('n', 2)):.1f}s: {' '.join(options.rest)}  {now}\n")
        await process.run(["sh", "-c", " ".join(options.rest)])
        await process.clock.sleep(float(options.get("n", 2)))


async def clear(process: Process) -> int:
    await process.print("\033[H\033[J", end="")
    return 0


async def no_editor(process: Process) -> int:
    """vi, less, more need a screen this cluster's terminals do not have."""
    await process.error(f"{name_of(process)}: not available in this cluster: use cat, sed -i or a redirection")
    return 1


COMMANDS: dict[str, Command] = {
    "time": time, "nice": wrapper, "setsid": wrapper, "stdbuf": wrapper, "nohup": nohup, "usleep": usleep,
    "watch": watch,
    "clear": clear, "vi": no_editor, "less": no_editor, "more": no_editor,
}  # fmt: skip
