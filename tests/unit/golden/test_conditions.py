import pytest
from tests.golden.conditions import count, find, holds

POD = {
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "False"}],
        "containerStatuses": [{"restartCount": 2, "state": {"running": {"startedAt": "2026"}}}],
    }
}
SLICES = {
    "items": [
        {
            "metadata": {"generateName": "web-", "labels": {"app": "bg"}},
            "endpoints": [{"conditions": {"ready": True}}, {"conditions": {"ready": False}}],
        },
        {"metadata": {"generateName": "kube-dns-"}, "endpoints": None},
        {"metadata": {"generateName": "web-"}, "endpoints": [{"conditions": {"ready": True}}]},
    ]
}


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        (POD, ".status.phase", "Running"),
        (POD, ".status.conditions[type=Ready].status", ["True"]),
        (POD, ".status.containerStatuses[0].state.running.startedAt", "2026"),
        (POD, ".status.containerStatuses[1].state", None),
        (POD, ".status.nothing.below", None),
        (SLICES, ".items[metadata.labels.app=bg].metadata.generateName", ["web-"]),
        (SLICES, ".items[metadata.generateName=web-].endpoints[0].conditions.ready", [True, True]),
        (SLICES, ".items[metadata.generateName=web-][0].endpoints", []),
    ],
)
def test_paths_lead_to_values(body, path, value):
    assert find(body, path) == value


@pytest.mark.parametrize("path", ["status", ".status..phase", ".a[", ".a[k]", ".a]b"])
def test_a_bad_path_is_refused(path):
    with pytest.raises(ValueError, match="not a path"):
        find({}, path)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (".items", 3),
        (".items[*].endpoints[conditions.ready=true]", 2),
        (".items[0].endpoints[conditions.ready=false]", 1),
        (".items[1].endpoints", 0),
        (".items[7].endpoints", 0),
        (".items[0].metadata.labels", 1),
    ],
)
def test_counting(path, number):
    assert count(find(SLICES, path)) == number


@pytest.mark.parametrize(
    "condition",
    [
        "code == 200",
        ".status.phase == Running",
        ".status.phase != Pending",
        ".status.conditions[type=Ready].status == True",
        ".status.conditions[type=PodScheduled].status != True",
        ".status.containerStatuses[0].restartCount >= 2",
        ".status.containerStatuses[0].restartCount <= 2",
        ".status.containerStatuses[0].state.running.startedAt ~ .",
        "count(.status.conditions) == 2",
        "count(.status.missing) == 0",
        ".status.missing == ",
    ],
)
def test_conditions_that_hold(condition):
    assert holds(condition, 200, POD)


@pytest.mark.parametrize(
    "condition",
    [
        "code == 404",
        ".status.phase == running",
        ".status.conditions[type=Ready].status == False",
        ".status.conditions[type=Absent].status == True",
        ".status.containerStatuses[0].restartCount >= 3",
        ".status.missing >= 0",
        ".status.missing ~ .*",
        "count(.status.conditions) >= 3",
    ],
)
def test_conditions_that_do_not_hold(condition):
    assert not holds(condition, 200, POD)


@pytest.mark.parametrize("condition", ["", "status == 1", ".a is b", "count() > 1"])
def test_an_unreadable_condition_is_an_error(condition):
    with pytest.raises(ValueError, match="not a"):
        holds(condition, 200, POD)


def test_conditions_of_an_answer_that_is_no_object():
    assert not holds(".status.phase == Running", 404, "404 page not found\n")
