"""Table columns: their descriptions, and the cells that many kinds share.

Descriptions are those of the v1.36.2 API, kept in data/columns.json by kind and column ("*": columns of every kind).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Final

from pocketkube import duration, selectors
from pocketkube.clock import Clock
from pocketkube.errors import BadRequest
from pocketkube.objects import Obj
from pocketkube.resources.base import Column

NAME: Final = Column("Name", format="name")
AGE: Final = Column("Age")
CREATED: Final = Column("Created At", type="date")
"""What kinds without a printer of their own show instead of an age."""
UNKNOWN: Final = "<unknown>"


@cache
def _descriptions() -> dict[str, dict[str, str]]:
    text = resources.files("pocketkube").joinpath("data/columns.json").read_text("utf-8")
    found: dict[str, dict[str, str]] = json.loads(text)
    return found


def described(plural: str, *columns: Column) -> tuple[Column, ...]:
    """The columns of a kind with the API's descriptions; one that a column brings along stays."""
    own, common = _descriptions().get(plural, {}), _descriptions()["*"]
    return tuple(replace(c, description=c.description or own.get(c.name) or common.get(c.name, "")) for c in columns)


def since(clock: Clock, moment: str | None) -> str:
    """How long ago, as ages are shown."""
    return duration.human(clock.time() - duration.parse_time(moment).timestamp()) if moment else UNKNOWN


def age(clock: Clock, obj: Obj) -> str:
    return since(clock, obj["metadata"].get("creationTimestamp"))


def containers(spec: Obj) -> tuple[str, str]:
    """Names and images of a pod spec's containers, comma-separated."""
    found = spec.get("containers") or ()
    return ",".join(c.get("name", "") for c in found), ",".join(c.get("image", "") for c in found)


def labels_text(labels: Mapping[str, str] | None) -> str:
    """Labels for people; `<none>` without any."""
    return str(selectors.from_set(labels)) or "<none>"


def selector_text(selector: Obj | None) -> str:
    """A label selector for people; `<none>` when it selects nothing in particular."""
    try:
        return str(selectors.from_label_selector(selector)) or "<none>"
    except BadRequest:
        return "<error>"
