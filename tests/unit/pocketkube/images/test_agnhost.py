# ruff: noqa: E501
"""agnhost against what the real one answered (tests/golden/api/traffic-03-agnhost.yaml records the same exchanges)."""

from __future__ import annotations

import asyncio
import re
import signal
import ssl

import pytest

from pocketkube.network import http, tls
from pocketkube.network.http import Disconnected

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@pytest.fixture
async def netexec(pod):
    own = pod(AGNHOST, "ne")
    own.running = own.start("/agnhost", "netexec")
    await own.running.says("Started UDP server on port  8081")
    yield own
    own.running.process.signal(signal.SIGKILL)
    await own.running.ended()


@pytest.mark.parametrize(
    ("target", "status", "headers", "body"),
    [
        ("/hostname", 200, ["Date", "Content-Length", "Content-Type"], "ne"),
        ("/hostName", 200, ["Date", "Content-Length", "Content-Type"], "ne"),
        ("/echo?msg=hello", 200, ["Date", "Content-Length", "Content-Type"], "hello"),
        ("/echo?msg=hello&code=503", 503, ["Date", "Content-Length", "Content-Type"], "hello"),
        ("/echo", 200, ["Date", "Content-Length"], ""),
        (
            "/echo?msg=a&code=x",
            200,
            ["Date", "Content-Length", "Content-Type"],
            "argument 'code' must be an integer or empty, got \"x\"\n",
        ),
        ("/healthz", 200, ["Date", "Content-Length"], ""),
        ("/readyz", 200, ["Date", "Content-Length", "Content-Type"], "ok"),
        ("/header?key=Nope", 200, ["Date", "Content-Length"], ""),
        ("/header?key=Host", 200, ["Date", "Content-Length"], ""),
        ("/serverport", 200, ["Date", "Content-Length", "Content-Type"], "8080"),
        (
            "/redirect?location=/echo%3Fmsg=hi&code=302",
            302,
            ["Content-Type", "Location", "Date", "Content-Length"],
            '<a href="/echo?msg=hi">Found</a>.\n\n',
        ),
        ("/redirect", 302, ["Content-Type", "Location", "Date", "Content-Length"], '<a href="/">Found</a>.\n\n'),
        ("/shell?cmd=echo%20out", 200, ["Date", "Content-Length", "Content-Type"], '{"output":"out\\n"}'),
        (
            "/shell?cmd=echo%20err%201%3E%262%3B%20exit%203",
            200,
            ["Date", "Content-Length", "Content-Type"],
            '{"error":"exit status 3","output":"err\\n"}',
        ),
        ("/shell", 200, ["Date", "Content-Length", "Content-Type"], "{}"),
        (
            "/dial",
            400,
            ["Content-Type", "X-Content-Type-Options", "Date", "Content-Length"],
            "request parameter not specified. <nil>\n",
        ),
        (
            "/dial?host=10.96.80.1&port=80&protocol=tcp&request=hostname",
            400,
            ["Content-Type", "X-Content-Type-Options", "Date", "Content-Length"],
            "unsupported protocol. tcp\n",
        ),
        (
            "/dial?host=127.0.0.1&port=9999&protocol=http&request=hostname&tries=1",
            200,
            ["Date", "Content-Length", "Content-Type"],
            '{"errors":["Get \\"http://127.0.0.1:9999/hostname\\": dial tcp 127.0.0.1:9999: connect: connection refused"]}',
        ),
        (
            "/dial?host=127.0.0.1&port=8080&request=hostname&tries=2",
            200,
            ["Date", "Content-Length", "Content-Type"],
            '{"responses":["ne","ne"]}',
        ),
        (
            "/dial?host=127.0.0.1&port=8081&protocol=udp&request=hostname&tries=1",
            200,
            ["Date", "Content-Length", "Content-Type"],
            '{"responses":["ne"]}',
        ),
    ],
)
async def test_endpoints(netexec, target, status, headers, body):
    response = await netexec.get(8080, target)
    assert (response.status, response.text) == (status, body)
    assert [name for name, _ in response.headers] == headers


async def test_time_client_and_headers(netexec):
    assert re.fullmatch(
        r"NOW: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} \+0000 UTC m=\+[\d.]+", (await netexec.get(8080, "/any")).text
    )
    assert re.fullmatch(r"127\.0\.0\.1:\d+", (await netexec.get(8080, "/clientip")).text)
    assert (await netexec.get(8080, "/header?key=X-Golden", X_Golden="yes")).text == "yes"
    assert (await netexec.get(8080, "/header", X_Golden="yes")).text == '{"X-Golden":["yes"]}'


