import re

import pytest

from pocketkube.images.net.curl_glob import BadGlob, expand
from pocketkube.images.net.curl_url import BadUrl, Url
from pocketkube.network.http import Request, Response

from .conftest import Lab, Pod

FIRST = "10.96.78.1"


async def netexec(request: Request) -> Response:
    """Enough of agnhost's answers, in Go's header order."""
    status, headers, body = 200, [("Date", "today")], b"srv"
    if request.path == "/echo":
        status, body = int(request.query.get("code", "200")), request.query.get("msg", request.body.decode()).encode()
    elif request.path == "/redirect":
        status, body = 302, b"moved"
        headers.append(("Location", request.query.get("to", "/hostname")))
    elif request.path == "/headers":
        body = "".join(f"{k}: {v}\n" for k, v in request.headers).encode()
    elif request.path == "/method":
        body = f"{request.method} {request.body.decode()}".encode()
    headers.append(("Content-Length", str(len(body))))
    return Response(status, headers, body)


@pytest.fixture
async def client(lab: Lab) -> Pod:
    lab.serve("web", FIRST, netexec)
    lab.world.service("empty", "10.96.78.2", {"port": 80})
    return lab.pod("client")


def numbers(text: str) -> str:
    return re.sub(r"after \d+ ", "after <n> ", text)


@pytest.mark.parametrize("host", ["web", "web.lab", "web.lab.svc.cluster.local", FIRST])
async def test_by_name_and_by_address(client: Pod, host: str) -> None:
    ran = await client.run("curl", "-sS", "-m", "5", f"http://{host}/hostname")
    assert (ran.code, ran.out, ran.err) == (0, "srv", "")


@pytest.mark.parametrize(
    ("argv", "code", "err"),
    [
        (["http://empty/"], 7, "Failed to connect to empty port 80 after <n> ms: Couldn't connect to server"),
        (["http://nope/"], 6, "Could not resolve host: nope"),
        (["http://web.default/"], 6, "Could not resolve host: web.default"),
        (["-m", "5", "http://web:8080/"], 28, "Connection timed out after <n> milliseconds"),
        (["--connect-timeout", "2", "http://web:8080/"], 28, "Connection timed out after <n> milliseconds"),
        (["http://web:8080/"], 28, "Failed to connect to web port 8080 after <n> ms: Timeout was reached"),
        (["-f", "http://web/echo?msg=gone&code=404"], 22, "The requested URL returned error: 404"),
        (
            ["http://10.244.1.99/"],
            7,
            "Failed to connect to 10.244.1.99 port 80 after <n> ms: Couldn't connect to server",
        ),
        (["ftp://web/"], 1, 'Protocol "ftp" not supported or disabled in libcurl'),
        (["http:///x"], 6, "Could not resolve host: x"),
        (["-L", "--max-redirs", "2", "http://web/redirect?to=/redirect"], 0, ""),
        (["-L", "--max-redirs", "0", "http://web/redirect"], 47, "Maximum (0) redirects followed"),
    ],
)
async def test_failures_and_their_codes(client: Pod, argv: list[str], code: int, err: str) -> None:
    ran = await client.run("curl", "-sS", *argv)
    assert numbers(ran.err) == (f"curl: ({code}) {err}\n" if code else "")
    assert ran.code == code


async def test_silent_says_nothing_and_write_out_says_000(client: Pod) -> None:
    ran = await client.run("curl", "-s", "-o", "/page", "-w", "%{http_code}", "http://empty/")
    assert (ran.code, ran.out, ran.err) == (7, "000", "")


async def test_verbose_output_of_a_request(client: Pod) -> None:
    ran = await client.run("curl", "-sS", "-v", "-m", "5", "http://web/hostname")
    assert ran.out == "srv"
    assert ran.err == (
        f"*   Trying {FIRST}:80...\n* Connected to web ({FIRST}) port 80 (#0)\n"
        "> GET /hostname HTTP/1.1\r\n> Host: web\r\n> User-Agent: curl/7.88.1\r\n> Accept: */*\r\n> \r\n"
        "< HTTP/1.1 200 OK\r\n< Date: today\r\n< Content-Length: 3\r\n< \r\n"
        "{ [3 bytes data]\n* Connection #0 to host web left intact\n"
    )


async def test_verbose_output_of_a_refused_connection(client: Pod) -> None:
    ran = await client.run("curl", "-sS", "-v", "-m", "5", "http://empty/")
    assert numbers(ran.err) == (
        "*   Trying 10.96.78.2:80...\n* connect to 10.96.78.2 port 80 failed: Connection refused\n"
        "* Failed to connect to empty port 80 after <n> ms: Couldn't connect to server\n* Closing connection 0\n"
        "curl: (7) Failed to connect to empty port 80 after <n> ms: Couldn't connect to server\n"
    )


