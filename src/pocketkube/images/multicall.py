"""BusyBox, the multi-call binary: `busybox APPLET ARGS`, or run by an applet's name, as Alpine's links to it do."""

from __future__ import annotations

from pocketkube.kubelet.process import Process


def applets(process: Process) -> list[str]:
    return sorted({path.rsplit("/", 1)[-1] for path in process.namespace.commands} - {"busybox"})


async def busybox(process: Process) -> int:
    name = process.argv[0].rsplit("/", 1)[-1].lstrip("-")
    if name != "busybox":
        return await _run(process, name)
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
    process.argv = words
    return await _run(process, words[0])


async def _run(process: Process, applet: str) -> int:
    for path, program in process.namespace.commands.items():
        if path.rsplit("/", 1)[-1] == applet != "busybox":
            return await program(process)
    await process.error(f"{applet}: applet not found")
    return 127
