"""LimitRanges, by what becomes of pods. After upstream's e2e tests (test/e2e/scheduling/limit_range.go)."""

from __future__ import annotations

import time

import pytest
from tests.parity.network.support import Place
from tests.parity.network.support import place as another
from tests.parity.workloads.test_quotas import delete, pod, refused

from kindlab import workspace
from kindlab.api import Api, ApiError, Obj

NAME = "limits"


def amounts(cpu: str, memory: str, storage: str) -> Obj:
    given = {"cpu": cpu, "memory": memory, "ephemeral-storage": storage}
    return {name: amount for name, amount in given.items() if amount}


MIN, MAX = amounts("50m", "100Mi", "100Gi"), amounts("500m", "500Mi", "500Gi")
REQUEST = amounts("100m", "200Mi", "200Gi")
LOWER = amounts("9m", "49Mi", "49Gi")


def limit_range(name: str = NAME, labels: dict[str, str] | None = None) -> Obj:
    limit = {"type": "Container", "min": MIN, "max": MAX, "default": MAX, "defaultRequest": REQUEST}
    meta = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": {"limits": [limit]}}


def resources(here: Place, obj: Obj) -> Obj:
    (made,) = here.put(obj)
    found: Obj = made["spec"]["containers"][0]["resources"]
    return found


def accepted(here: Place, obj: Obj) -> None:
    """A real API server goes on for half a minute by limits that are gone, and nothing tells when it stops."""
    for left in reversed(range(45)):
        try:
            here.put(obj)
            return
        except ApiError:
            if not left:
                raise
            time.sleep(1)


def test_pods_get_defaults_and_are_bounded(here: Place) -> None:
    (made,) = here.put(limit_range())
    assert made["spec"]["limits"][0]["defaultRequest"] == REQUEST
    assert resources(here, pod("silent")) == {"requests": REQUEST, "limits": MAX}
    some = pod("some", amounts("", "150Mi", "150Gi"), amounts("300m", "", ""))
    expected = {"requests": amounts("300m", "150Mi", "150Gi"), "limits": amounts("300m", "500Mi", "500Gi")}
    assert resources(here, some) == expected  # a request that is not given is the limit that is
    small, large = pod("small", amounts("10m", "50Mi", "50Gi")), pod("large", amounts("600m", "600Mi", "600Gi"))
    refused(here, small, "minimum cpu usage per Container is 50m, but request is 10m")
    # a request above the limit that it is given is invalid before it is too large
    with pytest.raises(ApiError, match=r"must be less than or equal to cpu limit"):
        here.put(large)
    here.update("LimitRange", NAME, limits=[{**made["spec"]["limits"][0], "min": LOWER}])
    assert here.require("LimitRange", NAME)["spec"]["limits"][0]["min"] == LOWER
    here.put(small)
    with pytest.raises(ApiError, match=r"must be less than or equal to cpu limit"):
        here.put(large)
    delete(here, "LimitRange", NAME)
    here.gone("LimitRange")
    accepted(here, large)


def test_it_is_listed_patched_and_deleted_with_others(here: Place, api: Api) -> None:
    labels = {"of": here.namespace}
    other = another(api, "limits-elsewhere")
    try:
        here.put(limit_range(labels=labels))
        other.put(limit_range(labels=labels))
        everywhere = here.api.path("LimitRange", None)
        chosen = {"labelSelector": f"of={here.namespace}"}
        assert len(here.request("GET", everywhere, query=chosen)["items"]) == 2
        limit = {**here.require("LimitRange", NAME)["spec"]["limits"][0], "min": LOWER}
        patched = here.merge("LimitRange", NAME, {"metadata": {"labels": {"a": "b"}}, "spec": {"limits": [limit]}})
        assert patched["metadata"]["labels"] == {**labels, "a": "b"}
        assert patched["spec"]["limits"] == [limit]
        here.request("DELETE", here.path("LimitRange"), query={"labelSelector": "a=b"})
        here.gone("LimitRange")
        assert len(here.request("GET", everywhere, query=chosen)["items"]) == 1
    finally:
        workspace.remove_namespace(api, other.namespace)
