"""DaemonSets: defaults, what they say when they are wrong, and what may change of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pocketkube import objects
from pocketkube.errors import BadRequest, Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.daemonsets import TEMPLATE_GENERATION

ROLLING = "spec.updateStrategy.rollingUpdate"


def body(**spec: Any) -> Obj:
    labels = {"app": "agent"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    whole = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"metadata": {"name": "agent", "namespace": "test"}, "spec": objects.copy(whole)}


def template(**spec: Any) -> Obj:
    made: Obj = body()["spec"]["template"]
    made["spec"].update(spec)
    return made


def rolling(unavailable: int | str, surge: int | str) -> Obj:
    return {"updateStrategy": {"rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}}}


def refusal(call: Callable[[], Any]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        call()
    causes = (caught.value.details or {})["causes"]
    return [f"{cause['field']}: {cause['message']}" for cause in causes]


def changed(held: Registry, change: Callable[[Obj], None], subresource: str = "") -> Obj:
    return held.patch("daemonsets", "test", "agent", change, subresource=subresource)


def test_what_is_filled_in(held: Registry) -> None:
    made = held.create("daemonsets", body())
    assert made["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    assert made["spec"]["revisionHistoryLimit"] == 10
    assert made["metadata"]["annotations"] == {TEMPLATE_GENERATION: "1"}
    assert made["metadata"]["generation"] == 1
    assert made["status"] == {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    }


def test_a_deleting_strategy_needs_no_numbers(held: Registry) -> None:
    made = held.create("daemonsets", body(updateStrategy={"type": "OnDelete"}))
    assert made["spec"]["updateStrategy"] == {"type": "OnDelete"}


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ({"selector": None}, ["spec.template.metadata.labels: Invalid value: {\"app\":\"agent\"}: "
                              "`selector` does not match template `labels`"]),
        ({"selector": {}}, ["spec.selector: Invalid value: {}: empty selector is invalid for daemonset"]),
        (
            {"selector": {"matchLabels": {"app": "else"}}},
            [
                'spec.template.metadata.labels: Invalid value: {"app":"agent"}: '
                "`selector` does not match template `labels`"
            ],
        ),
        (
            {"template": template(restartPolicy="OnFailure", activeDeadlineSeconds=5)},
            [
                'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',
                "spec.template.spec.activeDeadlineSeconds: Forbidden: "
                "activeDeadlineSeconds in DaemonSet is not Supported",
            ],
        ),
        (
            {"minReadySeconds": -1, "revisionHistoryLimit": -2},
            [
                "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
                "spec.revisionHistoryLimit: Invalid value: -2: must be greater than or equal to 0",
            ],
        ),
        (
            {"updateStrategy": {"type": "Recreate"}},
            [
                'spec.updateStrategy: Unsupported value: {"Type":"Recreate","RollingUpdate":null}: '
                'supported values: "RollingUpdate", "OnDelete"'
            ],
        ),
        (rolling(1, 1), [f"{ROLLING}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"]),
        (rolling(0, "0%"), [f"{ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"]),
        (rolling("101%", 0), [f'{ROLLING}.maxUnavailable: Invalid value: "101%": must not be greater than 100%']),
        (rolling(0, "200%"), [f'{ROLLING}.maxSurge: Invalid value: "200%": must not be greater than 100%']),
        (rolling(-1, 0), [f"{ROLLING}.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"]),
        (
            rolling("x", 0),
            [
                f'{ROLLING}.maxUnavailable: Invalid value: "x": a valid percent string must be a numeric string '
                "followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
                f"{ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
            ],
        ),
    ],
)  # fmt: skip
def test_what_is_refused(held: Registry, spec: Obj, texts: list[str]) -> None:
    assert refusal(lambda: held.create("daemonsets", body(**spec))) == texts


def test_its_selector_stays(held: Registry) -> None:
    held.create("daemonsets", body())
    both = {"matchLabels": {"app": "agent", "tier": "x"}}

    def change(copy: Obj) -> None:
        copy["spec"]["selector"] = both
        copy["spec"]["template"]["metadata"]["labels"] = both["matchLabels"]

    text = 'spec.selector: Invalid value: {"matchLabels":{"app":"agent","tier":"x"}}: field is immutable'
    assert refusal(lambda: changed(held, change)) == [text]


def test_only_a_new_template_counts_as_one(held: Registry) -> None:
    held.create("daemonsets", body())

    def generations() -> tuple[int, str]:
        meta = held.get("daemonsets", "test", "agent")["metadata"]
        return meta["generation"], meta["annotations"][TEMPLATE_GENERATION]

    changed(held, lambda copy: copy["metadata"]["annotations"].update(note="x"))
    assert generations() == (1, "1")
    changed(held, lambda copy: copy["spec"].update(minReadySeconds=3))
    assert generations() == (2, "1")
    changed(held, lambda copy: copy["spec"].update(template=template(terminationGracePeriodSeconds=3)))
    assert generations() == (3, "2")
    changed(held, lambda copy: copy["metadata"].update(annotations={}))
    assert generations() == (3, "2")
    changed(held, lambda copy: copy["metadata"]["annotations"].update({TEMPLATE_GENERATION: "9"}), "status")
    assert generations() == (3, "2")


def test_a_template_generation_that_is_no_number_cannot_be_read(held: Registry) -> None:
    made = body()
    made["metadata"]["annotations"] = {TEMPLATE_GENERATION: "two"}
    text = 'cannot be handled as a DaemonSet: strconv.ParseInt: parsing "two": invalid syntax'
    with pytest.raises(BadRequest, match=text):
        held.create("daemonsets", made)


def test_its_status(held: Registry) -> None:
    held.create("daemonsets", body())
    changed(held, lambda copy: copy["status"].update(collisionCount=2), "status")
    texts = refusal(
        lambda: changed(held, lambda copy: copy["status"].update(numberReady=-1, collisionCount=1), "status")
    )
    assert texts == [
        "status.numberReady: Invalid value: -1: must be greater than or equal to 0",
        "status.collisionCount: Invalid value: 1: cannot be decremented",
    ]


def test_its_row(held: Registry) -> None:
    made = held.create("daemonsets", body(template=template(nodeSelector={"disk": "ssd", "arch": "arm"})))
    made["status"].update(desiredNumberScheduled=3, updatedNumberScheduled=1)
    row = held.resources["daemonsets"].row(made)
    assert row[:7] == ["agent", 3, 0, 0, 1, 0, "arch=arm,disk=ssd"]
    assert row[8:] == ["c", "nginx", "app=agent"]
    assert held.resources["daemonsets"].row(held.create("daemonsets", body() | {
        "metadata": {"name": "other", "namespace": "test"}
    }))[6] == "<none>"  # fmt: skip
