"""The image catalogue: one file per image, found by a folder scan; there is no central list."""

import importlib
import pkgutil
from functools import cache

from pocketkube.images.base import Image
from pocketkube.images.references import normalise

__all__ = ["catalogue", "normalise"]


@cache
def catalogue() -> dict[str, type[Image]]:
    """Normalised reference -> the `IMAGE` class of the module that declares it."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    found = [module.IMAGE for module in modules if hasattr(module, "IMAGE")]
    return {name: image for image in found for name in image.names}
