"""The certificates that a namespace's Ingresses bring along, and which of them a client is shown."""

import base64
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from kindlab.api import ApiError
from kindlab.certificates import covers, make, names
from kindlab.checks.certificates import Certificate, certificates_of
from kindlab.checks.door import Door

DOOR = Door("traefik", "traefik", "10.96.0.9", 80, 443, "traefik-0", "traefik.io/ingress-controller")


class Cluster:
    """As much of the API as is asked: Secrets by name, one Ingress that names Secrets, and Gateways that do; without
    any, a cluster that does not know them."""

    def __init__(self, named: list[str], gateways: tuple[Any, ...] = (), **secrets: dict[str, bytes]) -> None:
        self.gateways = gateways
        self.ingress = {"spec": {"tls": [{"secretName": name} for name in named] + [{"hosts": ["no.secret"]}]}}
        self.secrets = secrets

    def list(self, kind: str, namespace: str) -> list[Any]:
        if kind.startswith("Gateway"):
            if not self.gateways:
                raise ApiError(404, "NotFound", "")
            return list(self.gateways)
        return [self.ingress, {"spec": {}}]

    def get(self, kind: str, name: str, namespace: str) -> Any:
        found = self.secrets.get(name)
        return None if found is None else {"data": {k: base64.b64encode(v).decode() for k, v in found.items()}}


def pem(tmp_path: Path, *hosts: str) -> bytes:
    return make(hosts, 1, tmp_path).certificate.read_bytes()


def test_those_that_ingresses_name_and_that_can_be_read(tmp_path: Path) -> None:
    one, other = pem(tmp_path, "a.example", "b.example"), pem(tmp_path, "c.example")
    api: Any = Cluster(
        ["good", "chain", "gone", "other-keys", "not-pem"],
        good={"tls.crt": one},
        chain={"tls.crt": other + one},
        unnamed={"tls.crt": one},
        **{"other-keys": {"cert": one}, "not-pem": {"tls.crt": b"\xff"}},
    )
    chain, good = certificates_of(api, "lab")
    assert (chain.secret, chain.names, chain.pem.encode()) == ("chain", ("c.example",), other)
    assert (good.secret, good.names, good.covers("b.example")) == ("good", ("a.example", "b.example"), True)
    assert not good.covers("c.example")
    assert chain.key != good.key


def test_those_that_gateways_name(tmp_path: Path) -> None:
    references = [{"name": "here"}, {"name": "there", "namespace": "another"}]
    gateway = {"spec": {"listeners": [{"tls": {"certificateRefs": references}}, {"protocol": "HTTP"}]}}
    both = {"tls.crt": pem(tmp_path, "a.example")}
    api: Any = Cluster([], (gateway, {"spec": {}}), here=both, there=both)
    assert [one.secret for one in certificates_of(api, "lab")] == ["here"]


class Told:
    """A client whose shell answers with the seconds that each handshake took, 0 for none, and curl's exit codes."""

    def __init__(self, answer: str) -> None:
        self.host = self
        self.answer = answer
        self.script = ""

    def run(self, script: str) -> Any:
        self.script = script
        return type("Result", (), {"stdout": self.answer})


@pytest.mark.parametrize(
    ("answer", "which"),
    [
        ("0.0 60\n0.01 0\n", 1),
        ("0.01 0\n0.0 60\n", 0),
        ("0.0 60\n0.0 60\n", None),
        ("0.0 60\n0.01 28\n", 1),  # nobody behind the controller answers in time: that is no fault of a certificate
        ("0.0 28\n0.0 28\n", None),
        ("", None),
    ],
)
def test_the_one_that_satisfies_a_client(tmp_path: Path, answer: str, which: int | None) -> None:
    api: Any = Cluster(["one", "two"], one={"tls.crt": pem(tmp_path, "a")}, two={"tls.crt": pem(tmp_path, "b")})
    found = certificates_of(api, "lab")
    client: Any = Told(answer)
    assert DOOR.shown(client, "a", found) == (None if which is None else found[which])
    assert "-k" not in shlex.split(client.script)


def test_an_address_of_ipv6_is_written_as_curl_reads_it() -> None:
    door, client = replace(DOOR, address="fd00::9"), Told("0.0 60\n")
    asked: Any = client
    door.shown(asked, "a", [Certificate("lab", "one", "PEM", ("a",), "")])
    assert "--connect-to a:443:[fd00::9]:443" in client.script


def test_names_are_the_alternative_ones_or_else_the_common_one(tmp_path: Path) -> None:
    assert names(x509.load_pem_x509_certificate(pem(tmp_path, "a", "b"))) == ["a", "b"]


@pytest.mark.parametrize(
    ("pattern", "host", "answer"),
    [
        ("shop.example", "SHOP.example", True),
        ("*.example", "shop.example", True),
        ("*.example", "a.shop.example", False),
        ("*.example", "example", False),
        ("shop.example", "example", False),
        ("*.example", "*.example", True),
    ],
)
def test_what_a_name_covers(pattern: str, host: str, answer: bool) -> None:
    assert covers(pattern, host) is answer
