"""From what a client prints to an Engine. The fields are those of Docker's `GET /info` (docs.docker.com/reference/api/
engine), which nerdctl prints as well, and podman-info(1); what kind itself asks of them is in kind@v0.33.0:
pkg/cluster/internal/providers/*/provider.go and create/create.go (validateProvider)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from kindlab.computer import Computer
from kindlab.engines.client import Answer, Client
from kindlab.engines.engine import Engine
from kindlab.engines.refusals import refusal

SNAPSHOTTER = "io.containerd.snapshotter.v1"
"""Docker's `driver-type` when its images are in containerd (moby#43983)."""

ROOTLESS_DOCS = "https://kind.sigs.k8s.io/docs/user/rootless/"


def engine_of(client: Client, answer: Answer, here: Computer, *, endpoint: str = "") -> Engine:
    """The engine behind a client, from its answer to `info`."""
    info = _parsed(answer)
    bare = Engine(client.name, client.path, endpoint=endpoint)
    if client.name != "podman" and "host" in info:
        return replace(
            bare,
            problem=f"the command {client.name} is podman in disguise (podman-docker), which kind does not take for it",
            then="Nothing is wrong with that: podman is used by its own name.",
        )
    found = _podman(bare, info, here) if client.name == "podman" else _docker(bare, info, here)
    if not found.version:
        problem, then = refusal(client.name, _complaint(info, answer), answer, here, endpoint)
        return replace(found, problem=problem, then=then)
    if found.problem:
        return found
    if _elsewhere(endpoint):
        return replace(
            found,
            problem=f"{client.name} runs on another machine ({endpoint}), where a kind cluster's ports would open",
            then="Use the engine of this machine: unset DOCKER_HOST; docker context use default."
            " Or run kindlab on that machine.",
        )
    return found


def _parsed(answer: Answer) -> dict[str, Any]:
    """What it printed as JSON; empty when there is none. Some clients print warnings before it."""
    start = answer.out.find("{")
    if start < 0:
        return {}
    try:
        found = json.loads(answer.out[start:])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _complaint(info: dict[str, Any], answer: Answer) -> str:
    """Docker's clients up to 27 say it within the JSON and end with 0, later ones on standard error; WSL's stand-in for
    Docker Desktop says it on standard output."""
    said = [*(info.get("ServerErrors") or ()), answer.err, "" if info else answer.out]
    return "\n".join(text.strip() for text in said if text.strip())


def _docker(bare: Engine, info: dict[str, Any], here: Computer) -> Engine:
    if not info.get("ServerVersion"):
        return bare
    rootless = any("name=rootless" in str(option).split(",") for option in info.get("SecurityOptions") or ())
    cgroup = {"1": 1, "2": 2}.get(str(info.get("CgroupVersion", "")), 0)
    driver = dict(pair for pair in info.get("DriverStatus") or () if len(pair) == 2)
    product = _product(info)
    found = replace(
        bare,
        version=str(info["ServerVersion"]),
        product=product,
        rootless=rootless,
        cgroup=cgroup,
        cpus=int(info.get("NCPU") or 0),
        memory=int(info.get("MemTotal") or 0),
        root=str(info.get("DockerRootDir") or ""),
        virtual=bool(product) or not here.linux,
        containerd_images=bare.name == "docker" and driver.get("driver-type") == SNAPSHOTTER,
    )
    if info.get("OSType") == "windows":
        return replace(
            found,
            problem="docker runs Windows containers, and Kubernetes' nodes are Linux containers",
            then="Docker's icon in the task bar, Switch to Linux containers...",
        )
    limits = info.get("CgroupDriver") != "none" and all(info.get(x) for x in ("MemoryLimit", "PidsLimit", "CPUShares"))
    return _rootless_refused(found, limits=limits)


def _product(info: dict[str, Any]) -> str:
    """What the engine comes in. Names and contexts as they were seen in the wild: ddev's list of providers, colima#84;
    Rancher Desktop's virtual machine is a lima as well, so it is asked for first."""
    system, name = str(info.get("OperatingSystem", "")), str(info.get("Name", ""))
    context = str((info.get("ClientInfo") or {}).get("Context", ""))
    if system == "Docker Desktop" or name == "docker-desktop":
        return "Docker Desktop"
    if "rancher-desktop" in (name.removeprefix("lima-"), context) or system.startswith("Rancher Desktop"):
        return "Rancher Desktop"
    if system == "OrbStack" or name == "orbstack":
        return "OrbStack"
    if context.startswith("colima") or name.startswith("colima"):
        return "Colima"
    return "Lima" if name.startswith("lima-") else ""


def _podman(bare: Engine, info: dict[str, Any], here: Computer) -> Engine:
    host = info.get("host") or {}
    version = str((info.get("version") or {}).get("Version") or "")
    if not host or not version:
        return bare
    remote = not here.linux or bool(host.get("serviceIsRemote"))
    controllers = host.get("cgroupControllers")
    found = replace(
        bare,
        version=version,
        product="podman machine" if remote else "",
        rootless=bool((host.get("security") or {}).get("rootless")),
        cgroup={"v1": 1, "v2": 2}.get(str(host.get("cgroupVersion", "")), 0),
        cpus=int(host.get("cpus") or 0),
        memory=int(host.get("memTotal") or 0),
        root=str((info.get("store") or {}).get("graphRoot") or ""),
        virtual=remote,
    )
    # podman says since 4.0 which controllers it has
    limits = version.startswith(("1.", "2.", "3.")) or {"cpu", "memory", "pids"} <= set(controllers or ())
    return _rootless_refused(found, limits=limits)


def _rootless_refused(found: Engine, *, limits: bool) -> Engine:
    """kind takes a rootless engine only under cgroup v2, and with limits delegated to its user."""
    if not found.rootless or (found.cgroup == 2 and limits):
        return found
    if found.cgroup != 2:
        return replace(
            found,
            problem=f"{found.name} is rootless, and kind takes a rootless engine only with cgroup v2",
            then="Start this machine with cgroup v2: in /etc/default/grub put systemd.unified_cgroup_hierarchy=1 into"
            " GRUB_CMDLINE_LINUX, run sudo update-grub, reboot (Fedora, RHEL: sudo grubby --update-kernel=ALL"
            f" --args=systemd.unified_cgroup_hierarchy=1, reboot). Or use {found.name} with root's rights.",
        )
    return replace(
        found,
        problem=f"{found.name} is rootless and may not limit its containers' memory, processes and CPU, as kind needs",
        then="sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=yes\\n' | sudo tee"
        " /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload; then log out and in"
        f" again. More: {ROOTLESS_DOCS}",
    )


def _elsewhere(endpoint: str) -> bool:
    """Whether a daemon's address is another machine's."""
    parts = urlsplit(endpoint)
    if parts.scheme == "ssh":
        return True
    return parts.scheme in ("tcp", "http", "https") and parts.hostname not in ("localhost", "127.0.0.1", "::1", None)
