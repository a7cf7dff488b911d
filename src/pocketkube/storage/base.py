"""What a storage program is: a controller that also has a driver, or the nodes' disks, to work on.

Models the shape shared by kubernetes-csi's sidecars (external-provisioner, -attacher, -resizer, -snapshotter).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import pocketkube.storage
from pocketkube.client import Client
from pocketkube.controllers.base import Controller
from pocketkube.storage.driver import HostPathDriver


@dataclass(frozen=True)
class Backend:
    """What the programs work on."""

    driver: HostPathDriver
    nodes: tuple[str, ...]
    """The nodes the driver runs on."""
    disk: Callable[[str], Path]
    """The folder that is the disk of the node of that name: what hostPath and local volumes lie on."""
    pod: str = "pod"
    """The name of the Pod the program runs in."""


class Program(Controller):
    """Subclass once per program, name the class `PROGRAM` in a module of this package.

    It runs in a container (sidecars.py), so each run is a new instance, and it may be cancelled at any await: what it
    must not forget is in objects or on disk."""

    image: ClassVar[str]
    """The image whose containers run it, without registry and tag: `csi-provisioner`."""
    first_delay, longest_delay = 1.0, 300.0
    """The sidecars' --retry-interval-start and --retry-interval-max."""

    def __init__(self, client: Client, backend: Backend) -> None:
        super().__init__(client)
        self.backend = backend


@cache
def scan() -> tuple[type[Program], ...]:
    """The `PROGRAM` class of every module of this package that declares one, in module-name order."""
    package = pocketkube.storage
    modules = (importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__))
    return tuple(module.PROGRAM for module in modules if hasattr(module, "PROGRAM"))
