"""The container engine: kind makes its nodes with it."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab import tools
from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok, problem
from kindlab.engines import PROVIDER

DAEMON = "/etc/docker/daemon.json"
BREAKS = "kindlab up --cluster kind"
INSTALL = {
    "linux": "Install Docker (https://docs.docker.com/engine/install/) or podman, with your distribution's packages.",
    "darwin": "Install Docker Desktop (https://docs.docker.com/desktop/), or: brew install colima docker; colima start",
    "win32": "Install Docker Desktop (https://docs.docker.com/desktop/) with its WSL2 engine.",
}


def look(facts: Facts) -> Iterator[Finding]:
    named = facts.environment.get(PROVIDER, "")
    if not facts.engines:
        which = f"{named}, which {PROVIDER} names, is not installed" if named else "no container engine is installed"
        yield problem(which, BREAKS, f"unset {PROVIDER}" if named else INSTALL.get(facts.computer.platform, ""))
        return
    engine = facts.engine
    if engine is None:
        for broken in facts.engines:
            yield problem(broken.problem, BREAKS, broken.then)
        return
    yield ok(engine.title)
    for broken in facts.engines:
        if not broken.usable and "in disguise" not in broken.problem:
            yield note(f"{broken.problem}; {engine.title} is used instead", "", broken.then)
    if engine.name == "docker" and facts.own_kernel and _init(facts):
        yield problem(
            f'{DAEMON} has "init": true, which takes the place of the init in a node',
            "kindlab up --cluster kind: no node starts (Couldn't find an alternative telinit implementation to spawn)",
            f"Take that line out of {DAEMON}, then: sudo systemctl restart docker",
        )
    if engine.name != "docker":
        yield note(
            f"{engine.title} is used: kind calls its support for it experimental",
            "when kindlab up --cluster kind fails, this may be why",
            "With Docker installed as well: export KIND_EXPERIMENTAL_PROVIDER=docker",
        )
    if engine.containerd_images:
        yield note(
            f"{engine.title} keeps its images in containerd",
            "kind load docker-image, typed by hand, ends with 'content digest ... not found' (kind#3795)",
            f"docker save --platform linux/{tools.this_platform()[1]} -o image.tar IMAGE"
            " && kind load image-archive image.tar",
        )


def _init(facts: Facts) -> bool:
    """Docker's own init in every container, switched on for all (kind's known issues)."""
    import json

    try:
        return json.loads(facts.read(DAEMON) or "{}").get("init") is True
    except (ValueError, AttributeError):
        return False


CHECK = Check("engine", 20, ("kind",), look)
