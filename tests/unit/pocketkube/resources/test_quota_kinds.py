"""ResourceQuotas and LimitRanges: defaults, what they refuse beyond the recorded texts, columns."""

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


def quota(registry: Registry, name: str = "q", warnings: list[str] | None = None, **spec: Any) -> Obj:
    made = {"metadata": {"name": name, "namespace": "test"}, "spec": spec}
    return registry.create("resourcequotas", made, warn=None if warnings is None else warnings.append)


def limit_range(registry: Registry, *limits: Obj, name: str = "l") -> Obj:
    made = {"metadata": {"name": name, "namespace": "test"}, "spec": {"limits": list(limits)}}
    return registry.create("limitranges", made)


def refused(registry: Registry, **spec: Any) -> list[str]:
    with pytest.raises(Invalid) as caught:
        quota(registry, **spec)
    assert caught.value.details is not None
    return [f"{cause['field']}: {cause['message']}" for cause in caught.value.details["causes"]]


SCOPED = 'Invalid value: {"MatchExpressions":[{"ScopeName":"BestEffort","Operator":"Exists","Values":null}]}'


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        (
            {"hard": {"pods": "1"}, "scopes": ["Odd"]},
            ['spec.scopes: Invalid value: ["Odd"]: unsupported scope'],
        ),
        (
            {"hard": {"cpu": "1", "pods": "1"}, "scopes": ["BestEffort"]},
            ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
        ),
        (
            {"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]},
            ['spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes'],
        ),
        (
            {
                "hard": {"services": "1"},
                "scopeSelector": {"matchExpressions": [{"scopeName": "BestEffort", "operator": "Exists"}]},
            },
            [f"spec.scopeSelector.matchExpressions: {SCOPED}: unsupported scope applied to resource"],
        ),
        (
            {
                "hard": {"pods": "1"},
                "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]},
            },
            [
                "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when "
                "`operator` is 'In' or 'NotIn' for scope selector"
            ],
        ),
        (
            {
                "hard": {"pods": "1"},
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists", "values": ["a"]}]
                },
            },
            [
                'spec.scopeSelector.matchExpressions.values: Invalid value: ["a"]: must be no value when `operator` is '
                "'Exist' or 'DoesNotExist' for scope selector"
            ],
        ),
        (
            {
                "hard": {"pods": "1"},
                "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Gt"}]},
            },
            ['spec.scopeSelector.matchExpressions.operator: Invalid value: "Gt": not a valid selector operator'],
        ),
        (
            {
                "hard": {"pods": "1"},
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "Terminating", "operator": "In", "values": ["a"]}]
                },
            },
            [
                "spec.scopeSelector.matchExpressions.operator: Invalid value: \"In\": must be 'Exists' when scope is "
                "any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
            ],
        ),
    ],
)
def test_scopes_that_make_no_sense(registry: Registry, spec: dict[str, Any], texts: list[str]) -> None:
    assert refused(registry, **spec) == texts


def test_scopes_do_not_change(registry: Registry) -> None:
    quota(registry, hard={"pods": "1"}, scopes=["BestEffort"])
    with pytest.raises(Invalid, match=r'spec.scopes: Invalid value: \["NotBestEffort"\]: field is immutable'):
        registry.patch("resourcequotas", "test", "q", lambda obj: obj["spec"].update(scopes=["NotBestEffort"]))


def test_requests_above_limits_are_warned_about(registry: Registry) -> None:
    said: list[str] = []
    quota(
        registry, warnings=said, hard={"cpu": "2", "limits.cpu": "1", "requests.memory": "1Gi", "limits.memory": "1Gi"}
    )
    assert said == ["ResourceQuota cpu (2) should be less than limits.cpu (1)"]


