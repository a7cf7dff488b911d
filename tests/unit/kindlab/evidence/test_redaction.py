"""What is secret does not stay, wherever it stands, and what compares equal still does."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from kindlab.evidence.redaction import Redaction, values_of

VALUE = b"tortoise-77-lagoon"
B64 = base64.b64encode(VALUE)


@pytest.fixture
def without() -> Redaction:
    return Redaction([("word", VALUE)], language=b"hostname metadata")


@pytest.mark.parametrize(
    "spelling",
    [
        VALUE,
        B64,
        hashlib.sha256(VALUE).hexdigest().encode(),
        json.dumps({"data": {"word": B64.decode()}}).encode(),
        b"WORD=" + VALUE + b"\n",
        b"curl -u admin:" + VALUE + b" http://web",
    ],
)
def test_it_is_replaced_by_as_many_letters(without: Redaction, spelling: bytes) -> None:
    text = without(b"before " + spelling + b" after")
    assert len(text) == len(spelling) + 13
    assert spelling not in text
    assert VALUE not in text
    assert B64 not in text
    assert (text[:7], text[-6:]) == (b"before ", b" after")


def test_who_compares_finds_the_same_still(without: Redaction) -> None:
    secret = json.loads(without(json.dumps({"data": {"word": B64.decode()}}).encode()))
    kept, said = base64.b64decode(secret["data"]["word"]), without(VALUE)
    assert kept == said
    assert without(hashlib.sha256(VALUE).hexdigest().encode()) == hashlib.sha256(kept).hexdigest().encode()


def test_different_values_stay_different() -> None:
    without = Redaction([("a", b"first-value"), ("b", b"other-value"), ("c", b"first-value")])
    first, other = without(b"first-value"), without(b"other-value")
    assert first != other
    assert without(b"first-value other-value first-value").split() == [first, other, first]


def test_the_line_feed_that_echo_left_stays() -> None:
    without = Redaction([("word", VALUE + b"\n")])
    assert without(VALUE + b"\n").endswith(b"\n")
    assert VALUE not in without(b"it says " + VALUE)
    assert base64.b64encode(VALUE + b"\n") not in without(base64.b64encode(VALUE + b"\n"))


def test_a_value_in_an_annotation_of_its_manifest() -> None:
    value = b'line one\nsays "two"'
    manifest = json.dumps({"kind": "Secret", "stringData": {"word": value.decode()}})
    text = json.dumps({"metadata": {"annotations": {"last-applied": manifest}}}).encode()
    left = Redaction([("word", value)])(text)
    assert b"two" not in left
    assert json.loads(json.loads(left)["metadata"]["annotations"]["last-applied"])["kind"] == "Secret"


@pytest.mark.parametrize("value", [b"abc", b"hostname", b"1"])
def test_what_is_most_likely_something_else_is_replaced_in_secrets_only(value: bytes) -> None:
    without = Redaction([("key", value)], language=b"curl /hostname")
    assert without(b"curl http://web/" + value) == b"curl http://web/" + value
    in_secret = json.dumps({"data": {"key": base64.b64encode(value).decode()}}).encode()
    assert base64.b64encode(value) not in without(in_secret)
    assert b"key: " + value not in without(b"stringData:\n  key: " + value + b"\n")


def test_what_everybody_has_stays() -> None:
    certificate = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    values = [("tls.crt", certificate), ("key", b"green-4-heron"), ("seal", b"seal 12ab34cd")]
    without = Redaction(values, public=b"the key is green-4-heron", made_up=["12ab34cd"])
    for text in (certificate, b"green-4-heron", b"seal 12ab34cd"):
        assert without(text) == text
    assert not without


def test_keys_and_tokens_are_known_by_their_looks() -> None:
    without = Redaction([])
    key = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA12\n-----END EC PRIVATE KEY-----\n"
    assert without(key) == b"-----BEGIN EC PRIVATE KEY-----\nxxxxxxxxxxxx\n-----END EC PRIVATE KEY-----\n"
    escaped = json.dumps({"stringData": {"tls.key": key.decode()}}).encode()
    assert b"MHcC" not in without(escaped)
    assert json.loads(without(escaped))["stringData"]["tls.key"].count("\n") == 3
    token = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"
    assert token not in without(b"Authorization: Bearer " + token)


def test_secrets_are_found_in_lists_watches_and_manifests() -> None:
    data = {"data": {"word": B64.decode()}}
    found = [("word", VALUE)]
    assert list(values_of({"kind": "Secret", **data})) == found
    assert list(values_of({"kind": "SecretList", "items": [data]})) == found
    assert (
        list(values_of({"kind": "List", "items": [{"kind": "Secret", **data}, {"kind": "ConfigMap", **data}]})) == found
    )
    assert list(values_of({"type": "ADDED", "object": {"kind": "Secret", **data}})) == found
    assert list(values_of({"kind": "Secret", "stringData": {"word": VALUE.decode()}})) == found
    assert list(values_of({"kind": "ConfigMap", **data})) == []
    assert list(values_of(["Secret"])) == []
