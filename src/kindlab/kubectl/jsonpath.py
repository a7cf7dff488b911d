"""kubectl's JSONPath templates, as far as labs use them: `{.a.b[0].c}`, `[*]`, `[1:3]`, `['a.b']`, `\\.` in
names, `[?(@.type=="Ready")]`, `..name`, `{range ...}{end}`, quoted text, and text around the braces. Left out: unions,
and comparisons other than == and !=."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

Step = tuple[str, Any]

_STEP = re.compile(
    r"""(?P<deep>\.\.(?P<deepname>[^.\[\s]+))
      | (?P<all>\[\*\]|\.\*)
      | \[\?\(@(?P<left>[^=!)]*?)\s*(?P<op>==|!=)\s*(?P<right>"[^"]*"|'[^']*'|[^)]+)\)\]
      | \[\?\(@(?P<exists>[^=!)]*)\)\]
      | \['(?P<quoted>[^']*)'\]
      | \[(?P<slice>-?\d*:-?\d*)\]
      | \[(?P<index>-?\d+)\]
      | \.(?P<name>(?:\\.|[^.\[\]\s{}])+)
    """,
    re.VERBOSE,
)


def render(template: str, data: Any) -> str:
    """The template filled in. Raises ValueError in kubectl's words."""
    return "".join(_block(list(_nodes(template)), data))


def evaluate(path: str, data: Any, *, missing_ok: bool = False) -> list[Any]:
    """The values of one path (with or without braces). `missing_ok`: an index past the end is nothing, no error."""
    bare = path.strip().removeprefix("{").removesuffix("}")
    return _walk(_steps(bare if bare.startswith((".", "[")) else f".{bare}"), data, missing_ok)


def _nodes(template: str) -> Iterator[tuple[str, str]]:
    """("text", ...) and ("action", ...) in order; text in an action's quotes is unquoted."""
    at = 0
    while at < len(template):
        begin = template.find("{", at)
        if begin < 0:
            yield "text", template[at:]
            return
        if begin > at:
            yield "text", template[at:begin]
        end = _closing(template, begin)
        if end < 0:
            raise ValueError(f"error parsing jsonpath {template}, unclosed action")
        yield "action", template[begin + 1 : end].strip()
        at = end + 1


def _closing(template: str, begin: int) -> int:
    quote = ""
    for n in range(begin + 1, len(template)):
        char = template[n]
        if quote:
            quote = "" if char == quote and template[n - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        elif char == "}":
            return n
    return -1


def _block(nodes: list[tuple[str, str]], data: Any, root: Any = None) -> Iterator[str]:
    root = data if root is None else root
    n = 0
    while n < len(nodes):
        kind, text = nodes[n]
        if kind == "text":
            yield text
        elif text.startswith("range"):
            end = _matching_end(nodes, n)
            for item in _walk(_steps(text.removeprefix("range").strip()), data, False):
                yield from _block(nodes[n + 1 : end], item, root)
            n = end
        elif text.startswith(('"', "'")):
            yield json.loads(f'"{text[1:-1]}"')
        elif text != "end":
            path = text.removeprefix("$").removeprefix("@")
            source = root if text.startswith("$") else data
            yield " ".join(printed(v) for v in _walk(_steps(path), source, False))
        n += 1


def _matching_end(nodes: list[tuple[str, str]], begin: int) -> int:
    depth = 0
    for n in range(begin, len(nodes)):
        kind, text = nodes[n]
        if kind == "action" and text.startswith("range"):
            depth += 1
        elif kind == "action" and text == "end":
            depth -= 1
            if not depth:
                return n
    raise ValueError("error parsing jsonpath, unclosed range: {end} is missing")


def _steps(path: str) -> list[Step]:
    steps: list[Step] = []
    at = 0
    path = path.removeprefix("$")
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            if path[at:] == ".":
                break
            raise ValueError(f"error parsing jsonpath {{{path}}}, cannot read {path[at:]!r}")
        groups = {k: v for k, v in found.groupdict().items() if v is not None}
        if "deep" in groups:
            steps.append(("deep", groups["deepname"]))
        elif "all" in groups:
            steps.append(("all", None))
        elif "op" in groups:
            steps.append(("filter", (_steps(groups["left"]), groups["op"], _literal(groups["right"].strip()))))
        elif "exists" in groups:
            steps.append(("has", _steps(groups["exists"])))
        elif "slice" in groups:
            first, _, last = groups["slice"].partition(":")
            steps.append(("slice", slice(int(first) if first else None, int(last) if last else None)))
        elif "index" in groups:
            steps.append(("index", int(groups["index"])))
        else:
            name = groups.get("quoted") or re.sub(r"\\(.)", r"\1", groups.get("name", ""))
            steps.append(("name", name))
        at = found.end()
    return steps


def _literal(text: str) -> Any:
    if text[0] in "\"'":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _walk(steps: list[Step], data: Any, missing_ok: bool) -> list[Any]:
    values = [data]
    for step in steps:
        values = [found for value in values for found in _step(step, value, missing_ok)]
    return values


def _step(step: Step, value: Any, missing_ok: bool) -> Iterator[Any]:
    kind, what = step
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if kind == "name":
        if isinstance(value, dict) and what in value:
            yield value[what]
    elif kind == "all":
        yield from items
    elif kind == "index":
        if isinstance(value, list):
            if -len(value) <= what < len(value):
                yield value[what]
            elif not missing_ok:
                raise ValueError(f"array index out of bounds: index {what}, length {len(value)}")
    elif kind == "slice":
        yield from value[what] if isinstance(value, list) else ()
    elif kind == "filter":
        left, op, right = what
        for item in items:
            found = _walk(left, item, True)
            if (bool(found) and found[0] == right) == (op == "==") and (found or op == "!="):
                yield item
    elif kind == "has":
        yield from (item for item in items if _walk(what, item, True))
    elif kind == "deep":
        if isinstance(value, dict) and what in value:
            yield value[what]
        for item in items:
            yield from _step(step, item, missing_ok)


def printed(value: Any) -> str:
    """A value as kubectl prints it: true, not True."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return "" if value is None else str(value)
