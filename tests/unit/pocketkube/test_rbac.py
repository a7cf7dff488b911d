"""Rules of roles: against requests and against each other, compared with a model that knows no short cuts."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.rbac import EVERYTHING, Attributes, Rule, allows, break_down, covers, describe

VERBS, GROUPS = ("get", "list", "create"), ("", "apps", "acme.io")
RESOURCES, BELOW, NAMES = ("pods", "deployments"), ("", "log", "scale"), ("", "a", "b")
PATHS = ("/healthz", "/healthz/ping", "/api", "/apis")
URLS = (*PATHS, "/healthz/*", "/api*", "/*", "*")
LISTED = ("*", "pods", "deployments", "pods/log", "pods/scale", "deployments/scale", "*/scale", "*/log")

REQUESTS = [
    Attributes(verb, group, resource, below, "ns", name)
    for verb, group, resource, below, name in product(VERBS, GROUPS, RESOURCES, BELOW, NAMES)
] + [Attributes(verb, path=path) for verb, path in product(VERBS, PATHS)]


def some(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=3, unique=True)


OF_RESOURCES = st.fixed_dictionaries(
    {"verbs": some((*VERBS, "*")), "apiGroups": some((*GROUPS, "*")), "resources": some(LISTED)},
    optional={"resourceNames": some(("a", "b"), 0)},
)
OF_PATHS = st.fixed_dictionaries({"verbs": some((*VERBS, "*")), "nonResourceURLs": some(URLS)})
RULES = st.lists(OF_RESOURCES | OF_PATHS, max_size=4)


def granted(rule: Rule) -> set[Attributes]:
    """Of all requests, those that a rule spells out."""
    verbs = set(VERBS) if "*" in rule["verbs"] else set(rule["verbs"])
    if "nonResourceURLs" in rule:
        paths = set()
        for url in rule["nonResourceURLs"]:
            paths |= {path for path in PATHS if path.startswith(url[:-1])} if url.endswith("*") else {url}
        return {one for one in REQUESTS if one.path in paths and one.verb in verbs}
    groups = set(GROUPS) if "*" in rule["apiGroups"] else set(rule["apiGroups"])
    places = set()
    for listed in rule["resources"]:
        resource, _, below = listed.partition("/")
        if listed == "*":
            places |= set(product(RESOURCES, BELOW))
        else:
            places |= {(one, below) for one in (RESOURCES if resource == "*" else (resource,))}
    names = rule.get("resourceNames") or NAMES
    return {
        one
        for one in REQUESTS
        if not one.path
        and one.verb in verbs
        and one.group in groups
        and (one.resource, one.subresource) in places
        and one.name in names
    }


@given(OF_RESOURCES | OF_PATHS)
def test_a_rule_allows_what_it_spells_out(rule: Rule) -> None:
    assert {one for one in REQUESTS if allows(rule, one)} == granted(rule)


@given(OF_RESOURCES | OF_PATHS)
def test_pieces_allow_what_the_rule_allows(rule: Rule) -> None:
    pieces = list(break_down(rule))
    assert set().union(*(granted(piece) for piece in pieces)) == granted(rule)


@given(RULES, RULES)
def test_who_covers_rules_has_their_rights(owned: list[Rule], wanted: list[Rule]) -> None:
    held: set[Attributes] = set().union(*map(granted, owned))
    missing = covers(owned, wanted)
    if not missing:
        assert set().union(*map(granted, wanted)) <= held
    covered = [piece for rule in wanted for piece in break_down(rule) if piece not in missing]
    assert set().union(*map(granted, covered)) <= held
    assert covers([*owned, *missing], wanted) == []
    assert covers(EVERYTHING, wanted) == []


@given(RULES)
def test_everybody_covers_their_own_rules(rules: list[Rule]) -> None:
    assert covers(rules, rules) == []


@pytest.mark.parametrize(
    ("rule", "wanted", "allowed"),
    [
        # names do not count where a request has none: create and list cannot be narrowed to an object
        ({"verbs": ["create"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}, "create", False),
        ({"verbs": ["create"], "apiGroups": [""], "resources": ["pods"], "resourceNames": []}, "create", True),
        ({"verbs": ["create"], "apiGroups": ["apps"], "resources": ["pods"]}, "create", False),
        ({"verbs": ["CREATE"], "apiGroups": [""], "resources": ["pods"]}, "create", False),
        ({"verbs": ["create"], "apiGroups": [""], "resources": ["pod"]}, "create", False),
        ({"verbs": ["create"], "apiGroups": [""], "resources": ["pods/*"]}, "create", False),
        ({"verbs": ["create"], "apiGroups": [""], "resources": None}, "create", False),
    ],
)
def test_what_is_easily_taken_for_more(rule: Rule, wanted: str, allowed: bool) -> None:
    assert allows(rule, Attributes(wanted, "", "pods", namespace="ns")) is allowed


def test_a_role_for_pods_is_none_for_what_is_below_them() -> None:
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
    assert not allows(rule, Attributes("get", "", "pods", "log", "ns", "p"))


def test_missing_rights_are_listed_by_resource_in_order() -> None:
    wanted = [
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["secrets", "pods"]},
        {"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["a", "b"]},
        {"verbs": ["get"], "nonResourceURLs": ["/metrics"]},
    ]
    held = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]
    assert describe(covers(held, wanted)) == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
        '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["a"], Verbs:["get"]}',
        '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["b"], Verbs:["get"]}',
        '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
    ]
