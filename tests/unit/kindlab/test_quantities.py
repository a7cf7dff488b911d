from typing import Any

import pytest

from kindlab.quantities import amounts, number, total


def asks(cpu: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("init", "needed"),
    [
        ([], "100m"),
        ([asks("2")], "2"),
        ([asks("1", **SIDECAR)], "1100m"),
        ([asks("1", **SIDECAR), asks("2")], "3"),  # the sidecar runs already while the step after it does
        ([asks("2"), asks("1", **SIDECAR)], "2"),
    ],
)
def test_what_a_pod_needs_is_what_it_needs_at_once_at_most(init: list[dict[str, Any]], needed: str) -> None:
    assert amounts({"containers": [asks("100m")], "initContainers": init}, "requests") == {"cpu": needed}


def test_what_the_pod_asks_for_as_a_whole_goes_before_its_containers() -> None:
    spec = {"containers": [asks("100m")], "initContainers": [asks("2")], **asks("1")}
    assert amounts(spec, "requests") == {"cpu": "1"}


def test_overhead_is_asked_for_and_limits_only_what_has_limits() -> None:
    spec = {"containers": [asks("100m")], "overhead": {"cpu": "1"}}
    assert amounts(spec, "requests") == {"cpu": "1100m"}
    assert amounts(spec, "limits") == {}


def test_amounts_add_up() -> None:
    assert total([{"memory": "1Gi"}, {"memory": "512Mi", "cpu": "1"}]) == {"memory": "1536Mi", "cpu": "1"}
    assert number("1536Mi") == 1536 << 20
