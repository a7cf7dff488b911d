from __future__ import annotations

from typing import Any

import pytest

from pocketkube.fieldmanager import configuration, shapes

POD = shapes.of_kind("v1", "Pod")


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"spec": {"hostname": "a", "containers": [{"name": "a", "ports": [{"containerPort": 1}]}]}}, ""),
        ({"spec": {"activeDeadlineSeconds": None}}, ""),
        ({"spec": {"nosuch": 1}}, ".spec.nosuch: field not declared in schema"),
        ({"spec": {"priority": "5"}}, ".spec.priority: expected numeric (int or float), got string"),
        ({"spec": {"hostNetwork": "true"}}, ".spec.hostNetwork: expected boolean, got &{true}"),
        ({"spec": {"hostname": 5}}, ".spec.hostname: expected string, got &value.valueUnstructured{Value:5}"),
        ({"spec": {"containers": {"name": "a"}}}, ".spec.containers: expected list, got &{map[name:a]}"),
        ({"spec": []}, ".spec: expected map, got &{[]}"),
        (
            {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}},
            '.spec.containers: duplicate entries for key [name="a"]',
        ),
        (
            {"spec": {"containers": ["a"]}},
            ".spec.containers: element 0: associative list with keys may not have non-map elements",
        ),
        (
            {"spec": {"hostname": 1, "containers": [{"name": "a", "command": [1]}]}},
            "errors:\n  .spec.hostname: expected string, got &value.valueUnstructured{Value:1}\n"
            '  .spec.containers[name="a"].command[0]: expected string, got &value.valueUnstructured{Value:1}',
        ),
    ],
)
def test_what_is_wrong_in_words(config: Any, text: str) -> None:
    assert configuration.problems(POD, config) == text
