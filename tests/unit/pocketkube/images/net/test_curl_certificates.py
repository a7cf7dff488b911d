"""Which certificates curl takes, and what -v says of them. The cases hold for Debian's curl 7.88.1, which is asked too
where it is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.pocketkube.images.conftest import Pod

from pocketkube.clock import Clock
from pocketkube.network import tls
from pocketkube.network.fabric import Fabric

from .curl_cases import CURL, Connection, converse
from .test_curl_recorded import same_curl

PORT = 38443
OPENSSL = {"O": x509.NameOID.ORGANIZATION_NAME, "CN": x509.NameOID.COMMON_NAME}
Run = Callable[["Case", Path], Awaitable[tuple[int, list[str]]]]


@dataclass(frozen=True)
class Case:
    """A certificate that is served for `common`, and what comes of a request to https://`host`. Days are counted from
    now; `trust` is what --cacert holds: the certificate itself, its issuer, another one, or nothing (-k)."""

    code: int
    says: tuple[str, ...]
    host: str = "shop.localhost"
    common: str = "shop.localhost"
    alternative: tuple[str, ...] = ("shop.localhost",)
    days: tuple[int, int] = (-1, 30)
    issued: bool = False
    trust: str = "itself"


CASES = {
    "vouches for itself": Case(
        0,
        (
            " subject: O=A Shop; CN=shop.localhost",
            ' subjectAltName: host "shop.localhost" matched cert\'s "shop.localhost"',
            " issuer: O=A Shop; CN=shop.localhost",
            " SSL certificate verify ok.",
        ),
    ),
    "one of several names": Case(
        0,
        (' subjectAltName: host "shop.localhost" matched cert\'s "shop.localhost"',),
        common="other.localhost",
        alternative=("other.localhost", "shop.localhost"),
    ),
    "issued, and its issuer is trusted": Case(0, (" issuer: CN=Authority",), issued=True, trust="issuer"),
    "issued, and only itself is trusted": Case(0, (" SSL certificate verify ok.",), issued=True),
    "common name only": Case(0, (" common name: shop.localhost (matched)",), alternative=()),
    "wildcard": Case(
        0,
        (' subjectAltName: host "a.shop.localhost" matched cert\'s "*.shop.localhost"',),
        host="a.shop.localhost",
        alternative=("*.shop.localhost",),
    ),
    "wildcard of a whole top level": Case(
        60,
        ("SSL: no alternative certificate subject name matches target host name 'shop.localhost'",),
        alternative=("*.localhost",),
    ),
    "wildcard is one label": Case(
        60,
        ("SSL: no alternative certificate subject name matches target host name 'a.b.shop.localhost'",),
        host="a.b.shop.localhost",
        alternative=("*.shop.localhost",),
    ),
    "of another name": Case(
        60,
        ("SSL: no alternative certificate subject name matches target host name 'other.localhost'",),
        host="other.localhost",
    ),
    "alternative names count, not the common one": Case(
        60,
        ("SSL: no alternative certificate subject name matches target host name 'shop.localhost'",),
        alternative=("other.localhost",),
    ),
    "expired": Case(60, ("SSL certificate problem: certificate has expired",), days=(-20, -10)),
    "not valid yet": Case(60, ("SSL certificate problem: certificate is not yet valid",), days=(10, 20)),
    "nobody vouches for it": Case(60, ("SSL certificate problem: self-signed certificate",), trust="another"),
    "its issuer is not trusted": Case(
        60, ("SSL certificate problem: unable to get local issuer certificate",), issued=True, trust="another"
    ),
    "not verified": Case(
        0, (" SSL certificate verify result: self-signed certificate (18), continuing anyway.",), trust="nothing"
    ),
    "not verified, issued": Case(
        0,
        (" SSL certificate verify result: unable to get local issuer certificate (20), continuing anyway.",),
        issued=True,
        trust="nothing",
    ),
}


def _signed(name: x509.Name, names: tuple[str, ...], days: tuple[int, int], issuer: Any = None) -> Any:
    """(certificate, key); `issuer` is such a pair."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[0].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(n) for n in names])
        builder = builder.add_extension(alternative, critical=False)
    if not names and issuer is None and name == AUTHORITY:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def _name(**parts: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(OPENSSL[short], value) for short, value in parts.items()])


AUTHORITY = _name(CN="Authority")


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _prepared(case: Case, folder: Path) -> tuple[ssl.SSLContext, bytes, str]:
    """The server's context, what --cacert holds, and the command."""
    authority = _signed(AUTHORITY, (), (-30, 60))
    certificate, key = _signed(
        _name(O="A Shop", CN=case.common), case.alternative, case.days, authority if case.issued else None
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "pair.pem").write_bytes(private + _pem(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")
    other = _signed(_name(CN="another"), ("another",), (-1, 30))
    trust = {"itself": certificate, "issuer": authority[0], "another": other[0], "nothing": certificate}[case.trust]
    how = "-k" if case.trust == "nothing" else "--cacert trusted.pem"
    return context, _pem(trust), f"curl -q -sv -o /dev/null {how} --connect-to ::127.0.0.1:{{}} https://{case.host}/ok"


async def by_pocket(case: Case, folder: Path) -> tuple[int, list[str]]:
    context, trust, command = _prepared(case, folder)
    pod = Pod(Fabric(Clock()), "registry.k8s.io/e2e-test-images/agnhost:2.63.0", "10.244.1.2", "box")
    pod.start("sleep", "1000000")
    pod.fs.mkdir("/box")
    pod.fs.write_bytes("/box/trusted.pem", trust)

    async def serve() -> None:
        async for stream in pod.net.listen(PORT):
            try:
                wrapped = await tls.server(stream, context)
                await converse(Connection(wrapped.read, wrapped.write), set())
            except (ssl.SSLError, OSError):
                pass
            stream.close()

    serving = asyncio.create_task(serve())
    ran = await pod.sh(f"cd /box; {command.format(PORT)}")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return ran.status, ran.err.splitlines()


async def by_curl(case: Case, folder: Path) -> tuple[int, list[str]]:
    context, trust, command = _prepared(case, folder)
    (folder / "trusted.pem").write_bytes(trust)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        await converse(Connection(lambda: reader.read(65536), write), set())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    words = command.format(server.sockets[0].getsockname()[1])
    process = await asyncio.create_subprocess_shell(words, cwd=folder, stderr=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    server.close()
    return process.returncode or 0, err.decode().splitlines()


real = pytest.param(by_curl, marks=pytest.mark.skipif(CURL is None or not same_curl(), reason="no such curl here"))


@pytest.mark.parametrize("run", [by_pocket, real])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
async def test_certificate(case: Case, run: Run, tmp_path: Path) -> None:
    code, lines = await run(case, tmp_path)
    assert code == case.code, lines
    for line in case.says:
        assert f"* {line}" in lines, lines
