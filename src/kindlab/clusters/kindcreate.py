"""Making a kind cluster, and removing one, whole or half-made.

Whatever happens while it is made, an error, Ctrl-C, a limit of time, what has been made is taken back, unless --keep
asks for it to stay; what even that could not do is written in the record for the next time.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

from kindlab import paths
from kindlab.clusters import kindconfig, kindports, kindrecord
from kindlab.clusters.base import Step
from kindlab.clusters.kindcli import NETWORK, Failed, Programs, end_left_over, step_of
from kindlab.clusters.kindrecord import Record
from kindlab.errors import Problem

CREATE_TIMEOUT = 900.0
"""Seconds for `kind create cluster` once the image is there: a minute or two, ten times that on a machine at its limit.
kind itself gives up on most steps before."""
LOG = "create.log"


def create(
    programs: Programs,
    folder: Path,
    config: dict[str, Any],
    step: Step,
    *,
    keep: bool = False,
    offline: bool = False,
    merged: tuple[str, str] | None = None,
) -> Record:
    """Make it; its kubeconfig is in `folder` afterwards. `merged` as in its last life (Record). Raises Problem, having
    removed what it made (unless keep)."""
    ports = kindconfig.mapped(config)
    kindports.check(ports, programs)
    for image in kindconfig.images(config):
        pull(programs, image, step, offline=offline)
    family = str((config.get("networking") or {}).get("ipFamily") or "")
    record = kindrecord.write(
        folder,
        Record(
            kindrecord.CREATING,
            engine=programs.engine.name,
            network=not programs.network(),
            ip_family=family,
            ports=ports,
            merged=merged,
        ),
    )
    paths.write_atomically(folder / "kind.yaml", kindconfig.text(config))
    kubeconfig = folder / "kubeconfig"
    kubeconfig.unlink(missing_ok=True)
    step(f"creating the kind cluster {programs.name} (a minute or two)")

    def begun(pid: int) -> None:
        kindrecord.change(folder, record, pid=pid)

    command = ["create", "cluster", "--name", programs.name, "--config", str(folder / "kind.yaml")]
    command += ["--kubeconfig", str(kubeconfig), *(["--retain"] if keep else [])]
    with open(os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as log:

        def heard(line: str) -> None:
            print(line, file=log, flush=True)
            if text := step_of(line):
                step(f"creating the kind cluster {programs.name}: {text}")

        try:
            programs.run_kind(*command, heard=heard, started=begun, timeout=CREATE_TIMEOUT)
        except Failed as error:
            raise _failed(programs, folder, record, error, step, keep=keep) from error
        except BaseException:
            if not keep:
                step("taking back what was made")
                with contextlib.suppress(Problem):  # the record stays, and the next up sees to it
                    remove(programs, folder, record)
            raise
    kubeconfig.chmod(0o600)
    return kindrecord.change(folder, record, stage=kindrecord.CREATED)


def _failed(programs: Programs, folder: Path, record: Record, error: Failed, step: Step, *, keep: bool) -> Problem:
    """What is said of a creation that failed, after what it made is gone or marked as kept."""
    name = programs.name
    what = f"The kind cluster {name} could not be created."
    if error.late:
        last = [text for line in error.raw.splitlines() if (text := step_of(line))]
        what = f"The kind cluster {name} was not there after {CREATE_TIMEOUT / 60:.0f} minutes; kindlab gave up."
        what += f" The last step: {last[-1]}." if last else ""
    if keep:
        kindrecord.change(folder, record, stage=kindrecord.KEPT)
        found = programs.explained(what, error, log=str(folder / LOG))
        look = f"{programs.engine.name} ps --all; kind export logs --name {name} FOLDER; kindlab down removes them"
        return Problem(found.what, f"{found.why}\nIts containers were kept for you: {look}.", found.then)
    step("taking back what was made")
    log = _aside(folder)
    found = programs.explained(what, error, log=log)
    try:
        remove(programs, folder, record)
        left = "What it had made was removed."
    except Problem as problem:
        left = f"What it had made could not be removed ({problem.what}); the next kindlab up, or kindlab down, does it."
    return Problem(found.what, f"{found.why}\n{left}", found.then)


def _aside(folder: Path) -> str:
    """The log outlives the folder: it is what somebody who helps asks for."""
    kept = folder.parent / f"{folder.name}-{LOG}"
    with contextlib.suppress(OSError):
        shutil.copyfile(folder / LOG, kept)
        kept.chmod(0o600)
        return str(kept)
    return ""


_LAYER = re.compile(r"^([0-9a-f]{12}): (Pulling fs layer|Pull complete|Already exists)")


def pull(programs: Programs, image: str, step: Step, *, offline: bool = False) -> None:
    """Have the node image in the engine; kind would pull it too, but silently. Raises Problem."""
    if programs.image(image):
        return
    short = image.partition("@")[0]
    if offline:
        raise Problem(
            f"The node image {short} is not here, and --offline forbids to pull it.",
            f"{programs.engine.name} does not have it.",
            f"With a connection, once: {programs.engine.name} pull {image}",
        )
    what = f"pulling the node image {short} (about 400 MB, only the first time)"
    step(what)
    layers: dict[str, bool] = {}

    def heard(line: str) -> None:
        if match := _LAYER.match(line.strip()):
            layers[match[1]] = match[2] != "Pulling fs layer"
            step(f"{what}: {sum(layers.values())} of {len(layers)} layers")

    try:
        programs.pull(image, heard)
    except Failed as error:
        raise programs.explained(f"The node image {short} could not be pulled.", error, pulling=True) from error


def remove(programs: Programs, folder: Path, record: Record | None) -> None:
    """Remove the containers, the network if it was ours and nobody else uses it, and the folder. Raises Problem."""
    if record is not None and record.pid:
        end_left_over(record.pid, programs.name)
    for _ in range(3):  # an engine may finish a container that was asked for just before
        _remove_containers(programs, folder / "kubeconfig")
        if not (left := programs.containers()):
            break
    else:
        raise Problem(
            f"The containers of the kind cluster {programs.name} do not go away.",
            f"Still there: {', '.join(container.name for container in left)}.",
            f"{programs.engine.name} rm --force --volumes {' '.join(container.name for container in left)}",
        )
    if record is not None and record.network and not programs.any_cluster():
        programs.has("network", "rm", NETWORK)
    shutil.rmtree(folder, ignore_errors=True)


def unlock(kubeconfig: Path) -> None:
    """A kind that was killed leaves the file by which it locks a kubeconfig, and the next one refuses for it
    (pkg/cluster/internal/kubeconfig/internal/kubeconfig/lock.go). Ours is nobody else's: kindrecord.locked."""
    kubeconfig.with_name(f"{kubeconfig.name}.lock").unlink(missing_ok=True)


def _remove_containers(programs: Programs, kubeconfig: Path) -> None:
    """kind does it; without its binary the engine does what kind would (docker rm -f -v)."""
    if programs.kind is None:
        if names := [container.name for container in programs.containers()]:
            programs.ask("rm", "--force", "--volumes", *names)
        return
    unlock(kubeconfig)
    try:
        programs.run_kind("delete", "cluster", "--name", programs.name, "--kubeconfig", str(kubeconfig))
    except Failed as error:
        raise programs.explained(f"The kind cluster {programs.name} could not be removed.", error) from error
