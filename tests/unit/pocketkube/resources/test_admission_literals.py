"""Literals of Object and JSONPatch in expressions, made maps."""

from __future__ import annotations

import pytest

from pocketkube.resources.admission_spec.literals import Mismatch, rewrite, unwrapped


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Object{}", "dyn({'__type__': 'Object'})"),
        (
            "Object{spec: Object.spec{?a: b}}",
            "dyn({'__type__': 'Object', 'spec': dyn({'__type__': 'Object.spec', ?'a': b})})",
        ),
        ("Object { a : [x, {b: c}], d: f(g, h) }", "dyn({'__type__': 'Object',  'a' : [x, {b: c}], 'd': f(g, h) })"),
        ("JSONPatch{op: 'x{', path: \"}\"}", "dyn({'__type__': 'JSONPatch', 'op': 'x{', 'path': \"}\"})"),
        ("Object{`a-b`: 1}", "dyn({'__type__': 'Object', 'a-b': 1})"),
    ],
)
def test_a_literal_becomes_a_map_that_knows_its_type(text: str, made: str) -> None:
    assert rewrite(text).text == made


@pytest.mark.parametrize("text", ["object.spec", "'Object{a: 1}'", "MyObject{a: 1}", "x.Object{a: 1}", "{a: Object}"])
def test_what_is_no_such_literal_stays(text: str) -> None:
    assert rewrite(text).text == text


def test_every_character_knows_where_it_was() -> None:
    text = "[Object{a: nope}, 'b']"
    found = rewrite(text)
    for word in ("nope", "'b'"):
        assert found.original(found.text.index(word)) == text.index(word)


def test_types_are_taken_off_and_must_fit() -> None:
    inner = {"__type__": "Object.spec.c", "name": "x"}
    assert unwrapped({"__type__": "Object", "spec": {"__type__": "Object.spec", "c": [inner], "m": {"k": 1}}}) == {
        "spec": {"c": [{"name": "x"}], "m": {"k": 1}}
    }
    with pytest.raises(Mismatch, match=r'unexpected type name "Object\.spec\.c", expected "Object\.c"'):
        unwrapped({"__type__": "Object", "c": inner})
    assert unwrapped(inner, None) == {"name": "x"}
