"""PodTemplates: a template, filled up and checked as those of workloads are."""

from __future__ import annotations

import pytest

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry


def template(**spec: object) -> Obj:
    containers = [{"name": "one", "image": "nginx:1.27"}, {"name": "two", "image": "busybox"}]
    body = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers, **spec}}
    return {"metadata": {"name": "t", "namespace": "test"}, "template": body}


def test_it_is_filled_up_and_shown(held: Registry) -> None:
    made = held.create("podtemplates", template())
    spec = made["template"]["spec"]
    assert (spec["restartPolicy"], spec["containers"][1]["imagePullPolicy"]) == ("Always", "Always")
    assert made["metadata"]["generation"] == 1
    assert held.resources["podtemplates"].row(made) == ["t", "one,two", "nginx:1.27,busybox", "app=web"]


def test_a_change_of_the_template_is_a_new_generation(held: Registry) -> None:
    made = held.create("podtemplates", template())
    labelled = held.update("podtemplates", {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    changed = held.update("podtemplates", {**labelled, "template": template(restartPolicy="Never")["template"]})
    assert changed["metadata"]["generation"] == 2


def test_a_template_that_is_wrong(held: Registry) -> None:
    with pytest.raises(Invalid, match=r"template\.spec\.restartPolicy: Unsupported value"):
        held.create("podtemplates", template(restartPolicy="Sometimes"))