async def test_post_and_upload(netexec):
    form = "application/x-www-form-urlencoded"
    response = await netexec.get(8080, "/echo", method="POST", body=b"msg=posted", Content_Type=form)
    assert response.text == "posted"
    assert (await netexec.get(8080, "/upload", method="POST")).text == '{"error":"Unable to upload file."}'
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ndata\r\n--b--\r\n'
    response = await netexec.get(
        8080, "/upload", method="POST", body=body, Content_Type="multipart/form-data; boundary=b"
    )
    assert response.status == 201
    name = re.fullmatch(r'\{"output":"(/uploads/upload\d+)"\}', response.text)
    assert name
    assert netexec.fs.read_bytes(name.group(1)) == b"data"


async def test_log_lines(netexec):
    await netexec.get(8080, "/echo?msg=a&code=")
    lines = netexec.running.err.splitlines()
    assert [line.split("] ", 1)[1] for line in lines] == [
        "Started HTTP server on port 8080",
        "Started UDP server on port  8081",
        "GET /echo?msg=a&code=",
    ]
    assert re.match(r"I\d{4} \d\d:\d\d:\d\d\.\d{6}       1 log\.go:244\] ", lines[0])


async def test_exit_at_once_and_after_a_graceful_shutdown(pod):
    own = pod(AGNHOST, "ne")
    running = own.start("/agnhost", "netexec", "--http-port=80", "--udp-port=-1")
    await running.says("Started HTTP server on port 80")
    response = await own.get(80, "/exit?code=0&timeout=1s")
    assert (response.status, response.text) == (200, "")
    ended = await running.ended()
    assert ended.status == 0
    assert "Graceful shutdown completed with: <nil>" in ended.err
    again = pod(AGNHOST, "ne")
    running = again.start("/agnhost", "netexec")
    await running.says("UDP server")
    with pytest.raises(Disconnected):
        await again.get(8080, "/exit?code=7")
    assert (await running.ended()).status == 7


async def test_term_ends_netexec_and_delay_shutdown_delays(pod):
    own = pod(AGNHOST, "ne")
    running = own.start("/agnhost", "netexec", "--delay-shutdown=20")
    await running.says("UDP server")
    running.process.signal(signal.SIGTERM)
    await running.says("Sleeping 20 seconds before terminating...")
    response = await own.get(8080, "/readyz")
    assert (response.status, response.text) == (503, "shutting down")
    assert (await own.get(8080, "/healthz")).status == 200
    assert (await running.ended()).status == 0


async def test_without_udp_it_is_not_ready(pod):
    own = pod(AGNHOST, "ne")
    running = own.start("/agnhost", "netexec", "--udp-port=-1")
    await running.says("HTTP server")
    await asyncio.sleep(0)
    assert (await own.get(8080, "/healthz")).status == 412
    running.process.signal(signal.SIGKILL)
    await running.ended()


@pytest.mark.parametrize(
    ("number", "name", "status"), [(signal.SIGTERM, "terminated", 2), (signal.SIGINT, "interrupt", 1)]
)
async def test_pause_says_which_signal_ended_it(pod, number, name, status):
    own = pod(AGNHOST)
    running = own.start("/agnhost", "pause")
    await running.says("Signals registered")
    running.process.signal(number)
    assert tuple(await running.ended()) == (
        status,
        f'Paused\nSignals registered\nexiting because of signal "{name}"\n',
        "",
    )


async def test_serve_hostname_porter_liveness_and_test_webserver(pod):
    own = pod(AGNHOST, "sh")
    running = [
        own.start("/agnhost", "serve-hostname", "--port=9376"),
        own.start("/agnhost", "porter", SERVE_PORT_81="foo", SERVE_TCP_PORT_82="bar"),
        own.start("/agnhost", "liveness"),
        own.start("/agnhost", "test-webserver", "--port=8090"),
    ]
    await running[0].says("Serving on port 9376.")
    assert (await own.get(9376, "/any")).text == "sh"
    assert [(await own.get(port, "/")).text for port in (81, 82)] == ["foo", "bar"]
    missing = await own.get(8080, "/")
    assert (missing.status, missing.text) == (404, "404 page not found\n")
    healthy = await own.get(8080, "/healthz")
    assert (healthy.status, healthy.text) == (200, "ok")
    files = await own.get(8090, "/etc/alpine-release")
    assert files.text == own.fs.read_bytes("/etc/alpine-release").decode()
    missing = await own.get(8090, "/nope")
    assert missing.status == 404
    assert missing.header("access-control-allow-origin") == "*"
    for one in reversed(running):
        one.process.signal(signal.SIGKILL)
        await one.ended()


