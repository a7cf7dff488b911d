"""Volume plugins: one file per volume type, found by a folder scan."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from pocketkube.kubelet.volumes.base import Volume


@cache
def plugins() -> dict[str, type[Volume]]:
    """Field of the pod spec (`emptyDir`, ...) -> the `VOLUME` class of the module that declares it."""
    return {module.VOLUME.type: module.VOLUME for module in _modules() if hasattr(module, "VOLUME")}


@cache
def persistent() -> dict[str, type[Volume]]:
    """Field of a PersistentVolume's spec (`csi`, ...) -> the `PERSISTENT` class of the module that declares it."""
    return {module.PERSISTENT.type: module.PERSISTENT for module in _modules() if hasattr(module, "PERSISTENT")}


def _modules() -> list[ModuleType]:
    return [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
