"""Admission plugins that concern more than one kind: one file each, found by a folder scan.

What only one kind needs (a Pod's default tolerations) is that kind's `admit`.
"""

import importlib
import pkgutil
from functools import cache

from pocketkube.admission.base import WEBHOOKS, Commit, Plugin

__all__ = ["WEBHOOKS", "Commit", "Plugin", "scan"]


@cache
def scan() -> tuple[type[Plugin], ...]:
    """The `PLUGIN` class of every module of this package that declares one, in the order in which they are asked."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    found = [module.PLUGIN for module in modules if hasattr(module, "PLUGIN")]
    return tuple(sorted(found, key=lambda plugin: (plugin.order, plugin.__module__)))
