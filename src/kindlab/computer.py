"""The computer that kindlab runs on, as far as advice depends on it: whoever is told to start a service must be told
how it is done there."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Computer:
    """`platform` is linux, darwin or win32. `wsl`: Linux inside Windows. `docker_group`: of the user's account, which
    counts from the next login on; `superuser` needs no group. `dockerd`: Docker's engine is installed, not only
    its client (asked of Linux: elsewhere it is in a virtual machine)."""

    platform: str = "linux"
    wsl: bool = False
    systemd: bool = True
    superuser: bool = False
    docker_group: bool = False
    dockerd: bool = True

    @property
    def linux(self) -> bool:
        return self.platform == "linux"

    def start(self, service: str) -> str:
        """The command that starts a service of the system."""
        sudo = "" if self.superuser else "sudo "
        return f"{sudo}systemctl start {service}" if self.systemd else f"{sudo}service {service} start"


DAEMONS = ("dockerd", "dockerd-rootless.sh")


def this() -> Computer:
    return Computer(
        platform=sys.platform,
        wsl=_wsl(),
        systemd=Path("/run/systemd/system").is_dir(),
        superuser=hasattr(os, "geteuid") and os.geteuid() == 0,
        docker_group=_in_docker_group(),
        dockerd=any(shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") for name in DAEMONS),
    )


def _wsl() -> bool:
    """WSL's kernels have Microsoft's name in their version."""
    try:
        return "microsoft" in Path("/proc/version").read_text(encoding="utf-8").lower()
    except OSError:
        return False


def _in_docker_group() -> bool:
    if sys.platform == "win32":
        return False
    import grp
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name in grp.getgrnam("docker").gr_mem
    except KeyError:
        return False
