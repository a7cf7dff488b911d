"""TLS: which certificate a client is shown, and that a bad pair spoils nothing else."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.pocketkube.network.ingress.harness import PROXY, Site, rule, site

from pocketkube.network import http, tls
from pocketkube.network.ingress.certificates import Certificates, default_pair, server_context
from pocketkube.network.ingress.routes import Backend, Certificate, Listener, Table
from pocketkube.network.stream import Stream


def pair(*names: str, common: str = "test", password: bytes | None = None) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    pem = serialization.Encoding.PEM
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return (
        builder.sign(key, hashes.SHA256()).public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, encryption),
    )


def certificate(*hosts: str, common: str = "") -> Certificate:
    return Certificate(hosts, *pair(*hosts, common=common or hosts[0]))


def trusting(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    if version is not None:
        context.maximum_version = version
    return context


async def shake(here: Site, name: str | None, context: ssl.SSLContext | None = None) -> tls.TlsStream:
    stream = await here.client.connect(PROXY, 443)
    return await tls.client(stream, context or trusting(), name)  # type: ignore[arg-type]


async def shown(here: Site, name: str | None) -> str:
    """The common name of the certificate a client is shown that asks for `name`."""
    stream = await shake(here, name)
    der = stream.tls.getpeercert(binary_form=True)
    assert der is not None
    stream.close()
    subject = x509.load_der_x509_certificate(der).subject
    return str(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def secure(*certificates: Certificate, rules: Sequence[object] = ()) -> Table:
    return Table((Listener(443, True, tuple(rules) or (rule(),), certificates),))  # type: ignore[arg-type]


async def test_the_server_name_chooses_the_certificate() -> None:
    async with site() as here:
        here.update(
            secure(
                certificate("a.example.com", common="exact"),
                certificate("*.example.com", common="wildcard"),
                Certificate((), *pair("own.example.org", "*.own.example.org", common="own")),
                Certificate((), *pair(common="named.example.org")),
            )
        )
        expected = {
            "a.example.com": "exact",
            "A.Example.com": "exact",
            "b.example.com": "wildcard",
            "x.b.example.com": "TRAEFIK DEFAULT CERT",
            "example.com": "TRAEFIK DEFAULT CERT",
            "own.example.org": "own",
            "x.own.example.org": "own",
            "named.example.org": "named.example.org",
            "other": "TRAEFIK DEFAULT CERT",
            None: "TRAEFIK DEFAULT CERT",
        }
        assert {name: await shown(here, name) for name in expected} == expected


async def test_a_request_over_tls() -> None:
    async with site() as here:
        here.serve()
        here.update(secure(certificate("shop.example.com")))
        exchange = http.Exchange(await shake(here, "shop.example.com"))
        for _ in range(3):
            await exchange.send("GET", "/", [("Host", "shop.example.com")])
            assert (await exchange.head()).status == 200
            body = b"".join([piece async for piece in exchange.body()])
            assert b'["X-Forwarded-Proto", "https"]' in body
            assert b'["X-Forwarded-Port", "443"]' in body
        assert exchange.stream.tls.selected_alpn_protocol() == "http/1.1"  # type: ignore[attr-defined]


async def test_a_large_body_over_tls_and_the_end_is_said() -> None:
    async def large(request: http.Request) -> http.Response:
        assert len(request.body) == 3_000_000
        return http.Response(200, [], b"y" * 5_000_000)

    async with site() as here:
        here.serve(handler=large)
        here.update(secure())
        stream = await shake(here, "h")
        upload = asyncio.create_task(
            stream.write(
                b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
            )
        )
        size = 0
        while data := await stream.read():
            size += len(data)
        await upload
        assert size > 5_000_000
        assert stream.tls.read(1) == b""  # close-notify came; after a mere end this wants to read more


async def test_older_versions_than_1_2_are_refused() -> None:
    async with site() as here:
        here.update(secure())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the versions, which is why they are refused
            old = trusting(ssl.TLSVersion.TLSv1_1)
            old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("DEFAULT@SECLEVEL=0")  # or this side refuses before it asks
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await shake(here, "h", old)
        assert (await shake(here, "h", trusting(ssl.TLSVersion.TLSv1_2))).tls.version() == "TLSv1.2"


BROKEN = {
    "no certificate": ((b"", pair()[1]), "tls.crt holds no PEM certificate"),
    "no key": ((pair()[0], b""), "tls.key holds no PEM private key"),
    "not a pair": ((pair()[0], pair()[1]), "the private key does not belong to the certificate"),
    "encrypted": (pair(password=b"secret"), "cannot be loaded"),
    "garbage": (
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pair()[1]),
        "cannot be loaded",
    ),
}


@pytest.mark.parametrize(("broken", "why"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_pair_is_told_and_spoils_nothing(broken: tuple[bytes, bytes], why: str) -> None:
    bad = Certificate(("bad.example.com",), *broken)
    async with site() as here:
        here.update(secure(bad, certificate("good.example.com")))
        assert [(problem.about, why in problem.why) for problem in here.problems] == [(bad, True)], here.problems
        assert await shown(here, "good.example.com") == "good.example.com"
        assert await shown(here, "bad.example.com") == "TRAEFIK DEFAULT CERT"


async def test_a_rotated_certificate_is_shown_to_the_next_client_and_kept_connections_stay() -> None:
    async with site() as here:
        here.serve()
        here.update(secure(certificate("a", common="first")))
        kept = http.Exchange(await shake(here, "a"))
        assert await shown(here, "a") == "first"
        here.update(secure(certificate("a", common="second")))
        assert await shown(here, "a") == "second"
        await kept.send("GET", "/", [("Host", "a")])
        assert (await kept.head()).status == 200


def test_pairs_are_loaded_once() -> None:
    store, one = Certificates(), certificate("a")
    first, _ = store.load([one])
    again, _ = store.load([Certificate(("b",), one.chain, one.key)])
    assert first.exact["a"] is again.exact["b"]
    store.keep_only([])
    assert store.load([one])[0].exact["a"] is not first.exact["a"]


async def test_plain_http_on_a_tls_port_finds_nothing() -> None:
    async with site() as here:
        here.serve()
        here.update(secure())
        assert (await here.get(port=443)).status == 404


async def test_a_client_that_says_nothing_does_not_hold_a_port_open() -> None:
    async with site() as here:
        here.update(secure())
        silent = await here.connect(443)
        spoken = await shake(here, "a")
        await asyncio.wait_for(here.proxy.drain(), 10)
        assert await silent.read() == b""
        assert await spoken.read() == b""


async def test_a_client_that_is_no_tls_is_dropped() -> None:
    async with site() as here:
        here.update(secure())
        stream = await here.connect(443)
        await stream.write(b"\x16\x03\x01 nonsense that is no handshake at all")
        stream.write_eof()
        while await stream.read():
            pass
        assert await shown(here, "a") == "TRAEFIK DEFAULT CERT"


async def test_backends_may_speak_tls() -> None:
    context = server_context(*default_pair())

    async def program(stream: Stream) -> None:
        encrypted = await tls.server(stream, context)
        await http.serve(encrypted, reply)

    async def reply(request: http.Request) -> http.Response:
        return http.Response(200, [], b"secret")

    async with site(rule(backends=(Backend("shop", "web", 80, scheme="https"),))) as here:
        here.raw(program)
        for _ in range(2):
            assert (await here.get()).body == b"secret"
        here.endpoints.clear()
        here.serve()  # speaks plain HTTP
        assert (await here.get()).status == 500


async def test_a_websocket_over_tls_ends_on_both_sides() -> None:
    async def program(stream: Stream) -> None:
        got = b""
        while b"\r\n\r\n" not in got:
            got += await stream.read()
        assert b"X-Forwarded-Proto: wss" in got
        await stream.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := await stream.read():
            await stream.write(data)

    async with site() as here:
        here.raw(program)
        here.update(secure())
        stream = await shake(here, "h")
        await stream.write(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert (await stream.read()).startswith(b"HTTP/1.1 101 ")
        await stream.write(b"ping")
        assert await stream.read() == b"ping"
        await stream.end()
        assert await stream.read() == b""
