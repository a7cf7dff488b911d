"""Comparison of answers, as the recordings' README recommends.

`compare` reads a golden value and an actual one together and returns the worlds that explain them best: without new
differences when they agree, with the fewest otherwise. The tolerances are all in this module, in `text.py` (texts of
kubectl) and in `timing.py` (what a recording caught between two writes of a controller):

* unordered: `endpoints` of slices, addresses of Endpoints, lists and Table rows with generated names, DNS records,
  containers of PodMetrics (the recording has them in either order);
* events: (type, reason, message) as a set; one event may stand for several, counts and times do not matter;
* not compared: `imageID`, condition timestamps, `managedFields` where the recording has none, `resources` and
  `allocatedResources` of pod status, `podCIDR` and `serverAddress` (the cluster's choice);
* line numbers of a diff inside a message: as recorded, or without the lines of the volume source that was removed from
  the recordings (README, provenance);
* `/version`: major, minor and gitVersion without build metadata;
* subsets: bodies cut in the recording have only the keys shown; `<99 more, 100 in all>` counts a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from tests.golden.placeholders import World, match, placeholders
from tests.golden.timing import bookmarks, examples, settled

_MORE = re.compile(r"<(\d+) more(?:, (\d+) in all)?>")
_TIMES = frozenset({"lastTransitionTime", "lastProbeTime", "lastUpdateTime", "lastHeartbeatTime"})
_EVENT_KEYS = ("type", "reason", "message")
_WORLDS = 48  # readings kept open; every one is exact, so a cap can only lose a match, never invent one
_TRIES = 4000

Worlds = list[World]


def compare(golden: Any, actual: Any, world: World, path: str = "", *, subset: bool = False) -> Worlds:
    """The worlds that best explain `actual` as `golden`; what they cannot explain is in their `diffs`.

    `subset` allows keys the recording does not show.
    """
    if isinstance(golden, dict) and isinstance(actual, dict):
        return _objects(golden, actual, world, path, subset)
    if isinstance(golden, list) and isinstance(actual, list):
        return _lists(golden, actual, world, path, subset)
    if isinstance(golden, str):
        found = match(golden, actual, world) or match(_without_removed_source(golden), actual, world)
        return [found if found else world.differs(path, golden, actual)]
    same = golden == actual and isinstance(golden, bool) == isinstance(actual, bool)
    return [world if same else world.differs(path, golden, actual)]


_HUNK = re.compile(r"^@@ -(\d+),(\d+) \+(\d+),(\d+) @@$", re.MULTILINE)
_REMOVED_LINES = 18
"""Lines of a printed pod that its fourth kube-api-access source took, a configMap with one item."""


def _without_removed_source(text: str) -> str:
    """The text with the hunks of a diff of pods numbered as without the source that was removed from the recordings."""

    def shifted(found: re.Match[str]) -> str:
        before, after = (int(found[group]) - _REMOVED_LINES for group in (1, 3))
        return f"@@ -{before},{found[2]} +{after},{found[4]} @@"

    return _HUNK.sub(shifted, text)


def clean(before: World, after: Iterable[World]) -> Worlds:
    """Those of the worlds `after` that explain everything since `before`."""
    return [world for world in after if len(world.diffs) == len(before.diffs)]


def best(worlds: Iterable[World]) -> Worlds:
    """The worlds with the fewest differences, each reading once."""
    kept = {(frozenset(w.bound.items()), len(w.diffs)): w for w in worlds}
    fewest = min(len(world.diffs) for world in kept.values())
    return [world for world in kept.values() if len(world.diffs) == fewest][:_WORLDS]


def is_cut(body: Any) -> bool:
    """Whether a golden body shows only some keys: it names no kind, or an object without its uid, or is a list without
    metadata."""
    if not isinstance(body, dict) or set(body) == {"paths"}:
        return False
    if "kind" not in body:
        return True
    if set(body) == {"kind"} or ("items" in body and "metadata" not in body):
        return True
    metadata = body.get("metadata")
    return isinstance(metadata, dict) and list(metadata) == ["name"] and body["kind"] != "Status"


def compare_body(golden: Any, actual: Any, world: World, url: str) -> Worlds:
    """Compare the body of an answer to a request for `url` (a path)."""
    if url.rstrip("/") == "/version" and isinstance(actual, dict) and "gitVersion" in golden:
        return compare(version_of(golden), version_of(actual), world)
    if isinstance(golden, dict) and "itemNames" in golden and isinstance(actual, dict):
        items = actual.get("items") or []
        actual = {**actual, "itemNames": [item.get("metadata", {}).get("name") for item in items]}
    return compare(golden, actual, world, subset=is_cut(golden))


def version_of(body: dict[str, Any]) -> dict[str, Any]:
    kept = {key: body.get(key) for key in ("major", "minor", "gitVersion")}
    return kept | {"gitVersion": str(kept["gitVersion"]).partition("+")[0]}


# --- objects ---------------------------------------------------------------------------------------------------------


def _objects(golden: dict[str, Any], actual: dict[str, Any], world: World, path: str, subset: bool) -> Worlds:
    golden, actual = _prepared(golden, actual, path, subset)
    worlds = [world]
    for key in golden:
        if key not in actual and subset and golden[key] is None:
            continue  # the recorder wrote null for a key it was to keep and the answer did not have
        if key not in actual:
            worlds = [w.differs(f"{path}.{key}", golden[key], ABSENT) for w in worlds]
        else:
            worlds = best(
                after for w in worlds for after in compare(golden[key], actual[key], w, f"{path}.{key}", subset=subset)
            )
    if not subset:
        for key in actual:
            if key not in golden:
                worlds = [w.differs(f"{path}.{key}", ABSENT, actual[key]) for w in worlds]
    return worlds


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


def _prepared(
    golden: dict[str, Any], actual: dict[str, Any], path: str, subset: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both objects without what is not compared."""
    dropped = {"imageID", "podCIDR", "podCIDRs", "serverAddress"}
    if "managedFields" not in golden:
        dropped.add("managedFields")
    if ".conditions[" in path:
        dropped |= _TIMES
    if "containerStatuses" in golden or ("phase" in golden and path.endswith(".status")):
        dropped |= {"resources", "allocatedResources"}
    if "restartCount" in golden and "state" in golden:
        dropped |= {"resources", "allocatedResources"}
    golden, actual = settled(golden, actual, path)
    if golden.get("phase") and "status" not in golden and isinstance(actual.get("status"), dict) and subset:
        actual = {"phase": actual["status"].get("phase"), **actual}  # the recording hoisted it out of status
    kept = {key: value for key, value in golden.items() if key not in dropped}
    return kept, {key: value for key, value in actual.items() if key not in dropped}


