"""What the tables show of volumes and claims.

Models the helpers of pkg/apis/core/helper that pkg/printers uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pocketkube import objects
from pocketkube.objects import Obj

_SHORT: Final = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
UNSET: Final = "<unset>"


def access_modes(modes: Iterable[str] | None) -> str:
    """`RWO,ROX`: each once, in the order of the API whatever the order they are written in."""
    held = set(modes or ())
    return ",".join(short for mode, short in _SHORT.items() if mode in held)


def phase(obj: Obj) -> str:
    return "Terminating" if objects.is_terminating(obj) else str(objects.status(obj).get("phase", ""))
