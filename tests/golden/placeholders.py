"""Placeholders: what stands in a golden text for a value that differs from cluster to cluster.

A `World` is one consistent reading of everything compared so far: which value each placeholder has. Comparing unordered
lists can leave several readings open (three pods, three addresses: which is `<podIP.1>`?); the caller keeps a list of
worlds and drops those that later answers contradict.

Two numbers of one kind may not have the same value within one answer: 105 endpoints at one address are no match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(
    r"<(?P<kind>[A-Za-z]+(?: [A-Za-z]+)*)(?:\.(?P<number>\d+))?(?::(?P<form>dashed|reversed))?>|<node:(?P<nodes>[^>]+)>"
)

_IPV4 = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"  # the alphabet of generated names
_QUANTITY = r"\d+(?:\.\d+)?(?:[numkKMGTPE]i?)?"
_MONTH, _DAY = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)", "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"\d\d:\d\d:\d\d(?:\.\d+)?"
_TIME = "|".join(
    [
        rf"\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}(?:Z| ?[+-]\d\d:?\d\d)?(?: [A-Z]{{3,4}})?",  # RFC 3339, logs
        rf"\d{{4}}-\d\d-\d\d {_CLOCK} [+-]\d{{4}} [A-Z]{{3,4}} m=[+-][\d.]+",  # Go's
        rf"{_DAY},? \d\d? {_MONTH} \d{{4}} {_CLOCK} (?:[A-Z]{{3,4}}|[+-]\d{{4}})",  # RFC 1123
        rf"{_DAY} {_MONTH} +\d\d? {_CLOCK} (?:[A-Z]{{3,4}} )?\d{{4}}",  # date, dig
        r"1\d{18}",  # nanoseconds since 1970
    ]
)

_KINDS: Mapping[str, str] = {
    "uid": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "rv": r"\d+",
    "time": _TIME,
    "age": r"(?:\d+(?:\.\d+)?(?:ms|[µu]s|ns|[ydhms]))+",
    "hash": "[0-9a-z]{1,10}",
    "rand": f"{_SAFE}{{5}}",
    "podIP": _IPV4,
    "clusterIP": _IPV4,
    "nodeIP": _IPV4,
    "bridgeIP": _IPV4,
    "hostResolver": r"\S+",
    "nodePort": r"3[0-2]\d{3}",
    "port": r"\d{1,5}",
    "id": r"[\w:/.@+-]+",
    "kernel": r"\S+(?: \(\w+\))?",  # tables add the architecture
    "osImage": r".+?",
    "runtime": r"\S+://\S+",
    "memory": _QUANTITY,
    "cpu": _QUANTITY,
    "quantity": _QUANTITY,
    "duration": r"(?:\d+(?:\.\d+)?(?:ms|[µu]s|ns|[hms]))+",
    "n": r"\d+(?:\.\d+)?",
    "kubeletRoot": r"/[^\s\"]*?",
    "tmp": r"/\S*?",
    "cwd": r"/[^\s']*?",
    "host": r"[\w.-]+",
    "registry client text": r"(?s:.*)",
    "object JSON": r"(?s:.*)",
    "token": r"\S+?",
    "continue": r"[\w=-]+",
    "klog": rf"[IWEF]\d{{4}} {_CLOCK} +\d+",
    "cookie": "[0-9a-f]{16,}",
    "serial": r"\d+",
    "version": r"\S+",
    "driverData": r"/\S*?",
    "mmdd": r"\d{4}",
}

_LOOSE_RAND = "[0-9a-z]+"  # unnumbered: event names, temporary folders and the like
_CONSISTENT = frozenset({"hash", "rand", "podIP", "clusterIP", "nodePort"})
_INTEGERS = frozenset({"nodePort", "port", "n", "time"})
_WORD = re.compile(r"[^\s\"',;()\[\]{}=]+")


class Unbound(LookupError):
    """A request needs a placeholder no answer has given a value to."""


@dataclass(frozen=True)
class Diff:
    """One difference: where, what the recording has, what the cluster answered."""

    path: str
    expected: Any
    seen: Any


@dataclass(frozen=True)
class World:
    """One consistent reading: values of placeholders, and the latest value of each whole word holding one."""

    bound: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    answer: Mapping[tuple[str, str], str] = field(default_factory=dict)
    diffs: tuple[Diff, ...] = ()

    def next_answer(self) -> World:
        """The world as it is before an answer is compared."""
        return replace(self, answer={}, diffs=())

    def differs(self, path: str, expected: Any, seen: Any) -> World:
        return replace(self, diffs=(*self.diffs, Diff(path, expected, seen)))


@dataclass(frozen=True)
class _Template:
    regex: re.Pattern[str]
    slots: tuple[tuple[str, str, str], ...]  # of each group: placeholder, kind, form


def placeholders(text: str) -> list[str]:
    """The names of the placeholders in a golden text, `podIP.2` for `<podIP.2:dashed>`."""
    return [slot[0] for slot in _template(text, False).slots] if "<" in text else []


def match(golden: str, actual: Any, world: World, *, columns: bool = False) -> World | None:
    """The world after reading `actual` as `golden`, None when it cannot be.

    `columns` lets runs of blanks inside a line differ in length. An integer is accepted only for a placeholder of
    integer kind that is the whole text: `<nodePort>` is a number in an answer, `<rv>` never is.
    """
    if isinstance(actual, int) and not isinstance(actual, bool):
        names = placeholders(golden)
        if len(names) != 1 or names[0].split(".")[0] not in _INTEGERS or not golden.startswith("<"):
            return None
        actual = str(actual)
    if not isinstance(actual, str):
        return None
    if "<" not in golden and not columns:
        return world if golden == actual else None
    template = _template(golden, columns)
    found = template.regex.fullmatch(actual)
    if not found:
        return None
    bound, answer = world.bound, world.answer
    for (name, kind, form), text in zip(template.slots, found.groups(), strict=True):
        if kind not in _CONSISTENT or (kind == "rand" and "." not in name):
            continue
        value = _unform(text, form)
        if bound.get(name, value) != value or answer.get((kind, value), name) != name:
            return None
        if name not in bound:
            bound = {**bound, name: value}
        answer = {**answer, (kind, value): name}
    if not template.slots:
        return world
    return World(bound, _remember(golden, actual, world.words), answer, world.diffs)


def _remember(golden: str, actual: str, words: Mapping[str, str]) -> Mapping[str, str]:
    ours, theirs = _WORD.findall(golden), _WORD.findall(actual)
    if len(ours) != len(theirs):
        return words
    return {**words, **{mine: seen for mine, seen in zip(ours, theirs, strict=True) if "<" in mine and mine != seen}}


def _unform(text: str, form: str) -> str:
    if form == "dashed":
        return text.replace("-", ".")
    return ".".join(reversed(text.split("."))) if form == "reversed" else text


def _form(value: str, form: str) -> str:
    if form == "dashed":
        return value.replace(".", "-")
    return ".".join(reversed(value.split("."))) if form == "reversed" else value


@lru_cache(maxsize=16384)
def _template(golden: str, columns: bool) -> _Template:
    pattern, slots, end = "", [], 0
    for token in _TOKEN.finditer(golden):
        piece, slot = _piece(token)
        if piece is None:
            continue
        pattern += _literal(golden[end : token.start()], columns, start=end == 0) + piece
        end = token.end()
        if slot:
            slots.append(slot)
    return _Template(re.compile(pattern + _literal(golden[end:], columns, start=end == 0)), tuple(slots))


def _piece(token: re.Match[str]) -> tuple[str | None, tuple[str, str, str] | None]:
    if token["nodes"]:
        return f"(?:{'|'.join(re.escape(name) for name in token['nodes'].split('|'))})", None
    kind, number, form = token["kind"], token["number"], token["form"] or ""
    if kind not in _KINDS:
        return None, None  # `<none>` and its like are meant literally
    shape = _KINDS[kind] if number or kind != "rand" else _LOOSE_RAND
    if form == "dashed":
        shape = shape.replace(r"\.", "-")
    return f"({shape})", (f"{kind}.{number}" if number else kind, kind, form)


def _literal(text: str, columns: bool, *, start: bool) -> str:
    if not columns:
        return re.escape(text)
    lead = len(text) - len(text.lstrip(" \t")) if start else 0
    blanks = re.split(r"[ \t]+", text[lead:])
    return re.escape(text[:lead]) + r"[ \t]+".join(re.escape(part) for part in blanks)


def substitute(text: str, world: World) -> str:
    """A text to send: placeholders replaced by their values. Raises Unbound when one has none.

    Whole words go first (`web-<hash>-<rand>` is the name last seen in that place), then single placeholders.
    """
    if "<" not in text:
        return text
    for word in sorted(world.words, key=len, reverse=True):
        if word in text and not re.fullmatch(r"<\w+(\.\d+)?>", word):
            text = text.replace(word, world.words[word])

    def value(token: re.Match[str]) -> str:
        kind = token["kind"]
        if kind not in _KINDS:
            return token[0]
        name = f"{kind}.{token['number']}" if token["number"] else kind
        known = world.bound.get(name) or world.words.get(f"<{name}>")
        if known is None:
            raise Unbound(token[0])
        return _form(known, token["form"] or "")

    return _TOKEN.sub(value, text)
