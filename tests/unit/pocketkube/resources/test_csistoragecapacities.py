"""CSIStorageCapacities: rules and columns."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry
from tests.unit.pocketkube.resources.storage_kinds import refused, row, warned

from pocketkube.objects import Obj
from pocketkube.registry import Registry


@pytest.fixture
def held() -> Registry:
    held = registry()
    namespace(held, "shop")
    return held


def capacity(**fields: Any) -> Obj:
    return {"metadata": {"name": "csisc-1", "namespace": "shop"}, "storageClassName": "fast", **fields}


def test_rows_have_no_age(held: Registry) -> None:
    made = held.create("csistoragecapacities", capacity())
    assert row(held, "csistoragecapacities", made) == ["csisc-1", "fast", "<unset>"]
    assert row(held, "csistoragecapacities", {**made, "capacity": "10Gi"}) == ["csisc-1", "fast", "10Gi"]


def test_what_a_capacity_is_refused_for(held: Registry) -> None:
    selector = {"matchExpressions": [{"key": "zone", "operator": "In"}]}
    problems = refused(
        held, "csistoragecapacities", capacity(storageClassName="", capacity="-1", nodeTopology=selector)
    )
    assert problems[0] == (
        "nodeTopology.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
    )
    assert problems[1].startswith('storageClassName: Invalid value: "": a lowercase RFC 1123 subdomain')
    assert problems[2:] == ['capacity: Invalid value: "-1": must be greater than or equal to 0']


def test_class_and_topology_do_not_change(held: Registry) -> None:
    made = held.create("csistoragecapacities", capacity(nodeTopology={"matchLabels": {"zone": "a"}}, capacity="1Gi"))
    made = held.update("csistoragecapacities", {**made, "capacity": "2Gi"})
    assert made["capacity"] == "2Gi"
    changed = {**made, "storageClassName": "slow", "nodeTopology": {"matchLabels": {"zone": "b"}}}
    assert refused(held, "csistoragecapacities", changed, update=True) == [
        'nodeTopology: Invalid value: {"matchLabels":{"zone":"b"}}: field is immutable',
        'storageClassName: Invalid value: "slow": field is immutable',
    ]


def test_old_labels_of_nodes_are_warned_about(held: Registry) -> None:
    old, message = "beta.kubernetes.io/os", 'deprecated since v1.14; use "kubernetes.io/os" instead'
    topology = {"matchExpressions": [{"key": old, "operator": "Exists"}], "matchLabels": {old: "linux"}}
    assert warned(held, "csistoragecapacities", capacity(nodeTopology=topology)) == [
        f"nodeTopology.matchExpressions[0].key: {old} is {message}",
        f"nodeTopology.matchLabels.{old}: {message}",
    ]
