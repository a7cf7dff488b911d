"""Pod ranges of nodes: at most one of each family, there to stay."""

from __future__ import annotations

import pytest
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
