"""Rules in CEL: what they see, what they may say, and what a failing one tells."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.resources.custom import rules
from pocketkube.resources.custom.schemas import Schema

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
ITEM = {"type": "object", "properties": {"name": TEXT, "port": NUMBER}}
SPEC = {
    "x": NUMBER,
    "s": TEXT,
    "d": {"type": "number"},
    "namespace": TEXT,
    "a-b": TEXT,
    "port": {"x-kubernetes-int-or-string": True},
    "items": {"type": "array", "items": ITEM},
    "map": {"type": "object", "additionalProperties": NUMBER},
    "when": {"type": "string", "format": "date-time"},
}
OBJECT = {
    "metadata": {"name": "me", "labels": {"secret": "x"}},
    "spec": {
        "x": 1,
        "s": "abc",
        "d": 2,
        "namespace": "ns",
        "a-b": "dashed",
        "port": "http",
        "items": [{"name": "a", "port": 80}, {"name": "b"}],
        "map": {"k": 1},
        "when": "2026-01-01T00:00:00Z",
    },
}


def schema(*found: dict[str, Any]) -> Schema:
    inside = {"type": "object", "properties": SPEC}
    return {"type": "object", "properties": {"spec": inside}, "x-kubernetes-validations": list(found)}


@pytest.mark.parametrize(
    "rule",
    [
        "self.spec.x == 1 && self.spec.d > 1.5 && self.spec.s.size() == 3",
        "self.metadata.name == 'me'",
        "self.spec.__namespace__ == 'ns' && self.spec.a__dash__b == 'dashed'",
        "self.spec.port == 'http' || self.spec.port > 1",
        "has(self.spec.items[0].port) && !has(self.spec.items[1].port)",
        "self.spec.items.all(l1, self.spec.items.exists_one(l2, l1.name == l2.name))",
        "self.spec.items.map(i, i.name).isSorted() && [1, 2].sum() == 3 && [2, 1].max() == 2",
        "'k' in self.spec.map && self.spec.map['k'] == 1 && self.spec.map.all(key, key.startsWith('k'))",
        "self.spec.s.find('[a-b]+') == 'ab' && self.spec.s.findAll('.', 2).size() == 2",
        "has(self.spec.when)",
        "quantity('1Gi').isLessThan(quantity('2Gi')) && isQuantity('5m') && quantity('2').add(1).asInteger() == 3",
        "[3, 1, 2].sort() == [1, 2, 3] && ['b', 'a', 'b'].distinct() == ['b', 'a'] && [1, 2, 3].slice(1, 3) == [2, 3]",
        "[1, [2, [3]]].flatten() == [1, 2, [3]] && [1, [2, [3]]].flatten(2) == [1, 2, 3] && [1, 2].reverse() == [2, 1]",
        "lists.range(3) == [0, 1, 2] && [1, true, 1.0, true].distinct().size() == 2",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-rc.2').isLessThan(semver('1.0.0-rc.10'))",
        "semver('1.0.0').isGreaterThan(semver('1.0.0-rc.1')) && semver('1.0.0+a').compareTo(semver('1.0.0+b')) == 0",
        "semver('v01.2', true).minor() == 2 && semver('v1', true).patch() == 0 && semver('3.0.0').major() == 3",
        "isSemver('1.2.3-a.b+c') && !isSemver('v1.2.3') && isSemver('v1.2.3', true) && !isSemver('01.2.3')",
        "isURL('http://a/') && url('http://a:80/b').getHost() == 'a:80' && !isURL('a b')",
        "isIP('::1') && ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.1.1')",
        "sets.contains([1, 2], [1]) && sets.intersects([1], [1, 2]) && [1, 2].indexOf(2) == 1",
        "self.?spec.orValue({}).size() > 0 && self.spec.?x.hasValue()",
        "self.spec.s.lowerAscii().split('b').join('-') == 'a-c'",
    ],
)
def test_rules_that_hold(rule: str) -> None:
    held = schema({"rule": rule})
    assert [one.problem for one in rules.compile_all(held, root=True)] == [""]
    assert [str(cause) for cause in rules.Rules(held).causes(OBJECT, None)] == []


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("self.spec.nope", "ERROR: <input>:1:10: undefined field 'nope'\n | self.spec.nope\n | .........^"),
        ("self.metadata.labels == {}", "undefined field 'labels'"),
        ("self.spec.items.all(i, i.nme == 'a')", "undefined field 'nme'"),
        ("self.spec.x == 'a'", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.spec.x.y == 1", "type 'int' does not support field selection"),
        ("self.spec.when < timestamp('2027-01-01T00:00:00Z')", "cannot be read in rules by this cluster"),
        ("other == 1", "undeclared reference to 'other'"),
        ("self.spec.", "Syntax error"),
        ("format.dns1123Label() == 1", "undeclared reference to 'format'"),
        ("self.spec.s", "cel expression must evaluate to a bool"),
    ],
)
def test_rules_that_are_refused(rule: str, problem: str) -> None:
    (found,) = rules.compile_all(schema({"rule": rule}), root=True)
    assert problem in found.problem


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"rule": "self.spec.x > 4"}, "<nil>: Invalid value: failed rule: self.spec.x > 4"),
        ({"rule": "self.spec.x > 4", "message": "too small"}, "<nil>: Invalid value: too small"),
        (
            {
                "rule": "self.spec.x > 4",
                "messageExpression": "'x is ' + string(self.spec.x)",
                "reason": "FieldValueForbidden",
                "fieldPath": ".spec.x",
            },
            "spec.x: Forbidden: x is 1",
        ),
        (
            {"rule": "self.spec.items[7].port == 1"},
            '<nil>: Invalid value: "object": index out of bounds: 7 evaluating rule: self.spec.items[7].port == 1',
        ),
        (
            {"rule": "self.spec.map['z'] == 1", "message": "z"},
            '<nil>: Invalid value: "object": no such key: z evaluating rule: z',
        ),
        ({"rule": "1 / (self.spec.x - 1) == 0", "message": "m"}, "division by zero evaluating rule: m"),
        ({"rule": "[1].slice(0, 2) == [1]", "message": "m"}, "cannot slice(0, 2), list is length 1"),
        ({"rule": "[1].slice(-1, 2) == [1]", "message": "m"}, "cannot slice(-1, 2), negative indexes not supported"),
        ({"rule": "[1, 2].slice(2, 1) == [1]", "message": "m"}, "start index must be less than or equal to end index"),
        ({"rule": "[[1]].flatten(-1) == [1]", "message": "m"}, "level must be non-negative"),
        ({"rule": "[1, 'a'].sort() == [1]", "message": "m"}, "list elements must have the same type"),
        ({"rule": "[[1]].sort() == [[1]]", "message": "m"}, "list elements must be comparable"),
        ({"rule": "semver(self.spec.s).major() == 1", "message": "m"}, "semver parse error during conversion"),
        ({"rule": "lists.range(100000).size() == 1", "message": "m"}, "lists.range of more than 10000 elements"),
    ],
)
def test_what_a_failing_rule_says(rule: dict[str, Any], said: str) -> None:
    (cause,) = rules.Rules(schema(rule)).causes(OBJECT, None)
    assert said in str(cause)


def test_transition_rules_need_an_old_value() -> None:
    found = rules.Rules(schema({"rule": "self.spec.x >= oldSelf.spec.x", "message": "x shrinks"}))
    assert list(found.causes(OBJECT, None)) == []
    assert list(found.causes(OBJECT, OBJECT)) == []
    (cause,) = found.causes(OBJECT, {"spec": {"x": 2}})
    assert cause.message == "Invalid value: x shrinks"


def test_an_old_value_that_may_be_missing() -> None:
    rule = {"rule": "oldSelf.optMap(o, o.spec.x == 2).orValue(false)", "optionalOldSelf": True}
    found = rules.Rules(schema(rule))
    assert len(list(found.causes(OBJECT, None))) == 1
    assert list(found.causes(OBJECT, {"spec": {"x": 2}})) == []


def test_items_of_a_map_are_compared_with_those_of_the_same_key() -> None:
    item = {**ITEM, "x-kubernetes-validations": [{"rule": "self.port == oldSelf.port", "message": "port moved"}]}
    held = {
        "type": "object",
        "properties": {
            "l": {
                "type": "array",
                "items": item,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            }
        },
    }
    old = {"l": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}
    new = {"l": [{"name": "b", "port": 2}, {"name": "a", "port": 9}, {"name": "c", "port": 3}]}
    assert [str(cause) for cause in rules.Rules(held).causes(new, old)] == ["l[1]: Invalid value: port moved"]


def test_a_rule_that_failed_before_may_fail_on_what_does_not_change() -> None:
    held: Schema = {
        "type": "object",
        "properties": {
            "a": {**TEXT, "x-kubernetes-validations": [{"rule": "self == 'right'", "message": "wrong"}]},
            "b": TEXT,
        },
    }
    found = rules.Rules(held)
    assert list(found.causes({"a": "x", "b": "2"}, {"a": "x", "b": "1"})) == []
    assert [str(c) for c in found.causes({"a": "y"}, {"a": "x"})] == ['a: Invalid value: "y": wrong']


def test_a_rule_that_never_ends_is_ended() -> None:
    rule = {"rule": "self.all(x, self.all(y, x == y))", "message": "all alike"}
    held: Schema = {"type": "array", "items": NUMBER, "x-kubernetes-validations": [rule]}
    found = rules.Rules(held, root=False)
    assert list(found.causes([1] * 64, None)) == []
    (cause,) = found.causes([1] * 2000, None)
    assert "call cost exceeds limit for rule: all alike" in cause.message


def test_the_order_of_sets_and_maps_means_nothing() -> None:
    held: Schema = {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
            "l": {
                "type": "array",
                "items": ITEM,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            "plain": {"type": "array", "items": TEXT},
        },
        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "changed"}],
    }
    found = rules.Rules(held)
    old = {"tags": ["a", "b"], "l": [{"name": "x", "port": 1}, {"name": "y"}], "plain": ["a", "b"]}
    assert list(found.causes({**old, "tags": ["b", "a"], "l": old["l"][::-1]}, old)) == []
    assert len(list(found.causes({**old, "plain": ["b", "a"]}, old))) == 1
    assert len(list(found.causes({**old, "tags": ["b", "c"]}, old))) == 1
    assert len(list(found.causes({**old, "l": [{"name": "y"}, {"name": "x", "port": 2}]}, old))) == 1
