"""The commands that are part of the shell: one module per group, each with a `BUILTINS`; a folder scan finds them."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from typing import Any

Builtin = Callable[[Any, list[str]], Awaitable[int]]


def load() -> dict[str, Builtin]:
    """Name -> `async def builtin(shell, argv) -> status`."""
    found: dict[str, Builtin] = {}
    for module in pkgutil.iter_modules(__path__):
        found.update(importlib.import_module(f"{__name__}.{module.name}").BUILTINS)
    return found