# --- lists -----------------------------------------------------------------------------------------------------------


def _lists(golden: list[Any], actual: list[Any], world: World, path: str, subset: bool) -> Worlds:
    more = [found for item in golden if isinstance(item, str) and (found := _MORE.fullmatch(item))]
    if more:
        shown = [item for item in golden if not (isinstance(item, str) and _MORE.fullmatch(item))]
        total = len(shown) + sum(int(found[1]) for found in more)
        if len(actual) != total:
            return [world.differs(f"{path} (length)", total, len(actual))]
        if path.endswith(".endpoints"):
            shown, actual = examples(shown), examples(actual)
        return _unordered(shown, actual, world, path, subset, whole=False)
    if path == ".events":
        golden, actual = bookmarks(golden), bookmarks(actual)
    if _are_events(golden, path):
        return _events(golden, actual, world, path)
    if _order_is_free(golden, path):
        return _unordered(golden, actual, world, path, subset)
    worlds = [world]
    for index in range(min(len(golden), len(actual))):
        at = f"{path}[{index}]"
        worlds = best(after for w in worlds for after in compare(golden[index], actual[index], w, at, subset=subset))
    for index in range(len(actual), len(golden)):
        worlds = [w.differs(f"{path}[{index}]", golden[index], ABSENT) for w in worlds]
    for index in range(len(golden), len(actual)):
        worlds = [w.differs(f"{path}[{index}]", ABSENT, actual[index]) for w in worlds]
    return worlds


def _order_is_free(golden: list[Any], path: str) -> bool:
    key = path.rpartition(".")[2]
    if key == "endpoints" or (key in ("addresses", "notReadyAddresses") and ".subsets[" in path):
        return True
    if key == "containers":
        return all(isinstance(item, dict) and item.keys() == {"name", "usage"} for item in golden)
    if key == "items":
        return any(isinstance(item, dict) and _generated(item.get("metadata", {}).get("name")) for item in golden)
    if key == "rows":
        return any(isinstance(row, dict) and any(_generated(c) for c in row.get("cells", [])[:1]) for row in golden)
    return False


