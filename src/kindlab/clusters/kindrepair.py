"""A kind cluster that is there already: used as it is, started again after a reboot, given its kubeconfig back; or,
when it does not come up any more, removed: without asking only where it was never ready."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from kindlab.api import Api
from kindlab.clusters import kindconfig, kindcreate, kindready, kindrecord
from kindlab.clusters.base import NeedsConsent, Step
from kindlab.clusters.kindcli import API_PORT, Container, Failed, Programs
from kindlab.clusters.kindrecord import Record
from kindlab.errors import Problem

DEFAULT_NAME = "kindlab"


def command(verb: str, name: str) -> str:
    """The command that means this cluster and no other."""
    return f"kindlab {verb} --cluster kind" + ("" if name == DEFAULT_NAME else f" --name {name}")


def found(
    programs: Programs,
    folder: Path,
    containers: list[Container],
    config: dict[str, Any],
    step: Step,
    *,
    asked: Collection[str] = (),
    ip_family: str | None = None,
    consent: bool = False,
) -> tuple[Record | None, list[str]]:
    """Use these containers. `asked`: the schemes whose ports somebody has asked for now. Returns (its record, sentences
    a user should read); (None, ...) when it was removed. Raises NeedsConsent, Problem."""
    name = programs.name
    record = kindrecord.read(folder)
    known = record or Record(kindrecord.READY, ours=False, engine=programs.engine.name)
    if ip_family and known.ours and (made := known.ip_family or "ipv4") != ip_family:
        raise Problem(
            f"The cluster {name} cannot be used with --ip-family {ip_family}.",
            f"It was made with {made} addresses.",
            f"Make it anew ({command('down', name)}, then up), or another beside it: kindlab up --cluster kind "
            f"--name {ip_family} --ip-family {ip_family}",
        )
    step(f"using the kind cluster {name}, which exists already")
    if _answers(programs, folder / "kubeconfig", containers, step):
        ports = {port: at for c in programs.containers() for port, at in c.ports.items() if port != API_PORT}
        notes = (
            [] if known.ours else ["This cluster was not made by kindlab (kind create cluster): it is used as it is."]
        )
        schemes = asked if known.ours else tuple(kindconfig.SCHEMES)
        notes += kindconfig.differences(config, len(containers), ports, schemes)
        return kindrecord.change(folder, known, ports=ports), notes
    if known.stage != kindrecord.CREATED and not consent:
        raise NeedsConsent(
            f"Remove the cluster {name} with everything in it, and make it anew?",
            f"The kind cluster {name} does not come up again.",
            "Its containers run, and its API server has not answered.",
            f"Make it anew (what is in the cluster is lost, your files in work/ stay): {command('down', name)}, then "
            f"{command('up', name)}. To look first: {programs.engine.name} logs {containers[0].name}",
        )
    step("its API server does not answer: removing it")
    kindcreate.remove(programs, folder, record)
    return None, []


def _answers(programs: Programs, kubeconfig: Path, containers: list[Container], step: Step) -> bool:
    """Start what is stopped, export a lost kubeconfig; whether the API server answers then."""
    off = [container for container in containers if not container.on]
    if off:
        step(f"starting its stopped containers: {', '.join(container.name for container in off)}")
        for container in sorted(off, key=lambda found: "control-plane" not in found.name):
            programs.ask("unpause" if container.paused else "start", container.name)
    patience = kindready.API_TIMEOUT if off else kindready.ALIVE_TIMEOUT
    context = f"kind-{programs.name}"
    if not off and kubeconfig.is_file():
        with contextlib.suppress(Problem):  # a damaged kubeconfig
            if kindready.answers(Api(kubeconfig, context), 0):
                return True
    step("waiting for its API server")
    kubeconfig.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        kubeconfig.unlink(missing_ok=True)  # its port is another one after some engines' restart
        kindcreate.unlock(kubeconfig)
        programs.run_kind("export", "kubeconfig", "--name", programs.name, "--kubeconfig", str(kubeconfig))
    except Failed:
        return False  # its control plane was never set up
    kubeconfig.chmod(0o600)
    return kindready.answers(Api(kubeconfig, context), patience)
