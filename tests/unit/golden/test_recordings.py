"""The comparison against the recordings: each answer is accepted as its own, and refused once a value differs."""

import random
from pathlib import Path

import pytest
from tests.golden import __path__ as golden_path
from tests.golden.compare import best, compare, compare_body
from tests.golden.placeholders import World, placeholders
from tests.golden.scenario import load
from tests.golden.text import compare_text
from tests.unit.golden.concrete import Concrete, changed, leaves

HERE = Path(golden_path[0])
FILES = sorted(HERE.glob("api/*.yaml")) + sorted(HERE.glob("kubectl/*.yaml"))

# keys whose values compare.py says it does not compare, wherever they are or in the lists named by the second set
NOT_COMPARED = {"imageID", "podCIDR", "podCIDRs", "lastTransitionTime", "lastProbeTime", "lastUpdateTime"}
NOT_COMPARED |= {"lastHeartbeatTime", "restartCount", "serverAddress", "terminatingReplicas"}
NOT_COMPARED |= {"endpoints.kubernetes.io/last-change-trigger-time", "deployment.kubernetes.io/revision"}
LOOSE = {"state", "lastState", "resources", "allocatedResources"}


def seen_as_recorded(step, concrete):
    body = concrete.value(step["response"]["body"])
    if isinstance(body, dict) and "itemNames" in body:
        body["items"] = [{"metadata": {"name": name}} for name in body.pop("itemNames")]
    return body


def compared(step, body, worlds):
    golden = step["response"]["body"]
    if isinstance(golden, str):
        args = ["-o", "yaml"] if "yaml" in step.get("accept", "") else []
        return best(after for w in worlds for after in compare_text(golden, body, w, "body", args))
    return best(after for w in worlds for after in compare_body(golden, body, w, step["path"]))


def walk(path):
    """(step, the worlds before it, the concrete values so far) of each step, every step being accepted as recorded."""
    scenario, concrete, worlds = load(path), Concrete(), [World()]
    for step in scenario.steps:
        if "id" not in step:
            continue
        yield step, worlds, concrete
        if step.get("kind") == "kubectl":
            after = worlds
            for name in ("stdout", "stderr"):
                text = concrete.text(step[name])
                after = best(a for w in after for a in compare_text(step[name], text, w, name, step["args"]))
        elif step.get("kind") == "watch":
            events = concrete.value(step["response"]["events"])
            after = best(a for w in worlds for a in compare(step["response"]["events"], events, w, ".events"))
        else:
            after = compared(step, seen_as_recorded(step, concrete), worlds)
        assert after[0].diffs == (), step["id"]
        worlds = [world.next_answer() for world in after]


def test_there_are_recordings():
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recorded_answer_is_accepted_as_itself(path):
    assert sum(1 for _ in walk(path)) == load(path).counted


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_wrong_value_in_a_body_is_reported(path):
    pick = random.Random(path.stem)
    for step, worlds, concrete in walk(path):
        golden = step.get("response", {}).get("body")
        if not isinstance(golden, dict):
            continue
        body = seen_as_recorded(step, concrete)
        candidates = [leaf for leaf in leaves(golden) if is_compared(leaf, golden)]
        for leaf in pick.sample(candidates, min(4, len(candidates))):
            assert compared(step, changed(body, leaf), worlds)[0].diffs, f"{step['id']}: {leaf} was not noticed"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_missing_and_a_surplus_key_are_reported(path):
    for step, worlds, concrete in walk(path):
        golden = step.get("response", {}).get("body")
        if not isinstance(golden, dict) or "kind" not in golden or "metadata" not in golden:
            continue
        body = seen_as_recorded(step, concrete)
        assert compared(step, {k: v for k, v in body.items() if k != "metadata"}, worlds)[0].diffs, step["id"]
        if golden["kind"] == "Status" or "uid" in golden["metadata"]:
            assert compared(step, {**body, "surplus": 1}, worlds)[0].diffs, step["id"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_wrong_word_in_kubectls_output_is_reported(path):
    pick = random.Random(path.stem)
    for step, worlds, concrete in walk(path):
        if step.get("kind") != "kubectl" or "->>HEADER<<-" in step["stdout"]:
            continue
        for name in ("stdout", "stderr"):
            lines = [line for line in step[name].splitlines() if is_compared_line(line, step["args"])]
            if not lines:
                continue
            line = pick.choice(lines)
            wrong = concrete.text(step[name].replace(line, line[:-1] + ("x" if line[-1] != "x" else "y"), 1))
            after = best(a for w in worlds for a in compare_text(step[name], wrong, w, name, step["args"]))
            assert after[0].diffs, f"{step['id']} {name}: {line!r}"


def is_compared(leaf, golden):
    names = {part for part in leaf if isinstance(part, str)}
    if names & NOT_COMPARED or names & LOOSE or leaf[0] == "itemNames":
        return False
    value = golden
    for part in leaf:
        if isinstance(value, list) and any(isinstance(item, str) and " more" in item for item in value):
            return False  # the one item shown is repeated in the concrete answer
        value = value[part]
    if isinstance(value, str) and ("more" in value or free(value)):
        return False
    if leaf[-1] in ("generation", "observedGeneration") and not is_settled(leaf, golden):
        return False
    if "items" in leaf and is_event(golden):
        return leaf[-1] in ("type", "reason", "message") and len(leaf) == 3
    if "gitVersion" in golden:
        return leaf[-1] in ("major", "minor", "gitVersion")
    return value is not None and (not isinstance(value, list | dict))


def is_settled(leaf, golden):
    """Whether the object a generation belongs to shows what its controllers came to; see timing.py."""
    for part in leaf[: leaf.index("items") + 2] if "items" in leaf else ():
        golden = golden[part]
    if "addressType" in golden and golden["metadata"]["generation"] > 1:
        return False
    observed = golden.get("status", {}).get("observedGeneration")
    return observed is None or observed == golden.get("metadata", {}).get("generation")


def free(value):
    """Whether a text may be anything at all."""
    return value in ("<registry client text>", "<object JSON>", "<id>", "<version>", "<token>", "<host>")


def is_event(golden):
    items = golden.get("items")
    return bool(items) and all(isinstance(i, dict) and {"reason", "message", "type"} <= set(i) for i in items)


def is_compared_line(line, args):
    words = line.rstrip()
    return (
        bool(words)
        and not placeholders(line)
        and words == line
        and not ("rollout" in args and "status" in args)
        and not ("explain" in args and line.startswith("    "))  # enums' values and add-ons' descriptions are not
        and not (args[:1] == ["version"] and "yaml" in args)  # of the server's only
        and line[-1] not in "|-'\"}]{[,:"
    )
