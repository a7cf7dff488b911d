"""What names, keys, ports and addresses in objects may look like, each told in upstream's words.

Models apimachinery/pkg/util/validation (validation.go, ip.go) and pkg/api/validate/content. Every function returns
what is wrong with a value, as a list of texts without a field path; an empty list means that the value is fine.
Lengths are in bytes, as Go counts them. Left out: URLs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from pocketkube.selectors import label_key_errors

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_WILDCARD: Final = rf"\*\.{_SUBDOMAIN}"
_LABEL_UNDERSCORE: Final = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_UNDERSCORE: Final = rf"{_LABEL_UNDERSCORE}(\.{_LABEL_UNDERSCORE})*"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_CONFIG_KEY: Final = r"[-._a-zA-Z0-9]+"
_HEADER: Final = "[-A-Za-z0-9]+"
_PERCENT: Final = "[0-9]+%"

_LABEL_RE = re.compile(_LABEL)
_SUBDOMAIN_RE = re.compile(_SUBDOMAIN)
_WILDCARD_RE = re.compile(_WILDCARD)
_SUBDOMAIN_UNDERSCORE_RE = re.compile(_SUBDOMAIN_UNDERSCORE)
_LABEL_1035_RE = re.compile(_LABEL_1035)
_CONFIG_KEY_RE = re.compile(_CONFIG_KEY)
_HEADER_RE = re.compile(_HEADER)
_PERCENT_RE = re.compile(_PERCENT)
_PORT_NAME_RE = re.compile("[-a-z0-9]+")

IP_WRONG: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NOT_NEGATIVE: Final = "must be greater than or equal to 0"
POSITIVE: Final = "must be greater than zero"


def max_length(most: int) -> str:
    return f"must be no more than {most} characters"


def range_text(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def _regex(text: str, pattern: str, *examples: str) -> str:
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {listed}regex used for validation is '{pattern}')"


def _generated(name: str, prefix: bool) -> str:
    """A generateName may end in a dash: judge it as upstream does, with something in its place."""
    return name[:-2] + "a" if prefix and len(name) > 1 and name.endswith("-") else name


def _size(value: str) -> int:
    return len(value.encode())


def dns1123_label(value: str, *, prefix: bool = False) -> list[str]:
    value = _generated(value, prefix)
    problems = [max_length(63)] if _size(value) > 63 else []
    if not _LABEL_RE.fullmatch(value):
        if _SUBDOMAIN_RE.fullmatch(value):
            problems.append("must not contain dots")
        else:
            text = (
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                "and must start and end with an alphanumeric character"
            )
            problems.append(_regex(text, _LABEL, "my-name", "123-abc"))
    return problems


def dns1123_subdomain(value: str, *, prefix: bool = False) -> list[str]:
    value = _generated(value, prefix)
    problems = [max_length(253)] if _size(value) > 253 else []
    if not _SUBDOMAIN_RE.fullmatch(value):
        text = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        problems.append(_regex(text, _SUBDOMAIN, "example.com"))
    return problems


def dns1123_wildcard(value: str) -> list[str]:
    """A subdomain whose first label is `*`."""
    problems = [max_length(253)] if _size(value) > 253 else []
    if not _WILDCARD_RE.fullmatch(value):
        text = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist "
            "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
        )
        problems.append(_regex(text, _WILDCARD, "*.example.com"))
    return problems


def dns1123_subdomain_with_underscore(value: str) -> list[str]:
    """A DNS search path, whose labels may have underscores."""
    problems = [max_length(253)] if _size(value) > 253 else []
    if not _SUBDOMAIN_UNDERSCORE_RE.fullmatch(value):
        text = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        problems.append(_regex(text, _SUBDOMAIN_UNDERSCORE, "example.com"))
    return problems


def dns1035_label(value: str, *, prefix: bool = False) -> list[str]:
    value = _generated(value, prefix)
    problems = [max_length(63)] if _size(value) > 63 else []
    if not _LABEL_1035_RE.fullmatch(value):
        text = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
            "start with an alphabetic character, and end with an alphanumeric character"
        )
        problems.append(_regex(text, _LABEL_1035, "my-name", "abc-123"))
    return problems


def path_segment(name: str, *, prefix: bool = False) -> list[str]:
    """What must hold for any name, so that it can stand in a URL."""
    if not prefix and name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{bad}'" for bad in "/%" if bad in name]


def qualified_name(value: str) -> list[str]:
    """A name with an optional domain before a slash: label keys, finalizers, condition types."""
    return label_key_errors(value)


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else [range_text(1, 65535)]


def port_name(value: str) -> list[str]:
    """IANA_SVC_NAME: up to 15 of a-z, 0-9 and single inner dashes, at least one letter."""
    problems = [max_length(15)] if _size(value) > 15 else []
    if not _PORT_NAME_RE.fullmatch(value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def env_name(value: str) -> list[str]:
    """Names of environment variables, in the relaxed form that v1.34 made the rule."""
    problems = [] if value else ["environment variable name must be non-empty"]
    if any(not " " <= letter <= "~" or letter == "=" for letter in value):
        problems.append(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
    return problems


def config_key(value: str) -> list[str]:
    """Keys of ConfigMaps and Secrets: they become file names."""
    problems = [max_length(253)] if _size(value) > 253 else []
    if not _CONFIG_KEY_RE.fullmatch(value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        problems.append(_regex(text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value in (".", ".."):
        problems.append(f"must not be '{value}'")
    elif value.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def header_name(value: str) -> list[str]:
    if _HEADER_RE.fullmatch(value):
        return []
    return [_regex("a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name")]


def percent(value: str) -> list[str]:
    if _PERCENT_RE.fullmatch(value):
        return []
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return [_regex(text, _PERCENT, "1%", "93%")]


@lru_cache(maxsize=8192)  # an Endpoints object of a thousand addresses is looked through at every change
def parse_ip(value: str) -> IPv4Address | IPv6Address | None:
    """An address as old fields accept it: octets of IPv4 may have leading zeros."""
    stripped = (
        ".".join(part.lstrip("0") or "0" for part in value.split(".")) if re.fullmatch(r"[0-9.]+", value) else value
    )
    if any(not part for part in value.split(".")) or "%" in value:
        return None
    try:
        return ip_address(stripped)
    except ValueError:
        return None


def ip_legacy(value: str) -> list[str]:
    """An address in an old field, which need not be canonical."""
    address = parse_ip(value)
    if address is None:
        return [IP_WRONG]
    problems = []
    if isinstance(address, IPv4Address) and value != str(address):
        problems.append("must not have leading 0s")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        problems.append("must not be an IPv4-mapped IPv6 address")
    return problems


def ip_strict(value: str) -> list[str]:
    """An address in a newer field: canonical and nothing else."""
    problems = ip_legacy(value)
    address = parse_ip(value)
    if not problems and value != str(address):
        problems.append(f'must be in canonical form ("{address}")')
    return problems


def parse_cidr(value: str) -> IPv4Network | IPv6Network | None:
    """A range as old fields accept it: leading zeros, and bits set beyond the prefix length."""
    host, slash, length = value.partition("/")
    address = parse_ip(host)
    bits = 32 if isinstance(address, IPv4Address) else 128
    if address is None or not slash or not re.fullmatch("[0-9]+", length) or int(length) > bits:
        return None
    return ip_network((address, int(length)), strict=False)


def cidr_legacy(value: str) -> list[str]:
    """A range in an old field, which need not be canonical."""
    network = parse_cidr(value)
    if network is None:
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    host, _, length = value.partition("/")
    address = parse_ip(host)
    try:
        ip_address(host)
        zeros = length != str(int(length))
    except ValueError:
        zeros = True
    if zeros:
        return ["must not have leading 0s in IP or prefix length"]
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return ["must not have an IPv4-mapped IPv6 address"]
    if network.network_address != address:
        return ["must not have bits set beyond the prefix length"]
    return []


def cidr_warnings(path: str, value: str) -> list[str]:
    """Warnings about ranges that old fields accept but should not hold."""
    network = parse_cidr(value)
    if isinstance(network, IPv6Network) and str(network) != value and not cidr_legacy(value):
        return [f'{path}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{network}")']
    return []


def cidr_strict(value: str) -> list[str]:
    """A range in a newer field: canonical and nothing else."""
    problems = cidr_legacy(value)
    network = parse_cidr(value)
    if not problems and value != str(network):
        problems.append(f'must be in canonical form ("{network}")')
    return problems


def ip_warnings(path: str, value: str) -> list[str]:
    """Warnings about addresses that old fields accept but should not hold."""
    address = parse_ip(value)
    if address is None:
        return []
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    try:
        ip_address(value)
        odd = mapped is not None
    except ValueError:
        odd = True
    if odd:
        return [f'{path}: non-standard IP address "{value}" is invalid: use "{mapped or address}"']
    if isinstance(address, IPv6Address) and str(address) != value:
        return [f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{address}")']
    return []