async def dial(own, port):
    """Connect as soon as somebody listens."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await own.net.connect("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0)


async def test_porters_tls_ports(pod):
    own = pod(AGNHOST, "sh")
    running = own.start("/agnhost", "porter", "--json-response", SERVE_TLS_PORT_443="foo")
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    stream = await dial(own, 443)
    secure = await tls.client(stream, anybody, "localhost")

    async def already() -> tls.TlsStream:
        return secure

    found = await http.request(already, "PUT", "/", [("Host", "x")], timeout=20)
    assert found.text == '{"Method":"PUT","Body":"foo"}'
    plain = await own.net.connect("127.0.0.1", 443)
    await plain.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server." in await plain.read()
    running.process.signal(signal.SIGKILL)
    await running.ended()


async def test_netexec_serves_https(pod):
    own = pod(AGNHOST, "secure")
    pair = ("--tls-cert-file=/localhost.crt", "--tls-private-key-file=/localhost.key")
    running = own.start("/agnhost", "netexec", "--http-port=8443", *pair)
    await running.says("UDP server")
    assert tuple(await own.sh("curl -sk https://127.0.0.1:8443/hostname")) == (0, "secure", "")
    assert (await own.sh("curl -s --cacert /localhost.crt https://127.0.0.1:8443/hostname")).out == "secure"
    assert (await own.sh("curl -s https://127.0.0.1:8443/hostname")).status == 60
    await running.says("http: TLS handshake error from 127.0.0.1:")
    plain = await own.sh("curl -s http://127.0.0.1:8443/hostname")
    assert plain.out == "Client sent an HTTP request to an HTTPS server.\n"
    running.process.signal(signal.SIGKILL)
    await running.ended()


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("/nope", "open /nope: no such file or directory"),
        ("/etc/passwd", "tls: failed to find any PEM data in certificate input"),
    ],
)
async def test_netexec_with_a_pair_that_cannot_be_used(pod, key, says):
    words = ("--tls-cert-file=/localhost.crt", f"--tls-private-key-file={key}")
    ended = await pod(AGNHOST).run("/agnhost", "netexec", *words)
    assert ended.status == 255
    assert ended.err.endswith(f"] {says}\n")


TESTER = {"BIND_PORT": "80", "CHUNKS": "3", "CHUNK_SIZE": "4", "CHUNK_INTERVAL": "1"}


@pytest.mark.parametrize(
    ("sent", "got", "code", "says"),
    [
        (b"abc", b"x" * 12, 0, "Received expected client data\nShutting down connection\nDone\n"),
        (b"abd", b"", 3, 'Expect to read "abc", but got "abd". err=<nil>\n'),
        (b"", b"", 2, "Expected to read 3 bytes from client, but got 0 instead. err=EOF\n"),
    ],
)
async def test_port_forward_tester(pod, sent, got, code, says):
    own = pod(AGNHOST)
    running = own.start("/agnhost", "port-forward-tester", EXPECTED_CLIENT_DATA="abc", **TESTER)
    stream = await dial(own, 80)
    await stream.write(sent)
    stream.write_eof()
    seen = b""
    while data := await stream.read():
        seen += data
    ended = await running.ended()
    assert (seen, *ended) == (got, code, f"Accepted client connection\n{says}", "")


async def test_connect_tells_what_went_wrong(pod):
    own = pod(AGNHOST)
    server = own.start("/agnhost", "netexec")
    await server.says("UDP server")
    own.fs.write_bytes("/etc/hosts", b"127.0.0.1 localhost\n")
    assert tuple(await own.run("/agnhost", "connect", "localhost:8080")) == (0, "", "")
    assert tuple(await own.run("/agnhost", "connect", "127.0.0.1:1")) == (1, "", "REFUSED\n")
    assert tuple(await own.run("/agnhost", "connect", "127.0.0.1:8081", "--protocol=udp")) == (0, "", "")
    assert (
        await own.run("/agnhost", "connect", "nowhere")
    ).err == "UNKNOWN: address nowhere: missing port in address\n"
    server.process.signal(signal.SIGKILL)
    await server.ended()


async def test_what_is_not_there_says_so(pod):
    own = pod(AGNHOST)
    ended = await own.run("/agnhost", "audit-proxy")
    assert (ended.status, ended.err) == (1, "Error: agnhost audit-proxy is not part of this cluster's agnhost image\n")
    ended = await own.run("/agnhost", "nope")
    assert ended.status == 1
    assert ended.err.startswith('Error: unknown command "nope" for "app"\n')


async def test_logs_generator_prints_the_lines_it_was_asked_for(pod):
    ended = await pod(AGNHOST).run("/agnhost", "logs-generator", "--log-lines-total=5", "--run-duration=1s")
    assert ended.status == 0
    assert [line.split("] ")[1].split()[0] for line in ended.err.splitlines()] == ["0", "1", "2", "3", "4"]


async def test_tcp_reset_resets(pod):
    own = pod(AGNHOST, "reset")
    running = own.start("/agnhost", "tcp-reset", "--port=8099")
    await running.says("Serving on port 8099.")
    stream = await own.net.connect("127.0.0.1", 8099)
    await stream.write(b"hello")
    with pytest.raises(ConnectionResetError):
        await stream.read()
    running.process.signal(signal.SIGTERM)
    assert (await running.ended()).status == 0


async def test_mounttest_makes_files_whatever_the_umask_and_tells_of_them(pod):
    own = pod(AGNHOST)
    own.fs.mkdir("/v")
    own.fs.chmod("/v", 0o1777)
    words = ("--new_file_0660=/v/f", "--file_perm=/v/f", "--file_mode=/v", "--file_owner=/v/f", "--fs_type=/v")
    result = await own.run("/agnhost", "mounttest", *words)
    assert result.status == 0, result.err
    assert result.out.splitlines() == [
        'mount type of "/v": 2035054128',
        'content of file "/v/f": mount-tester new file',
        "",
        'mode of file "/v": dtrwxrwxrwx',
        'perms of file "/v/f": -rw-rw----',
        'owner UID of "/v/f": 0',
        'owner GID of "/v/f": 0',
    ]
    result = await own.run("/agnhost", "mounttest", "--file_content=/none", "--file_mode=/v")
    assert result.status == 1
    assert 'error reading file content for "/none": open /none: no such file or directory' in result.out
    assert 'mode of file "/v": dtrwxrwxrwx' in result.out


async def test_mounttest_loops_until_it_finds_what_it_wrote(pod):
    own = pod(AGNHOST)
    looping = own.start("/agnhost", "mounttest", "--file_content_in_loop=/tmp/f", "--retry_time=30")
    await looping.says("Error reading file /tmp/f: open /tmp/f: no such file or directory, retrying")
    own.fs.write_bytes("/tmp/f", b"mount-tester new file\n")
    await looping.says('content of file "/tmp/f": mount-tester new file')
    assert (await looping.ended()).status == 0


async def test_test_webserver_serves_the_certificate_that_upstreams_statefulset_tests_probe(pod):
    own = pod(AGNHOST)
    serving = own.start("/agnhost", "test-webserver", "--port=8081")
    result = await own.sh("until curl -sf http://127.0.0.1:8081/localhost.crt; do :; done")
    assert result.out.startswith("-----BEGIN CERTIFICATE-----")
    assert (await own.sh("mv -v /localhost.crt /tmp/")).status == 0
    result = await own.sh("curl -s -o /dev/null -w %{http_code} http://127.0.0.1:8081/localhost.crt")
    assert result.out == "404"
    serving.process.signal(signal.SIGKILL)
    await serving.ended()


async def test_guestbook_is_a_primary_with_replicas_and_a_frontend(pod):
    primary, replica, frontend = pod(AGNHOST), pod(AGNHOST), pod(AGNHOST)
    hosts = f"{primary.net.address} agnhost-primary\n{replica.net.address} agnhost-replica\n".encode()
    for own in (primary, replica, frontend):
        own.fs.write_bytes("/etc/hosts", hosts)
    running = [
        primary.start("/agnhost", "guestbook", "--http-port", "6379"),
        replica.start("/agnhost", "guestbook", "--replicaof=agnhost-primary", "--http-port", "6379"),
        frontend.start("/agnhost", "guestbook", "--backend-port", "6379"),
    ]
    await running[1].says("Registered to node: agnhost-primary")
    for query, status, text in (
        ("cmd=get&key=messages", 200, '{"data":""}'),
        ("cmd=set&key=messages&value=Test%20Entry", 200, '{"message":"Updated"}'),
        ("cmd=get&key=messages", 200, '{"data":"Test Entry"}'),
        ("cmd=drop&key=messages", 400, "unsupported cmd: 'drop'\n"),
        ("cmd=set", 400, "cannot set with empty key.\n"),
    ):
        answered = await frontend.get(80, f"/guestbook?{query}")
        assert (answered.status, answered.text) == (status, text)
    assert (await primary.get(6379, "/get")).text == '{"data":{"messages":"Test Entry"}}'
    for one in running:
        one.process.signal(signal.SIGKILL)
        await one.ended()


async def test_nettest_counts_who_writes_to_it(pod):
    own = pod(AGNHOST, "server")
    lonely = await own.run("/agnhost", "nettest")
    assert lonely.status == 255
    assert "Unable to create config; error: unable to load in-cluster configuration" in lonely.err