async def test_headers_first_or_only(client: Pod) -> None:
    head = "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 3\r\n\r\n"
    assert (await client.run("curl", "-s", "-i", "http://web/hostname")).out == f"{head}srv"
    assert (await client.run("curl", "-s", "-I", "http://web/hostname")).out == head


async def test_following_a_redirect_shows_both_heads(client: Pod) -> None:
    ran = await client.run("curl", "-s", "-i", "-L", "http://web/redirect")
    assert re.findall(r"^HTTP/1.1 (\d+)", ran.out, re.M) == ["302", "200"]
    assert ran.out.endswith("\r\n\r\nsrv")
    assert "moved" not in ran.out
    ran = await client.run("curl", "-s", "http://web/redirect", "-w", " %{http_code} %{redirect_url}")
    assert ran.out == "moved 302 http://web/hostname"


async def test_several_urls_share_a_connection(lab: Lab, client: Pod) -> None:
    ran = await client.run("curl", "-s", "-v", "http://web/hostname", "http://web/hostname")
    assert ran.out == "srvsrv"
    assert ran.err.count("Trying") == 1
    assert "* Re-using existing connection #0 with host web\n" in ran.err


async def test_request_headers_in_curls_order(client: Pod) -> None:
    ran = await client.run("curl", "-s", "-H", "X-A: 1", "-u", "me:pw", "-d", "a=1", "-d", "b=2", "http://web/headers")
    assert ran.out == (
        "Host: web\nAuthorization: Basic bWU6cHc=\nUser-Agent: curl/7.88.1\nAccept: */*\nX-A: 1\n"
        "Content-Length: 7\nContent-Type: application/x-www-form-urlencoded\n"
    )
    ran = await client.run("curl", "-s", "-H", "Host: shop.example", "-H", "Accept:", "-A", "me", "http://web/headers")
    assert ran.out == "Host: shop.example\nUser-Agent: me\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-X", "DELETE"], "DELETE "),
        (["-d", "x=1"], "POST x=1"),
        (["--data-urlencode", "q=a b&c"], "POST q=a+b%26c"),
        (["-d", "@/tmp/in"], "POST one"),
        (["--data-binary", "@/tmp/in"], "POST one\n"),
        (["--json", '{"a":1}'], 'POST {"a":1}'),
        (["-T", "/tmp/in"], "PUT one\n"),
        (["-d", "@-"], "POST stdin"),
    ],
)
async def test_methods_and_bodies(client: Pod, argv: list[str], said: str) -> None:
    client.fs.mkdir("/tmp")
    client.fs.write_bytes("/tmp/in", b"one\n")
    assert (await client.run("curl", "-s", *argv, "http://web/method", stdin=b"stdin")).out == said


async def test_get_with_data_becomes_a_query(client: Pod) -> None:
    assert (await client.run("curl", "-s", "-G", "-d", "msg=hi", "http://web/echo")).out == "hi"


async def test_output_files(client: Pod) -> None:
    client.fs.mkdir("/box")
    await client.run("curl", "-s", "-o", "/box/page", "http://web/hostname")
    assert client.fs.read_bytes("/box/page") == b"srv"
    ran = await client.run("curl", "-s", "-O", "http://web/hostname")
    assert (ran.code, client.fs.read_bytes("/hostname")) == (0, b"srv")
    ran = await client.run("curl", "-sS", "-o", "/nowhere/page", "http://web/hostname")
    assert (ran.code, ran.err) == (23, "curl: (23) Failure writing output to destination\n")


async def test_write_out_variables(client: Pod) -> None:
    text = (
        "%{http_code} %{size_download} %{num_connects} %{remote_ip}:%{remote_port} %{url_effective}%%\\n%header{date}"
    )
    ran = await client.run("curl", "-s", "-o", "/page", "-w", text, "web/hostname")
    assert ran.out == f"200 3 1 {FIRST}:80 http://web/hostname%\ntoday"


async def test_resolve_overrides_dns(client: Pod) -> None:
    ran = await client.run("curl", "-s", "--resolve", f"shop.example:80:{FIRST}", "http://shop.example/headers")
    assert ran.out.startswith("Host: shop.example\n")


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("h/[1-", "bad range in URL position 6"),
        ("h/[3-1]", "bad range in URL position 8"),
        ("h/[1-3:0]", "bad range in URL position 10"),
        ("h/{a", "unmatched brace in URL position 3"),
        ("h/a}", "unmatched close brace/bracket in URL position 4"),
    ],
)
def test_globs_that_are_none(url: str, what: str) -> None:
    with pytest.raises(BadGlob, match=what):
        list(expand(url))


