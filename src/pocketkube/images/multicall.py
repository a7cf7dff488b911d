"""`busybox APPLET ARGS`: the multi-call binary by its own name."""

from __future__ import annotations

from pocketkube.kubelet.process import Process


def applets(process: Process) -> list[str]:
    return sorted({path.rsplit("/", 1)[-1] for path in process.namespace.commands} - {"busybox"})


async def busybox(process: Process) -> int:
    words = process.argv[1:]
    if not words or words[0] in ("--help", "-h"):
        await process.print(
            "BusyBox v1.36.1 multi-call binary.\nBusyBox is copyrighted by many authors between 1998-2015.\n"
        )
        await process.print("Usage: busybox [function [arguments]...]\n\nCurrently defined functions:")
        await process.print("\t" + ", ".join(applets(process)))
        return 0
    if words[0] == "--list":
        await process.print("\n".join(applets(process)))
        return 0
    for path, program in process.namespace.commands.items():
        if path.rsplit("/", 1)[-1] == words[0] and words[0] != "busybox":
            process.argv = words
            return await program(process)
    await process.error(f"{words[0]}: applet not found")
    return 127
