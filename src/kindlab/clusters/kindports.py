"""Ports of this machine that a cluster is about to ask for: found busy before the minutes that creating takes."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import sys
from collections.abc import Mapping

from kindlab import paths
from kindlab.clusters.kindcli import Programs
from kindlab.clusters.kindconfig import SCHEMES, Listening
from kindlab.errors import Problem

WHO = {
    "linux": "ss -ltnp 'sport = :{port}'",
    "darwin": "lsof -nP -iTCP:{port} -sTCP:LISTEN",
    "win32": "netstat -ano | findstr :{port}",
}
"""Platform -> what shows the program that listens on a port."""


def check(ports: Mapping[int, Listening], programs: Programs) -> None:
    """Raises Problem for the first port that cannot be had, with who has it as far as that can be said.

    Where the engine is in a virtual machine (Docker Desktop, WSL2), a program on the other side of it is not seen from
    here: kind then fails, and its words are explained.
    """
    for node_port, at in ports.items():
        said = refused(at)
        if not said:
            continue
        scheme = next((s for s, port in SCHEMES.items() if port == node_port), "http")
        if said == "taken":
            look = WHO.get(sys.platform, WHO["linux"]).format(port=at.port)
            who, end = holder(at.port, programs)
            why = f"{who} listens there, and the cluster's Ingress needs it."
            then = f"{end} (who listens: {look})"
        else:
            why = f"{said}." + (" Ports below 1024 belong to the administrator." if at.port < 1024 else "")
            then = "Choose another one"
        other = at.port + 1 if at.port > 1023 else 8080 if scheme == "http" else 8443
        raise Problem(
            f"Port {at.port} of this machine cannot be used.",
            why,
            f"{then}; or choose another: kindlab up --cluster kind --{scheme}-port {other} (0: none).",
        )


def refused(at: Listening) -> str:
    """ "taken", another reason why nobody could listen there now, or ""."""
    with contextlib.suppress(OSError), socket.create_connection((at.address, at.port), timeout=1):
        return "taken"  # on macOS a narrower address may be had beside a wider one
    family = socket.AF_INET6 if ":" in at.address else socket.AF_INET
    try:
        with socket.socket(family) as trial:
            if sys.platform != "win32":  # there it would let two programs listen
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((at.address, at.port))
    except OSError as error:
        return "taken" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
    return ""


def pocket_on(port: int) -> str:
    """The embedded cluster of ours that listens there: mostly it is that one."""
    for file in sorted((paths.home() / "clusters").glob("pocket-*/host-ports.json")):
        try:
            entries = [entry for group in json.loads(file.read_text()).values() for entry in group]
            if any(entry.get("hostPort") == port and "problem" not in entry for entry in entries):
                return file.parent.name.removeprefix("pocket-")
        except (OSError, ValueError, AttributeError, TypeError):
            continue
    return ""


def holder(port: int, programs: Programs) -> tuple[str, str]:
    """(who listens there, how to end it), as far as that can be said."""
    if name := pocket_on(port):
        return f"kindlab's embedded cluster {name}", f"End it: kindlab down --cluster pocket --name {name}"
    with contextlib.suppress(Problem):
        if container := programs.holder(port):
            return f"The container {container}", f"End it: {programs.engine.name} stop {container}"
    return "Another program", "End that program"
