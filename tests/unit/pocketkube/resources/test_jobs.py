"""Jobs and CronJobs: what they are filled up with, what they say when they are wrong, what may change of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pocketkube import objects
from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.base import DeleteOptions

FOUR = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
INDEXED: Obj = {"completionMode": "Indexed", "completions": 4}


def template(labels: dict[str, str] | None = None, **spec: Any) -> Obj:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox:1.36"}], **spec}
    return {"metadata": {"labels": labels} if labels else {}, "spec": pod}


def job(name: str = "j", **spec: Any) -> Obj:
    return {
        "metadata": {"name": name, "namespace": "test"},
        "spec": objects.copy({"template": template(), **spec}),
    }


def cron_job(name: str = "c", **spec: Any) -> Obj:
    whole = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": template()}}, **spec}
    return {"metadata": {"name": name, "namespace": "test"}, "spec": objects.copy(whole)}


def create(held: Registry, obj: Obj, resource: str = "jobs") -> Obj:
    return held.create(resource, obj)


def refusal(call: Callable[[], Any]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        call()
    causes = (caught.value.details or {})["causes"]
    return [f"{cause['field']}: {cause['message']}" for cause in causes]


def set_spec(held: Registry, name: str = "j", **spec: Any) -> Obj:
    return held.patch("jobs", "test", name, lambda copy: copy["spec"].update(spec))


def set_status(held: Registry, status: Obj, name: str = "j") -> Obj:
    return held.patch("jobs", "test", name, lambda copy: copy.update(status=status), subresource="status")


def condition(type_: str, value: str = "True") -> Obj:
    moment = "2026-07-01T12:00:00Z"
    return {"type": type_, "status": value, "lastProbeTime": moment, "lastTransitionTime": moment}


# -- Jobs: defaults


def test_a_job_gets_its_own_selector(held: Registry) -> None:
    made = create(held, job())
    uid = objects.uid(made)
    expected = dict(zip(FOUR, (uid, "j", uid, "j"), strict=True))
    assert objects.labels(made) == objects.labels(made["spec"]["template"]) == expected
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def test_labels_of_the_template_become_the_job_s(held: Registry) -> None:
    made = create(held, job(template=template({"app": "x"})))
    assert set(objects.labels(made)) == {"app", *FOUR}
    own = job("own", template=template({"app": "x"}))
    own["metadata"]["labels"] = {"app": "x"}
    assert objects.labels(create(held, own)) == {"app": "x"}


def test_a_manual_selector_is_taken(held: Registry) -> None:
    labels = {"app": "x"}
    made = create(held, job(manualSelector=True, selector={"matchLabels": labels}, template=template(labels)))
    assert objects.labels(made["spec"]["template"]) == labels
    text = "spec.selector: Required value"
    assert text in refusal(lambda: create(held, job(manualSelector=True)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"completions": 1, "parallelism": 1, "backoffLimit": 6, "podReplacementPolicy": "TerminatingOrFailed"}),
        ({"parallelism": 3}, {"completions": None, "parallelism": 3}),
        ({"completions": 3}, {"completions": 3, "parallelism": 1}),
        ({"podFailurePolicy": {}}, {"podReplacementPolicy": "Failed"}),
        ({**INDEXED, "backoffLimitPerIndex": 1}, {"backoffLimit": 2**31 - 1}),
        (
            {"podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}},
            {
                "podReplacementPolicy": "Failed",
                "podFailurePolicy": {
                    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
                },
            },
        ),
    ],
)
def test_defaults(held: Registry, given: Obj, expected: Obj) -> None:
    spec = create(held, job(**given))["spec"]
    assert {name: spec.get(name) for name in expected} == expected


# -- Jobs: what is wrong


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        (
            {"template": template(restartPolicy="Always")},
            ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
        ),
        ({"parallelism": -1}, ["spec.parallelism: Invalid value: -1: must be greater than or equal to 0"]),
        (
            {"completionMode": "Sorted"},
            ['spec.completionMode: Unsupported value: "Sorted": supported values: "NonIndexed", "Indexed"'],
        ),
        (
            {"completionMode": "Indexed", "parallelism": 1},
            ["spec.completions: Required value: when completion mode is Indexed"],
        ),
        (
            {"backoffLimitPerIndex": 1},
            ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
        ),
        (
            {**INDEXED, "maxFailedIndexes": 5},
            [
                "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
                "spec.maxFailedIndexes: Invalid value: 5: must be less than or equal to completions",
            ],
        ),
        (
            {"completionMode": "Indexed", "completions": 100001, "backoffLimitPerIndex": 1, "parallelism": 10001},
            [
                "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
                "spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are "
                "above 100000 and used with backoff limit per index",
            ],
        ),
        (
            {"managedBy": "me"},
            ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'],
        ),
        (
            {"successPolicy": {"rules": [{"succeededCount": 1}]}},
            [
                'spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,"SucceededCount":1}]}: '
                "requires indexed completion mode"
            ],
        ),
        (
            {**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "0-4"}, {"succeededCount": 5}, {}]}},
            [
                'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-4": error parsing succeededIndexes: '
                'too large index: "4"',
                "spec.successPolicy.rules[1].succeededCount: Invalid value: 5: must be less than or equal to 4 "
                "(the number of specified completions)",
                "spec.successPolicy.rules[2]: Required value: "
                "at least one of succeededCount or succeededIndexes must be specified",
            ],
        ),
        (
            {"podReplacementPolicy": "Never"},
            [
                'spec.podReplacementPolicy: Unsupported value: "Never": '
                'supported values: "Failed", "TerminatingOrFailed"'
            ],
        ),
        (
            {
                "podFailurePolicy": {
                    "rules": [
                        {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [0, 3, 2, 3]}},
                        {"action": ""},
                        {"action": "Stop", "onExitCodes": {"containerName": "d", "operator": "", "values": []}},
                    ]
                },
                "template": template(restartPolicy="OnFailure"),
            },
            [
                'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": '
                "requires the backoffLimitPerIndex to be set",
                "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: "
                "must not be 0 for the In operator",
                "spec.podFailurePolicy.rules[0].onExitCodes.values[3]: Duplicate value: 3",
                "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [0,3,2,3]: must be ordered",
                "spec.podFailurePolicy.rules[1].action: Required value: "
                'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]',
                "spec.podFailurePolicy.rules[1]: Invalid value: "
                "specifying one of OnExitCodes and OnPodConditions is required",
                'spec.podFailurePolicy.rules[2].action: Unsupported value: "Stop": '
                'supported values: "Count", "FailIndex", "FailJob", "Ignore"',
                'spec.podFailurePolicy.rules[2].onExitCodes.operator: Required value: valid values: ["In" "NotIn"]',
                'spec.podFailurePolicy.rules[2].onExitCodes.containerName: Invalid value: "d": '
                "must be one of the container or initContainer names in the pod template",
                "spec.podFailurePolicy.rules[2].onExitCodes.values: Invalid value: []: at least one value is required",
                'spec.template.spec.restartPolicy: Invalid value: "OnFailure": '
                'only "Never" is supported when podFailurePolicy is specified',
            ],
        ),
    ],
)
def test_what_is_wrong_is_told_in_upstream_s_words(held: Registry, spec: Obj, texts: list[str]) -> None:
    assert refusal(lambda: create(held, job(**spec))) == texts


def test_labels_that_are_not_the_generated_ones(held: Registry) -> None:
    [text, *_] = refusal(lambda: create(held, job(template=template({"job-name": "other"}))))
    assert text.startswith("spec.template.metadata.labels[job-name]: Invalid value: {")
    assert text.endswith(": must be 'j'")


def test_a_selector_that_is_not_the_generated_one(held: Registry) -> None:
    first, second = refusal(lambda: create(held, job(selector={"matchLabels": {"z": "1", "a": "b"}})))
    assert first.startswith(
        'spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":'
    )
    assert first.endswith(": `selector` not auto-generated")
    assert second.endswith(": `selector` does not match template `labels`")


def test_an_indexed_job_s_name_makes_host_names(held: Registry) -> None:
    name = "a" * 62
    [text] = refusal(lambda: create(held, job(name, **INDEXED)))
    why = f"will not able to create pod with invalid DNS label: {name}-3"
    assert text == f'metadata.name: Invalid value: "{name}": {why}'


def test_a_name_with_dots_is_warned_about(held: Registry) -> None:
    warnings: list[str] = []
    held.create("jobs", job("a.b"), warn=warnings.append)
    assert warnings[0].startswith("metadata.name: this is used in Pod names and hostnames")


# -- Jobs: what may change


def test_most_of_a_job_is_fixed(held: Registry) -> None:
    create(held, job())
    assert refusal(lambda: set_spec(held, completions=5)) == ["spec.completions: Invalid value: 5: field is immutable"]
    assert refusal(lambda: set_spec(held, completionMode="Indexed")) == [
        'spec.completionMode: Invalid value: "Indexed": field is immutable'
    ]
    [text] = refusal(lambda: set_spec(held, podFailurePolicy={"rules": []}, podReplacementPolicy="Failed"))
    assert text == 'spec.podFailurePolicy: Invalid value: {"Rules":null}: field is immutable'
    for name, value in (("parallelism", 5), ("backoffLimit", 1), ("activeDeadlineSeconds", 9), ("suspend", True)):
        assert set_spec(held, **{name: value})["spec"][name] == value


def test_an_indexed_job_is_elastic_in_tandem(held: Registry) -> None:
    create(held, job(**INDEXED, parallelism=4))
    assert refusal(lambda: set_spec(held, completions=5)) == [
        "spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism"
    ]
    assert set_spec(held, completions=5, parallelism=5)["metadata"]["generation"] == 2


def set_pod(held: Registry, **spec: Any) -> Obj:
    return held.patch("jobs", "test", "j", lambda copy: copy["spec"]["template"]["spec"].update(spec))


def test_the_template_of_a_suspended_job_may_be_placed_and_sized(held: Registry) -> None:
    create(held, job(suspend=True))
    set_pod(held, nodeSelector={"a": "b"}, affinity={"nodeAffinity": {}})
    container = {"name": "c", "image": "busybox:1.36", "resources": {"limits": {"cpu": "1"}}}
    assert set_pod(held, containers=[container])["spec"]["template"]["spec"]["nodeSelector"] == {"a": "b"}
    [text] = refusal(lambda: set_pod(held, containers=[{**container, "image": "other"}]))
    assert text.startswith('spec.template.spec: Invalid value: {"Volumes":null')
    set_status(held, {"active": 1, "startTime": "2026-07-01T12:00:00Z"})
    [text] = refusal(lambda: set_pod(held, nodeSelector={"a": "c"}))
    assert text.startswith('spec.template: Invalid value: {"labels":{')


def test_the_template_of_a_running_job_is_fixed(held: Registry) -> None:
    create(held, job())
    [text] = refusal(lambda: set_pod(held, nodeSelector={"a": "c"}))
    assert text.endswith(": field is immutable")


# -- Jobs: status


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        (
            {},
            {"conditions": [condition("Complete")], "active": 1},
            [
                "status.completionTime: Required value: completionTime is required for Complete jobs",
                "status.conditions: Invalid value: "
                "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
                "status.startTime: Required value: startTime is required for finished job",
            ],
        ),
        (
            {"failed": 2, "succeeded": 2, "conditions": [condition("FailureTarget")]},
            {"failed": 1, "succeeded": 1},
            [
                "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition",
                "status.failed: Invalid value: 1: cannot decrease the failed counter",
                "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter",
            ],
        ),
        ({}, {"ready": 2, "active": 1}, ["status.ready: Invalid value: 2: cannot set more ready pods than active"]),
        (
            {},
            {"completedIndexes": "0", "failedIndexes": "0"},
            [
                'status.completedIndexes: Invalid value: "0": '
                "cannot set non-empty completedIndexes when non-indexed completion mode",
                'status.failedIndexes: Invalid value: "0": '
                "cannot set non-null failedIndexes when backoffLimitPerIndex is null",
                'status.failedIndexes: Invalid value: "0": failedIndexes and completedIndexes overlap at index: 0',
            ],
        ),
        (
            {"startTime": "2026-07-01T12:00:00Z"},
            {"startTime": "2026-07-01T13:00:00Z"},
            [
                'status.startTime: Invalid value: "2026-07-01T13:00:00Z": '
                "field is immutable for unsuspended job once set"
            ],
        ),
        (
            {},
            {"uncountedTerminatedPods": {"succeeded": ["a", ""], "failed": ["a"]}},
            [
                'status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty',
                'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
            ],
        ),
    ],
)
def test_what_a_status_may_not_say(held: Registry, before: Obj, after: Obj, texts: list[str]) -> None:
    create(held, job())
    if before:
        set_status(held, before)
    assert refusal(lambda: set_status(held, after)) == texts


# -- Jobs: how they are shown, and how they go


@pytest.mark.parametrize(
    ("spec", "status", "state", "completions"),
    [
        ({}, {}, "Running", "0/1"),
        ({"parallelism": 3}, {"succeeded": 1}, "Running", "1/1 of 3"),
        ({"parallelism": 1}, {}, "Running", "0/1"),
        ({"suspend": True}, {"conditions": [condition("Suspended")]}, "Suspended", "0/1"),
        ({}, {"conditions": [condition("FailureTarget")]}, "FailureTarget", "0/1"),
        ({"completions": 2}, {"conditions": [condition("SuccessCriteriaMet")]}, "SuccessCriteriaMet", "0/2"),
    ],
)
def test_columns(held: Registry, spec: Obj, status: Obj, state: str, completions: str) -> None:
    create(held, job(**spec))
    row = held.resources["jobs"].row(set_status(held, status))
    assert row[:4] == ["j", state, completions, ""]
    assert row[5:7] == ["c", "busybox:1.36"]


def test_the_duration_of_a_job_that_has_ended(held: Registry) -> None:
    create(held, job())
    times = {"startTime": "2026-07-01T12:00:00Z", "completionTime": "2026-07-01T12:01:30Z"}
    ended = {"conditions": [condition("SuccessCriteriaMet"), condition("Complete")], "succeeded": 1, **times}
    assert held.resources["jobs"].row(set_status(held, ended))[1:4] == ["Complete", "1/1", "90s"]


def test_pods_of_a_deleted_job_stay_unless_it_is_said(held: Registry) -> None:
    create(held, job())
    found, gone = held.delete("jobs", "test", "j")
    assert (found["metadata"]["finalizers"], gone) == (["orphan"], False)
    found, gone = held.delete("jobs", "test", "j", DeleteOptions(propagation_policy="Background"))
    assert gone
    kind = held.resources["jobs"]
    assert len(list(kind.delete_warnings(DeleteOptions()))) == 1
    assert not list(kind.delete_warnings(DeleteOptions(propagation_policy="Orphan")))


# -- CronJobs


def test_defaults_of_a_cron_job(held: Registry) -> None:
    spec = create(held, cron_job(), "cronjobs")["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)
    assert set(spec["jobTemplate"]["spec"]) == {"template"}


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ({"schedule": ""}, ["spec.schedule: Required value"]),
        (
            {"schedule": "every day"},
            ['spec.schedule: Invalid value: "every day": expected exactly 5 fields, found 2: [every day]'],
        ),
        (
            {"schedule": "TZ=UTC 0 * * * *"},
            [
                'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": '
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            ],
        ),
        ({"timeZone": ""}, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']),
        ({"timeZone": "Mars/Base"}, ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base']),
        ({"timeZone": "../x"}, ['spec.timeZone: Invalid value: "../x": unknown time zone ../x']),
        (
            {"timeZone": "Local"},
            [
                'spec.timeZone: Invalid value: "Local": '
                "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
            ],
        ),
        (
            {"concurrencyPolicy": "Wait", "startingDeadlineSeconds": -1, "failedJobsHistoryLimit": -1},
            [
                "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0",
                'spec.concurrencyPolicy: Unsupported value: "Wait": supported values: "Allow", "Forbid", "Replace"',
                "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
        (
            {"jobTemplate": {"spec": {"template": template(), "selector": {}, "manualSelector": True}}},
            [
                "spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated",
                'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_cron_job(held: Registry, spec: Obj, texts: list[str]) -> None:
    assert refusal(lambda: create(held, cron_job(**spec), "cronjobs")) == texts


def test_a_cron_job_s_name_leaves_room_for_its_jobs(held: Registry) -> None:
    [text] = refusal(lambda: create(held, cron_job("a" * 53), "cronjobs"))
    assert text.endswith("must be no more than 52 characters")


def test_columns_of_a_cron_job(held: Registry) -> None:
    made = create(held, cron_job(timeZone="Europe/Berlin"), "cronjobs")
    row = held.resources["cronjobs"].row(made)
    assert row[:6] == ["c", "*/5 * * * *", "Europe/Berlin", "False", 0, "<none>"]
    assert row[7:] == ["c", "busybox:1.36", "<none>"]
