"""What is an address, and what a name."""

import pytest

from kindlab.hosts import in_url, is_address


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "[fd00::1]", "127.0.0.1"])
def test_addresses(host: str) -> None:
    assert is_address(host)


@pytest.mark.parametrize("host", ["", "web", "web.default.svc", "10.0.0", "10.0.0.256", "1.2.3.4.nip.io"])
def test_names(host: str) -> None:
    assert not is_address(host)


def test_addresses_in_urls() -> None:
    assert [in_url(a) for a in ("192.0.2.1", "fd00::1")] == ["192.0.2.1", "[fd00::1]"]
