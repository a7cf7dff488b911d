from __future__ import annotations

import base64
import stat
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from pocketkube.apiserver.files import write_private
from pocketkube.apiserver.pki import Pki


def test_certificates_satisfy_strict_verifiers(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    ca = x509.load_pem_x509_certificate(pki.ca_pem.encode())
    leaf = x509.load_pem_x509_certificate((tmp_path / "apiserver.crt").read_bytes())
    leaf.verify_directly_issued_by(ca)
    basic = ca.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS)
    usage = ca.extensions.get_extension_for_oid(ExtensionOID.KEY_USAGE)
    assert (basic.critical, basic.value.ca) == (True, True)
    assert (usage.critical, usage.value.key_cert_sign) == (True, True)
    subject_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority_id = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority_id.key_identifier == subject_id.digest
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "10.96.0.1"} <= {str(a) for a in names.get_values_for_type(x509.IPAddress)}


def test_files_are_private_and_reused(tmp_path: Path) -> None:
    first = Pki(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = Pki(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert first.token == again.token
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.iterdir())


def test_a_leaf_of_another_authority_is_replaced(tmp_path: Path) -> None:
    Pki(tmp_path / "a")
    other = Pki(tmp_path / "b")
    (tmp_path / "a" / "ca.crt").write_text(other.ca_pem)
    (tmp_path / "a" / "ca.key").write_bytes((tmp_path / "b" / "ca.key").read_bytes())
    healed = Pki(tmp_path / "a")
    ca = x509.load_pem_x509_certificate(healed.ca_pem.encode())
    x509.load_pem_x509_certificate((tmp_path / "a" / "apiserver.crt").read_bytes()).verify_directly_issued_by(ca)


def test_a_folder_from_before_clients_had_an_authority_is_completed(tmp_path: Path) -> None:
    before = Pki(tmp_path).ca_pem
    for part in ("client-ca.crt", "client-ca.key"):
        (tmp_path / part).unlink()
    assert Pki(tmp_path).ca_pem == before
    ca = x509.load_pem_x509_certificate((tmp_path / "client-ca.crt").read_bytes())
    x509.load_pem_x509_certificate((tmp_path / "admin.crt").read_bytes()).verify_directly_issued_by(ca)


def test_the_kubeconfig_carries_names_token_and_certificate(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    target = tmp_path / "deep" / "kubeconfig"
    pki.write_kubeconfig(target, name="mine", server="https://127.0.0.1:1", namespace="lab")
    config = yaml.safe_load(target.read_text())
    assert config["current-context"] == "mine"
    assert config["contexts"][0]["context"] == {"cluster": "mine", "user": "mine-admin", "namespace": "lab"}
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    user = config["users"][0]["user"]
    assert user["token"] == pki.token
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    assert certificate.subject.rfc4514_string() == "CN=kubernetes-admin,O=system:masters"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_private(target, b"old")
    write_private(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_front_proxy_is_known_by_its_own_authority(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    certificate = x509.load_pem_x509_certificate(pki.front_proxy[0].read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=front-proxy-client"
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(pki.front_proxy_ca_pem.encode()))
    assert pki.front_proxy_ca_pem != pki.client_ca_pem, "who is a client may not say in whose name he asks"


def test_a_folder_from_before_there_was_a_front_proxy_keeps_the_rest(tmp_path: Path) -> None:
    before = Pki(tmp_path).ca_pem
    for part in "front-proxy-ca.crt", "front-proxy-client.key":
        (tmp_path / part).unlink()
    pki = Pki(tmp_path)
    assert pki.ca_pem == before
    certificate = x509.load_pem_x509_certificate(pki.front_proxy[0].read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(pki.front_proxy_ca_pem.encode()))
