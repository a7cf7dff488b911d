"""YAML knows more than the API: dates, sets, bytes, numbers as keys, infinities. Dates and keys become the texts they
were; the rest can stand in no object."""

from __future__ import annotations

import datetime
import math
from typing import Any

DEEPEST = 40
"""Levels of an object; the deepest that Kubernetes itself knows has less than half of them."""


def plain(value: Any) -> Any:
    """A copy as JSON has it. Raises ValueError that says what cannot be there, also when it is nested too deep."""
    return _plain(value, 0)


def _plain(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError(f"its lists and objects are nested more than {DEEPEST} deep")
    if isinstance(value, dict):
        return {_key(key): _plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, depth + 1) for one in value]
    if isinstance(value, datetime.date):  # and datetime: the API wants the text that stood there, or one like it
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number that an object can hold")
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise ValueError(f"a value of YAML's type {type(value).__name__} can stand in no object")


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int | float | datetime.date):
        return _text(str(key))
    raise ValueError(f"a key of YAML's type {type(key).__name__} can stand in no object")


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half a character (a lone surrogate) can stand in no text") from None
    return text
