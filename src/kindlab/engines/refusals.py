"""Why an engine does not answer, from what its client says, and the exact way out on this computer."""

from __future__ import annotations

from kindlab.computer import Computer
from kindlab.engines.client import Answer

ABSENT = (
    "cannot connect to the docker daemon",  # docker up to 28
    "failed to connect to the docker api",  # docker 29
    "error during connect",  # docker on Windows
    "cannot connect to podman",
    "unable to connect to podman",
    "cannot access containerd socket",  # nerdctl
    "rootless containerd not running",
    "no such file or directory",
    "the system cannot find the file specified",
    "connection refused",
)


def refusal(name: str, complaint: str, answer: Answer, here: Computer, endpoint: str) -> tuple[str, str]:
    """(why it cannot be used, what to do)."""
    said = complaint.lower()
    if answer.code is None and answer.seconds:
        return f"{name} did not answer within {answer.seconds:.0f} s", _restart(name, here, endpoint)
    if "wsl integration" in said or "in this wsl 2 distro" in said:
        return (
            f"the {name} here is Docker Desktop's, which is not switched on for this WSL distribution",
            "Docker Desktop, Settings, Resources, WSL integration: switch this distribution on.",
        )
    if "context not found" in said or "unable to resolve docker endpoint" in said:
        return (
            f"{name}'s context cannot be used: {_last(complaint)}",
            "docker context use default; unset DOCKER_CONTEXT",
        )
    if "permission denied" in said or "access is denied" in said:
        return _denied(name, here, endpoint)
    if any(text in said for text in ABSENT):
        return f"{name} is installed but not running{_where(endpoint)}", _start(name, said, here, endpoint)
    return f"{name} does not answer: {_last(complaint) or 'it says nothing'}", f"Look with: {name} info"


def _last(complaint: str) -> str:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _usual(endpoint: str) -> bool:
    return endpoint in ("", "unix:///var/run/docker.sock", "npipe:////./pipe/docker_engine")


def _where(endpoint: str) -> str:
    return "" if _usual(endpoint) else f" at {endpoint}"


def _denied(name: str, here: Computer, endpoint: str) -> tuple[str, str]:
    problem = f"{name} is there, but you may not use it: permission denied on its socket{_where(endpoint)}"
    if not here.linux:
        return problem, f"Look with: {name} info"
    if name == "nerdctl":
        return problem, "Use it rootless: containerd-rootless-setuptool.sh install"
    if name != "docker":
        return problem, f"Look with: {name} info"
    if here.docker_group:
        return (
            problem,
            "You are in the group docker, but not yet in this session: log out and in again, or: newgrp docker",
        )
    return (
        problem,
        "sudo usermod -aG docker $USER && newgrp docker (members of that group can do all that root can)."
        " Without root's rights: dockerd-rootless-setuptool.sh install",
    )


def _start(name: str, said: str, here: Computer, endpoint: str) -> str:
    if name == "podman":
        if here.linux and not here.wsl:
            return "systemctl --user start podman.socket, or unset CONTAINER_HOST: podman needs no service here."
        return "podman machine start (the first time: podman machine init)"
    if name == "nerdctl":
        if "rootless" in said:
            return "containerd-rootless-setuptool.sh install"
        return here.start("containerd") if here.linux else "limactl start"
    if "rancher" in endpoint:
        return "Start Rancher Desktop."
    if "colima" in endpoint:
        return "colima start"
    if "orbstack" in endpoint:
        return "Start OrbStack."
    if "/user/" in endpoint:  # $XDG_RUNTIME_DIR/docker.sock
        return "systemctl --user start docker"
    if "desktop" in endpoint.lower() and here.linux:
        return "systemctl --user start docker-desktop"
    if here.linux and not _usual(endpoint):
        return f"{here.start('docker')}, or if {endpoint} is a mistake: unset DOCKER_HOST; docker context use default"
    if here.wsl:
        return f"Start Docker Desktop, or where Docker is installed within WSL: {here.start('docker')}"
    if here.linux and not here.dockerd:
        return "Only Docker's client is installed here. Its engine: https://docs.docker.com/engine/install/"
    if here.linux:
        return here.start("docker")
    if here.platform == "darwin":
        return "Start Docker Desktop: open -a Docker (or: colima start)"
    return "Start Docker Desktop from the Start menu."


def _restart(name: str, here: Computer, endpoint: str) -> str:
    if name == "docker" and here.linux and _usual(endpoint) and not here.wsl:
        return here.start("docker").replace("start", "restart", 1) + "; what it waits for: journalctl -u docker -n 50"
    if name == "podman" and not here.linux:
        return "podman machine stop; podman machine start"
    if name == "docker" and not here.linux:
        return "Quit Docker Desktop (or whatever runs Docker here) and start it again."
    return f"Restart {name}, then look with: {name} info"
