"""IP families of Services: what is filled in, given, taken back and refused, with one family and with two."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pocketkube.resources.direct import ZONE

from pocketkube.clock import Clock
from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.store import Store

FOUR, SIX = "10.96.0.0/16", "fd00:10:96::/112"
RANGES = {"IPv4": FOUR, "IPv6": SIX}


def cluster(*cidrs: str) -> Registry:
    found = Registry(Store(None), Clock(), {**ZONE, "service_cidr": ",".join(cidrs)})
    found.create("namespaces", {"metadata": {"name": "shop"}})
    found.create("serviceaccounts", {"metadata": {"name": "default", "namespace": "shop"}})
    return found


@pytest.fixture
def dual() -> Registry:
    return cluster(FOUR, SIX)


def service(name: str = "a", **spec: Any) -> Obj:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"ports": [{"port": 80}], **spec}}


def create(held: Registry, name: str = "a", **spec: Any) -> Obj:
    made: Obj = held.create("services", service(name, **spec))["spec"]
    return made


def change(held: Registry, **spec: Any) -> Obj:
    """Write the stored Service again with these fields; None drops one."""
    found = held.get("services", "shop", "a")
    kept = {k: v for k, v in {**found["spec"], **spec}.items() if v is not None}
    made: Obj = held.update("services", {**found, "spec": kept})["spec"]
    return made


def families(spec: Obj) -> list[str]:
    """What the addresses are of; they lie in their ranges and agree with ipFamilies."""
    ips = spec["clusterIPs"]
    assert spec["clusterIP"] == ips[0]
    assert all(ip_address(ip) in ip_network(RANGES[f]) for ip, f in zip(ips, spec["ipFamilies"], strict=True))
    found: list[str] = spec["ipFamilies"]
    return found


@pytest.mark.parametrize(
    ("asked", "expected", "policy"),
    [
        ({}, ["IPv4"], "SingleStack"),
        ({"ipFamilies": ["IPv6"]}, ["IPv6"], "SingleStack"),
        ({"ipFamilyPolicy": "SingleStack"}, ["IPv4"], "SingleStack"),
        ({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], "PreferDualStack"),
        ({"ipFamilyPolicy": "RequireDualStack"}, ["IPv4", "IPv6"], "RequireDualStack"),
        ({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]}, ["IPv6", "IPv4"], "PreferDualStack"),
        (
            {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]},
            ["IPv6", "IPv4"],
            "RequireDualStack",
        ),
        ({"clusterIP": "fd00:10:96::77", "clusterIPs": ["fd00:10:96::77"]}, ["IPv6"], "SingleStack"),
        ({"clusterIP": "fd00:10:96::77", "ipFamilyPolicy": "PreferDualStack"}, ["IPv6", "IPv4"], "PreferDualStack"),
        ({"type": "NodePort", "ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], "PreferDualStack"),
    ],
)
def test_a_new_service_on_a_dual_stack_cluster(dual: Registry, asked: Obj, expected: list[str], policy: str) -> None:
    spec = create(dual, **asked)
    assert families(spec) == expected
    assert spec["ipFamilyPolicy"] == policy


def test_requested_addresses_of_both_families_are_given_and_taken(dual: Registry) -> None:
    wanted = ["fd00:10:96::99", "10.96.0.99"]
    spec = create(dual, clusterIP=wanted[0], clusterIPs=wanted, ipFamilyPolicy="RequireDualStack")
    assert (spec["clusterIPs"], spec["ipFamilies"]) == (wanted, ["IPv6", "IPv4"])
    with pytest.raises(Invalid, match=r"failed to allocate IP 10.96.0.99: provided IP is already allocated"):
        create(dual, "b", clusterIP="10.96.0.99")
    with pytest.raises(Invalid, match=r"failed to allocate IP fd00:10:96::99: provided IP is already allocated"):
        create(dual, "b", clusterIP="fd00:10:96::99")
    dual.delete("services", "shop", "a")
    assert create(dual, "b", clusterIP="fd00:10:96::99")["clusterIPs"] == ["fd00:10:96::99"]


def test_a_refused_second_address_takes_nothing(dual: Registry) -> None:
    ips = ["10.96.0.99", "fd00:10:97::1"]
    with pytest.raises(Invalid) as caught:
        create(dual, clusterIP=ips[0], clusterIPs=ips, ipFamilyPolicy="RequireDualStack")
    assert str(caught.value) == (
        'Service "a" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.99","fd00:10:97::1"]: failed to allocate IP '
        "fd00:10:97::1: the provided network does not match the current range"
    )
    assert create(dual, clusterIP="10.96.0.99")["clusterIPs"] == ["10.96.0.99"]


def test_a_second_family_comes_and_goes(dual: Registry) -> None:
    first = create(dual)["clusterIP"]
    upgraded = change(dual, ipFamilyPolicy="PreferDualStack")
    assert families(upgraded) == ["IPv4", "IPv6"]
    assert upgraded["clusterIP"] == first
    second = upgraded["clusterIPs"][1]
    with pytest.raises(Invalid, match="already allocated"):
        create(dual, "b", clusterIP=second)
    downgraded = change(dual, ipFamilyPolicy="SingleStack")
    assert (downgraded["clusterIPs"], downgraded["ipFamilies"]) == ([first], ["IPv4"])
    assert create(dual, "b", clusterIP=second)["clusterIPs"] == [second]


def test_a_named_second_address_is_given_on_upgrade(dual: Registry) -> None:
    first = create(dual)["clusterIP"]
    wanted = [first, "fd00:10:96::5"]
    assert change(dual, ipFamilyPolicy="RequireDualStack", clusterIPs=wanted)["clusterIPs"] == wanted


def test_the_order_of_families_is_there_to_stay(dual: Registry) -> None:
    create(dual, ipFamilyPolicy="PreferDualStack")
    with pytest.raises(Invalid, match=r"expected an IPv6 value as indicated by `ipFamilies\[0\]`"):
        change(dual, ipFamilies=["IPv6", "IPv4"])


def test_a_family_is_not_released_by_leaving_it_out(dual: Registry) -> None:
    first = create(dual, ipFamilyPolicy="RequireDualStack")["clusterIP"]
    with pytest.raises(Invalid) as caught:
        change(dual, clusterIPs=[first], ipFamilies=["IPv4"])
    assert str(caught.value) == (
        'Service "a" is invalid: [spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be \'SingleStack\' to '
        'release the secondary cluster IP, spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be '
        "'SingleStack' to release the secondary IP family]"
    )


def test_what_prefers_both_keeps_what_it_has() -> None:
    """A PreferDualStack Service of a cluster that has become dual-stack is upgraded only when somebody asks."""
    single = cluster(FOUR)
    create(single, ipFamilyPolicy="PreferDualStack")
    both = Registry(single.store, Clock(), {**ZONE, "service_cidr": f"{FOUR},{SIX}"})
    assert families(change(both, selector={"app": "x"})) == ["IPv4"]
    assert families(change(both, ipFamilyPolicy="RequireDualStack")) == ["IPv4", "IPv6"]


def test_a_change_of_type_gives_and_takes_both(dual: Registry) -> None:
    create(dual, ipFamilyPolicy="PreferDualStack")
    gone = change(dual, type="ExternalName", externalName="example.com", internalTrafficPolicy=None)
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & gone.keys()
    back = change(dual, type="ClusterIP", externalName=None, ipFamilyPolicy="RequireDualStack")
    assert families(back) == ["IPv4", "IPv6"]


def test_headless_services(dual: Registry) -> None:
    assert create(dual, "a", clusterIP="None", selector={"a": "b"})["ipFamilies"] == ["IPv4"]
    spec = create(dual, "b", clusterIP="None", selector={"a": "b"}, ipFamilyPolicy="PreferDualStack")
    assert (spec["clusterIPs"], spec["ipFamilies"]) == (["None"], ["IPv4", "IPv6"])
    spec = create(dual, "c", clusterIP="None")
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])
    assert change(dual, ipFamilies=["IPv6"])["ipFamilies"] == ["IPv6"]


@pytest.mark.parametrize(
    ("cidr", "asked", "text"),
    [
        (
            FOUR,
            {"ipFamilyPolicy": "RequireDualStack"},
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack '
            "services",
        ),
        (FOUR, {"ipFamilies": ["IPv6"]}, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        (SIX, {"ipFamilies": ["IPv4"]}, 'spec.ipFamilies[0]: Invalid value: "IPv4": not configured on this cluster'),
        (
            SIX,
            {"clusterIP": "10.96.0.9"},
            'spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: IPv4 is not configured on this cluster',
        ),
        (
            f"{FOUR},{SIX}",
            {"ipFamilies": ["IPv4", "IPv6"]},
            "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when "
            "multiple IP families are specified",
        ),
        (
            f"{FOUR},{SIX}",
            {"ipFamilies": ["IPv6"], "clusterIP": "10.96.0.9"},
            'spec.clusterIPs[0]: Invalid value: "10.96.0.9": expected an IPv6 value as indicated by `ipFamilies[0]`',
        ),
        (
            f"{FOUR},{SIX}",
            {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "10.96.0.8"], "ipFamilyPolicy": "PreferDualStack"},
            'spec.clusterIPs: Invalid value: ["10.96.0.9","10.96.0.8"]: may specify no more than one IP for each IP '
            "family",
        ),
    ],
)
def test_what_is_refused_is_refused_in_the_words_of_kubernetes(cidr: str, asked: Obj, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        create(cluster(*cidr.split(",")), **asked)
    assert text in str(caught.value)


def test_an_ipv6_cluster_gives_ipv6(dual: Registry) -> None:
    six = cluster(SIX)
    assert families(create(six)) == ["IPv6"]
    assert families(create(six, "b", ipFamilyPolicy="PreferDualStack")) == ["IPv6"]
    assert families(create(cluster(SIX, FOUR), ipFamilyPolicy="PreferDualStack")) == ["IPv6", "IPv4"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "SingleStack", "PreferDualStack", "RequireDualStack", "delete"]), st.integers(0, 4)
    ),
    max_size=25,
)


@given(steps=STEPS)
def test_addresses_held_are_those_of_stored_services(steps: list[tuple[str, int]]) -> None:
    """Whatever is created, upgraded, downgraded and deleted: nobody shares an address, and none is lost."""
    held, ever = cluster(FOUR, SIX), set[str]()
    for verb, number in steps:
        name = f"s{number}"
        found = held.find("services", "shop", name)
        if verb == "create" and found is None:
            create(held, name)
        elif verb == "delete" and found is not None:
            held.delete("services", "shop", name)
        elif found is not None and verb not in ("create", "delete"):
            held.update("services", {**found, "spec": {**found["spec"], "ipFamilyPolicy": verb}})
        ever |= {ip for s in held.objects("services", "shop") for ip in s["spec"]["clusterIPs"]}
    stored = [ip for s in held.objects("services", "shop") for ip in s["spec"]["clusterIPs"]]
    assert len(stored) == len(set(stored))
    for ip in ever:
        if ip in stored:
            with pytest.raises(Invalid, match="provided IP is already allocated"):
                create(held, "another", clusterIP=ip)
        else:
            create(held, "another", clusterIP=ip)
            held.delete("services", "shop", "another")
