from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.apiserver.negotiation import PLAIN, Representation, negotiate
from pocketkube.apiserver.request import Query, Target, parse_target, split_path
from pocketkube.errors import BadRequest, NotAcceptable


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("configmaps", Target("", "v1", "configmaps")),
        ("namespaces", Target("", "v1", "namespaces")),
        ("namespaces/a", Target("", "v1", "namespaces", "a", "a")),
        ("namespaces/a/status", Target("", "v1", "namespaces", "a", "a", "status")),
        ("namespaces/a/finalize", Target("", "v1", "namespaces", "a", "a", "finalize")),
        ("namespaces/a/pods", Target("", "v1", "pods", "a")),
        ("namespaces/a/pods/p/log", Target("", "v1", "pods", "a", "p", "log")),
        ("namespaces/a/services/s/proxy/x/y", Target("", "v1", "services", "a", "s", "proxy", "x/y")),
        ("nodes/n", Target("", "v1", "nodes", "", "n")),
        ("watch/namespaces/a/pods", Target("", "v1", "pods", "a", watch=True)),
        ("watch/pods", Target("", "v1", "pods", watch=True)),
    ],
)
def test_targets(path: str, expected: Target) -> None:
    assert parse_target("", "v1", path.split("/")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=true", True),
        ("a=True", True),
        ("a=1", True),
        ("a=", True),
        ("a", True),
        ("a=maybe", True),
        ("a=false", False),
        ("a=FALSE", False),
        ("a=0", False),
        ("b=1", False),
        ("", False),
    ],
)
def test_flags_are_true_unless_they_say_false(text: str, expected: bool) -> None:
    assert Query(text).flag("a") is expected


def test_integers_are_refused_with_gos_words() -> None:
    assert Query("n=-5").integer("n") == -5
    assert Query("n=").integer("n") is None
    with pytest.raises(BadRequest, match=r'^strconv.ParseInt: parsing "two": invalid syntax$'):
        Query("n=two").integer("n")
    with pytest.raises(BadRequest, match="value out of range"):
        Query(f"n={2**63}").integer("n")


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_int64_is_read(number: int) -> None:
    assert Query(f"n={number}").integer("n") == number


def test_escapes_in_paths_are_decoded_and_queries_kept() -> None:
    assert split_path("/api/v1/a%2Fb?x=%20y") == ("/api/v1/a/b", "x=%20y")


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("application/json", PLAIN),
        ("application/json;stream=watch", PLAIN),
        ("application/vnd.kubernetes.protobuf,application/json", PLAIN),
        ("application/yaml", Representation(yaml=True)),
        (TABLE, Representation(form="Table")),
        (f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Representation(form="Table")),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Representation(form="Table", version="v1beta1")),
        (f"{TABLE}, application/json", Representation(form="Table")),
        ("application/json;as=Chair;v=v1;g=meta.k8s.io,application/json", PLAIN),
        ("application/json;q=0.5,application/yaml;q=0.9", Representation(yaml=True)),
    ],
)
def test_the_best_acceptable_clause_wins(accept: str, expected: Representation) -> None:
    assert negotiate(accept) == expected


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ("text/html", "406: Not Acceptable\n\nAvailable representations: application/json"),
        ("application/json;as=Chair;v=v1;g=meta.k8s.io", "only the following media types are accepted"),
        ("application/vnd.kubernetes.protobuf", "only the following media types are accepted"),
    ],
)
def test_nothing_acceptable(accept: str, text: str) -> None:
    with pytest.raises(NotAcceptable) as refused:
        negotiate(accept)
    assert refused.value.message.startswith(text)


def test_what_has_no_table_is_shown_as_the_next_clause_says() -> None:
    assert negotiate(f"{TABLE},application/json", tables=False) == PLAIN
    with pytest.raises(NotAcceptable, match="only the following media types are accepted"):
        negotiate(TABLE, tables=False)
