"""What is forgiven because of the moment a recording was taken, and what is not."""

import re
from typing import Any

import pytest
from tests.golden.compare import compare, compare_body
from tests.golden.placeholders import World
from tests.golden.text import compare_text
from tests.golden.timing import bookmarks, examples

TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
REVISION = "deployment.kubernetes.io/revision"


def differing(golden: Any, actual: Any, path: str = "") -> list[str]:
    return [diff.path for diff in compare(golden, actual, World(), path)[0].diffs]


def slice_of(generation: int, *, time: str = "", managed: bool = True) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "a", "generation": generation}
    if managed:
        metadata["labels"] = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    if time:
        metadata["annotations"] = {TRIGGER: time}
    return {"metadata": metadata, "addressType": "IPv4"}


def test_the_number_of_writes_of_a_managed_slice_is_free_once_it_was_rewritten() -> None:
    assert differing(slice_of(4), slice_of(3)) == []
    assert differing(slice_of(4), slice_of(1)) == []  # created whole
    assert differing(slice_of(1), slice_of(2)) == [".metadata.generation"]
    assert differing(slice_of(4, managed=False), slice_of(3, managed=False)) == [".metadata.generation"]


def test_the_time_of_the_change_is_there_or_not_in_a_slice_that_was_rewritten() -> None:
    time = "2026-01-01T00:00:00Z"
    assert differing(slice_of(2, time="<time>"), slice_of(2)) == []
    assert differing(slice_of(2), slice_of(2, time=time)) == []
    assert differing(slice_of(1, time="<time>"), slice_of(1)) == [".metadata.annotations"]


def deployment(generation: int, observed: int | None, revision: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": {"generation": generation}}
    if revision:
        found["metadata"]["annotations"] = {REVISION: revision}
    if observed is not None:
        found["status"] = {"observedGeneration": observed}
    return found


def test_a_controller_may_have_looked_sooner_than_the_recorded_one() -> None:
    assert differing(deployment(4, 3), deployment(4, 4)) == []
    assert differing(deployment(4, 3), deployment(4, 2)) == [".status.observedGeneration"]
    assert differing(deployment(4, 3), deployment(4, 5)) == [".status.observedGeneration"]
    assert differing(deployment(4, 4), deployment(4, 3)) == [".status.observedGeneration"]


def test_revisions_count_only_once_the_controller_has_caught_up() -> None:
    assert differing(deployment(9, None, "7"), deployment(9, None, "9")) == []
    assert differing(deployment(9, 8, "7"), deployment(9, 8, "8")) == []
    assert differing(deployment(9, 9, "7"), deployment(9, 9, "8")) == [f".metadata.annotations.{REVISION}"]
    assert differing(deployment(9, None, "7"), deployment(9, None, "10")) == [f".metadata.annotations.{REVISION}"]
    assert differing(deployment(9, None, "7"), deployment(9, None)) == [".metadata.annotations"]


def test_pods_on_their_way_out_may_be_gone_already() -> None:
    assert differing({"terminatingReplicas": 2}, {"terminatingReplicas": 0}) == []
    assert differing({"terminatingReplicas": 0}, {"terminatingReplicas": 2}) == [".terminatingReplicas"]
    assert differing({"terminatingReplicas": 2}, {}) == [".terminatingReplicas"]


RUNNING = {"running": {"startedAt": "<time>"}}
WAITING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=i"}}
CRASHED = {"terminated": {"exitCode": 1}}


def container(state: dict[str, Any], restarts: int, **more: Any) -> dict[str, Any]:
    return {"state": state, "restartCount": restarts, "lastState": CRASHED, **more}


def test_an_init_container_may_be_caught_running_between_two_crashes() -> None:
    golden, actual = container(RUNNING, 1, started=True), container(WAITING, 2, started=False)
    assert differing(golden, actual, ".status.initContainerStatuses[0]") == []
    assert differing(golden, actual, ".status.containerStatuses[0]") != []
    healthy = container({"running": {"startedAt": "2026-01-01T00:00:00Z"}}, 0, started=True)
    assert differing(golden, healthy, ".status.initContainerStatuses[0]") == [
        ".status.initContainerStatuses[0].restartCount"
    ]


def test_a_crash_loop_is_caught_in_either_state() -> None:
    at = ".status.containerStatuses[0]"
    assert differing(container(CRASHED, 1), container(WAITING, 3), at) == []
    creating = {"waiting": {"reason": "ContainerCreating"}}
    assert differing(container(CRASHED, 1), container(creating, 3), at) != []


def row(*cells: Any) -> dict[str, Any]:
    return {"cells": list(cells)}


@pytest.mark.parametrize("status", ["Error", "CrashLoopBackOff"])
def test_a_row_of_a_crash_loop(status: str) -> None:
    golden = row("crash", "0/1", "Error", "1 (<age> ago)", "<age>")
    assert differing(golden, row("crash", "0/1", status, "2 (6s ago)", "9s")) == []
    assert differing(golden, row("crash", "0/1", status, "0", "9s")) != []
    assert differing(golden, row("crash", "1/1", "Running", "2 (6s ago)", "9s")) != []


def test_bookmarks_in_a_row_are_one() -> None:
    plain = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "1"}}}
    first = {"type": "BOOKMARK", "object": {"metadata": {"annotations": {"k8s.io/initial-events-end": "true"}}}}
    added = {"type": "ADDED", "object": {}}
    assert bookmarks([first, plain, plain, plain]) == [first, plain]
    assert bookmarks([plain, added, plain]) == [plain, added, plain]
    assert bookmarks([first, first]) == [first, first]
    assert differing([first, plain, plain], [first], ".events") == [".events[1]"]


