"""http-echo, nginx, busybox's httpd and pause: answers, log lines, deaths."""

from __future__ import annotations

import json
import re
import signal

import pytest

from pocketkube.images import catalogue, normalise

NGINX = "docker.io/library/nginx:1.27"


async def test_http_echo(pod):
    own = pod("docker.io/hashicorp/http-echo:1.0", "echo")
    running = own.start("/http-echo", "-text=hello", "-listen=:80", "-status-code=201")
    await running.says("[INFO] server is listening on :80")
    response = await own.get(80, "/x", User_Agent="test")
    assert (response.status, response.text) == (201, "hello\n")
    assert response.header("x-app-name") == "http-echo"
    assert (await own.get(80, "/health")).text == '{"status":"ok"}\n'
    assert re.fullmatch(
        r'\d{4}/\d\d/\d\d \d\d:\d\d:\d\d web 127\.0\.0\.1:\d+ "GET /x HTTP/1\.1" 201 6 "test" [\d.]+(µs|ms|s)\n',
        running.out,
    )
    running.process.signal(signal.SIGTERM)
    assert (await running.ended()).status == 2


@pytest.mark.parametrize("listen", ["[::]:9000", "0.0.0.0:9000", "localhost:9000", "127.0.0.1:9000"])
async def test_http_echo_listens_where_it_is_told(pod, listen):
    own = pod("docker.io/hashicorp/http-echo:1.0", "echo")
    running = own.start("/http-echo", "-text=hello", "-listen", listen)
    await running.says(f"[INFO] server is listening on {listen}")
    assert (await own.get(9000, "/")).text == "hello\n"
    running.process.signal(signal.SIGTERM)
    await running.ended()


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ("8081", "listen tcp: address 8081: missing port in address"),
        ("::1:80", "listen tcp: address ::1:80: too many colons in address"),
        (":web", "listen tcp: lookup tcp/web: unknown port"),
        ("nowhere:80", "listen tcp: lookup nowhere: no such host"),
        ("10.9.9.9:80", "listen tcp 10.9.9.9:80: bind: cannot assign requested address"),
    ],
)
async def test_http_echo_says_why_it_cannot_listen(pod, listen, why):
    ended = await pod("docker.io/hashicorp/http-echo:1.0").run("/http-echo", "-text=a", "-listen", listen)
    assert ended.status == 1
    assert ended.err.endswith(f"[ERR] server exited with: {why}\n")


async def test_http_echo_refuses_and_is_interrupted(pod):
    own = pod("docker.io/hashicorp/http-echo:0.2.3")
    assert tuple(await own.run("/http-echo")) == (127, "", "Missing -text option!\n")
    assert (await own.run("/http-echo", "-text=a", "-nope")).status == 2
    with pytest.raises(FileNotFoundError):
        own.start("sh")
    running = own.start("/http-echo", "-text", "a")
    await running.says("listening on :5678")
    running.process.signal(signal.SIGINT)
    ended = await running.ended()
    assert ended.status == 2
    assert "[INFO] received interrupt, shutting down..." in ended.err


@pytest.fixture
async def nginx(pod):
    own = pod(NGINX, "web")
    own.running = own.start(*own.image.entrypoint, *own.image.cmd)
    await own.running.says("start worker process")
    yield own
    own.running.process.signal(signal.SIGKILL)
    await own.running.ended()


async def test_nginx_welcomes(nginx):
    response = await nginx.get(80, "/", User_Agent="test")
    assert response.status == 200
    assert response.header("content-length") == "615"
    assert "<h1>Welcome to nginx!</h1>" in response.text
    assert [name for name, _ in response.headers] == [
        "Server", "Date", "Content-Type", "Content-Length", "Last-Modified", "Connection", "ETag", "Accept-Ranges",
    ]  # fmt: skip
    assert re.search(
        r'\n127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET / HTTP/1\.1" 200 615 "-" "test" "-"\n',
        nginx.running.out,
    )
    assert nginx.running.out.startswith(
        "/docker-entrypoint.sh: /docker-entrypoint.d/ is not empty, will attempt to perform configuration\n"
    )


