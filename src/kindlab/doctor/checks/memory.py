"""Memory and processors. Nobody publishes what a kind cluster of three nodes needs: KIND_LEAST and KIND_WELL are our
estimate (each node runs a kubelet, containerd and its system Pods; the control plane adds about a gigabyte), not
measured. kubeadm itself asks for 1700 MB and two processors for a control plane."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok, problem

GIB = 1 << 30
KIND_LEAST, KIND_WELL = 2 * GIB, 4 * GIB
POCKET_WELL = GIB // 2


def look(facts: Facts) -> Iterator[Finding]:
    total, free = _meminfo(facts)
    engine = facts.engine
    memory = (engine.memory if engine else 0) or total
    if free and free < POCKET_WELL:
        yield note(
            f"only {_gib(free)} of memory are free",
            "everything gets slow, and the system may end programs",
            "Close other programs; ps aux --sort=-rss | head shows the large ones.",
            only=("kind", "pocket"),
        )
    if engine is not None and memory:
        if memory < KIND_LEAST:
            yield problem(f"kind's nodes have {_gib(memory)} of memory", _BREAKS, _more(facts), only=("kind",))
        elif memory < KIND_WELL:
            yield note(f"kind's nodes have {_gib(memory)} of memory", _BREAKS, _more(facts), only=("kind",))
        if engine.cpus == 1:
            yield note(
                "kind's nodes have one processor", "Pods stay Pending for want of CPU", _more(facts), only=("kind",)
            )
    if total:
        yield ok(f"{_gib(total)} of memory" + (f", {_gib(free)} free" if free else ""))
    elif memory:
        yield ok(f"{_gib(memory)} of memory for containers")


_BREAKS = (
    "a cluster of three nodes takes about two, and the add-ons of labs 06, 07, 10 and 13 to 16 one more (an estimate):"
    " nodes become NotReady, Pods are OOMKilled"
)


def _more(facts: Facts) -> str:
    product = facts.engine.product if facts.engine else ""
    if product == "podman machine":
        return "podman machine stop && podman machine set --memory 6144 --cpus 4 && podman machine start"
    if product == "Colima":
        return "colima stop && colima start --memory 6 --cpu 4"
    if facts.computer.wsl or (product == "Docker Desktop" and facts.computer.platform == "win32"):
        return "In %UserProfile%\\.wslconfig, section [wsl2]: memory=6GB and then in PowerShell: wsl --shutdown"
    if product:
        return f"{product}, Settings, Resources: 6 GB of memory and 4 processors."
    return "Close other programs, or use the embedded cluster: kindlab up --cluster pocket"


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GB"


def _meminfo(facts: Facts) -> tuple[int, int]:
    """(bytes of this machine, bytes that are free); 0 where they cannot be known."""
    text = facts.read("/proc/meminfo")
    found = {key: int(value) * 1024 for key, value in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
    if found:
        return found.get("MemTotal", 0), found.get("MemAvailable", 0)
    if facts.computer.platform == "darwin" and hasattr(os, "sysconf"):
        answer = facts.ask("sysctl", "-n", "hw.memsize")
        return (int(answer.out) if answer.code == 0 and answer.out.strip().isdigit() else 0), 0
    return 0, 0


CHECK = Check("memory", 40, ("kind", "pocket"), look)
