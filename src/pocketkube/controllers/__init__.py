"""The controllers: one file each, found by a folder scan; there is no central list."""

import importlib
import pkgutil
from functools import cache

from pocketkube.controllers.base import Controller


@cache
def scan() -> tuple[type[Controller], ...]:
    """The `CONTROLLER` class of every module of this package that declares one, in module-name order."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return tuple(module.CONTROLLER for module in modules if hasattr(module, "CONTROLLER"))
