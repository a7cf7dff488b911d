"""The image catalogue: one file per image, found by a folder scan; there is no central list."""

import importlib
import pkgutil
from functools import cache

from pocketkube.images.base import Image


@cache
def catalogue() -> dict[str, type[Image]]:
    """Normalised reference -> the `IMAGE` class of the module that declares it."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    found = [module.IMAGE for module in modules if hasattr(module, "IMAGE")]
    return {name: image for image in found for name in image.names}


def normalise(reference: str) -> str:
    """`nginx` -> `docker.io/library/nginx:latest`, as the container runtime resolves short references."""
    name, separator, digest = reference.partition("@")
    if separator:
        return f"{normalise(name).rsplit(':', 1)[0]}@{digest}" if ":" in name.rsplit("/", 1)[-1] else reference
    first, slash, rest = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif not ("." in first or ":" in first or first == "localhost"):
        name = f"docker.io/{name}"
    elif first == "docker.io" and "/" not in rest:
        name = f"docker.io/library/{rest}"
    if ":" not in name.rsplit("/", 1)[-1]:
        name = f"{name}:latest"
    return name
