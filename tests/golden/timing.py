"""What a recording shows depends on when it looked: the two halves of a comparison freed of that.

Controllers and the kubelet write one after the other, and the recorded cluster took milliseconds between two writes.
Each rule here names a value of that kind and says what is accepted in its place.

* `metadata.generation` above 1 of a slice the control plane manages counts its controller's writes, and how many pods'
  changes one of them takes together (all, when a burst of pods fills a slice at once): any number. The annotation
  `last-change-trigger-time` on such a slice (and on managed Endpoints) is there when that last write was caused by a
  time in another second than the one before: not compared.
* `observedGeneration` below the object's generation was caught before its controller had looked: anything up to the
  generation.
* `deployment.kubernetes.io/revision` in an answer that does not show a settled status counts the templates the
  controller had seen by then: any number from 1 to the generation.
* `terminatingReplicas` above 0 counts pods on their way out at that moment: any number.
* crash loops (README: "timing-dependent by nature"): the number of restarts (at least one), and whether `terminated`,
  `CrashLoopBackOff` or, of an init container, a run between two crashes was caught, in objects, in Table rows, in what
  `kubectl describe` prints.
* an endpoint shown as the example of many stands for any of its kind: which pod is in which slice depends on how many
  became ready between two writes. How many there are in each slice is compared.
* successive BOOKMARKs of a watch without annotations count as one: how many come is a matter of timing.
"""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]
Pair = tuple[Json, Json]

_MANAGED_BY = ("endpointslice.kubernetes.io/managed-by", "endpoints.kubernetes.io/managed-by")
_TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
_REVISION = "deployment.kubernetes.io/revision"
_BACK_OFF = re.compile(r"^back-off \S+ restarting")
_CRASHES = ("Error", "CrashLoopBackOff", "Init:Error", "Init:CrashLoopBackOff")
_RESTARTS = re.compile(r"[1-9]\d*( \(.*\))?")
_DESCRIBED_RESTARTS = re.compile(r"^( +Restart Count:  )[1-9]\d*$", re.M)
_DESCRIBED_CRASH = re.compile(
    r"^    State: +(?:Waiting\n +Reason: +CrashLoopBackOff"
    r"|Terminated\n +Reason: +Error\n(?: +[\w ]+: .*\n){2} +Finished: .*)$",
    re.M,
)


def described(text: str) -> str:
    """What `kubectl describe` printed, with one restart and one state for all that crash loops go through."""
    return _DESCRIBED_CRASH.sub("    State:          Crashed", _DESCRIBED_RESTARTS.sub(r"\g<1>1", text))


def settled(golden: Json, actual: Json, path: str) -> Pair:
    """Both objects at `path`, `actual` with the recorded value wherever the difference is one of timing."""
    if isinstance(golden.get("metadata"), dict) and isinstance(actual.get("metadata"), dict):
        golden, actual = _endpoints(golden, actual)
        golden, actual = _revision(golden, actual)
        actual = _observed(golden, actual)
    if _is_number(golden.get("terminatingReplicas"), 1) and _is_number(actual.get("terminatingReplicas"), 0):
        actual = {**actual, "terminatingReplicas": golden["terminatingReplicas"]}
    if "restartCount" in golden and isinstance(golden.get("state"), dict):
        golden, actual = _crash_loop(golden, actual, init=".initContainerStatuses[" in path)
    if isinstance(golden.get("cells"), list) and isinstance(actual.get("cells"), list):
        golden, actual = _rows(golden, actual)
    return golden, actual


def bookmarks(events: list[Any]) -> list[Any]:
    """Events of a watch without the BOOKMARKs that only follow another one."""
    kept: list[Any] = []
    for event in events:
        if not (kept and _is_plain_bookmark(event) and _is_plain_bookmark(kept[-1])):
            kept.append(event)
    return kept


def examples(endpoints: list[Any]) -> list[Any]:
    """Endpoints without what tells one from another."""
    return [_nameless(endpoint) if isinstance(endpoint, dict) else endpoint for endpoint in endpoints]


def _nameless(endpoint: Json) -> Json:
    found = {key: value for key, value in endpoint.items() if key != "addresses"}
    target = found.get("targetRef")
    if isinstance(target, dict):
        found["targetRef"] = {key: value for key, value in target.items() if key != "name"}
    return found


def _is_plain_bookmark(event: Any) -> bool:
    if not isinstance(event, dict) or event.get("type") != "BOOKMARK":
        return False
    return "annotations" not in event.get("object", {}).get("metadata", {})