def test_names_of_quotas(registry: Registry) -> None:
    names = {
        "requests.example.com/gpu": "1",
        "hugepages-2Mi": "1Mi",
        "requests.hugepages-2Mi": "1Mi",
        "gold.storageclass.storage.k8s.io/requests.storage": "1Gi",
        "count/widgets.example.com": "3",
    }
    assert quota(registry, hard=dict(names))["spec"]["hard"] == names
    assert refused(registry, name="x", hard={"storage": "1"}) == [
        'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota'
    ]


def test_amounts_are_rounded_to_thousandths(registry: Registry) -> None:
    assert quota(registry, hard={"cpu": "100u"})["spec"]["hard"] == {"cpu": "1m"}


def test_what_is_used_is_shown_by_requests_and_limits(registry: Registry) -> None:
    quota(registry, hard={"pods": "2", "limits.cpu": "1"})
    status = {"hard": {"pods": "2", "limits.cpu": "1"}, "used": {"pods": "1", "limits.cpu": "500m"}}
    shown = registry.patch("resourcequotas", "test", "q", lambda obj: obj.update(status=status), subresource="status")
    assert registry.resources["resourcequotas"].row(shown)[:3] == ["q", "pods: 1/2", "limits.cpu: 500m/1"]


# -- limit ranges


def test_defaults_come_from_the_bounds(registry: Registry) -> None:
    made = limit_range(
        registry,
        {"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}, "min": {"cpu": "100m", "ephemeral-storage": "1Gi"}},
    )
    assert made["spec"]["limits"][0]["default"] == {"cpu": "1", "memory": "1Gi"}
    assert made["spec"]["limits"][0]["defaultRequest"] == {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}
    pod = limit_range(registry, {"type": "Pod", "max": {"cpu": "1"}}, name="pod")
    assert pod["spec"]["limits"] == [{"type": "Pod", "max": {"cpu": "1"}}]


@pytest.mark.parametrize(
    ("limits", "texts"),
    [
        (
            [{"type": "Pod", "max": {"cpu": "1"}}, {"type": "Pod", "min": {"cpu": "1"}}],
            ['spec.limits[1].type: Duplicate value: "Pod"'],
        ),
        (
            [{"type": "Pod", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}],
            [
                "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
                "spec.limits[0].defaultRequest: Forbidden: may not be specified when `type` is 'Pod'",
            ],
        ),
        (
            [{"type": "Node", "max": {"cpu": "1"}}],
            ['spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully qualified'],
        ),
        (
            [{"type": "PersistentVolumeClaim", "max": {"cpu": "1"}}],
            [
                "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, "
                "but neither was provided"
            ],
        ),
        (
            [{"type": "Pod", "maxLimitRequestRatio": {"cpu": "500m"}}],
            ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
        ),
        (
            [{"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "3"}, "maxLimitRequestRatio": {"cpu": "4"}}],
            [
                'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "4": '
                "ratio 4 is greater than max/min = 3.000000"
            ],
        ),
        (
            [{"type": "Container", "default": {"example.com/gpu": "2"}, "defaultRequest": {"example.com/gpu": "1"}}],
            [
                'spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: "1": default value 2 must equal to '
                "defaultRequest value 1 in example.com/gpu"
            ],
        ),
        (
            [{"type": "Container", "max": {"storage": "1"}}],
            [
                f'spec.limits[0].{field}[storage]: Invalid value: "storage": must be a standard resource for containers'
                for field in ("max", "default", "defaultRequest")
            ],
        ),
    ],
)
def test_limits_that_make_no_sense(registry: Registry, limits: list[Obj], texts: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        limit_range(registry, *limits)
    assert caught.value.details is not None
    assert [f"{cause['field']}: {cause['message']}" for cause in caught.value.details["causes"]] == texts


def test_a_ratio_of_nothing_is_no_division(registry: Registry) -> None:
    limit_range(
        registry, {"type": "Pod", "min": {"cpu": "0"}, "max": {"cpu": "3"}, "maxLimitRequestRatio": {"cpu": "4"}}
    )
