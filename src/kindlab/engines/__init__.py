"""Container engines: what kind makes its nodes with. Docker, nerdctl and podman, also inside Docker Desktop, Rancher
Desktop, Colima, OrbStack and a podman machine, are told apart by what their own clients say of them.

Nothing is started or changed here, and no engine can make us wait for longer than PATIENCE: they are asked side by
side.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from kindlab import computer
from kindlab.computer import Computer
from kindlab.engines.client import PATIENCE, Client, find
from kindlab.engines.engine import Engine
from kindlab.engines.reading import engine_of

__all__ = ["PROVIDER", "Engine", "chosen", "installed", "wanted"]

PROVIDER = "KIND_EXPERIMENTAL_PROVIDER"
"""kind's own variable that names its engine (kind@v0.33.0: pkg/internal/runtime/runtime.go)."""

NAMES = ("docker", "nerdctl", "podman")
"""In kind's order (kind@v0.33.0: DetectNodeProvider). kind takes the first whose client is there, running or not, so
whoever runs kind tells it by PROVIDER which one to use: `Engine.environment`."""


def wanted(environment: Mapping[str, str] = os.environ) -> str:
    """The engine that the user has named for kind; "" when there is no such wish, or one that kind ignores as well."""
    name = environment.get(PROVIDER, "")
    return name if name in (*NAMES, "finch", "nerdctl.lima") else ""


def installed(*, timeout: float = PATIENCE, here: Computer | None = None) -> list[Engine]:
    """The engines whose clients are on the PATH, asked side by side; at most `timeout` seconds (for one that hangs)."""
    here = here or computer.this()
    named = wanted()
    clients = [client for name in ((named,) if named else NAMES) if (client := find(name)) is not None]

    def look(client: Client) -> Engine:
        answer = client.info(timeout)
        return engine_of(client, answer, here, endpoint=client.endpoint(timeout if answer.code is not None else 1))

    with ThreadPoolExecutor(max_workers=len(NAMES)) as pool:
        return list(pool.map(look, clients))


def chosen(engines: list[Engine] | None = None) -> Engine | None:
    """The first engine that kind can use, of those given or installed."""
    return next((engine for engine in (installed() if engines is None else engines) if engine.usable), None)