def _generated(name: Any) -> bool:
    return isinstance(name, str) and any(slot.split(".")[0] in ("rand", "hash", "uid") for slot in placeholders(name))


def _unordered(
    golden: list[Any], actual: list[Any], world: World, path: str, subset: bool, *, whole: bool = True
) -> Worlds:
    """Match each golden item to another actual one; with `whole`, none of those may be left over."""
    if whole and len(golden) != len(actual):
        return [_closest(golden, actual, world.differs(f"{path} (length)", len(golden), len(actual)), path, subset)]
    found = list(_assignments(golden, actual, world, path, subset))
    return best(found) if found else [_closest(golden, actual, world, path, subset)]


def _assignments(golden: list[Any], actual: list[Any], world: World, path: str, subset: bool) -> Iterator[World]:
    """The readings in which every golden item has an actual one of its own."""
    tries, given = _TRIES, 0

    def solve(index: int, used: frozenset[int], before: World) -> Iterator[World]:
        nonlocal tries, given
        if index == len(golden):
            given += 1
            yield before
            return
        item = golden[index]
        order = sorted(range(len(actual)), key=lambda at: at != index)
        for at in order:
            if at in used or not _may_match(item, actual[at]):
                continue
            tries -= 1
            if tries < 0 or given >= _WORLDS:
                return
            for after in clean(before, compare(item, actual[at], before, f"{path}[{at}]", subset=subset)):
                count = given
                yield from solve(index + 1, used | {at}, after)
                if given > count and after.bound == before.bound:
                    return  # nothing bound here: another partner would give the same readings

    yield from solve(0, frozenset(), world)


def _may_match(golden: Any, actual: Any) -> bool:
    """A quick no for items whose literal names differ."""
    if not isinstance(golden, dict) or not isinstance(actual, dict):
        return True
    for key in ("metadata", "targetRef"):
        ours, theirs = golden.get(key), actual.get(key)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            name = ours.get("name")
            if isinstance(name, str) and "<" not in name and name != theirs.get("name"):
                return False
    return True


def _closest(golden: list[Any], actual: list[Any], world: World, path: str, subset: bool) -> World:
    """Pair items greedily by fewest differences, to have something readable to show."""
    left = list(range(len(actual)))
    for index, item in enumerate(golden):
        if not left:
            world = world.differs(f"{path}[{index}]", item, ABSENT)
            continue
        options = [(compare(item, actual[at], world, f"{path}[{at}]", subset=subset)[0], at) for at in left[:40]]
        nearest, at = min(options, key=lambda option: len(option[0].diffs))
        if len(nearest.diffs) == len(world.diffs) or _may_match(item, actual[at]):
            world = nearest
            left.remove(at)
        else:
            world = world.differs(f"{path}[{index}]", item, ABSENT)
    for at in left if len(actual) > len(golden) else []:
        world = world.differs(f"{path}[{at}]", ABSENT, actual[at])
    if not world.diffs:  # each item has a partner, but no reading fits all of them
        world = world.differs(path, golden, actual)
    return world


def _are_events(golden: list[Any], path: str) -> bool:
    if path != ".items":
        return False
    return bool(golden) and all(
        isinstance(item, dict) and {"reason", "message", "type"} <= set(item) for item in golden
    )


def _events(golden: list[Any], actual: list[Any], world: World, path: str) -> Worlds:
    """Every golden event must have happened, and nothing else: how often does not matter."""
    facts = [_fact(item) for item in actual]
    worlds = [world]
    seen: set[int] = set()
    for index, item in enumerate(golden):
        fact = _fact(item)
        after: Worlds = []
        for w in worlds:
            for at, theirs in enumerate(facts):
                fits = clean(w, compare(fact, theirs, w, f"{path}[{index}]"))
                if fits:
                    seen.add(at)
                    after += [replace(fit, answer=w.answer) for fit in fits]
        worlds = best(after) if after else [w.differs(f"{path}[{index}]", fact, ABSENT) for w in worlds]
    extra = [fact for at, fact in enumerate(facts) if at not in seen]
    for fact in extra:
        worlds = [w.differs(f"{path}[?]", ABSENT, fact) for w in worlds]
    return worlds


def _fact(event: Any) -> dict[str, Any]:
    if not isinstance(event, dict):
        return {"type": event}
    fact = {key: event.get(key) for key in _EVENT_KEYS}
    message = fact["message"]
    if isinstance(message, str):
        fact["message"] = re.sub(r"^Back-off \d\S* restarting", "Back-off restarting", message)
    return fact
