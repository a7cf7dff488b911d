"""How `kubectl get hpa` shows what is measured: `cpu: 12%/50%`.

Models formatHPAMetrics (pkg/printers/internalversion).
"""

from __future__ import annotations

from typing import Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.columns import UNKNOWN

_SHOWN: Final = 2


def targets(obj: Obj) -> str:
    """The first metrics, current value before the one aimed at."""
    specs = objects.spec(obj).get("metrics") or []
    if not specs:
        return "<none>"
    statuses = objects.status(obj).get("currentMetrics") or []
    shown = [_target(spec, objects.dig(statuses, index, default={})) for index, spec in enumerate(specs)]
    more = f" + {len(shown) - _SHOWN} more..." if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _target(spec: Obj, status: Obj) -> str:
    name = spec.get("type", "")
    field = name[:1].lower() + name[1:]
    source = spec.get(field)
    if source is None:
        return "<unknown type>"
    target, current = source.get("target") or {}, objects.dig(status, field, "current", default={})
    if field in ("resource", "containerResource"):
        if target.get("averageValue") is not None:
            return f"{source.get('name', '')}: {current.get('averageValue', UNKNOWN)}/{target['averageValue']}"
        percent = _percent(current.get("averageUtilization"), UNKNOWN)
        return f"{source.get('name', '')}: {percent}/{_percent(target.get('averageUtilization'), '<auto>')}"
    if field == "pods":
        return f"{current.get('averageValue', UNKNOWN)}/{target.get('averageValue', '0')}"
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue', UNKNOWN)}/{target['averageValue']} (avg)"
    return f"{current.get('value', UNKNOWN)}/{target.get('value', '0')}"


def _percent(number: int | None, without: str) -> str:
    return without if number is None else f"{number}%"
