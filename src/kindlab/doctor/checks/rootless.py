"""An engine without root's rights: what it lacks beyond cgroups (which the engine's own check covers). From kind's page
on rootless engines."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok, problem

MODULES = ("ip6_tables", "ip6table_nat", "ip_tables", "iptable_nat")
PRIVILEGED = "/proc/sys/net/ipv4/ip_unprivileged_port_start"


def look(facts: Facts) -> Iterator[Finding]:
    engine = facts.engine
    if engine is None or not engine.rootless or not facts.own_kernel:
        return
    missing = [module for module in MODULES if not _has(facts, module)]
    if missing:
        yield note(
            f"{engine.title} cannot load kernel modules itself, and {', '.join(missing)} are not loaded",
            "Services do not work on kind: kube-proxy needs them",
            f"printf '%s\\n' {' '.join(MODULES)} | sudo tee /etc/modules-load.d/iptables.conf"
            " && sudo systemctl restart systemd-modules-load.service",
        )
    start = facts.read(PRIVILEGED).strip()
    for scheme in ("HTTP", "HTTPS"):
        port = facts.environment.get(f"KINDLAB_{scheme}_PORT", "")
        if port.isdigit() and start.isdigit() and 0 < int(port) < int(start):
            yield problem(
                f"{engine.title} may not open port {port} (KINDLAB_{scheme}_PORT): below {start} they are root's",
                "kindlab up --cluster kind",
                f"unset KINDLAB_{scheme}_PORT (then it is {8080 if scheme == 'HTTP' else 8443})",
            )
    if not missing:
        yield ok("modules for a rootless engine")


def _has(facts: Facts, module: str) -> bool:
    """Loaded, or built into the kernel."""
    if any(line.startswith(f"{module} ") for line in facts.read("/proc/modules").splitlines()):
        return True
    release = facts.read("/proc/sys/kernel/osrelease").strip()
    builtin = facts.read(f"/lib/modules/{release}/modules.builtin")
    return f"/{module}.ko" in builtin


CHECK = Check("rootless", 31, ("kind",), look)
