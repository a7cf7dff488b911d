"""`kindlab certificate`: two files that belong together, for the hosts and days that were asked for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kindlab.certificates import make
from kindlab.cli import cli
from kindlab.errors import UsageProblem


def test_key_and_certificate_belong_together(tmp_path: Path) -> None:
    made = make(["shop.example", "www.shop.example", "shop.example"], 90, tmp_path)
    assert (made.certificate.name, made.key.name) == ("shop.example.crt", "shop.example.key")
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    key = load_pem_private_key(made.key.read_bytes(), None)
    assert key.public_key() == certificate.public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example", "www.shop.example"]
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc == made.until
    assert timedelta(days=89) < made.until - now <= timedelta(days=90)
    assert made.key.stat().st_mode & 0o077 == 0


def test_made_again_it_has_another_key(tmp_path: Path) -> None:
    keys = {make(["shop.example"], 1, tmp_path).key.read_text() for _ in range(2)}
    assert len(keys) == 2
    assert sorted(f.name for f in tmp_path.iterdir()) == ["shop.example.crt", "shop.example.key"]


def test_one_that_expired_yesterday(tmp_path: Path) -> None:
    made = make(["shop.example"], -1, tmp_path)
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    assert certificate.not_valid_before_utc < certificate.not_valid_after_utc < datetime.now(UTC)
    assert "expired" in str(made)


def test_a_wildcard_is_a_file_too(tmp_path: Path) -> None:
    assert make(["*.shop.example"], 1, tmp_path).key.name == "wildcard.shop.example.key"


@pytest.mark.parametrize("host", ["https://shop", "shop:8443", "Shop", "a..b", "", "a.*", "../x", "a" * 63 + ".bc"])
def test_what_no_host_is_called(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageProblem):
        make([host], 1, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(cli, ["certificate", "shop.example", "--days", "-1"])
    assert ran.exit_code == 0
    assert "shop.example.key" in ran.output
    assert sorted(f.name for f in tmp_path.iterdir()) == ["shop.example.crt", "shop.example.key"]
