"""How the kernel counts what containers use. Kubernetes' kubelet does not start under cgroup v1 since 1.35 (its
failCgroupV1 is on by default; KEP-5573), and the nodes of cluster-config/kind.yaml are newer. Not tried: where this was
written there was no node image to start."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, ok, problem


def look(facts: Facts) -> Iterator[Finding]:
    engine = facts.engine
    if engine is None or not engine.cgroup:
        return
    if engine.cgroup == 2:
        yield ok("cgroup v2")
        return
    yield problem(
        f"{engine.title} runs under cgroup v1, which Kubernetes 1.35 and later refuse",
        "kindlab up --cluster kind: the nodes' kubelet does not start",
        _fix(facts),
    )


def _fix(facts: Facts) -> str:
    if facts.computer.wsl:
        return (
            "In PowerShell: wsl --update; wsl --shutdown (from 2.5.1 on WSL has cgroup v2). Should that not do: in"
            " %UserProfile%\\.wslconfig, section [wsl2]: kernelCommandLine = cgroup_no_v1=all and then: wsl --shutdown"
        )
    if not facts.own_kernel:
        return "Update what your engine runs in (Docker Desktop, podman machine, Colima ...): its Linux is too old."
    return (
        "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&systemd.unified_cgroup_hierarchy=1 /' /etc/default/grub"
        " && sudo update-grub && sudo reboot (Fedora, RHEL: sudo grubby --update-kernel=ALL"
        " --args=systemd.unified_cgroup_hierarchy=1 && sudo reboot)"
    )


CHECK = Check("cgroup", 30, ("kind",), look)
