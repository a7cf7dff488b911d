"""Names, ports and addresses, in upstream's words."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.resources import formats

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


@given(LABEL)
def test_a_label_is_also_a_subdomain(name: str) -> None:
    assert formats.dns1123_label(name) == []
    assert formats.dns1123_subdomain(name) == []


@given(st.lists(LABEL, min_size=2, max_size=2))
def test_dots_are_what_a_subdomain_has_and_a_label_has_not(parts: list[str]) -> None:
    assert formats.dns1123_subdomain(".".join(parts)) == []
    assert formats.dns1123_label(".".join(parts)) == ["must not contain dots"]


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", "ä"])
def test_what_is_no_name_is_told_with_the_expression(name: str) -> None:
    (problem,) = formats.dns1123_subdomain(name)
    assert problem.startswith("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters")
    assert problem.endswith(
        r"regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    )


def test_lengths_are_counted_in_bytes() -> None:
    assert formats.dns1123_label("a" * 63) == []
    assert formats.dns1123_label("a" * 64) == ["must be no more than 63 characters"]
    assert formats.dns1123_subdomain("a" * 254) == ["must be no more than 253 characters"]
    assert formats.dns1035_label("a" * 64) == ["must be no more than 63 characters"]


def test_a_name_to_be_completed_may_end_in_a_dash() -> None:
    assert formats.dns1123_label("web-", prefix=True) == []
    assert formats.dns1123_label("web-") != []


@pytest.mark.parametrize(
    ("name", "problems"),
    [
        ("http", []),
        ("a-port-name-too-long", ["must be no more than 15 characters"]),
        ("80", ["must contain at least one letter (a-z)"]),
        ("a--b", ["must not contain consecutive hyphens"]),
        ("a-", ["must not begin or end with a hyphen"]),
        ("Bad_Port", ["must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"]),
    ],
)
def test_port_names(name: str, problems: list[str]) -> None:
    assert formats.port_name(name) == problems


@given(st.integers())
def test_port_numbers(number: int) -> None:
    expected = [] if 1 <= number <= 65535 else ["must be between 1 and 65535, inclusive"]
    assert formats.port_number(number) == expected


@given(st.ip_addresses(v=4))
def test_every_ipv4_address_is_canonical(address: IPv4Address) -> None:
    assert formats.ip_strict(str(address)) == []
    assert formats.ip_warnings("spec.x", str(address)) == []


@given(st.ip_addresses(v=6).filter(lambda a: a.ipv4_mapped is None))
def test_ipv6_addresses_are_warned_about_unless_canonical(address: IPv6Address) -> None:
    assert formats.ip_strict(str(address)) == []
    if address.exploded != str(address):
        (problem,) = formats.ip_strict(address.exploded)
        assert problem == f'must be in canonical form ("{address}")'
        assert formats.ip_legacy(address.exploded) == []
        assert len(formats.ip_warnings("spec.x", address.exploded)) == 1


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("10.0.0.1", []),
        ("10.0.0.01", ["must not have leading 0s"]),
        ("::ffff:10.0.0.1", ["must not be an IPv4-mapped IPv6 address"]),
        *((text, [formats.IP_WRONG]) for text in ("", "10.0.0", "10.0.0.256", "web", "fe80::1%eth0", "10..0.1")),
    ],
)
def test_addresses_of_old_fields(text: str, problems: list[str]) -> None:
    assert formats.ip_legacy(text) == problems


def test_warnings_say_what_to_write_instead() -> None:
    assert formats.ip_warnings("spec.x", "010.0.0.1") == [
        'spec.x: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10.0.0.0/8", None),
        ("10.0.0.1/8", "must not have bits set beyond the prefix length"),
        ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
        ("10.0.0.0", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
        ("10.0.0.0/33", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    ],
)
def test_ranges(text: str, problem: str | None) -> None:
    assert formats.cidr_legacy(text) == ([problem] if problem else [])


@pytest.mark.parametrize(
    ("key", "fine"), [("a.b-c_D", True), ("..", False), ("..a", False), (".a", True), ("a b", False), ("", False)]
)
def test_keys_become_file_names(key: str, fine: bool) -> None:
    assert (formats.config_key(key) == []) is fine
