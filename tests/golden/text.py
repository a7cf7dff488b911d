"""Comparison of what kubectl printed.

Objects printed as JSON or YAML are compared as objects (kubectl's own key order is no fact about a cluster), dig's
answers as facts, everything else line by line. A text without placeholders must be the same to the byte. In one with
placeholders the columns move, so runs of blanks inside a line may differ in length.

Lines whose order depends on generated names or addresses are taken as a set, and so are those of `logs
--all-containers` and of nslookup, and the lines of event tables, where `(x3 over 5s)` is dropped and one line may stand
for several. Of `kubectl explain` the descriptions are compared word by word (`_explanation`), of `kubectl version` as
much as of a server's /version. The progress lines of `rollout status` are dropped, and the far end's tar missing a file
in `cp`: kubectl prints that only when it comes before the end of the archive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from itertools import permutations
from typing import Any

import yaml
from tests.golden.compare import ABSENT, Worlds, best, clean, compare, version_of
from tests.golden.dig import compare_dig, is_dig
from tests.golden.placeholders import World, match, placeholders
from tests.golden.timing import described

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_COUNT = re.compile(r" \(x(?:<n>|\d+) over [^)]*\)")
_LENGTH = re.compile(r"^Content-Length: (\d+)\r\n", re.M)
_TAR = re.compile(r"^tar: (?:.*: No such file or directory|error exit delayed from previous errors)\n", re.M)
_BUILD = re.compile(r"^(Server Version: [^+\s]+)\+\S+$", re.M)
_PROGRESS = re.compile(r"^Waiting for (?:deployment|daemon set|\d+ pods|statefulset|partitioned).*\n", re.M)
_EVENTS = re.compile(r"^(?:Events:\n|(?:NAMESPACE +)?LAST SEEN .*\n)", re.M)
_LISTED = frozenset({"rand", "hash", "podIP", "uid"})


def compare_text(golden: str, actual: str, world: World, path: str, args: list[str]) -> Worlds:
    """Compare one output stream of a command run with `args`."""
    if golden == actual:
        return [world]
    if "status" in args and "rollout" in args:
        golden, actual = _PROGRESS.sub("", golden), _PROGRESS.sub("", actual)
    if "explain" in args:
        golden, actual = _explanation(golden), _explanation(actual)
    if args[:1] == ["describe"]:
        golden, actual = described(golden), described(actual)
    if args[:1] == ["version"]:
        golden, actual = _server_version(golden, args), _server_version(actual, args)
    golden, actual = _without_length(golden, actual)
    if args[:1] == ["cp"]:
        golden, actual = _TAR.sub("", golden), _TAR.sub("", actual)
    if is_dig(golden):
        return compare_dig(golden, actual, world, path)
    for parse in (_as_json, _as_yaml):
        ours = parse(golden, args)
        if ours is not None:
            theirs = parse(actual, args)
            return [world.differs(path, golden, actual)] if theirs is None else compare(ours, theirs, world, path)
    if "logs" in args and "--all-containers" in args:
        # kubectl keeps the requests in a map: which container comes first is chance
        return _as_set(golden.splitlines(), actual.splitlines(), world, path, _line)
    if "nslookup" in args and "-i" not in args:
        # the answers to A and AAAA, asked for together, are printed as they come
        return _lines(golden, actual, world, path, args)
    if not placeholders(golden) and "<node:" not in golden:
        return _exact(golden, actual, world, path)
    if "\n\n\nName:" in golden:
        if golden.endswith("\n") != actual.endswith("\n"):
            return [world.differs(f"{path} end of last line", golden[-1:], actual[-1:])]
        ours, theirs = (text.rstrip("\n").split("\n\n\n") for text in (golden, actual))
        return _as_set(ours, theirs, world, path, lambda a, b, w, p: _text_block(a, b, w, p, args))
    return _text_block(golden, actual, world, path, args)


def _server_version(text: str, args: list[str]) -> str:
    """The server's without build metadata; in YAML nothing else: the client's version is its own affair."""
    if _output_format(args) != "yaml":
        return _BUILD.sub(r"\1", text)
    found = yaml.safe_load(text)
    return repr(version_of(found["serverVersion"])) if isinstance(found, dict) and "serverVersion" in found else text


def _explanation(text: str) -> str:
    """What `kubectl explain` printed, each description a line: where it breaks is a matter of width.

    Nothing here knows what the values of an enum mean. The descriptions of the snapshot API are our own: of those only
    that there are some is compared.
    """
    own = re.search(r"^GROUP: +snapshot\.storage\.k8s\.io$", text, re.M)
    lines: list[str] = []
    prose: list[str] = []
    for line in [*text.splitlines(), "end"]:
        if line.startswith("    ") and line.strip() != "<empty>":
            prose += line.split()
            continue
        if prose and line:
            words = " ".join(prose).partition(" Possible enum values: ")[0]
            lines.append("    <prose>" if own else f"    {words}")
            prose = []
        lines.append(line)
    return "\n".join(lines)


def _exact(golden: str, actual: str, world: World, path: str) -> Worlds:
    ours, theirs = golden.splitlines(keepends=True), actual.splitlines(keepends=True)
    for number in range(max(len(ours), len(theirs))):
        mine = ours[number] if number < len(ours) else ABSENT
        seen = theirs[number] if number < len(theirs) else ABSENT
        if mine != seen:
            world = world.differs(f"{path} line {number + 1}", mine, seen)
    return [world]


def _output_format(args: list[str]) -> str:
    own = args[: args.index("--")] if "--" in args else args
    for index, arg in enumerate(own):
        if arg in ("-o", "--output") and index + 1 < len(own):
            return own[index + 1]
        for prefix in ("--output=", "-o=", "-o"):
            if arg.startswith(prefix) and len(arg) > len(prefix):
                return arg.removeprefix(prefix)
    return ""


def _as_json(text: str, args: list[str]) -> Any:
    if not (text.startswith("{") and (_output_format(args) == "json" or "--raw" in args)):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _as_yaml(text: str, args: list[str]) -> Any:
    if _output_format(args) != "yaml" or not re.match(r"(apiVersion|kind|metadata):", text):
        return None
    try:
        documents = list(yaml.load_all(text, Loader=_LOADER))
    except yaml.YAMLError:
        return None
    return {"documents": documents}


def _text_block(golden: str, actual: str, world: World, path: str, args: list[str]) -> Worlds:
    """Compare texts with placeholders, the lines of an event table apart from the rest."""
    ours, theirs = _EVENTS.search(golden), _EVENTS.search(actual)
    if not ours or not theirs:
        return _lines(golden, actual, world, path, args)
    after: Worlds = []
    for w in _lines(golden[: ours.start()], actual[: theirs.start()], world, path, args):
        after += _event_lines(golden[ours.start() :], actual[theirs.start() :], w, f"{path} events")
    return best(after)


def _event_lines(golden: str, actual: str, world: World, path: str) -> Worlds:
    ours, theirs = (dict.fromkeys(_COUNT.sub("", text).splitlines()) for text in (golden, actual))
    worlds, explained = [world], set()
    for mine in ours:
        after: Worlds = []
        for w in worlds:
            for seen in theirs:
                found = match(mine, seen, w, columns=True)
                if found:
                    explained.add(seen)
                    after.append(World(found.bound, found.words, w.answer, found.diffs))
        worlds = best(after) if after else [w.differs(path, mine, ABSENT) for w in worlds]
    for seen in theirs:
        if seen not in explained:
            worlds = [w.differs(path, ABSENT, seen) for w in worlds]
    return worlds


def _without_length(golden: str, actual: str) -> tuple[str, str]:
    """Both answers of `curl -i` without a Content-Length that is right but another: addresses differ in length."""
    head, found, body = actual.partition("\r\n\r\n")
    length = _LENGTH.search(head + "\r\n") if found else None
    if length is None or int(length[1]) != len(body.encode()) or not placeholders(golden.partition("\r\n\r\n")[2]):
        return golden, actual
    return _LENGTH.sub("", golden), _LENGTH.sub("", actual)


def _lines(golden: str, actual: str, world: World, path: str, args: list[str]) -> Worlds:
    ours, theirs = golden.splitlines(), actual.splitlines()
    worlds = [world]
    if golden.endswith("\n") != actual.endswith("\n"):
        worlds = [world.differs(f"{path} end of last line", golden[-1:], actual[-1:])]
    if len(ours) != len(theirs):
        return [_line_diff(ours, theirs, world, path)]
    if "nslookup" in args:
        return best(after for w in worlds for after in _as_set(ours, theirs, w, path, _line))
    start = 0
    for end in _groups(ours):
        mine, seen, at = ours[start:end], theirs[start:end], f"{path} line {start + 1}"
        compared = _line if len(mine) == 1 else None
        worlds = best(
            after
            for w in worlds
            for after in (_line(mine[0], seen[0], w, at) if compared else _as_set(mine, seen, w, at, _line))
        )
        start = end
    return worlds


def _groups(lines: list[str]) -> list[int]:
    """Where groups of lines end: consecutive lines of like shape naming generated things have no order of their own."""
    ends = []
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if not (_names_generated(line) and _shape(line) == _shape(following)):
            ends.append(index + 1)
    return ends


def _names_generated(line: str) -> bool:
    return any(name.split(".")[0] in _LISTED for name in placeholders(line))


def _shape(line: str) -> tuple[str, ...]:
    """The leading word of a line with its placeholders stripped of their numbers, to tell rows of one table."""
    words = re.sub(r"<(\w+)\.\d+", r"<\1", line).split(" ")
    return (words[0],) if words[0] else tuple(words[: len(line) - len(line.lstrip()) + 1])


def _line(golden: str, actual: str, world: World, path: str) -> Worlds:
    tries = [found for text in _orders(golden) if (found := match(text, actual, world, columns=True))]
    return tries or [world.differs(path, golden, actual)]


def _orders(line: str) -> Iterable[str]:
    """The line with each order of its comma-separated addresses."""
    found = re.search(r"[^\s,]*<podIP[^\s,]*(?:,[^\s,]*<podIP[^\s,]*)+", line)
    if not found or found[0].count(",") > 3:
        return [line]
    orders = permutations(found[0].split(","))
    return [line[: found.start()] + ",".join(order) + line[found.end() :] for order in orders]


def _as_set(
    golden: list[str], actual: list[str], world: World, path: str, one: Callable[[str, str, World, str], Worlds]
) -> Worlds:
    """Match each golden text to another actual one, in any order."""
    if len(golden) != len(actual):
        return [_line_diff(golden, actual, world, path)]
    states: list[tuple[World, frozenset[int]]] = [(world, frozenset())]
    for mine in golden:
        following: dict[tuple[Any, ...], tuple[World, frozenset[int]]] = {}
        for before, used in states:
            for at, seen in enumerate(actual):
                if at not in used:
                    for after in clean(before, one(mine, seen, before, path)):
                        following[frozenset(after.bound.items()), used | {at}] = after, used | {at}
        if not following:
            return [_line_diff(golden, actual, world, path)]
        states = list(following.values())[:500]
    return best(after for after, _ in states)


def _line_diff(golden: list[str], actual: list[str], world: World, path: str) -> World:
    """Show lines no partner is found for."""
    left = list(actual)
    current = world
    for mine in golden:
        partner = next((seen for seen in left if match(mine, seen, current, columns=True)), None)
        if partner is None:
            current = current.differs(path, mine, ABSENT)
        else:
            left.remove(partner)
            diffs = current.diffs
            matched = match(mine, partner, current, columns=True)
            current = World(matched.bound, matched.words, matched.answer, diffs) if matched else current
    for seen in left:
        current = current.differs(path, ABSENT, seen)
    if current.diffs == world.diffs:
        current = current.differs(path, "\n".join(golden), "\n".join(actual))
    return current
