"""selectors: what matches, canonical text, and upstream's complaints (recorded in mechanics-03-lists)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import selectors
from pocketkube.errors import BadRequest

GOLDEN = Path(__file__).parents[2] / "golden" / "api" / "mechanics-03-lists.yaml"
CONFIGMAPS: dict[str, dict[str, str]] = {
    "cm-0": {"even": "yes", "n": "0"},
    "cm-1": {},
    "cm-2": {"even": "yes", "n": "2"},
    "cm-3": {},
    "cm-4": {"even": "yes", "n": "4"},
    "kube-root-ca.crt": {},
}


def _recorded(parameter: str) -> list[Any]:
    steps = [step for step in yaml.safe_load(GOLDEN.read_text())["steps"] if parameter in step.get("query", {})]
    return [pytest.param(step, id=step["id"]) for step in steps if step["path"].endswith("/configmaps")]


@pytest.mark.parametrize("step", [case for case in _recorded("labelSelector") if case.id.startswith("label-")])
def test_recorded_label_selector(step: dict[str, Any]) -> None:
    text, body = step["query"]["labelSelector"], step["response"]["body"]
    if "message" in body:
        with pytest.raises(BadRequest) as refused:
            selectors.parse_labels(text)
        assert refused.value.message == body["message"]
    else:
        selector = selectors.parse_labels(text)
        assert [name for name, labels in CONFIGMAPS.items() if selector(labels)] == body["itemNames"]


@pytest.mark.parametrize("step", [case for case in _recorded("fieldSelector") if case.id.startswith("field-")])
def test_recorded_field_selector(step: dict[str, Any]) -> None:
    text, body = step["query"]["fieldSelector"], step["response"]["body"]
    if "can't understand" in body.get("message", ""):
        with pytest.raises(BadRequest) as refused:
            selectors.parse_fields(text)
        assert refused.value.message == body["message"]
        return
    selector = selectors.parse_fields(text)
    if "itemNames" in body:
        fields = {name: {"metadata.name": name, "metadata.namespace": "golden-lists-01"} for name in CONFIGMAPS}
        assert [name for name in CONFIGMAPS if selector(fields[name])] == body["itemNames"]
    else:
        assert "is not a known field selector" in body["message"]  # the kind's business, not the parser's


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  ", ""),
        ("b=2,a=1", "a=1,b=2"),
        ("a==b,c=", "a==b,c="),
        ("x in (c,a,b),y notin (z)", "x in (a,b,c),y notin (z)"),
        ("x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"),
        ("x in (,a)", "x in (,a)"),
        ("x in (a,)", "x in (,a)"),
        ("! gone", "!gone"),
        ("n>1,m<3", "m<3,n>1"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("a=in", "a=in"),
        ("example.com/a!=b", "example.com/a!=b"),
        ("x=a\n,y", "x=a,y"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(selectors.parse_labels(text)) == canonical
    assert str(selectors.parse_labels(canonical)) == canonical


NAME = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a in (b,", "unable to parse requirement: found '', expected: ',', or identifier"),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("-x", f'unable to parse requirement: <nil>: Invalid value: "-x": {NAME}'),
        ("a=-", f'unable to parse requirement: values[0][a]: Invalid value: "-": {VALUE}'),
        (
            "i>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be "
            "an integer",
        ),
        (
            f"{'a' * 64}=b",
            f'unable to parse requirement: <nil>: Invalid value: "{"a" * 64}": name part must be no more than 63 bytes',
        ),
        ("/x", 'unable to parse requirement: <nil>: Invalid value: "/x": prefix part must be non-empty'),
    ],
)
def test_complaints(text: str, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        selectors.parse_labels(text)
    assert refused.value.message == message


def test_absent_keys() -> None:
    assert selectors.parse_labels("a!=b")({})
    assert selectors.parse_labels("a notin (b)")({})
    assert not selectors.parse_labels("a>1")({})
    assert not selectors.parse_labels("a>1")({"a": "x"})
    assert not selectors.parse_labels("a=")({})
    assert selectors.parse_labels("a=")({"a": ""})
    assert not selectors.parse_labels("a=b")(None)


def test_label_selector_fields() -> None:
    assert not selectors.from_label_selector(None)({"a": "b"})
    assert not selectors.NOTHING.empty
    assert selectors.from_label_selector({})({"a": "b"})
    selector = selectors.from_label_selector(
        {
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [
                {"key": "tier", "operator": "NotIn", "values": ["x", "w"]},
                {"key": "c", "operator": "Exists"},
                {"key": "d", "operator": "DoesNotExist"},
                {"key": "a", "operator": "In", "values": ["1", "0"]},
            ],
        }
    )
    assert str(selector) == "a=1,a in (0,1),b=2,c,!d,tier notin (w,x)"
    assert selector({"a": "1", "b": "2", "c": ""})
    assert not selector({"a": "1", "b": "2", "c": "", "tier": "w"})
    assert not selector({"a": "1", "b": "2", "c": "", "d": ""})


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"key": "a", "operator": "Is"}, '"Is" is not a valid label selector operator'),
        (
            {"key": "a", "operator": "In"},
            "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty",
        ),
        (
            {"key": "a", "operator": "Exists", "values": ["b"]},
            'values: Invalid value: ["b"]: values set must be empty for exists and does not exist',
        ),
        ({"key": "-", "operator": "Exists"}, f'key: Invalid value: "-": {NAME}'),
    ],
)
def test_label_selector_complaints(expression: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        selectors.from_label_selector({"matchExpressions": [expression]})
    assert refused.value.message == message


def test_sets_select_exactly() -> None:
    assert str(selectors.from_set({"b": "2", "a": "1"})) == "a=1,b=2"
    assert selectors.from_set(None).empty
    assert selectors.from_set({"a": "not valid!"})({"a": "not valid!"})  # nothing is validated here


def test_field_selectors() -> None:
    selector = selectors.parse_fields(r"status.phase!=Running,metadata.name==a\,b\=c\\d")
    assert selector.requirements == (
        selectors.FieldRequirement("metadata.name", True, r"a,b=c\d"),
        selectors.FieldRequirement("status.phase", False, "Running"),
    )
    assert selector({"metadata.name": r"a,b=c\d", "status.phase": "Pending"})
    assert selector({"metadata.name": r"a,b=c\d"})
    assert not selector({"metadata.name": r"a,b=c\d", "status.phase": "Running"})
    assert selector(lambda name: r"a,b=c\d" if name == "metadata.name" else "Failed")
    assert selector.exact("metadata.name") == r"a,b=c\d"
    assert selector.exact("status.phase") is None
    assert str(selector) == r"metadata.name=a\,b\=c\\d,status.phase!=Running"
    assert selectors.parse_fields(",,").empty


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_field_complaints(text: str, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        selectors.parse_fields(text)
    assert refused.value.message == message


@given(st.text(max_size=20))
def test_any_text_is_a_selector_or_a_bad_request(text: str) -> None:
    for parse in (selectors.parse_labels, selectors.parse_fields):
        try:
            parsed = str(parse(text))
        except BadRequest:
            continue
        assert str(parse(parsed)) == parsed


@given(st.text(), st.text())
def test_field_values_survive_escaping(left: str, right: str) -> None:
    requirement = selectors.FieldRequirement("f", True, left)
    assert selectors.parse_fields(str(requirement)).exact("f") == left
    assert selectors.parse_fields(str(requirement))({"f": right}) == (left == right)


_WORD = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,3}[a-z0-9])?", fullmatch=True)


@given(st.dictionaries(_WORD, _WORD, max_size=4), st.dictionaries(_WORD, _WORD, max_size=4))
def test_sets_match_supersets(wanted: dict[str, str], held: dict[str, str]) -> None:
    selector = selectors.from_set(wanted)
    assert selector({**held, **wanted})
    assert selector(held) == (wanted.items() <= held.items())
    assert selectors.parse_labels(str(selector)) == selector


@pytest.mark.parametrize(
    ("terms", "allowed"),
    [
        ([], {"a", "b", "bare"}),
        ([{"matchLabelExpressions": [{"key": "zone", "values": ["a", "c"]}]}], {"a"}),
        ([{"matchLabelExpressions": [{"key": "zone", "values": [zone]}]} for zone in "ab"], {"a", "b"}),
        ([{"matchLabelExpressions": [{"key": key, "values": ["a"]} for key in ("zone", "disk")]}], {"a"}),
        ([{}], set()),
    ],
)
def test_topology_terms_allow_nodes(terms: list[dict[str, Any]], allowed: set[str]) -> None:
    nodes = {"a": {"zone": "a", "disk": "a"}, "b": {"zone": "b", "disk": "a"}, "bare": {}}
    assert {name for name, labels in nodes.items() if selectors.topology_allows(terms, labels)} == allowed
