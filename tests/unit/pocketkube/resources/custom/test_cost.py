"""Attacks by rules: what would take the machine's memory or stop the cluster is refused before it runs."""

from __future__ import annotations

import pytest

from pocketkube.resources.custom import formats
from pocketkube.resources.custom.rules import Rules

TOO_MUCH = "'operation cancelled: actual cost limit exceeded': no further validation rules will be run"
LIST = {"type": "array", "items": {"type": "integer"}}
TEXT = {"type": "string"}


def said(rule: str, value: object, inner: dict = TEXT, **more: object) -> list[str]:
    schema = {"type": "object", "properties": {"a": inner}, "x-kubernetes-validations": [{"rule": rule, **more}]}
    return [str(cause) for cause in Rules(schema, root=False).causes({"a": value}, None)]


def bound(times: int) -> str:
    """A rule of nested bindings, each ten times as long as the one before."""
    made = "".join(f"cel.bind(v{i}, {' + '.join([f'v{i - 1}' if i else 'self.a'] * 10)}, " for i in range(times))
    return f"{made}v{times - 1}.size() > 0{')' * times}"


@pytest.mark.parametrize(
    ("rule", "value", "inner"),
    [
        (bound(8), "a" * 10, TEXT),
        ("[self.a]" + f".map(x, {'+'.join(['x'] * 10)})" * 8 + ".size() > 0", "a" * 10, TEXT),
        ("self.a" + ".replace('', self.a)" * 4 + " != ''", "a" * 300, TEXT),
        ("self.a.all(x, self.a.all(y, self.a.all(z, true)))", list(range(100)), LIST),
        ("self.a.all(x, sets.contains(self.a, self.a))", list(range(1000)), LIST),
        ("self.a.all(x, self.a.indexOf(x) >= 0)", list(range(5000)), LIST),
        ("self.a.all(x, self.a == self.a)", list(range(9000)), LIST),
        ("self.a.all(x, ''.matches('" + "(a{100}){9}" * 20 + "'))", list(range(9000)), LIST),
    ],
)
def test_attack_a_rule_that_would_take_everything(rule: str, value: object, inner: dict) -> None:
    (cause,) = said(rule, value, inner)
    assert TOO_MUCH in cause


def test_attack_a_message_that_would_take_everything_is_left_out() -> None:
    message = "self.a" + ".replace('', self.a)" * 4
    (cause,) = said("false", "a" * 300, messageExpression=message)
    assert "failed rule: false" in cause


def test_attack_many_rules_that_are_cheap_each() -> None:
    rule = {"rule": "self.all(x, x.all(y, y >= 0)) || true"}
    row = {"type": "array", "items": LIST, "x-kubernetes-validations": [rule]}
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": row}}}
    rows = [[list(range(90))] * 90] * 900
    causes = [str(cause) for cause in Rules(schema, root=False).causes({"a": rows}, None)]
    assert len(causes) == 1
    assert "validation failed due to running out of cost budget, no further validation rules will be run" in causes[0]


@pytest.mark.parametrize(
    ("rule", "value", "inner"),
    [
        ("self.a.all(x, self.a.exists_one(y, x == y))", list(range(70)), LIST),
        ("self.a.map(x, string(x)).join(',').size() < 100000", list(range(5000)), LIST),
        ("self.a.replace('a', 'bb').size() == 20000", "a" * 10_000, TEXT),
        ("self.a.split(',').all(x, x.matches('^[a-z]+$'))", ",".join(["abc"] * 500), TEXT),
        ("sets.contains(self.a, self.a) && self.a.isSorted() && self.a.sum() >= 0", list(range(1000)), LIST),
        ("'%s: %d'.format([self.a, 3]).size() > 0", "a" * 1000, TEXT),
    ],
)
def test_rules_people_write_are_not_too_expensive(rule: str, value: object, inner: dict) -> None:
    assert said(rule, value, inner) == []


def test_attack_a_host_name_that_python_s_patterns_never_finish() -> None:
    assert not formats.holds("hostname", "a" * 250 + "!")
    assert formats.holds("hostname", "a-b.example.com")
    assert not formats.holds("hostname", "___")
