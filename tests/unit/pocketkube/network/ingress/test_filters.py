import asyncio

import pytest
from tests.unit.pocketkube.network.ingress.harness import WEB, rule, site

from pocketkube.network import http
from pocketkube.network.ingress.filters import location, new_path
from pocketkube.network.ingress.request import Request
from pocketkube.network.ingress.routes import (
    Backend,
    HeaderChange,
    Mirror,
    PathChange,
    Redirect,
    RequireTls,
    Rewrite,
)
from pocketkube.network.ingress.targets import host_of, parse


def request(target: str = "/foo/bar?q=1", authority: str = "a.example.com", *, tls: bool = False) -> Request:
    return Request("GET", parse(target), authority, host_of(authority), tls=tls)


@pytest.mark.parametrize(
    ("redirect", "authority", "tls", "expected"),
    [
        (Redirect(), "a.example.com", False, "http://a.example.com/foo/bar?q=1"),
        (Redirect(scheme="https"), "a.example.com", False, "https://a.example.com/foo/bar?q=1"),
        (Redirect(scheme="https"), "a.example.com:8080", False, "https://a.example.com/foo/bar?q=1"),
        (Redirect(scheme="https", port=8443), "a.example.com:80", False, "https://a.example.com:8443/foo/bar?q=1"),
        (Redirect(hostname="b.example.org"), "a.example.com:8080", False, "http://b.example.org:8080/foo/bar?q=1"),
        (Redirect(port=80), "a.example.com:8080", False, "http://a.example.com/foo/bar?q=1"),
        (Redirect(port=443), "a.example.com", True, "https://a.example.com/foo/bar?q=1"),
        (Redirect(port=443), "a.example.com", False, "http://a.example.com:443/foo/bar?q=1"),
        (Redirect(path=PathChange("/new")), "a.example.com", False, "http://a.example.com/new?q=1"),
        (Redirect(path=PathChange("/n", prefix=True)), "a.example.com", False, "http://a.example.com/n/bar?q=1"),
        (Redirect(), "[::1]:81", False, "http://[::1]:81/foo/bar?q=1"),
    ],
)
def test_locations(redirect: Redirect, authority: str, tls: bool, expected: str) -> None:
    assert location(redirect, request(authority=authority, tls=tls), rule("/foo")) == expected


@pytest.mark.parametrize(
    ("path", "prefix", "value", "expected"),
    [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/foo", "/", "/xyz", "/xyz/foo"),
        ("/", "/", "/xyz", "/xyz/"),
        ("/a%20b/c", "/a b", "/x y", "/x%20y/c"),
    ],
)
def test_prefix_replacement_as_in_the_gateway_apis_table(path: str, prefix: str, value: str, expected: str) -> None:
    assert new_path(PathChange(value, prefix=True), path, prefix) == expected


async def test_headers_are_set_added_and_removed_on_both_ways() -> None:
    change = HeaderChange(set=(("X-Set", "new"), ("Host", "inner")), add=(("X-Add", "more"),), remove=("X-Gone",))
    back = HeaderChange(set=(("Content-Type", "text/x"), ("Content-Length", "1")), add=(("X-A", "b"),), response=True)
    only_here = Backend("shop", "web", 80, filters=(HeaderChange(add=(("X-Backend", "yes"),)),))
    async with site(rule(filters=(change, back), backends=(only_here,))) as here:
        here.serve()
        given = [("X-Set", "old"), ("x-set", "older"), ("X-Add", "one"), ("x-gone", "1")]
        said = await here.told(headers=given)
        headers = said["headers"]
        assert isinstance(headers, dict)
        assert (headers["x-set"], headers["x-add"], headers["x-backend"]) == ("new", "more", "yes")
        assert "x-gone" not in headers
        assert headers["host"] == "inner"
        answer = await here.get()
        assert (answer.header("content-type"), answer.header("x-a")) == ("text/x", "b")


async def test_a_header_filter_cannot_inject_lines() -> None:
    for name, value in (("X-A", "1\r\nX-B: 2"), ("X-A\r\nX-B", "1"), ("X A", "1"), ("X-A", "1\0")):
        for response in (False, True):
            async with site(rule(filters=(HeaderChange(set=((name, value),), response=response),))) as here:
                here.serve()
                assert (await here.get()).status == 500


async def test_rewrites_reach_the_backend_and_redirects_do_not() -> None:
    rewrite = Rewrite("inner.example.com", PathChange("/v2", prefix=True))
    async with site(
        rule("/api", filters=(rewrite,)),
        rule("/old", filters=(Redirect(path=PathChange("/new"), status=301),)),
        rule("/safe", filters=(RequireTls(8443),)),
    ) as here:
        here.serve()
        said = await here.told("/api/users?x=1")
        assert said["target"] == "/v2/users?x=1"
        assert said["headers"]["host"] == "inner.example.com"  # type: ignore[index]
        assert said["headers"]["x-forwarded-host"] == "shop.example.com"  # type: ignore[index]
        old = await here.get("/old/x")
        assert (old.status, old.header("location")) == (301, "http://shop.example.com/new")
        for method, status in (("GET", 301), ("HEAD", 301), ("POST", 308)):
            safe = await here.get("/safe?a", method=method)
            assert (safe.status, safe.header("location")) == (status, "https://shop.example.com:8443/safe?a")


async def test_mirrors_get_copies_and_clients_do_not_notice() -> None:
    got: list[tuple[str, bytes]] = []
    arrived = asyncio.Event()

    async def shadow(request: http.Request) -> http.Response:
        got.append((request.target, request.body))
        if len(got) == 5:
            arrived.set()
        return http.Response(500, [], b"broken")

    half = Mirror(Backend("shop", "shadow", 80), 50)
    dead = Mirror(Backend("shop", "nowhere", 80))
    async with site(rule(filters=(half, dead))) as here:
        here.serve()
        here.serve("shadow", shadow)
        for number in range(10):
            answer = await here.get(f"/{number}", method="POST", body=b"x" * number)
            assert answer.status == 200
        await asyncio.wait_for(arrived.wait(), 10)
        assert sorted(got) == [(f"/{number}", b"x" * number) for number in range(0, 10, 2)]


async def test_a_reference_that_leads_nowhere_answers_for_its_share() -> None:
    nowhere = Backend("shop", "gone", 80, answer=500)
    async with site(rule(backends=(WEB, nowhere)), rule("/nothing", backends=())) as here:
        here.serve()
        statuses = [(await here.get()).status for _ in range(10)]
        assert (statuses.count(200), statuses.count(500)) == (5, 5)
        assert (await here.get("/nothing")).status == 500
