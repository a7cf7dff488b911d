import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.network.ingress.targets import BadTarget, clean, host_of, parse, port_of


@pytest.mark.parametrize(
    ("target", "path", "routing", "query"),
    [
        ("/", "/", "/", ""),
        ("/a/b?c=d", "/a/b", "/a/b", "c=d"),
        ("//a///b//", "/a/b/", "/a/b/", ""),
        ("/a/./b/../c", "/a/c", "/a/c", ""),
        ("/../../etc/passwd", "/etc/passwd", "/etc/passwd", ""),
        ("/a/%2e%2E/b", "/b", "/b", ""),
        ("/a/..", "/", "/", ""),
        ("/a/b/..", "/a/", "/a/", ""),
        ("/a%2fb", "/a%2Fb", "/a%2Fb", ""),
        ("/a%2f..%2fb", "/a%2F..%2Fb", "/a%2F..%2Fb", ""),
        ("/%7Euser/%41", "/~user/A", "/~user/A", ""),
        ("/caf%c3%a9%20au%20lait", "/caf%C3%A9%20au%20lait", "/café au lait", ""),
        ("/a%00b%5c", "/a%00b%5C", "/a%00b%5C", ""),
        ("/a?b=//..;c=%zz", "/a", "/a", "b=//..&c=%zz"),
        ("http://h:1/a//b", "/a/b", "/a/b", ""),
        ("http://h?x", "/", "/", "x"),
        ("*", "*", "*", ""),
    ],
)
def test_targets_are_normalised(target: str, path: str, routing: str, query: str) -> None:
    parsed = parse(target)
    assert (parsed.path, parsed.routing, parsed.query) == (path, routing, query)


@pytest.mark.parametrize(
    "target", ["", "a", "/a#b", "/a?b#c", "/%", "/%4", "/%g0", "ftp://h/", "http:///a", "h:443", "http://["]
)
def test_targets_that_are_none(target: str) -> None:
    with pytest.raises(BadTarget):
        parse(target)


@given(st.text(alphabet="/.ab%2eEfF5c", max_size=30))
def test_a_path_never_climbs_and_normalising_again_changes_nothing(text: str) -> None:
    try:
        path = parse("/" + text).path
    except BadTarget:
        return
    segments = path.split("/")[1:]
    assert ".." not in segments
    assert "." not in segments
    assert "" not in segments[:-1]
    assert parse(path).path == path
    assert clean(path) == path


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("Shop.Example.com:8080", "shop.example.com", "8080"),
        ("shop.", "shop", ""),
        ("[::1]:80", "::1", "80"),
        ("[::1]", "::1", ""),
        ("", "", ""),
        ("h:", "h", ""),
    ],
)
def test_hosts(authority: str, host: str, port: str) -> None:
    assert (host_of(authority), port_of(authority)) == (host, port)


@pytest.mark.parametrize("authority", ["a b", "a/b", "a\\b", "ä", 'a"', "a@b", "<x>"])
def test_hosts_that_are_none(authority: str) -> None:
    with pytest.raises(BadTarget):
        host_of(authority)
