"""What may be written in an IPAddress and a ServiceCIDR, and what a mistake says."""

from __future__ import annotations

import pytest
from tests.unit.pocketkube.resources import direct

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

PARENT = {"resource": "services", "namespace": "default", "name": "web"}


@pytest.fixture
def registry() -> Registry:
    return direct.registry()


def address(name: str, parent: Obj | None = PARENT) -> Obj:
    return {"metadata": {"name": name}, "spec": {"parentRef": parent} if parent else {}}


def cidr(*cidrs: str) -> Obj:
    return {"metadata": {"name": "more"}, "spec": {"cidrs": list(cidrs)}}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("web", "must be a valid IP address"),
        ("010.0.0.1", "must not have leading 0s"),
        ("2001:DB8::1", 'must be in canonical form ("2001:db8::1")'),
    ],
)
def test_the_name_is_a_canonical_address(registry: Registry, name: str, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        registry.create("ipaddresses", address(name))
    assert problem in refused.value.message


def test_somebody_holds_it(registry: Registry) -> None:
    with pytest.raises(Invalid, match=r"spec\.parentRef: Required value"):
        registry.create("ipaddresses", address("10.0.0.1", None))
    with pytest.raises(Invalid, match=r"spec\.parentRef\.resource: Required value"):
        registry.create("ipaddresses", address("10.0.0.1", {"name": "web"}))


def test_the_holder_does_not_change(registry: Registry) -> None:
    registry.create("ipaddresses", address("10.0.0.1"))
    with pytest.raises(Invalid, match=r"spec\.parentRef: Invalid value: .*: field is immutable"):
        registry.update("ipaddresses", address("10.0.0.1", {**PARENT, "name": "other"}))


def test_the_row_names_the_holder(registry: Registry) -> None:
    kind = registry.resources["ipaddresses"]
    made = registry.create("ipaddresses", address("10.0.0.1", {**PARENT, "group": "example.com"}))
    assert kind.row(made)[:2] == ["10.0.0.1", "services.example.com/default/web"]


@pytest.mark.parametrize(
    ("cidrs", "problem"),
    [
        ((), "spec.cidrs: Required value: at least one CIDR required"),
        (("10.0.0.0",), 'spec.cidrs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value'),
        (("10.0.0.1/24",), "must not have bits set beyond the prefix length"),
        (("2001:DB8::/64",), 'must be in canonical form ("2001:db8::/64")'),
        (("10.0.0.0/24", "10.1.0.0/24"), "may specify no more than one IP for each IP family"),
        (("10.0.0.0/24", "fd00::/64", "fd01::/64"), "may only hold up to 2 values"),
    ],
)
def test_ranges_are_canonical_and_one_of_a_family(registry: Registry, cidrs: tuple[str, ...], problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        registry.create("servicecidrs", cidr(*cidrs))
    assert problem in refused.value.message


def test_a_range_does_not_change_but_may_get_a_second_family(registry: Registry) -> None:
    registry.create("servicecidrs", cidr("10.0.0.0/24"))
    with pytest.raises(Invalid, match=r"spec\.cidrs\[0\]: Invalid value: .*: field is immutable"):
        registry.update("servicecidrs", cidr("10.0.1.0/24"))
    registry.update("servicecidrs", cidr("10.0.0.0/24", "fd00::/64"))
    with pytest.raises(Invalid, match=r"spec\.cidrs: Invalid value: .*: field is immutable"):
        registry.update("servicecidrs", cidr("10.0.0.0/24"))
