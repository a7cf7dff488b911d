"""NetworkPolicies: what the recordings do not show."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry


@pytest.fixture
def held() -> Registry:
    held = registry()
    namespace(held, "lab")
    return held


def policy(**spec: Any) -> Obj:
    return {"metadata": {"name": "p", "namespace": "lab"}, "spec": {"podSelector": {}, **spec}}


def to_block(cidr: str, *excepted: str) -> Obj:
    return policy(egress=[{"to": [{"ipBlock": {"cidr": cidr, "except": list(excepted)}}]}])


def wrong(held: Registry, obj: Obj) -> list[str]:
    with pytest.raises(Invalid) as refused:
        held.create("networkpolicies", obj)
    assert refused.value.details is not None
    return [f"{cause['field']}: {cause['message']}" for cause in refused.value.details["causes"]]


def test_policy_types_follow_the_rules_only_when_none_are_given(held: Registry) -> None:
    obj = policy(egress=[{}], policyTypes=["Egress"])
    assert held.create("networkpolicies", obj)["spec"]["policyTypes"] == ["Egress"]


def test_the_generation_counts_changes_of_the_spec(held: Registry) -> None:
    made = deepcopy(held.create("networkpolicies", policy()))
    made["metadata"]["labels"] = {"a": "b"}
    assert deepcopy(held.update("networkpolicies", made))["metadata"]["generation"] == 1
    made = deepcopy(held.get("networkpolicies", "lab", "p"))
    made["spec"]["policyTypes"] = ["Egress"]
    assert held.update("networkpolicies", made)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("cidr", "problem"),
    [
        ("10.0.0.1/8", "must not have bits set beyond the prefix length"),
        ("010.0.0.0/8", "must not have leading 0s in IP or prefix length"),
        ("::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"),
        ("10.0.0.0/33", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    ],
)
def test_ranges_are_judged_strictly(held: Registry, cidr: str, problem: str) -> None:
    at = "spec.egress[0].to[0].ipBlock.cidr"
    assert wrong(held, to_block(cidr)) == [f'{at}: Invalid value: "{cidr}": {problem}']


def test_an_empty_range_is_missing(held: Registry) -> None:
    assert wrong(held, to_block("")) == ["spec.egress[0].to[0].ipBlock.cidr: Required value"]


@pytest.mark.parametrize("excepted", ["10.0.0.0/8", "0.0.0.0/0", "fd00::/64"])
def test_an_exception_is_smaller_than_the_range(held: Registry, excepted: str) -> None:
    at = "spec.egress[0].to[0].ipBlock.except[1]"
    assert wrong(held, to_block("10.0.0.0/8", "10.1.0.0/16", excepted)) == [
        f'{at}: Invalid value: "{excepted}": must be a strict subset of `cidr`'
    ]


def test_what_is_stored_already_may_stay(held: Registry) -> None:
    held.create("networkpolicies", to_block("10.0.0.0/8"))
    stored = held.store.get("networkpolicies", ("lab", "p"))
    assert stored is not None
    old = deepcopy(stored)
    old["spec"]["egress"][0]["to"][0]["ipBlock"]["cidr"] = "10.0.0.1/8"  # as an older version let it in
    held.store.update("networkpolicies", old)
    again = deepcopy(old)
    again["metadata"]["labels"] = {"a": "b"}
    again = deepcopy(held.update("networkpolicies", again))
    again["spec"]["egress"][0]["to"][0]["ipBlock"]["cidr"] = "10.0.0.2/8"
    with pytest.raises(Invalid):
        held.update("networkpolicies", again)


def test_ipv6_should_be_written_canonically(held: Registry) -> None:
    said: list[str] = []
    held.create("networkpolicies", to_block("2001:DB8::/64", "2001:db8::0/80"), warn=said.append)
    at = "spec.egress[0].to[0].ipBlock"
    text = 'IPv6 CIDR value "{}" should be in RFC 5952 canonical format ("{}")'
    assert said == [
        f"{at}.cidr: " + text.format("2001:DB8::/64", "2001:db8::/64"),
        f"{at}.except[0]: " + text.format("2001:db8::0/80", "2001:db8::/80"),
    ]


def test_the_end_of_a_range_of_ports_is_a_port(held: Registry) -> None:
    obj = policy(ingress=[{"ports": [{"port": 80, "endPort": 70000}]}])
    at = "spec.ingress[0].ports[0].endPort"
    assert wrong(held, obj) == [f"{at}: Invalid value: 70000: must be between 1 and 65535, inclusive"]
