"""The kinds this cluster serves: one file per kind, found by a folder scan; there is no central list."""

import importlib
import pkgutil
from functools import cache

from pocketkube.resources.base import Resource


@cache
def scan() -> tuple[type[Resource], ...]:
    """The `RESOURCE` class of every module of this package that declares one, in module-name order."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return tuple(module.RESOURCE for module in modules if hasattr(module, "RESOURCE"))
