"""The programs under a kind cluster: the kind binary and the container engine's client, and what they print.

Facts are of kind v0.33.0's source (pkg/internal/cli/status.go, pkg/cluster/internal/providers/docker): without a
terminal it says ` • STEP  ...` on standard error when a step begins and ` ✓ STEP` or ` ✗ STEP` when it ends; its nodes
are the containers with label io.x-k8s.kind.cluster=NAME, in a network called kind.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kindlab.clusters import kindfailures
from kindlab.clusters.kindconfig import Listening, published
from kindlab.errors import Problem

if TYPE_CHECKING:
    from kindlab.engines import Engine

LABEL = "io.x-k8s.kind.cluster"
NETWORK = "kind"
API_PORT = 6443
"""Of the API server, in its container."""
PATIENCE = 60.0
"""Seconds for what takes an engine under a second, on a machine that is busy."""
STOPPING = 10.0


class Failed(Exception):
    """A program ended with an error, or did not end in time (`late`). `raw` is all that it printed."""

    def __init__(self, raw: str, *, late: bool = False) -> None:
        super().__init__(raw)
        self.raw = raw
        self.late = late


@dataclass(frozen=True)
class Container:
    """A node's container. A stopped one shows no ports."""

    name: str
    status: str
    ports: Mapping[int, Listening]

    @property
    def paused(self) -> bool:
        return "Paused" in self.status

    @property
    def on(self) -> bool:
        return self.status.startswith("Up") and not self.paused


def run(
    command: list[str],
    *,
    heard: Callable[[str], None] | None = None,
    started: Callable[[int], None] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = PATIENCE,
) -> str:
    """What a program prints on both its outputs, each line given to `heard` as it comes, its process id to `started`.

    It has a process group of its own, which ends with it: whoever is stopped by Ctrl-C or by the clock leaves no docker
    behind that still makes containers. Raises Failed, and OSError when it cannot be started.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    assert process.stdout is not None
    late = threading.Event()

    def give_up() -> None:
        late.set()
        _end(process)

    clock = threading.Timer(timeout, give_up)
    clock.daemon = True
    lines = []
    try:
        if started:
            started(process.pid)
        clock.start()
        for line in process.stdout:
            lines.append(line)
            if heard:
                heard(line.rstrip("\n"))
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        clock.cancel()
        process.stdout.close()
        process.wait()
    if code != 0:
        _end(process)  # kind ends with the first node that fails, and the engine may still be asked for others
    if code != 0 or late.is_set():
        raise Failed("".join(lines), late=late.is_set())
    return "".join(lines)


def _end(process: subprocess.Popen[str]) -> None:
    """First politely, so that docker takes back a request that it has sent."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number) if hasattr(os, "killpg") else process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOPPING)
            return


def end_left_over(pid: int, name: str) -> bool:
    """End a `kind create cluster` that lives on though the kindlab that began it was killed; False when there is none.
    A number alone means nothing, another program may have it by now: its command line is looked at."""
    if not hasattr(os, "killpg"):
        return False
    with contextlib.suppress(Failed, OSError):
        said = run(["ps", "-o", "command=", "-p", str(pid)])
        if "create" in said and "cluster" in said and re.search(rf"--name[ =]{re.escape(name)}(\s|$)", said):
            os.killpg(pid, signal.SIGKILL)
            return True
    return False


_STEP = re.compile(r"^\s*(?:\x1b\[[0-9;]*m)?([•✓✗])(?:\x1b\[[0-9;]*m)?\s+(.*?)\s*(?:\.\.\.)?\s*$")


def step_of(line: str) -> str:
    """What kind begins with that line, without its pictures; "" for other lines.

    `Preparing nodes 📦 📦 📦` becomes `Preparing nodes`: terminals disagree on how wide a picture is.
    """
    match = _STEP.match(line.split("\r")[-1])
    if match is None or match[1] == "✓":
        return ""
    return re.sub(r"[^\w\s().,:@/≤=-]", "", match[2]).strip()


def full_name(image: str) -> str:
    """With its registry: nginx:1.27 is docker.io/library/nginx:1.27, as kind and Kubernetes read it."""
    first, slash, _ = image.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