def test_a_huge_glob_is_bounded() -> None:
    assert len(list(expand("h/[1-999999999999]"))) == 10_000


@pytest.mark.parametrize(
    "rule", [f"shop.example:8000:{FIRST}:80", f":8000:{FIRST}:80", f"::{FIRST}:80", f"shop.example::{FIRST}:80"]
)
async def test_connect_to_goes_elsewhere_and_asks_for_the_name(client: Pod, rule: str) -> None:
    ran = await client.run("curl", "-s", "--connect-to", rule, "http://shop.example:8000/headers")
    assert ran.out.startswith("Host: shop.example:8000\n")


async def test_connect_to_is_for_the_host_it_names(client: Pod) -> None:
    ran = await client.run("curl", "-s", "--connect-to", f"other.example:80:{FIRST}:80", "http://shop.example/headers")
    assert ran.code == 6


async def test_retry_until_it_works(lab: Lab, client: Pod) -> None:
    answers = iter([503, 503, 200])

    async def handler(request: Request) -> Response:
        return Response(next(answers), [], b"x")

    lab.serve("flaky", "10.96.78.9", handler)
    ran = await client.run("curl", "--no-progress-meter", "--retry", "3", "-o", "/page", "http://flaky/")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines() == [
        "Warning: Problem: HTTP error. Will retry in 1 second. 3 retries left.",
        "Warning: Problem: HTTP error. Will retry in 2 seconds. 2 retries left.",
    ]


async def test_a_server_that_hangs_up(lab: Lab, client: Pod) -> None:
    server = lab.pod("rude")
    listener = server.net.listen(80)
    process, _, err = client.start("curl", "-sS", f"http://{server.net.address}/")
    stream = await listener.accept()
    await stream.read()
    stream.close()
    assert await process.wait() == 52
    assert err.data == b"curl: (52) Empty reply from server\n"

    process, _, err = client.start("curl", "-sS", f"http://{server.net.address}/")
    stream = await listener.accept()
    await stream.read()
    stream.abort()
    assert await process.wait() == 56
    assert err.data == b"curl: (56) Recv failure: Connection reset by peer\n"

    process, _, err = client.start("curl", "-sS", "-m", "3", f"http://{server.net.address}/")
    stream = await listener.accept()
    assert await process.wait() == 28
    assert numbers(err.data.decode()) == "curl: (28) Operation timed out after <n> milliseconds with 0 bytes received\n"


async def test_a_body_without_end_is_broken_off(lab: Lab, client: Pod) -> None:
    server = lab.pod("endless")
    listener = server.net.listen(80)
    process, out, err = client.start("curl", "-sS", "--max-filesize", "10", f"http://{server.net.address}/")
    stream = await listener.accept()
    await stream.read()
    await stream.write(b"HTTP/1.0 200 OK\r\n\r\nseven b")
    await stream.write(b"and more than ten")
    assert await process.wait() == 63
    assert out.data == b"seven band"
    assert err.data == b"curl: (63) Exceeded the maximum allowed file size (10)\n"


async def test_usage_errors(client: Pod) -> None:
    manual = "curl: try 'curl --help' or 'curl --manual' for more information\n"
    assert (await client.run("curl")).code == 2
    ran = await client.run("curl", "--frobnicate", "http://web/")
    assert (ran.code, ran.err) == (2, f"curl: option --frobnicate: is unknown\n{manual}")
    assert (await client.run("curl", "-m")).err == f"curl: option -m: requires parameter\n{manual}"


async def test_the_progress_meter_shows_unless_silent(client: Pod) -> None:
    assert "% Total    % Received" in (await client.run("curl", "http://web/hostname")).err


def test_url_globs_and_parts() -> None:
    assert [url for url, _ in expand("http://{a,b}/[1-2]")] == ["http://a/1", "http://a/2", "http://b/1", "http://b/2"]
    url = Url.parse("https://u:p@h:8443/p?q#f")
    assert (url.scheme, url.host, url.port, url.target, url.user) == ("https", "h", 8443, "/p?q", "u:p")
    assert str(Url.parse("h/a/b").join("../c?d")) == "http://h/c?d"
    with pytest.raises(BadUrl):
        Url.parse("http://a b/")
