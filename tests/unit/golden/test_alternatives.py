"""What is accepted in place of a recorded answer is one other answer, and nothing near it."""

import json
from copy import deepcopy
from functools import lru_cache
from pathlib import Path

import pytest
import yaml
from tests.golden.alternatives import ALTERNATIVES, Change, readings
from tests.golden.compare import ABSENT, compare_body
from tests.golden.placeholders import World
from tests.golden.scenario import load
from tests.golden.text import compare_text

RECORDED = {path.stem: path for path in (Path(__file__).parents[2] / "golden").glob("[ak]*/*.yaml")}
STEPS = sorted(ALTERNATIVES)
TIME = "2026-01-01T00:00:00Z"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"


@lru_cache
def step_of(scenario, step):
    return next(found for found in load(RECORDED[scenario]).steps if found.get("id") == step)


def printed(text):
    """A recorded text as a cluster would print it."""
    values = {
        "<nodeIP>": "192.0.2.1",
        "<version>": "1.26.1",
        "<id>": "f00d",
        "<age>": "4s",
        "<time>": TIME,
        "<rv>": "7",
        "<n>": "3",
        "<cpu>": "3m",
        "<uid>": "0f9cbb2e-57a0-4a6e-9c1c-0a4e0a3f2d11",
        "<podIP.1>": "10.244.0.1",
        "<podIP.2>": "10.244.0.2",
        "<podIP.4>": "10.244.0.4",
        "<osImage>": "Debian",
        "<kernel>": "6.1.0",
        "<runtime>": "containerd://2.0",
        "<hash>": "78994dd74d",
        "<rand>": "sww7k",
        "<hash.1>": "78994dd74d",
        "<hash.2>": "5c8f9d7b6c",
        **{f"<rand.{number}>": f"sww7{letter}" for number, letter in zip("123456", "bcdfgh", strict=True)},
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def answered(body):
    """A recorded body as a cluster would answer it."""
    seen = yaml.safe_load(printed(yaml.safe_dump(deepcopy(body))))
    for item in (seen, *seen["items"]):
        item["metadata"]["resourceVersion"] = "7"
    for item in seen["items"]:
        item["metadata"]["creationTimestamp"] = TIME
        if "annotations" in item["metadata"]:
            item["metadata"]["annotations"][TRIGGER] = TIME
    return seen


def is_explained(scenario, step, seen):
    """Whether `seen`, a text or a body, is one of the answers the step may have."""
    for golden, _ in readings(scenario, step):
        if "stdout" in golden:
            worlds = compare_text(golden["stdout"], seen, World(), "stdout", golden["args"])
        else:
            worlds = compare_body(golden["response"]["body"], seen, World(), golden["path"])
        if not worlds[0].diffs:
            return True
    return False


@pytest.mark.parametrize(("scenario", "step"), STEPS)
def test_each_stands_for_something_recorded(scenario, step):
    found = list(readings(scenario, step_of(scenario, step)))
    assert len(found) == 1 + len(ALTERNATIVES[scenario, step])
    assert found[0] == (step_of(scenario, step), "")
    assert all(why and golden != found[0][0] for golden, why in found[1:])


@pytest.mark.parametrize(("scenario", "step"), [at for at in STEPS if "stdout" in step_of(*at)])
def test_a_printed_alternative_is_taken_and_no_other_line_is(scenario, step):
    golden = step_of(scenario, step)
    every = [printed(reading["stdout"]) for reading, _ in readings(scenario, golden)]
    for right in every:
        assert is_explained(scenario, golden, right)
        lines = right.splitlines(keepends=True)
        for at, line in enumerate(lines):
            if not line.strip():
                continue
            indent = len(line) - len(line.lstrip())
            wrong = [*lines[:at], f"{line[:indent]}x{line[indent:]}", *lines[at + 1 :]]
            assert not is_explained(scenario, golden, "".join(wrong)), line
            without = "".join([*lines[:at], *lines[at + 1 :]])
            assert without in every or not is_explained(scenario, golden, without), line


WRONG = {
    ("dns-06-pod-config", "alias-wins"): ("can't find two.", "can't find two.cluster.local:", "NOERROR"),
    ("dns-07-env", "env-before"): ("PATH=/bin\n", "PATH=/usr/local/bin:/bin\n"),
}


@pytest.mark.parametrize(("scenario", "step"), sorted(WRONG))
def test_other_values_in_that_place_are_not(scenario, step):
    golden = step_of(scenario, step)
    (change,) = ALTERNATIVES[scenario, step][0].changes
    for wrong in WRONG[scenario, step]:
        assert not is_explained(scenario, golden, printed(golden["stdout"].replace(change.recorded, wrong)))


def test_a_restarting_container_is_not_taken_for_a_ready_one():
    golden = step_of("dns-08-outage", "kubectl-get-broken")
    right = printed(golden["stdout"])
    assert is_explained("dns-08-outage", golden, right.replace("0/1     Running", "0/1     CrashLoopBackOff"))
    for wrong in ("1/1     Running", "0/1     Completed", "0/1     ImagePullBackOff", "0/1     Pending"):
        assert not is_explained("dns-08-outage", golden, right.replace("0/1     Running", wrong)), wrong
    assert not is_explained("dns-08-outage", golden, right.replace(" 2 (", " 3 ("))


@pytest.mark.parametrize(
    ("generation", "name", "taken"),
    [(1, "", True), (2, "c", True), (1, "c", True), (2, "", False), (0, "c", False), (2, "d", False), (1, "a", False)],
)
def test_a_mirrored_slice_is_at_one_edit_or_the_other(generation, name, taken):
    golden = step_of("endpointslices-13-mirroring", "mirrored-per-family")
    seen = answered(golden["response"]["body"])
    seen["items"][0]["metadata"]["generation"] = generation
    seen["items"][0]["ports"][0]["name"] = name
    assert is_explained("endpointslices-13-mirroring", golden, seen) is taken


@pytest.mark.parametrize(
    ("at", "path", "value", "taken"),
    [
        (1, ("metadata", "annotations"), {TRIGGER: TIME}, True),
        (1, ("metadata", "annotations"), {TRIGGER: TIME, "another": "one"}, False),
        (1, ("metadata", "generation"), 0, False),
        (0, ("metadata", "generation"), 0, False),
        (1, ("endpoints", 0, "conditions", "ready"), False, False),
        (1, ("ports", 0, "port"), 8080, False),
    ],
)
def test_the_time_of_a_change_may_be_told_and_nothing_else(at, path, value, taken):
    golden = step_of("traffic-02-selection", "named-slices")
    seen = answered(golden["response"]["body"])
    assert is_explained("traffic-02-selection", golden, seen)
    holder = seen["items"][at]
    for key in path[:-1]:
        holder = holder[key]
    assert holder.get(path[-1]) != value
    holder[path[-1]] = value
    assert is_explained("traffic-02-selection", golden, seen) is taken


SNAPSHOT_ERRORS = [
    ("csi-06-snapshot-policies", "snapshot-wrong-handle"),
    ("csi-06-snapshot-policies", "nocontent-state"),
    ("csi-07-snapshot-invalid", "label"),
]


@pytest.mark.parametrize("at", SNAPSHOT_ERRORS)
def test_a_status_the_recording_has_not_is_that_one_or_none(at):
    golden = step_of(*at)
    for reading, _ in readings(at[0], golden):
        seen = json.loads(printed(json.dumps(reading["response"]["body"])))
        assert is_explained(at[0], golden, seen)
    seen["status"]["error"]["message"] += "!"
    assert not is_explained(at[0], golden, seen)


def test_what_a_list_has_not_comes_at_its_end():
    step = {"id": "x", "items": ["a"]}
    Change(("items", 1), ABSENT, "b").apply(step)
    assert step["items"] == ["a", "b"]
    for index in (0, 3):
        with pytest.raises(ValueError, match=r"is not at|there is nothing at"):
            Change(("items", index), ABSENT, "c").apply(step)


@pytest.mark.parametrize("place", [("stdout",), ("stderr",), ("response", 0)])
def test_an_entry_that_stands_for_nothing_is_an_error(place):
    with pytest.raises(ValueError, match=r"is not at|there is nothing at"):
        Change(place, "recorded", "instead").apply({"id": "x", "stdout": "another text"})