async def test_nginx_error_pages(nginx):
    response = await nginx.get(80, "/nope")
    assert (response.status, response.text) == (
        404,
        "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n"
        "<hr><center>nginx/1.27.5</center>\r\n</body>\r\n</html>\r\n",
    )
    assert 'open() "/usr/share/nginx/html/nope" failed (2: No such file or directory)' in nginx.running.err
    await nginx.sh("rm /usr/share/nginx/html/index.html")
    assert (await nginx.get(80, "/")).status == 403
    assert (await nginx.get(80, "/", method="POST")).status == 405


async def test_nginx_conditions_and_ranges(nginx):
    first = await nginx.get(80, "/")
    again = await nginx.get(80, "/", If_None_Match=first.header("etag"))
    assert (again.status, again.body) == (304, b"")
    assert (await nginx.get(80, "/", If_Modified_Since=first.header("last-modified"))).status == 304
    part = await nginx.get(80, "/", Range="bytes=0-3")
    assert (part.status, part.text, part.header("content-range")) == (206, "<!DO", "bytes 0-3/615")
    assert (await nginx.get(80, "/", Range="bytes=9999-")).status == 416
    await nginx.sh("mkdir /usr/share/nginx/html/d")
    moved = await nginx.get(80, "/d")
    assert (moved.status, moved.header("location")) == (301, "http://web/d/")


async def test_nginx_redirects_to_the_port_where_it_listens_whatever_the_client_used(nginx):
    await nginx.sh("mkdir /usr/share/nginx/html/d")
    asked = await nginx.sh("curl -s -o /dev/null -w '%{redirect_url}' -H 'Host: Shop.localhost:8080' '127.0.0.1/d?a=b'")
    assert asked.out == "http://shop.localhost/d/?a=b"


@pytest.mark.parametrize(("setting", "to"), [("absolute_redirect", "/d/"), ("port_in_redirect", "http://web/d/")])
async def test_nginx_redirects_are_set(nginx, setting, to):
    await nginx.sh("mkdir -p /srv/d")
    conf = f"server {{ listen 8080; root /srv; {setting} off; }}\n"
    nginx.fs.write_bytes("/etc/nginx/conf.d/default.conf", conf.encode())
    await nginx.run("nginx", "-s", "reload")
    await nginx.running.says("reconfiguring")
    assert (await nginx.get(8080, "/d")).header("location") == to


CONF = b"""
upstream back { server 127.0.0.1:9000; }
server {
  listen 9000;
  location / { return 200 "back $uri $http_x_seen\\n"; }
}
server {
  listen 8080;
  server_name web;
  root /srv;
  add_header X-Served-By $hostname;
  location = /exact { return 204; }
  location = /told { add_header X-Where here; return 200 told; }
  location /api/ { proxy_pass http://back/v1/; proxy_set_header X-Seen yes; }
  location /old { return 301 /new; }
  location ~ \\.php$ { return 403; }
  location /down/ { proxy_pass http://127.0.0.1:1; }
  location /app/ { try_files $uri /index.html; }
  error_page 404 /missing.html;
}
"""


async def test_nginx_obeys_its_configuration(nginx):
    nginx.fs.mkdir("/srv")
    nginx.fs.write_bytes("/srv/index.html", b"home")
    nginx.fs.write_bytes("/srv/missing.html", b"gone")
    nginx.fs.write_bytes("/etc/nginx/conf.d/default.conf", CONF)
    assert (await nginx.run("nginx", "-t")).status == 0
    assert (await nginx.run("nginx", "-s", "reload")).status == 0
    await nginx.running.says("reconfiguring")
    home = await nginx.get(8080, "/")
    assert (home.text, home.header("x-served-by")) == ("home", "web")
    assert (await nginx.get(8080, "/exact")).status == 204
    told = await nginx.get(8080, "/told")
    assert (told.text, told.header("x-where"), told.header("x-served-by")) == ("told", "here", "")
    assert (await nginx.get(8080, "/api/x")).text == "back /v1/x yes\n"
    moved = await nginx.get(8080, "/old")
    assert (moved.status, moved.header("location")) == (301, "http://web:8080/new")
    assert (await nginx.get(8080, "/a.php")).status == 403
    assert (await nginx.get(8080, "/down/")).status == 502
    assert (await nginx.get(8080, "/app/route")).text == "home"
    gone = await nginx.get(8080, "/nope")
    assert (gone.status, gone.text) == (404, "gone")


