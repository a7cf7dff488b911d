"""EndpointSlices: the bodies that the recordings only describe."""

from __future__ import annotations

import pytest
from tests.golden import scenario
from tests.unit.pocketkube.resources.direct import GOLDEN, namespace, registry

from pocketkube.errors import Invalid
from pocketkube.objects import Obj

SHAPES = {
    "endpoints-1001": {"endpoints": [{"addresses": ["192.0.2.1"]}] * 1001, "ports": []},
    "ports-20001": {
        "endpoints": [{"addresses": ["192.0.2.1"]}],
        "ports": [{"name": f"p{number}", "port": 80} for number in range(20001)],
    },
}


@pytest.mark.parametrize("step", SHAPES)
def test_too_much_for_one_slice(step: str) -> None:
    steps = {s.get("id"): s for s in scenario.load(GOLDEN / "endpointslices-12-invalid.yaml").steps}
    held = registry()
    namespace(held, "shop")
    slice_: Obj = {"metadata": {"name": "x", "namespace": "shop"}, "addressType": "IPv4", **SHAPES[step]}
    with pytest.raises(Invalid) as refused:
        held.create("endpointslices", slice_)
    assert refused.value.message == steps[step]["response"]["body"]["message"]
    assert refused.value.details == steps[step]["response"]["body"]["details"]
