"""Patterns of users: Go's syntax and texts, and nothing that takes exponential time."""

from __future__ import annotations

import pytest
import yaml

from pocketkube import regex
from pocketkube.resources.custom import structural

EXPONENTIAL, VICTIM = "(a+)+$", "a" * 40 + "b"
"""Python's own `re` takes hours for this: the tests that use it end by the time limit of the suite, or at once."""


@pytest.mark.parametrize("compiled", [regex.go, regex.perl, regex.posix])
def test_attack_exponential_pattern_is_answered_at_once(compiled) -> None:
    assert compiled(EXPONENTIAL).search(VICTIM) is None
    assert compiled("(x+x+)+y").search("x" * 5000) is None
    assert compiled("(.*)*".join("abcdefgh")).search("a" * 5000) is None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(", "missing closing ): `(`"),
        ("[a", "missing closing ]: `[a`"),
        ("a)", "unexpected ): `a)`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2000}", "invalid repeat count: `{2000}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("[b-a]", "invalid character class range: `b-a`"),
    ],
)
def test_a_pattern_that_is_none_is_said_in_go_s_words(pattern: str, text: str) -> None:
    with pytest.raises(regex.BadPattern) as raised:
        regex.go(pattern)
    assert str(raised.value) == f"error parsing regexp: {text}"


def test_attack_patterns_that_would_take_all_memory_are_refused() -> None:
    for pattern in (r"\pN{1000}" * 5, "a" * 20_000, r"[^\x00]{1000}" * 50):
        with pytest.raises(regex.BadPattern, match="too large"):
            regex.go(pattern)


def test_go_s_classes_and_ends() -> None:
    assert regex.go(r"^[[:alpha:]]+\z").search("abc")
    assert regex.go("^a$").search("a\n") is None
    assert regex.go(r"^\d$").search("٣") is None  # ASCII only, as in Go
    assert regex.go(r"\pL").search("é")


def test_the_leftmost_longest_match_is_posix_s() -> None:
    found = regex.posix("a|ab").search("xab")
    assert found is not None
    assert (found.group(), found.start(), found.end()) == ("ab", 1, 3)
    assert regex.posix("A", fold=True).search("a")


def test_bytes_that_are_no_text_are_kept() -> None:
    found = regex.posix("é(.)(x)?").search("a\udc80é\udc81")
    assert found is not None
    assert (found.group(1), found.group(2), found.start()) == ("\udc81", "", 2)


def test_every_pattern_of_the_installed_definitions_compiles(pytestconfig: pytest.Config) -> None:
    path = pytestconfig.rootpath / "src/pocketkube/data/addons/gateway-api.yaml"
    definitions = [one for one in yaml.safe_load_all(path.read_text()) if one["kind"] == "CustomResourceDefinition"]
    assert definitions
    for one in definitions:
        for version in one["spec"]["versions"]:
            wrong = [
                str(c) for c in structural.validate(version["schema"]["openAPIV3Schema"], "") if "regexp" in str(c)
            ]
            assert wrong == []