@pytest.mark.parametrize(
    ("text", "err"),
    [
        ("server { lisen 80; }", 'unknown directive "lisen" in /etc/nginx/conf.d/default.conf:1'),
        ("server { listen 80;", 'unexpected end of file, expecting "}" in /etc/nginx/conf.d/default.conf:1'),
        ("server { listen x; }", 'invalid port in "x" of the "listen" directive in /etc/nginx/conf.d/default.conf:1'),
    ],
)
async def test_nginx_refuses_a_bad_configuration(pod, text, err):
    own = pod(NGINX)
    own.fs.write_bytes("/etc/nginx/conf.d/default.conf", text.encode())
    ended = await own.run(*own.image.entrypoint, *own.image.cmd)
    assert ended.status == 1
    assert ended.err.endswith(f"nginx: [emerg] {err}\n")


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
async def test_nginx_exits_cleanly(pod, number):
    own = pod(NGINX)
    running = own.start(*own.image.entrypoint, *own.image.cmd)
    await running.says("start worker process")
    running.process.signal(number)
    assert (await running.ended()).status == 0


async def test_httpd_serves_a_folder(pod):
    own = pod()
    init = own.start("sleep", "100000")
    assert (await own.sh("mkdir /www; echo hi > /www/index.html; httpd -p 8000 -h /www")).status == 0
    assert (await own.get(8000, "/")).text == "hi\n"
    assert (await own.get(8000, "/nope")).status == 404
    init.process.signal(signal.SIGKILL)
    await init.ended()


async def test_pause_exits_on_term(pod):
    own = pod("registry.k8s.io/pause:3.10")
    running = own.start("/pause")
    await own.namespace.clock.sleep(0)
    running.process.signal(signal.SIGTERM)
    ended = await running.ended()
    assert ended.status == 0


def test_the_labs_images_are_there():
    wanted = ("busybox:1.36", "nginx:1.27", "hashicorp/http-echo:1.0", "hashicorp/http-echo:0.2.3",
              "registry.k8s.io/e2e-test-images/agnhost:2.63.0")  # fmt: skip
    assert [name for name in wanted if normalise(name) not in catalogue()] == []


def test_the_images_of_kubernetes_own_tutorials_are_there():
    """Those that a course about Services and storage meets; databases are not among them."""
    wanted = ("nginx", "nginx:1.14.2", "nginx:1.16.1", "nginx:stable-alpine", "registry.k8s.io/nginx-slim:0.24",
              "busybox", "busybox:1.28", "registry.k8s.io/busybox:1.27.2", "registry.k8s.io/busybox",
              "registry.k8s.io/test-webserver", "debian", "ubuntu", "registry.k8s.io/pause:3.1",
              "alpine")  # fmt: skip
    assert [name for name in wanted if normalise(name) not in catalogue()] == []


@pytest.mark.parametrize(
    ("image", "there", "missing"),
    [
        ("debian", {"bash", "sh", "ls", "tar", "sha256sum"}, {"wget", "curl", "nslookup", "ps", "ping"}),
        ("ubuntu", {"bash", "sh", "ls", "ps", "top", "free"}, {"wget", "curl", "nslookup", "ping", "vi"}),
        ("alpine", {"sh", "wget", "nslookup", "ps", "busybox"}, {"bash", "curl", "dig"}),
        ("nginx:1.16.1", {"nginx", "bash"}, {"curl"}),
        ("registry.k8s.io/nginx-slim:0.24", {"nginx", "curl"}, set()),
        ("registry.k8s.io/test-webserver", {"test-webserver"}, {"sh", "ls"}),
    ],
)
def test_what_is_in_the_images_of_the_tutorials(image, there, missing):
    names = {path.rsplit("/", 1)[-1] for path in catalogue()[normalise(image)].commands}
    assert there - names == set()
    assert missing & names == set()


@pytest.mark.parametrize("image", ["busybox:1.36", "registry.k8s.io/e2e-test-images/agnhost:2.63.0", "nginx:1.27"])
def test_the_tool_boxes_have_the_network_tools(image):
    names = {path.rsplit("/", 1)[-1] for path in catalogue()[normalise(image)].commands}
    wanted = {"wget", "nslookup", "nc"} | ({"curl", "dig"} if "agnhost" in image else set())
    assert wanted - names == set()


def _pair(*names: str) -> tuple[bytes, bytes]:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


SECURE = b"""
server { listen 443 ssl default_server; server_name one.example; ssl_certificate /tls/one.crt;
         ssl_certificate_key /tls/one.key; location / { return 200 "$scheme one\\n"; } }
server { listen 443 ssl; server_name two.example; ssl_certificate /tls/two.crt;
         ssl_certificate_key /tls/two.key; ssl_protocols TLSv1.2 TLSv1.3; return 200 "$scheme two\\n"; }
"""


