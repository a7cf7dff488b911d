"""Which steps may be run again when their answer differs, because it may not be the last word yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.golden.conditions import find
from tests.golden.connection import Answer
from tests.golden.scenario import Step


def may_still_move(step: Step, query: Mapping[str, str] | None, answer: Answer) -> bool:
    """Whether asking again may show what controllers had still to do: a read of what is there or may yet come or go."""
    read = step["method"] == "GET" and not (query or {}).get("watch")
    return read and all(_is_there_or_not(code, body) for code, body in ((answer.code, answer.body), _recorded(step)))


def changes_nothing(step: Step) -> bool:
    """Whether a command may be run again: it reads, or when recorded there was nothing to change."""
    args, said = step["args"], (step.get("stdout") or "").splitlines()
    if step["exit"] != 0 or step.get("background") or step.get("stdin"):
        return False
    if args[0] in ("get", "describe"):
        return not any(arg in ("-w", "--watch", "--watch-only") for arg in args)
    return bool(said) and all(line.endswith((" (no change)", " unchanged")) for line in said)


def _recorded(step: Step) -> tuple[int, Any]:
    return step["response"]["code"], step["response"].get("body")


def _is_there_or_not(code: int, body: Any) -> bool:
    """An object or a list, or the answer that an object (not a kind) is unknown."""
    return code == 200 or (code == 404 and bool(find(body, ".details.name")))
