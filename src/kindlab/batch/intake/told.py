"""kindlab.json: what `kindlab submit` wrote into a submission. It is a student's file like the others: nothing in it is
believed where anybody else says something, and what is taken from it is said."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kindlab.batch.intake import names

FORMAT = 1
_NODE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NODES = 50


@dataclass(frozen=True)
class Told:
    lab: str = ""
    student: str = ""
    time: str = ""
    nodes: tuple[str, ...] = ()
    kindlab: str = ""
    cluster: str = ""


def read(data: bytes) -> Told:
    """What it says, as far as it can be used. Raises ValueError for what is no such file."""
    try:
        told = json.loads(data.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    nodes = told["nodes"] if isinstance(told.get("nodes"), list) else []
    return Told(
        nodes=tuple(one for one in nodes[:_NODES] if isinstance(one, str) and _NODE.fullmatch(one)),
        time=_time(told.get("time")),
        **{key: _text(told.get(key)) for key in ("lab", "student", "kindlab", "cluster")},
    )


def _text(value: Any) -> str:
    return names.shown(value) if isinstance(value, str) else ""


def _time(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
    except (TypeError, ValueError, OverflowError):
        return ""
