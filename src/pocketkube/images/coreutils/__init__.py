"""The commands of a small Linux image, as BusyBox 1.36 has them: options, output and error texts.

One module per group of commands, each with a `COMMANDS` (name -> program); a folder scan gathers them.
"""

import importlib
import pkgutil

from pocketkube.kubelet.process import Command


def _gather() -> dict[str, Command]:
    found: dict[str, Command] = {}
    for module in pkgutil.iter_modules(__path__):
        found.update(getattr(importlib.import_module(f"{__name__}.{module.name}"), "COMMANDS", {}))
    return found


COMMANDS: dict[str, Command] = _gather()
"""Name -> program."""
