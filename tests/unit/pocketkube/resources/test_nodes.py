"""What nodes may hold: pod ranges, taints, and what their status tells."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources import storage_kinds
from tests.unit.pocketkube.resources.direct import registry

from pocketkube.errors import Invalid
from pocketkube.objects import Obj


def node(*cidrs: str) -> Obj:
    spec: Obj = {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}
    return {"metadata": {"name": "n"}, "spec": spec}


@pytest.mark.parametrize("cidrs", [(), ("10.244.1.0/24",), ("fd00:1::/64",), ("10.244.1.0/24", "fd00:1::/64")])
def test_one_range_of_each_family(cidrs: tuple[str, ...]) -> None:
    assert registry().create("nodes", node(*cidrs))["spec"].get("podCIDRs", []) == list(cidrs)


@pytest.mark.parametrize(
    ("cidrs", "text"),
    [
        (("10.244.1.0/24", "10.244.2.0/24"), "may specify no more than one CIDR for each IP family"),
        (("10.244.1.0/24", "fd00:1::/64", "fd00:2::/64"), "may specify no more than one CIDR for each IP family"),
        (("10.244.1.0",), "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    ],
)
def test_what_is_refused(cidrs: tuple[str, ...], text: str) -> None:
    with pytest.raises(Invalid) as caught:
        registry().create("nodes", node(*cidrs))
    assert text in str(caught.value)


def test_ranges_are_there_to_stay() -> None:
    held = registry()
    made = held.create("nodes", node("10.244.1.0/24"))
    with pytest.raises(Invalid, match='node updates may not change podCIDR except from "" to valid'):
        held.update("nodes", {**made, "spec": node("10.244.1.0/24", "fd00:1::/64")["spec"]})


LABEL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def tainted(*taints: Obj) -> Obj:
    return {"metadata": {"name": "n"}, "spec": {"taints": list(taints)}}


@pytest.mark.parametrize(
    ("taints", "where", "why"),
    [
        ([{"key": "a b", "effect": "NoSchedule"}], "[0].key", 'Invalid value: "a b": name part must consist of'),
        ([{"key": "a", "value": "-", "effect": "NoSchedule"}], "[0].value", f'Invalid value: "-": {LABEL}'),
        ([{"key": "a"}], "[0].effect", "Required value"),
        (
            [{"key": "a", "effect": "Never"}],
            "[0].effect",
            'Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
        ),
        (
            [{"key": "a", "value": "1", "effect": "NoExecute"}, {"key": "a", "value": "2", "effect": "NoExecute"}],
            "[1]",
            'Duplicate value: {"Key":"a","Value":"2","Effect":"NoExecute","TimeAdded":null}: '
            "taints must be unique by key and effect pair",
        ),
    ],
)
def test_taints(taints: list[Obj], where: str, why: str) -> None:
    [found] = storage_kinds.refused(registry(), "nodes", tainted(*taints))
    assert found.startswith(f"metadata.taints{where}: {why}")


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (
            {"allocatable": {"cpu": "-1"}},
            'status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0',
        ),
        (
            {"allocatable": {"example.com/gpu": "500m"}},
            'status.allocatable.example.com/gpu: Invalid value: "500m": must be an integer',
        ),
        (
            {"nodeInfo": {"swap": {"capacity": 0}}},
            "metadata.nodeSwapStatus.capacity: Invalid value: 0: must be greater than zero",
        ),
        (
            {"declaredFeatures": ["B", "A"]},
            'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
        ),
        ({"declaredFeatures": ["A", "A"]}, 'status.declaredFeatures[1]: Duplicate value: "A"'),
        (
            {"declaredFeatures": ["lower"]},
            'status.declaredFeatures[0]: Invalid value: "lower": invalid feature name "lower": must start with',
        ),
        (
            {"declaredFeatures": ["A" * 254]},
            f'status.declaredFeatures[0]: Invalid value: "{"A" * 254}": '
            f'invalid feature name "{"A" * 254}": must be no more than 253 characters',
        ),
    ],
)
def test_what_a_status_may_not_tell(status: Obj, found: str) -> None:
    [told] = storage_kinds.refused(registry(), "nodes", {"metadata": {"name": "n"}, "spec": {}, "status": status})
    assert told.startswith(found)


def test_an_address_is_told_once() -> None:
    held = registry()
    made = held.create("nodes", node())
    twice = [{"type": "InternalIP", "address": "10.0.0.1"}] * 2
    why = 'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}'
    changed: Any = {**made, "status": {**made["status"], "addresses": twice}}
    assert storage_kinds.refused(held, "nodes", changed, update=True, subresource="status") == [why]


def test_the_old_name_stays_and_is_warned_about() -> None:
    held = registry()
    named = {"metadata": {"name": "n"}, "spec": {"externalID": "a", "podCIDRs": ["FD00::/64"]}}
    assert storage_kinds.warned(held, "nodes", named) == [
        "spec.externalID: this field is deprecated, and is unused by Kubernetes",
        'spec.podCIDRs[0]: IPv6 CIDR value "FD00::/64" should be in RFC 5952 canonical format ("fd00::/64")',
    ]
    made = held.get("nodes", "", "n")
    changed = {**made, "spec": {**made["spec"], "externalID": "b"}}
    why = "spec.externalID: Forbidden: may not be updated"
    assert storage_kinds.refused(held, "nodes", changed, update=True) == [why]


def test_what_configured_kubelets_is_dropped() -> None:
    source = {"configMap": {"name": "c", "namespace": "kube-system", "kubeletConfigKey": "kubelet"}}
    made = registry().create("nodes", {"metadata": {"name": "n"}, "spec": {"configSource": source}})
    assert "configSource" not in made["spec"]
