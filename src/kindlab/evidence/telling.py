"""What happened as lines of JSON that a human can read, and back: one line an item, one file a check."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

from kindlab.api import ApiError, Unreachable
from kindlab.checks.verdict import CouldNotGrade
from kindlab.evidence.tape import Item

Error = ApiError | Unreachable | CouldNotGrade
BEFORE = "before-the-checks"
"""Where what belongs to no check is filed."""


def told(error: Error) -> dict[str, Any]:
    """How a question ended that got no answer."""
    if isinstance(error, ApiError):
        words = {"code": error.code, "reason": error.reason, "message": error.message, "details": error.details}
        return {"refused": words}
    if isinstance(error, Unreachable):
        return {"unreachable": [error.what, error.why, error.then]}
    return {"could_not": str(error)}


def error_of(answer: dict[str, Any]) -> Error | None:
    """What `told` was made of; None: it is an answer."""
    if words := answer.get("refused"):
        return ApiError(int(words["code"]), str(words["reason"]), str(words["message"]), words.get("details"))
    if lines := answer.get("unreachable"):
        return Unreachable(*map(str, lines))
    if (said := answer.get("could_not")) is not None:
        return CouldNotGrade(str(said))
    return None


def line(item: Item) -> str:
    """The item as one line. Answers of the API server are put in as they came: they are JSON."""
    head: dict[str, Any] = {"n": item.number, "at": round(item.at, 6)}
    if item.took:
        head["took"] = item.took
    head["thread"] = item.strand
    if item.part:
        head["part"] = item.part
    if item.asked is not None:
        head["asked"] = _written(item.asked)
    elif item.of is not None:
        head["of"] = item.of
    else:
        head["begins"] = item.check or "the grading"
    tail: dict[str, Any] = {"lost": item.lost} if item.lost else {}
    tail |= {"clock": item.clock} if item.clock else {}
    tail |= {"drawn": item.drawn} if item.drawn else {}
    parts = [json.dumps(head, ensure_ascii=False)[1:-1]]
    if item.answer is not None and not item.lost:
        raw = item.answer.get("raw")
        parts.append(_raw(raw) if raw is not None else _fields(_written(item.answer)))
    if tail:
        parts.append(_fields(tail))
    return "{" + ", ".join(parts) + "}"


def _raw(raw: bytes) -> str:
    """`"json": ...` of a whole answer, `"events": [...]` of whole lines of a watch, else the bytes."""
    text = raw.decode("utf-8", "replace")
    lines = text.rstrip("\n").split("\n")
    if text.isprintable() and text[:1] == "{" and text[-1:] == "}":
        return f'"json": {text}'
    if text.endswith("\n") and all(one.isprintable() and one[:1] == "{" and one[-1:] == "}" for one in lines):
        return f'"events": [{", ".join(lines)}]'
    return _fields(_written({"raw": raw}))


def _fields(found: dict[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False)[1:-1]


def item(text: str, check: str) -> Item:
    """The item of a line. Raises ValueError, KeyError, TypeError for anything else."""
    data = json.loads(text)
    known = {"n", "at", "took", "thread", "part", "asked", "of", "begins", "lost", "clock", "drawn"}
    found: dict[str, Any] = _read({k: v for k, v in data.items() if k not in known})
    if "json" in found:
        found = {"raw": json.dumps(found["json"]).encode()}
    elif "events" in found:
        found = {"raw": b"".join(json.dumps(event).encode() + b"\n" for event in found["events"])}
    asked = data.get("asked")
    return Item(
        int(data["n"]),
        str(data["thread"]),
        check,
        str(data.get("part", "")),
        float(data["at"]),
        float(data.get("took", 0.0)),
        None if asked is None else _read(asked),
        data.get("of"),
        found or None,
        str(data.get("lost", "")),
        [float(seen) for seen in data.get("clock", ())],
        [str(drawn) for drawn in data.get("drawn", ())],
    )


def by_check(items: Iterable[Item]) -> dict[str, list[Item]]:
    """The name of the file each is in, without ending."""
    files: dict[str, list[Item]] = {}
    for one in items:
        files.setdefault(one.check or BEFORE, []).append(one)
    return files


def items(files: dict[str, Iterable[str]]) -> Iterator[Item]:
    """Those of all files' lines, in the order in which they happened."""
    found = [
        item(text, "" if name == BEFORE else name) for name, lines in files.items() for text in lines if text.strip()
    ]
    yield from sorted(found, key=lambda one: one.number)


def _written(fields: dict[str, Any]) -> dict[str, Any]:
    """The same with bytes as {"bytes": text}, or {"base64": ...} where they are no text."""
    return {k: _bytes(v) if isinstance(v, bytes) else _written(v) if k == "answer" else v for k, v in fields.items()}


def _bytes(value: bytes) -> dict[str, str]:
    try:
        return {"bytes": value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _read(fields: dict[str, Any]) -> dict[str, Any]:
    """What `_written` wrote."""

    def one(value: Any) -> Any:
        if isinstance(value, dict) and value.keys() == {"bytes"}:
            return str(value["bytes"]).encode()
        if isinstance(value, dict) and value.keys() == {"base64"}:
            return base64.b64decode(value["base64"])
        return value

    plain = ("json", "events", "body")
    return {k: v if k in plain else _read(v) if k == "answer" else one(v) for k, v in fields.items()}
