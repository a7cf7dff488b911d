"""Linux inside Windows. WSL2's kernel comes without xt_recent, which kube-proxy uses for sessionAffinity: one such
Service, and no later one gets rules (kind's using-wsl2 page, kind#1740). Not tried: no WSL where this was written."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok, problem

OPTION = "CONFIG_NETFILTER_XT_MATCH_RECENT="


def look(facts: Facts) -> Iterator[Finding]:
    if not facts.computer.wsl:
        return
    version = facts.read("/proc/version")
    if "-Microsoft" in version:  # WSL 2 spells it -microsoft-standard-WSL2
        yield problem(
            "this is WSL 1, which runs no Linux containers",
            "kindlab up --cluster kind",
            "In PowerShell: wsl --set-version <distribution> 2 (wsl --list shows their names)",
        )
        return
    if not _recent(facts):
        yield note(
            "WSL2's kernel has no xt_recent",
            "lab 03, task basket-affinity: a Service with sessionAffinity: ClientIP breaks that and every later Service"
            " of a kind cluster",
            "In cluster-config/kind.yaml, under networking: kubeProxyMode: nftables, then kindlab down and up"
            " --cluster kind (should avoid it; nobody has tried). Or do lab 03 on pocket: kindlab up --cluster pocket",
        )
    yield ok("WSL2")


def _recent(facts: Facts) -> bool:
    """By the kernel's configuration, or because the module is loaded."""
    if "xt_recent " in facts.read("/proc/modules"):
        return True
    config = facts.read("/proc/config") or _config()
    return any(line in config for line in (f"{OPTION}y", f"{OPTION}m"))


def _config() -> str:
    try:
        return gzip.decompress(Path("/proc/config.gz").read_bytes()).decode(errors="replace")
    except (OSError, EOFError):
        return ""


CHECK = Check("wsl", 32, ("kind",), look)
