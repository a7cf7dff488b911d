"""parse: bodies to plain data, and what Go says about malformed ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import schema
from pocketkube.schema.gojson import END, syntax_error


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", END),
        (b'{"a":', END),
        (b"[1,2", END),
        (b"tru", END),
        (b"1.", END),
        (b"apiVersion: v1", "invalid character 'a' looking for beginning of value"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
        (b'"\x01"', r"invalid character '\x01' in string literal"),
        (b'"a\nb"', r"invalid character '\n' in string literal"),
        (rb'"\x"', "invalid character 'x' in string escape code"),
        (rb'"\u12g4"', r"invalid character 'g' in \u hexadecimal character escape"),
        (b"-a", "invalid character 'a' in numeric literal"),
        (b"1.a", "invalid character 'a' after decimal point in numeric literal"),
        (b"1ea", "invalid character 'a' in exponent of numeric literal"),
        (b"01", "invalid character '1' after top-level value"),
        (b"{} x", "invalid character 'x' after top-level value"),
        (b"{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
    ],
)
def test_malformed_json(body: bytes, message: str) -> None:
    with pytest.raises(schema.ParseError) as refused:
        schema.loads_json(body)
    assert str(refused.value) == message


def test_what_go_reads_and_others_refuse() -> None:
    assert schema.loads_json(rb'"\ud800"') == "\ufffd"
    assert schema.loads_json(b'"\xff"') == "\ufffd"
    assert schema.loads_json(b"[1e2, 123456789012345678901234567890]") == [100.0, 123456789012345678901234567890.0]
    for beyond in (b"1" * 400, b"-1e400"):
        with pytest.raises(schema.ParseError, match="cannot unmarshal number into Go value of type float64"):
            schema.loads_json(beyond)
    assert schema.loads_yaml(b"1" * 400)[0] == "1" * 400


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON, st.sampled_from([None, 2]), st.booleans())
def test_valid_json_is_read_as_it_is(value: Any, indent: int | None, strict: bool) -> None:
    text = json.dumps(value, indent=indent)
    body = text.encode()
    assert syntax_error(body) is None
    assert schema.loads_json(body, strict=strict) == value


@given(st.binary(max_size=12) | st.text('{}[]",:0123456789.eE+-truefalsn\\ ', max_size=12).map(str.encode))
def test_the_complaint_agrees_with_a_parser(body: bytes) -> None:
    try:
        json.loads(body.decode("utf-8", "replace"), parse_constant=lambda name: 1 / 0)
        valid = True
    except (ValueError, ZeroDivisionError):
        valid = False
    assert (syntax_error(body) is None) == valid


def test_yaml_scalars_are_go_yamls() -> None:
    body = b"""
a: yes
b: 0644
c: 1:30
d: 2020-01-01
e: 1e3
f: 1_000
g: 0o17
h: ~
i:
j: 8080:80
k: 0x1F
l: y
m: 1.5
n: 3.0
p: "yes"
q: <<
r: 0b11
1: one
true: t
"""
    value, duplicates = schema.loads_yaml(body)
    assert duplicates == []
    assert value == {
        "a": True,
        "b": 420,
        "c": "1:30",
        "d": "2020-01-01",
        "e": 1000,
        "f": 1000,
        "g": 15,
        "h": None,
        "i": None,
        "j": "8080:80",
        "k": 31,
        "l": True,
        "m": 1.5,
        "false": 3,  # n is a boolean of YAML 1.1
        "p": "yes",
        "q": "<<",
        "r": 3,
        "1": "one",
        "true": "t",
    }
    assert type(value["e"]) is int


def test_yaml_repeated_keys_are_named_by_the_line_of_their_value() -> None:
    value, duplicates = schema.loads_yaml(b"a: 1\nb:\n  c: 1\n  c: 2\na:\n  x\n")
    assert value == {"a": "x", "b": {"c": 2}}
    assert duplicates == ['line 4: key "c" already set in map', 'line 6: key "a" already set in map']


def test_yaml_merge_keys_and_documents() -> None:
    assert schema.loads_yaml(b"base: &b {x: 1}\nuse: {<<: *b, z: 2}\n")[0]["use"] == {"x": 1, "z": 2}
    assert schema.loads_yaml(b"---\na: 1\n---\nb: 2\n")[0] == {"a": 1}
    assert schema.loads_yaml(b"") == (None, [])
    assert schema.loads_yaml(b'{"a": [1]}') == ({"a": [1]}, [])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"apiVersion: v1\n kind: Service\n: x", "yaml: line 2: mapping values are not allowed in this context"),
        (b"a: b: c", "yaml: mapping values are not allowed in this context"),
        (b"a:\n- b\n- [", "yaml: line 3: did not find expected node content"),
        (b"a:\n\tb: 2", "yaml: line 2: found character that cannot start any token"),
        (b"a: .inf", "json: unsupported value: .inf"),
        (b"? [a]\n: b", "unsupported map key of type: slice"),
    ],
)
def test_malformed_yaml(body: bytes, message: str) -> None:
    with pytest.raises(schema.ParseError) as refused:
        schema.loads_yaml(body)
    assert str(refused.value) == message


def test_yaml_constructs_no_python_objects() -> None:
    with pytest.raises(schema.ParseError):
        schema.loads_yaml(b"!!python/object/apply:os.getcwd []")


def test_version_and_kind() -> None:
    assert schema.group_version_kind({"apiVersion": "apps/v1", "kind": "Deployment"}) == ("apps/v1", "Deployment")
    assert schema.group_version_kind({"kind": None}) == ("", "")
    with pytest.raises(schema.ParseError, match=r"cannot unmarshal number into Go struct field \.kind of type string$"):
        schema.group_version_kind({"kind": 5})
    with pytest.raises(schema.ParseError, match=r"^unexpected GroupVersion string: a/b/c$"):
        schema.group_version_kind({"apiVersion": "a/b/c"})
