"""Finalizers: how controllers hold an object that others still need, and let it go.

Models pkg/controller/util/protectionutil. Both functions change a copy of an object, as `client.patch` hands one out.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.objects import Obj


def is_held(obj: Obj, finalizer: str) -> bool:
    """Whether the object stays for that finalizer when it is asked to go."""
    return finalizer in (obj["metadata"].get("finalizers") or ())


def may_be_released(obj: Obj, finalizer: str) -> bool:
    """Whether the object was asked to go and waits for that finalizer."""
    return objects.is_terminating(obj) and is_held(obj, finalizer)


def hold(copy: Obj, finalizer: str) -> None:
    copy["metadata"]["finalizers"] = [*(copy["metadata"].get("finalizers") or ()), finalizer]


def release(copy: Obj, finalizer: str) -> None:
    kept = [found for found in copy["metadata"].pop("finalizers", None) or () if found != finalizer]
    if kept:
        copy["metadata"]["finalizers"] = kept
