"""Matching against a model that compares every rule with the request and sorts what fits, without any index."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from pocketkube.network.ingress.matching import Hosts, Routes
from pocketkube.network.ingress.request import Request
from pocketkube.network.ingress.routes import Backend, Match, PathKind, Rule, ValueMatch
from pocketkube.network.ingress.targets import host_of, parse

HOSTS = ["example.com", "a.example.com", "b.a.example.com", "*.example.com", "*.a.example.com", "*.com", "other"]
PATHS = ["/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/a/bc"]


def asked(path: str = "/", host: str = "") -> Request:
    return Request("GET", parse(path), host, host_of(host))


def rule(match: Match, hosts: tuple[str, ...] = (), **fields: object) -> Rule:
    return Rule("Ingress a/b", match, (Backend("a", "b", 80),), hosts, **fields)  # type: ignore[arg-type]


def elements(path: str) -> list[str]:
    return [element for element in path.split("/") if element]


def fits_host(pattern: str, host: str, *, wide: bool) -> bool:
    if not pattern.startswith("*."):
        return pattern in ("", host)
    rest, labels = pattern[2:].split("."), host.split(".")
    more = len(labels) - len(rest)
    return labels[more:] == rest and (more == 1 or (wide and more > 1)) and all(labels[:more])


def fits(one: Rule, request: Request) -> bool:
    match, path = one.match, request.target.path
    if match.path_kind is PathKind.EXACT:
        on_path = path == match.path
    else:
        wanted = elements(match.path)
        on_path = elements(path)[: len(wanted)] == wanted
        # /a/ as a prefix is /a: the slash at the end means nothing
    headers = {name.decode(): value.decode() for name, value in request.headers}
    return (
        on_path
        and match.method in ("", request.method)
        and all(headers.get(h.name.lower()) == h.value for h in match.headers)
        and all((q.name, q.value) in parse_qsl(request.target.query, keep_blank_values=True) for q in match.query)
    )


def model(rules: list[Rule], request: Request) -> Rule | None:
    found = []
    for position, one in enumerate(rules):
        for pattern in one.hosts or ("",):
            if fits_host(pattern, request.host, wide=one.wide) and fits(one, request):
                exactness = 2 if pattern and not pattern.startswith("*.") else int(bool(pattern))
                rank = (
                    one.fallback,
                    -exactness,
                    -len(pattern),
                    one.match.path_kind is not PathKind.EXACT,
                    -len(one.match.path),
                    not one.match.method,
                    -len(one.match.headers),
                    -len(one.match.query),
                    one.order,
                    position,
                )
                found.append((rank, one))
    return min(found, key=lambda pair: pair[0])[1] if found else None


matches = st.builds(
    Match,
    path=st.sampled_from(PATHS),
    path_kind=st.sampled_from([PathKind.EXACT, PathKind.PREFIX]),
    method=st.sampled_from(["", "", "GET", "POST"]),
    headers=st.sampled_from([(), (ValueMatch("X-Env", "canary"),)]),
    query=st.sampled_from([(), (ValueMatch("v", "2"),), (ValueMatch("v", "2"), ValueMatch("w", ""))]),
)
rules = st.lists(
    st.builds(
        rule,
        matches,
        st.lists(st.sampled_from(HOSTS), max_size=2, unique=True).map(tuple),
        wide=st.booleans(),
        fallback=st.sampled_from([False, False, False, True]),
        order=st.tuples(st.sampled_from(["2026-01-01", "2026-01-02"]), st.sampled_from("ab"), st.integers(0, 3)),
    ),
    max_size=12,
)
requests = st.builds(
    lambda path, query, host, method, headers: Request(method, parse(path + query), host, host_of(host), headers),
    st.sampled_from([*PATHS, "/a/b/c", "/abc", "//a"]),
    st.sampled_from(["", "?v=2", "?v=2&w=", "?v=3&v=2"]),
    st.sampled_from(
        ["example.com", "A.Example.com:8080", "b.a.example.com", "x.y.example.com", "x.com", "z", "", "other."]
    ),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from([[], [(b"x-env", b"canary")]]),
)


@given(rules, requests)
def test_the_index_finds_what_the_model_finds(given_rules: list[Rule], request: Request) -> None:
    found = Routes(tuple(given_rules)).find(request)
    assert found == model(given_rules, request)


def find(request: Request, *given: Rule) -> Rule | None:
    return Routes(given).find(request)


def test_a_prefix_ends_between_elements() -> None:
    foo = rule(Match("/foo"))
    for path in ("/foo", "/foo/", "/foo/bar", "/foo?x", "//foo", "/x/../foo"):
        assert find(asked(path), foo) is foo, path
    for path in ("/foobar", "/", "/fo", "/Foo", "/foo%2Fbar", "*"):
        assert find(asked(path), foo) is None, path


def test_exact_is_exact() -> None:
    foo = rule(Match("/foo", PathKind.EXACT))
    assert find(asked("/foo?x=1"), foo) is foo
    assert find(asked("/foo/"), foo) is None


def test_escapes_are_decoded_before_rules_are_compared() -> None:
    one = rule(Match("/a é"))
    assert find(asked("/%61%20%c3%a9/x"), one) is one


def test_wildcards_are_one_label_unless_wide() -> None:
    narrow, wide = rule(Match(), ("*.example.com",)), rule(Match(), ("*.example.com",), wide=True)
    assert find(asked(host="a.example.com"), narrow) is narrow
    for host in ("example.com", "a.b.example.com", ".example.com", "aexample.com"):
        assert find(asked(host=host), narrow) is None, host
    assert find(asked(host="a.b.example.com"), narrow, wide) is wide
    assert find(asked(host="example.com"), wide) is None


def test_a_less_specific_host_serves_what_the_most_specific_does_not() -> None:
    special, every = rule(Match("/special"), ("a.example.com",)), rule(Match("/"))
    assert find(asked("/x", "a.example.com"), special, every) is every


def test_the_fallback_comes_after_everything() -> None:
    fallback, late = rule(Match(), ("a.example.com",), fallback=True), rule(Match("/"), order=("9", "z", 9))
    assert find(asked(host="a.example.com"), fallback, late) is late
    assert find(asked(host="a.example.com"), fallback) is fallback


def test_regular_expressions_and_one_that_is_none() -> None:
    path, bad = rule(Match("/v[0-9]+/", PathKind.REGEX)), rule(Match("/(", PathKind.REGEX))
    header = rule(Match(headers=(ValueMatch("X-Who", "a.*", regex=True),)))
    routes = Routes((path, bad, header))
    assert routes.find(asked("/api/v12/x")) is path
    assert routes.find(Request("GET", parse("/"), headers=[(b"x-who", b"abc")])) is header
    assert routes.find(Request("GET", parse("/"), headers=[(b"x-who", b"cab")])) is None
    assert [(one, "not valid" in why) for one, why in routes.broken] == [(bad, True)]


def test_a_more_specific_host_that_has_no_such_path_leaves_it_to_the_next() -> None:
    exact = rule(Match("/exact"), hosts=("a.example.com",))
    wildcard = rule(Match("/wild"), hosts=("*.example.com",), wide=True)
    every = rule(Match("/"))
    routes = Routes((every, wildcard, exact))
    assert routes.find(asked("/exact", "a.example.com")) is exact
    assert routes.find(asked("/wild", "a.example.com")) is wildcard
    assert routes.find(asked("/wild", "x.y.example.com")) is wildcard
    assert routes.find(asked("/wild", "example.org")) is every


def test_a_host_costs_its_own_rules_only() -> None:
    hosts = Hosts()
    for number in range(1000):
        hosts.add(f"h{number}.example.com", number, wide=False)
    hosts.add("*.example.com", 1000, wide=False)
    hosts.add("", 1001, wide=False)
    assert list(hosts.find("h7.example.com")) == [[7], [1000], [1001]]
