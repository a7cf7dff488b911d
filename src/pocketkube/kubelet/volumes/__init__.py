"""Volume plugins: one file per volume type, found by a folder scan."""

import importlib
import pkgutil
from functools import cache

from pocketkube.kubelet.volumes.base import Volume


@cache
def plugins() -> dict[str, type[Volume]]:
    """Field of the pod spec (`emptyDir`, ...) -> the `VOLUME` class of the module that declares it."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return {module.VOLUME.type: module.VOLUME for module in modules if hasattr(module, "VOLUME")}
