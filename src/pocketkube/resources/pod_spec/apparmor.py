"""AppArmor profiles of pods and containers. Nothing here confines anybody by them.

Models ValidateAppArmorProfileField (pkg/apis/core/validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj

_TYPES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_LONGEST: Final = 4095


def profile(path: str, found: Obj | None) -> Iterator[Cause]:
    """Field errors of an appArmorProfile."""
    if found is None:
        return
    type_, local, at = found.get("type", ""), found.get("localhostProfile"), f"{path}.localhostProfile"
    if not type_:
        yield fields.required(f"{path}.type", "type is required when appArmorProfile is set")
    elif type_ not in _TYPES:
        yield fields.not_supported(f"{path}.type", type_, _TYPES, in_order=True)
    elif type_ != "Localhost":
        if local is not None:
            yield fields.invalid(at, local, "can only be set when AppArmor type is Localhost")
    elif not local:
        yield fields.required(at, "must be set when AppArmor type is Localhost")
    else:
        if local != local.strip():
            yield fields.invalid(at, local, "must not be padded with whitespace")
        if len(local.encode()) > _LONGEST:
            yield fields.too_long(at, _LONGEST)
