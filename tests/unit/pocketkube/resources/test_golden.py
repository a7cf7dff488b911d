"""Recorded requests and answers, replayed against the registry without a server."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.golden import scenario
from tests.unit.pocketkube.resources.direct import Replay

ROUTE = "the API server answers this before the registry is asked"
CONTROLLER = "needs a controller or a kubelet"
# The recording cluster mounted one more file into pods, which its answers were cleaned of; the line numbers of the
# difference inside the error text still count its 18 lines. test_pods.py compares the text without them.
LINE_NUMBERS = "the recorded line numbers count a volume source that was removed from the recording"
SHAPE = "the recording only describes the body; test_endpointslices.py sends it"

REPLAYED: Mapping[str, Mapping[str, str]] = {
    "services-01-type-defaults": {},
    "services-03-fields": {},
    "services-04-invalid": {},
    "services-05-transitions": {},
    "services-06-update-conflicts": {
        "put-name-mismatch": ROUTE,
        "put-namespace-mismatch": ROUTE,
        "unknown-resource": ROUTE,
        "post-to-object-path": ROUTE,
        "delete-collection": ROUTE,
    },
    "endpointslices-11-handmade": {},
    "endpointslices-12-invalid": {"endpoints-1001": SHAPE, "ports-20001": SHAPE},
    "deployments-02-invalid": {"apiversion-in-body-mismatch": ROUTE, "removed-api-group": ROUTE},
    "pods-08-invalid": {
        "change-nodename": LINE_NUMBERS,
        "change-env": LINE_NUMBERS,
        "change-restartpolicy": LINE_NUMBERS,
        "set-activedeadline-ok": CONTROLLER,
        "change-image-ok": CONTROLLER,
    },
    "config-01-configmap-secret": {},
    "networkpolicy-01": {"ingress-as-map": ROUTE, "table": ROUTE},
    "gc-01-propagation": {
        "delete-foreground": CONTROLLER,
        "delete-orphan": CONTROLLER,
        "orphaned-replicaset": CONTROLLER,
        "collected": CONTROLLER,
        "bad-policy": ROUTE,
    },
}


@pytest.mark.parametrize("name", REPLAYED)
def test_answers_as_recorded(name: str) -> None:
    replay = Replay(name)
    elsewhere = REPLAYED[name]
    steps = [step for step in replay.scenario.steps if scenario.kind_of(step) == "rest"]
    assert set(elsewhere) <= {step["id"] for step in steps}
    wrong = {}
    for step in steps:
        if step["id"] not in elsewhere and (diffs := replay.step(step)):
            wrong[step["id"]] = diffs
    assert not wrong