class Programs:
    """The engine that was chosen and the kind binary, for the cluster `name`. `kind` None: there is none."""

    def __init__(self, engine: Engine, kind: Path | None, name: str) -> None:
        self.engine = engine
        self.kind = kind
        self.name = name

    # -- the engine

    def ask(self, *args: str, timeout: float = PATIENCE) -> str:
        """Its answer. Raises Problem that explains what it says otherwise."""
        try:
            return run([self.engine.path, *args], timeout=timeout)
        except Failed as error:
            what = f"{self.engine.name} {args[0]} " + (f"took more than {timeout:.0f} s." if error.late else "failed.")
            raise kindfailures.explained(what, error.raw, engine=self.engine.name, name=self.name) from error
        except OSError as error:
            raise Problem(
                f"{self.engine.path} cannot be run.", f"{error.strerror or error}.", "kindlab doctor looks at it."
            ) from error

    def has(self, *args: str) -> bool:
        """Whether it answers that without an error: inspect."""
        try:
            run([self.engine.path, *args])
        except (Failed, OSError):
            return False
        return True

    def containers(self, *, timeout: float = PATIENCE) -> list[Container]:
        """The cluster's nodes, running or not, in the order of their names."""
        columns = "{{.Names}}\t{{.Status}}\t{{.Ports}}"
        label = f"label={LABEL}={self.name}"
        found = self.ask("ps", "--all", "--filter", label, "--format", columns, timeout=timeout)
        rows = (line.split("\t") for line in found.splitlines() if "\t" in line)
        return sorted(
            (
                Container(row[0], row[1], published(row[2] if len(row) > 2 else ""))
                for row in rows
                if not row[0].endswith("external-load-balancer")
            ),
            key=lambda container: container.name,
        )

    def any_cluster(self) -> bool:
        """Whether there are nodes of any kind cluster."""
        return bool(self.ask("ps", "--all", "--quiet", "--filter", f"label={LABEL}").strip())

    def network(self) -> bool:
        return self.has("network", "inspect", NETWORK)

    def holder(self, port: int) -> str:
        """The container that has a port of this machine; "" when none has."""
        found = self.ask("ps", "--format", "{{.Names}}\t{{.Ports}}")
        rows = (line.split("\t", 1) for line in found.splitlines() if "\t" in line)
        return next((name for name, ports in rows if f":{port}->" in ports), "")

    def image(self, name: str) -> bool:
        """Whether the engine has that image."""
        return self.has("image", "inspect", self.known(name))

    def pull(self, image: str, heard: Callable[[str], None]) -> None:
        """As long as it takes: a slow line is no failure, and Ctrl-C ends it. Raises Failed."""
        run([self.engine.path, "pull", self.known(image)], heard=heard, timeout=threading.TIMEOUT_MAX)

    def known(self, image: str) -> str:
        """What the engine calls it: podman takes no short name for Docker Hub's (4.3.1 of Debian 12: `did not
        resolve to an alias`)."""
        return full_name(image) if self.engine.name == "podman" else image

    # -- kind

    def run_kind(
        self,
        *args: str,
        heard: Callable[[str], None] | None = None,
        started: Callable[[int], None] | None = None,
        timeout: float = PATIENCE,
    ) -> str:
        """Raises Failed, or Problem when there is no kind binary."""
        if self.kind is None:
            raise no_kind()
        try:
            return run(
                [str(self.kind), *args],
                heard=heard,
                started=started,
                environment=self.engine.environment,
                timeout=timeout,
            )
        except OSError as error:
            raise Problem(
                f"{self.kind} cannot be run.", f"{error.strerror or error}.", "kindlab tools install kind"
            ) from error

    def explained(self, what: str, error: Failed, *, log: str = "", pulling: bool = False) -> Problem:
        return kindfailures.explained(
            what, error.raw, engine=self.engine.name, name=self.name, log=log, pulling=pulling
        )


def programs_for(name: str, engine: str = "", *, kind: bool | None = True, timeout: float = 10.0) -> Programs:
    """The programs for that cluster: the engine in which it is, else the one that is chosen for a new one. Raises
    Problem without a usable engine (one that hangs is given up after `timeout` s), and without the kind binary when
    `kind` is True; None takes it if there is one, False does not look for it."""
    from kindlab import engines, tools

    installed = engines.installed(timeout=timeout)
    installed = [found for found in installed if found.name == engine] or installed
    chosen = engines.chosen(installed)
    if chosen is None:
        raise _no_engine(installed)
    tool = tools.find("kind") if kind is not False else None
    if tool is None and kind:
        raise no_kind()
    return Programs(chosen, tool.path if tool else None, name)


def _no_engine(installed: list[Engine]) -> Problem:
    other = f"{kindfailures.POCKET}."
    if not installed:
        return Problem(
            "kind cannot be used here.",
            "Its nodes are containers, and no container engine (docker, podman or nerdctl) is installed.",
            f"Install one (https://docs.docker.com/get-docker/). {other}",
        )
    why = installed[0].problem
    return Problem("kind cannot be used now.", f"{why[:1].upper()}{why[1:]}.", f"{installed[0].then}\n{other}")


def no_kind() -> Problem:
    return Problem(
        "kind cannot be used here.",
        "The kind binary is not installed, or is too old (kindlab tools shows which one is found).",
        "kindlab tools install kind puts a checked copy into this folder and nothing elsewhere. "
        "Or use the embedded cluster: kindlab up --cluster pocket",
    )