def _is_number(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


# --- what controllers count ------------------------------------------------------------------------------------------


def _endpoints(golden: Json, actual: Json) -> Pair:
    meta, seen = golden["metadata"], actual["metadata"]
    if not any(label in (meta.get("labels") or {}) for label in _MANAGED_BY):
        return golden, actual
    if "addressType" in golden:
        if not _is_number(meta.get("generation"), 2):
            return golden, actual
        if _is_number(seen.get("generation"), 1):
            seen = {**seen, "generation": meta["generation"]}
    return {**golden, "metadata": _without(meta, _TRIGGER)}, {**actual, "metadata": _without(seen, _TRIGGER)}


def _without(meta: Json, annotation: str) -> Json:
    left = {key: value for key, value in (meta.get("annotations") or {}).items() if key != annotation}
    return {key: value for key, value in meta.items() if key != "annotations"} | ({"annotations": left} if left else {})


def _revision(golden: Json, actual: Json) -> Pair:
    meta, seen = golden["metadata"], actual["metadata"]
    recorded = (meta.get("annotations") or {}).get(_REVISION)
    number = (seen.get("annotations") or {}).get(_REVISION)
    generation = seen.get("generation")
    status = golden.get("status")
    if isinstance(status, dict) and status.get("observedGeneration") == meta.get("generation"):
        return golden, actual
    if not (str(recorded).isdigit() and str(number).isdigit() and _is_number(generation, 1)):
        return golden, actual
    if 1 <= int(str(number)) <= generation:
        seen = {**seen, "annotations": {**seen["annotations"], _REVISION: recorded}}
    return golden, {**actual, "metadata": seen}


def _observed(golden: Json, actual: Json) -> Json:
    generation = golden["metadata"].get("generation")
    ours, theirs = golden.get("status"), actual.get("status")
    if generation != actual["metadata"].get("generation") or not isinstance(ours, dict) or not isinstance(theirs, dict):
        return actual
    status = _caught_up(ours, theirs, generation)
    conditions = ours.get("conditions"), theirs.get("conditions")
    if all(isinstance(found, list) for found in conditions) and len(conditions[0]) == len(conditions[1]):
        status = {**status, "conditions": [_caught_up(a, b, generation) for a, b in zip(*conditions, strict=True)]}
    return {**actual, "status": status}


def _caught_up(golden: Any, actual: Any, generation: Any) -> Any:
    if not isinstance(golden, dict) or not isinstance(actual, dict):
        return actual
    ours, theirs = golden.get("observedGeneration"), actual.get("observedGeneration")
    if not (_is_number(ours, 0) and _is_number(theirs, 0) and _is_number(generation, 1)):
        return actual
    return {**actual, "observedGeneration": ours} if ours < generation and ours <= theirs <= generation else actual


# --- crash loops -----------------------------------------------------------------------------------------------------


def _crash_loop(golden: Json, actual: Json, *, init: bool) -> Pair:
    if not golden["restartCount"] or not _is_number(actual.get("restartCount"), 1):
        return golden, actual
    actual = {**actual, "restartCount": golden["restartCount"]}
    ours, theirs = golden["state"], actual.get("state")
    between = init and "running" in ours and "terminated" in (golden.get("lastState") or {})
    if not isinstance(theirs, dict) or not _crashed(theirs) or not (_crashed(ours) or between):
        return golden, actual
    if set(ours) != set(theirs):
        caught = {"state", "started"} if between else {"state"}
        return _dropped(golden, caught), _dropped(actual, caught)
    if "waiting" in ours:
        wait = {**theirs["waiting"]}
        if _BACK_OFF.match(str(wait.get("message"))) and _BACK_OFF.match(str(ours["waiting"].get("message"))):
            period = str(ours["waiting"]["message"]).split(" ")[1]
            wait["message"] = _BACK_OFF.sub(f"back-off {period} restarting", wait["message"])
        actual = {**actual, "state": {"waiting": wait}}
    return golden, actual


def _dropped(status: Json, keys: set[str]) -> Json:
    return {key: value for key, value in status.items() if key not in keys}


def _crashed(state: Json) -> bool:
    return "terminated" in state or state.get("waiting", {}).get("reason") == "CrashLoopBackOff"


def _rows(golden: Json, actual: Json) -> Pair:
    """A row of the pods' Table; the third and fourth columns are its status and restarts."""
    ours, theirs = golden["cells"], actual["cells"]
    if len(ours) < 4 or len(ours) != len(theirs):
        return golden, actual
    if not all(cells[2] in _CRASHES and _RESTARTS.fullmatch(str(cells[3])) for cells in (ours, theirs)):
        return golden, actual
    return {**golden, "cells": [*ours[:2], *ours[4:]]}, {**actual, "cells": [*theirs[:2], *theirs[4:]]}