async def test_nginx_speaks_tls_with_a_certificate_for_each_name(pod):
    own = pod(NGINX, "web")
    own.fs.mkdir("/tls")
    for name in ("one", "two"):
        certificate, key = _pair(f"{name}.example")
        own.fs.write_bytes(f"/tls/{name}.crt", certificate)
        own.fs.write_bytes(f"/tls/{name}.key", key)
    own.fs.write_bytes("/etc/nginx/conf.d/default.conf", SECURE)
    running = own.start(*own.image.entrypoint, *own.image.cmd)
    await running.says("start worker process")
    for name in ("one", "two"):
        given = f"curl -s --cacert /tls/{name}.crt --resolve {name}.example:443:127.0.0.1 https://{name}.example/"
        assert tuple(await own.sh(given)) == (0, f"https {name}\n", "")
    unknown = await own.sh("curl -sk --resolve x.example:443:127.0.0.1 https://x.example/")
    assert unknown.out == "https one\n"
    plain = await own.get(443, "/")
    assert plain.status == 400
    assert "<center>The plain HTTP request was sent to HTTPS port</center>" in plain.text
    certificate, key = _pair("two.example")
    own.fs.write_bytes("/tls/two.crt", certificate)
    own.fs.write_bytes("/tls/two.key", key)
    ask = "curl -s --cacert /tls/two.crt --resolve two.example:443:127.0.0.1 https://two.example/"
    assert (await own.sh(ask)).status == 60
    assert (await own.sh("nginx -t && nginx -s reload")).status == 0
    assert (await own.sh(f"until {ask}; do :; done")).out == "https two\n"
    running.process.signal(signal.SIGKILL)
    await running.ended()


@pytest.mark.parametrize(
    ("conf", "says"),
    [
        ("server { listen 443 ssl; }",
         'no "ssl_certificate" is defined for the "listen ... ssl" directive in /etc/nginx/conf.d/default.conf:1'),
        ("server { listen 443 ssl; ssl_certificate /a.crt; }",
         'no "ssl_certificate_key" is defined for certificate "/a.crt"'),
        ("server { listen 443 ssl; ssl_certificate /no.crt; ssl_certificate_key /a.key; }",
         'cannot load certificate "/no.crt": BIO_new_file() failed (SSL: error:80000002:system library::No such file '
         "or directory:calling fopen(/no.crt, r) error:10000080:BIO routines::no such file)"),
        ("server { listen 443 ssl; ssl_certificate /etc/passwd; ssl_certificate_key /a.key; }",
         'cannot load certificate "/etc/passwd": PEM_read_bio_X509_AUX() failed (SSL: error:0480006C:PEM routines::no '
         "start line:Expecting: TRUSTED CERTIFICATE)"),
        ("server { listen 443 ssl; ssl_certificate /a.crt; ssl_certificate_key /b.key; }",
         'SSL_CTX_use_PrivateKey("/b.key") failed (SSL: error:05800074:x509 certificate routines::key values '
         "mismatch)"),
    ],
)  # fmt: skip
async def test_nginx_tells_what_is_wrong_with_a_certificate(pod, conf, says):
    own = pod(NGINX, "web")
    certificate, key = _pair("a.example")
    own.fs.write_bytes("/a.crt", certificate)
    own.fs.write_bytes("/a.key", key)
    own.fs.write_bytes("/b.key", _pair("b.example")[1])
    own.fs.write_bytes("/etc/nginx/conf.d/default.conf", conf.encode())
    ran = await own.run("nginx", "-t")
    assert (ran.status, ran.err.splitlines()[0]) == (1, f"nginx: [emerg] {says}")


@pytest.mark.parametrize("name", ["nautilus", "kitten"])
async def test_update_demo_images_say_which_they_are(pod, name):
    own = pod(f"registry.k8s.io/e2e-test-images/{name}:1.8", name)
    running = own.start(*own.image.entrypoint, *own.image.cmd)
    answer = await own.sh("until curl -sf http://127.0.0.1/data.json; do :; done")
    assert json.loads(answer.out) == {"image": f"{name}.jpg"}
    running.process.signal(signal.SIGTERM)
    await running.ended()