def test_line_numbers_of_a_diff_without_the_removed_volume_source() -> None:
    def message(line: int) -> dict[str, str]:
        return {"message": f"Forbidden\n@@ -{line},7 +{line},7 @@\n- a\n+ b\n"}

    def seen(line: int) -> tuple[Any, ...]:
        return compare_body(message(162), message(line), World(), "/")[0].diffs

    assert seen(162) == seen(144) == ()
    assert seen(145) != ()


def test_an_endpoint_shown_as_an_example_stands_for_any_of_its_kind() -> None:
    def endpoint(name: str, ready: bool) -> dict[str, Any]:
        return {"addresses": ["10.0.0.1"], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": name}}

    golden = [endpoint("a", True), "<1 more, 2 in all>"]
    assert differing(golden, [endpoint("b", True), endpoint("c", True)], ".endpoints") == []
    assert differing(golden, [endpoint("a", False), endpoint("c", False)], ".endpoints") != []
    assert differing(golden, [endpoint("a", True)], ".endpoints") == [".endpoints (length)"]
    assert examples(["x"]) == ["x"]


_DESCRIBED = """\
  c:
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       Error
    Ready:          False
    Restart Count:  1
    Mounts:         <time>
"""
_ENDED = """\
    State:          Terminated
      Reason:       Error
      Exit Code:    3
      Started:      Sat, 21 Nov 2026 20:33:45 +0000
      Finished:     Sat, 21 Nov 2026 20:33:45 +0000
"""


def _described(text: str) -> bool:
    seen = text.replace("<time>", "Sat, 21 Nov 2026 20:33:45 +0000")
    worlds = compare_text(_DESCRIBED, seen, World(), "stdout", ["describe", "pod", "crash"])
    return not worlds[0].diffs


def test_what_describe_prints_of_a_crash_loop_is_a_matter_of_the_moment() -> None:
    ended = re.sub(r"    State: +Waiting\n.*\n", _ENDED, _DESCRIBED)
    assert ended != _DESCRIBED
    assert _described(_DESCRIBED.replace("Count:  1", "Count:  12"))
    assert _described(ended)
    assert not _described(_DESCRIBED.replace("Count:  1", "Count:  0"))
    assert not _described(ended.replace("Error\n      Exit", "Completed\n      Exit"))
    assert not _described(_DESCRIBED.replace("Back", "back"))
