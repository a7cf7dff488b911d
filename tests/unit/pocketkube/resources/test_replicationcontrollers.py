"""ReplicationControllers: what is filled in and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources import direct

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry


@pytest.fixture
def registry() -> Registry:
    held = direct.registry()
    direct.namespace(held, "test")
    return held


def controller(registry: Registry, **spec: Any) -> Obj:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made = {"metadata": {"name": "rc", "namespace": "test"}, "spec": {"template": template, **spec}}
    return registry.create("replicationcontrollers", made)


def test_selector_labels_and_number_come_from_the_template(registry: Registry) -> None:
    made = controller(registry)
    assert made["spec"]["selector"] == made["metadata"]["labels"] == {"app": "a"}
    assert made["spec"]["replicas"] == 1
    assert made["status"] == {"replicas": 0}
    assert made["metadata"]["generation"] == 1
    kind = registry.resources["replicationcontrollers"]
    assert kind.row(made)[1:4] == [1, 0, 0]
    assert kind.row(made)[5:] == ["c", "i", "app=a"]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"template": None}, "[spec.selector: Required value, spec.template: Required value]"),
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"selector": {"app": "b"}},
            'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
        ),
        (
            {
                "template": {
                    "metadata": {"labels": {"app": "a"}},
                    "spec": {
                        "containers": [{"name": "c", "image": "i"}],
                        "restartPolicy": "Never",
                        "activeDeadlineSeconds": 1,
                    },
                }
            },
            '[spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always", '
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is "
            "not Supported]",
        ),
    ],
)
def test_what_is_refused(registry: Registry, spec: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid) as caught:
        controller(registry, **spec)
    assert caught.value.message == f'ReplicationController "rc" is invalid: {text}'
