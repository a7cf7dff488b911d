from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.apiserver.streams.rewriting import Links, html, joined

LINKS = Links("/api/v1/namespaces/n/services/web/proxy", "10.244.0.5:8080", "localhost:8001")
P = LINKS.prefix


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("/a", f"{P}/a"),
        ("/a/b/?x=1&y#z", f"{P}/a/b/?x=1&y#z"),
        ("/", f"{P}/"),
        ("a/b", "a/b"),
        ("", ""),
        ("#top", "#top"),
        ("?page=2", "?page=2"),
        ("mailto:a@b", "mailto:a@b"),
        ("https://example.com/a", "https://example.com/a"),
        ("//example.com/a", "//example.com/a"),
        ("http://10.244.0.5:8080/a", f"{P}/a"),
        ("http://10.244.0.5:9090/a", "http://10.244.0.5:9090/a"),
        ("http://localhost:8001/a", f"http://localhost:8001{P}/a"),
        (f"{P}/a", f"{P}/a"),
    ],
)
def test_urls(url: str, wanted: str) -> None:
    assert LINKS.rewrite(url) == wanted


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [(("/a/", "b"), "/a/b"), (("/a", "/b/"), "/a/b/"), (("a//b/../c",), "a/c"), (("//a",), "/a"), (("/a", "/"), "/a/")],
)
def test_paths_are_joined_as_go_joins_them(parts: tuple[str, ...], wanted: str) -> None:
    assert joined(*parts) == wanted


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ('<a href="/x">t</a>', f'<a href="{P}/x">t</a>'),
        ("<A HREF='/x' Class=big>t</A>", f'<a href="{P}/x" class="big">t</A>'),
        ('<img src=/i.png title="/x">', f'<img src="{P}/i.png" title="/x">'),
        ('<p title="/x">&lt; &nbsp;</p>', '<p title="/x">&lt; &nbsp;</p>'),
        (
            '<script src="/s.js">if (a < b) "<a href=/x>"</script>',
            f'<script src="{P}/s.js">if (a < b) "<a href=/x>"</script>',
        ),
        ("<!-- <a href='/x'> -->\n<br/>é", "<!-- <a href='/x'> -->\n<br/>é"),
        ("<!DOCTYPE html>\n<form\n action='/f'>", f'<!DOCTYPE html>\n<form action="{P}/f">'),
        ('<a href="/x?a=1&amp;b=2">', f'<a href="{P}/x?a=1&amp;b=2">'),
        ('<a href="http://[bad">', '<a href="http://[bad">'),
        ("a < b and <unfinished", "a < b and <unfinished"),
    ],
)
def test_pages(page: str, wanted: str) -> None:
    assert html(page.encode(), "", LINKS) == wanted.encode()


def test_compressed_pages_stay_compressed() -> None:
    page, wanted = b'<a href="/x">', f'<a href="{P}/x">'.encode()
    packed = html(gzip.compress(page), "gzip", LINKS)
    assert packed is not None
    assert gzip.decompress(packed) == wanted
    packed = html(zlib.compress(page, wbits=-15), "deflate", LINKS)
    assert packed is not None
    assert zlib.decompress(packed, -15) == wanted
    assert html(page, "br", LINKS) is None
    with pytest.raises(ValueError, match="not gzip"):
        html(page, "gzip", LINKS)


@given(st.text("ab \n&;\"'é", max_size=60).map(str.encode) | st.binary(max_size=60).filter(lambda b: b"<" not in b))
def test_what_is_no_tag_stays_byte_for_byte(page: bytes) -> None:
    assert html(page, "", LINKS) == page


@pytest.mark.parametrize(
    "piece", ["<a ", "<!--", "<!", "</", '<a href="', "<a b=", "<?", "<script>", "<a a a", "<a/", "<"]
)
def test_attack_pages_that_never_end_are_gone_over_once(piece: str) -> None:
    page = (piece * 1_000_000)[:1_000_000].encode()
    assert html(page, "", LINKS) is not None


def test_attack_a_kilobyte_that_holds_a_gigabyte_is_not_inflated() -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(64)), packer.flush()])
    with pytest.raises(ValueError, match="larger than"):
        html(bomb, "gzip", LINKS)
