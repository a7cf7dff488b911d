"""Labels as the API is asked for them."""

from __future__ import annotations

from collections.abc import Mapping

from kindlab.api import Obj


def query(labels: Mapping[str, str] | None) -> str:
    """All of these labels; everything without any."""
    return ",".join(f"{key}={value}" for key, value in (labels or {}).items())


def of_pods(workload: Obj) -> str:
    """A workload's matchLabels; expressions are left out."""
    return query((workload["spec"].get("selector") or {}).get("matchLabels"))
