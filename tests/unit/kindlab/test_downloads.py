"""Files pinned by checksum, from a server that does everything a server or a line can do wrong."""

from __future__ import annotations

import errno
import hashlib
import re
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from filelock import FileLock
from tests.web import Web, cut, forward, send, serving, status

from kindlab import certificates, downloads, transfer
from kindlab.downloads import Source, cached, fetch
from kindlab.errors import Problem

BODY = bytes(range(256)) * 2000
"""Half a megabyte: several chunks."""
GONE = "http://127.0.0.1:1"
"""Nobody listens there: port 1 needs an administrator's rights."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder of files; no proxy but a test's own, and no pauses."""
    monkeypatch.setenv("KINDLAB_CACHE", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(transfer, "PAUSES", (0.0, 0.0))
    return tmp_path / "cache" / "files"


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as found:
        found.files["/kind"] = BODY
        yield found


def source(web: Web, path: str = "/kind", body: bytes = BODY) -> Source:
    return Source(web.url + path, hashlib.sha256(body).hexdigest())


def silent(text: str) -> None:
    """A step that nobody watches."""


def problem(wanted: Source, *, offline: bool = False) -> Problem:
    with pytest.raises(Problem) as found:
        fetch(wanted, step=silent, offline=offline)
    assert found.value.why, "a problem says why"
    assert found.value.then, "a problem says what to do"
    return found.value


def lies(folder: Path) -> set[str]:
    """What is in the cache, by the ending of its name."""
    return {path.suffix for path in folder.iterdir()} - {".lock"}


def test_a_file_is_fetched_once_and_said_how_far(web: Web, folder: Path) -> None:
    said: list[str] = []
    assert cached(source(web)) is None
    path = fetch(source(web), step=said.append)
    assert path.read_bytes() == BODY
    assert said[-1] == "downloading kind: 0.5 MB of 0.5 MB (100%)"
    assert len(said) > 2
    assert fetch(source(web), step=said.append, offline=True) == path == cached(source(web))
    assert web.ranges_asked == [None]
    assert lies(folder) == {""}


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(web: Web) -> None:
    path = fetch(source(web), step=silent)
    path.write_bytes(BODY[:-1])
    assert cached(source(web)) is None
    assert fetch(source(web), step=silent).read_bytes() == BODY


def test_another_content_is_thrown_away(web: Web, folder: Path) -> None:
    web.files["/kind"] = b"something else"
    said = str(problem(source(web)))
    assert f"From {web.url}/kind" in said
    assert f"expected sha256 {source(web).sha256}" in said
    assert f"got      sha256 {hashlib.sha256(b'something else').hexdigest()}" in said
    assert lies(folder) == set()
    web.files["/kind"] = BODY
    assert fetch(source(web), step=silent).read_bytes() == BODY


def test_a_networks_login_page_is_named(web: Web) -> None:
    web.instead = [lambda handler, body: send(handler, 200, b"<html>", {"Content-Type": "text/html; charset=utf-8"})]
    assert "login page" in str(problem(source(web)))


def test_a_cut_line_is_taken_up_where_it_broke(web: Web) -> None:
    web.instead = [cut(300_000)]
    said: list[str] = []
    assert fetch(source(web), step=said.append).read_bytes() == BODY
    begun, resumed = web.ranges_asked
    assert begun is None
    assert resumed is not None
    assert 100_000 < int(resumed.removeprefix("bytes=").removesuffix("-")) <= 300_000
    assert any("trying again" in line for line in said)


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(web: Web) -> None:
    web.ranges, web.instead = False, [cut(300_000)]
    assert fetch(source(web), step=silent).read_bytes() == BODY
    assert len(web.asked) == 2


def test_a_server_that_sends_another_range_than_asked_for_is_not_believed(web: Web) -> None:
    def other(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        send(handler, 206, body[7:], {"Content-Range": f"bytes 7-{len(body) - 1}/{len(body)}"})

    web.instead = [cut(300_000), other]
    assert fetch(source(web), step=silent).read_bytes() == BODY
    assert web.ranges_asked[2] is None


def test_a_line_that_breaks_often_gets_there_while_it_gets_on(web: Web) -> None:
    """More breaks than tries are allowed in a row, each a little further on."""

    def a_little(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        first = int(re.sub(r"\D", "", handler.headers.get("Range", "0")))
        handler.send_response(206 if first else 200)
        handler.send_header("Content-Length", str(len(body) - first))
        handler.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        handler.end_headers()
        handler.wfile.write(body[first : first + 2 * transfer.CHUNK])

    web.instead = [a_little] * 3
    assert fetch(source(web), step=silent).read_bytes() == BODY
    assert len(web.asked) == 4 > len(transfer.PAUSES) + 1


def test_a_line_that_always_breaks_at_one_place_is_given_up_and_the_part_kept(web: Web, folder: Path) -> None:
    web.instead = [cut(300_000)] * 9
    said = str(problem(source(web)))
    assert "the last of 3 tries" in said
    assert "is kept" in said
    assert len(web.asked) == 3
    assert lies(folder) == {".part"}


def test_ctrl_c_keeps_the_part_for_the_next_time(web: Web, folder: Path) -> None:
    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(source(web), step=stop)
    assert lies(folder) == {".part"}
    assert cached(source(web)) is None
    assert fetch(source(web), step=silent).read_bytes() == BODY
    assert web.ranges_asked == [None, f"bytes={transfer.CHUNK}-"]


def test_who_was_killed_just_before_the_end_downloads_nothing_again(web: Web, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / f"{source(web).sha256}.part").write_bytes(BODY)
    assert fetch(source(web), step=silent).read_bytes() == BODY
    assert web.ranges_asked == [f"bytes={len(BODY)}-"]  # answered 416: there is no more


@pytest.mark.parametrize("old", [b"old" * 1000, b"old" * 1_000_000], ids=["shorter", "longer"])
def test_a_file_that_has_changed_since_its_part_came_is_fetched_anew(web: Web, folder: Path, old: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / f"{source(web).sha256}.part").write_bytes(old)
    said: list[str] = []
    assert fetch(source(web), step=said.append).read_bytes() == BODY
    assert web.ranges_asked == [f"bytes={len(old)}-", None]
    assert any("has changed" in line for line in said)


def test_what_is_not_there_is_asked_for_once(web: Web) -> None:
    said = str(problem(source(web, "/kind-plan9")))
    assert "kind-plan9 could not be downloaded: the server answered 404" in said
    assert f"{web.url}/kind-plan9" in said
    assert len(web.asked) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(web: Web, code: int) -> None:
    web.instead = [status(code)]
    assert fetch(source(web), step=silent).read_bytes() == BODY


def test_a_server_that_stays_in_trouble_is_given_up(web: Web) -> None:
    web.instead = [status(502)] * 9
    assert "the server answered 502 Bad Gateway; the last of 3 tries" in str(problem(source(web)))
    assert len(web.asked) == 3


def test_a_server_says_how_long_to_wait_within_reason(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("kindlab.transfer.time.sleep", naps.append)
    web.instead = [status(429, Retry_After="7"), status(503, Retry_After="86400")]
    assert fetch(source(web), step=silent).read_bytes() == BODY
    assert naps == [7.0, transfer.LONGEST_PAUSE]


def test_a_server_that_falls_silent_is_not_waited_for_long(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "READ_TIMEOUT", 0.1)

    def hang(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        web.ended.wait()

    def hang_in_the_middle(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        cut(300_000)(handler, body)
        web.ended.wait()

    web.instead = [hang_in_the_middle, *[hang] * 9]
    assert "Read timed out. (read timeout=0.1); the last of 3 tries" in str(problem(source(web)))


def test_nobody_there(folder: Path) -> None:
    said = str(problem(Source(f"{GONE}/kind", "0" * 64)))
    assert "refused" in said
    assert f"{GONE}/kind" in said
    assert "kept" not in said  # nothing came
    assert "By way of" not in said  # no proxy is in use, none is named


def test_a_redirect_is_followed_with_its_range(web: Web) -> None:
    web.files["/latest"] = b""
    web.instead = [status(302, Location="/kind"), cut(300_000), status(302, Location="/kind")]
    assert fetch(source(web, "/latest"), step=silent).read_bytes() == BODY
    assert [path for _, path, _ in web.asked] == ["/latest", "/kind", "/latest", "/kind"]
    assert web.ranges_asked[2] == web.ranges_asked[3] != None  # noqa: E711


def test_an_endless_redirect_is_given_up(web: Web) -> None:
    web.instead = [status(302, Location="/kind")] * 99
    assert "from one address to the next" in str(problem(source(web)))


@pytest.mark.parametrize("elsewhere", ["http://files.example/kind", "ftp://127.0.0.1/kind", "file:///etc/passwd"])
def test_a_redirect_to_anything_but_https_is_refused(web: Web, elsewhere: str) -> None:
    web.instead = [status(302, Location=elsewhere)]
    said = str(problem(source(web)))
    assert "over https only" in said
    assert f"The address is {elsewhere}" in said
    assert len(web.asked) == 1


def test_an_address_without_https_is_refused() -> None:
    assert "over https only" in str(problem(Source("http://files.example/kind", "0" * 64)))


def test_no_password_of_the_learners_is_sent(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login anna password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    sent: list[str | None] = []

    def record(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        sent.append(handler.headers.get("Authorization"))
        send(handler, 200, body)

    web.instead = [record]
    fetch(source(web), step=silent)
    assert sent == [None]


def test_a_proxy_is_taken(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy:
        proxy.instead = [forward]
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert fetch(source(web), step=silent).read_bytes() == BODY
        assert proxy.asked == [("GET", f"{web.url}/kind", None)]
        assert len(web.asked) == 1


def test_no_proxy_where_none_is_wanted(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", GONE)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert fetch(source(web), step=silent).read_bytes() == BODY


def test_a_proxy_that_refuses_is_named_without_its_password(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.instead = [status(407)] * 9
    monkeypatch.setenv("HTTPS_PROXY", web.url.replace("//", "//anna:secret@"))
    said = str(problem(Source("https://files.example/kind", "0" * 64)))
    assert f"By way of the proxy {web.url} " in said
    assert "407" in said
    assert "secret" not in said
    assert web.asked[0] == ("CONNECT", "files.example:443", None)


def test_a_proxy_that_cannot_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks9://127.0.0.1:1")
    assert "By way of the proxy socks9://127.0.0.1:1" in str(problem(Source("https://files.example/kind", "0" * 64)))


def test_a_certificate_that_nobody_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the learner says so, with REQUESTS_CA_BUNDLE. And from https no way leads to http, not even here."""
    context = _tls(tmp_path)
    with serving(context) as web:
        web.url = web.url.replace("127.0.0.1", "localhost")
        web.files["/kind"] = BODY
        said = problem(source(web))
        assert "certificate is not trusted" in said.what
        assert "REQUESTS_CA_BUNDLE" in said.then
        assert web.asked == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "localhost.crt"))
        web.instead = [status(302, Location=f"{GONE}/kind")]
        assert "over https only" in str(problem(source(web)))
        assert fetch(source(web), step=silent).read_bytes() == BODY


def _tls(folder: Path) -> ssl.SSLContext:
    made = certificates.make(["localhost"], 2, folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    return context


def test_a_full_disk(web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(transfer, "_store", full)
        said = problem(source(web))
    assert said.what == "kind could not be kept: the disk is full."
    assert "KINDLAB_CACHE" in said.then
    assert len(web.asked) == 1, "a full disk is no connection trouble"
    assert fetch(source(web), step=silent).read_bytes() == BODY


def test_a_cache_that_cannot_be_written(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KINDLAB_CACHE", str(tmp_path / "file"))
    said = problem(source(web))
    assert said.what == "kind could not be kept: the cache cannot be written."
    assert str(tmp_path / "file") in said.why
    assert web.asked == []


def test_two_at_once_download_once(web: Web) -> None:
    """The second one has said that it waits before the first gets its answer."""
    waits, paths = threading.Event(), []

    def when_the_other_waits(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        assert waits.wait(60)
        send(handler, 200, body)

    def run() -> None:
        paths.append(fetch(source(web), step=lambda text: waits.set() if "another kindlab" in text else None))

    web.instead = [when_the_other_waits]
    both = [threading.Thread(target=run) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == BODY
    assert len(web.asked) == 1


def test_another_that_never_ends_is_not_waited_for_forever(
    web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "OTHERS_TIMEOUT", 0.1)
    folder.mkdir(parents=True)
    with FileLock(folder / f"{source(web).sha256}.lock"):
        assert "Another kindlab has been at it" in str(problem(source(web)))
    assert web.asked == []


def test_offline_names_what_is_missing(web: Web, folder: Path) -> None:
    said = problem(source(web), offline=True)
    assert said.what.startswith("kind is not in the cache")
    assert f"{web.url}/kind" in said.why
    assert str(folder.parent) in said.then
    assert web.asked == []
    assert not folder.exists()


@pytest.mark.parametrize("digest", ["", "abc", "A" * 64, "../" * 21 + "x"])
def test_a_checksum_is_one(digest: str) -> None:
    with pytest.raises(ValueError, match="is no sha256"):
        Source("https://files.example/kind", digest)


@pytest.mark.parametrize(
    "proxy",
    ["http://user:secret@proxy:3128", "user:secret@proxy:3128", "http://user:se@cret/x@proxy:3128"],
    ids=["right", "without-http", "signs-in-the-password"],
)
def test_no_password_of_a_proxy_is_said_however_it_is_written(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("https_proxy", raising=False)
    said = transfer.by_way_of("https://example.org/kind")
    assert "proxy:3128 " in said
    assert not {word for word in ("user", "se@", "secret", "cret") if word in said}


def test_a_file_without_end_fills_no_disk(web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MOST", len(BODY) - 1)
    found = problem(source(web))
    assert "sends more than" in found.what
    assert not any(file.stat().st_size for file in folder.iterdir())


def test_a_link_in_the_place_of_a_part_leads_nowhere(web: Web, folder: Path, tmp_path: Path) -> None:
    wanted, precious = source(web), tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{wanted.sha256}.part").symlink_to(precious)
    assert "could not be kept" in problem(wanted).what
    assert precious.read_text(encoding="utf-8") == "mine"
