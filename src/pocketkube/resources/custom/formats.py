"""The string formats of schemas: `format: ipv4` and the like.

Models kube-openapi's strfmt registry and apiextensions-apiserver/pkg/apiserver/validation/formats.go; formats that are
not in the list are ignored, and warned about when the definition is written.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import date
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final
from urllib.parse import urlsplit

from pocketkube import regex
from pocketkube.resources.formats import dns1123_label, dns1123_subdomain, parse_cidr, parse_ip
from pocketkube.schema.gotime import TimeError, parse_rfc3339

NUMERIC: Final = {"integer": ("int32", "int64"), "number": ("float", "double")}
_HEX: Final = "[0-9a-fA-F]"
_GO_DURATION: Final = re.compile(r"[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")
_SPAN: Final = re.compile(r"\s*(\d+)\s*([A-Za-zµ]+)\s*")
_UNITS: Final = re.compile("(nano|ns|micro|µs|us|milli|ms|second|sec|s|minute|min|m|hour|hr|h|day|d|week|wk|w)[a-z]*")


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _uri(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return not re.search(r"[\x00-\x20\x7f]", value) and (bool(parts.scheme) or value.startswith("/"))


def _byte(value: str) -> bool:
    try:
        return bool(value) and base64.b64decode(value, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def _date(value: str) -> bool:
    try:
        return re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None and date.fromisoformat(value) is not None
    except ValueError:
        return False


def _datetime(value: str) -> bool:
    try:
        parse_rfc3339(value.upper(), "2006-01-02T15:04:05Z07:00")
    except TimeError:
        return False
    return True


def _duration(value: str) -> bool:
    if _GO_DURATION.fullmatch(value):
        return True
    found = _SPAN.fullmatch(value)
    return found is not None and _UNITS.fullmatch(found[2]) is not None


def _isbn10(value: str) -> bool:
    digits = re.sub("[- ]", "", value)
    if not re.fullmatch(r"\d{9}[\dX]", digits):
        return False
    return sum((i + 1) * (10 if d == "X" else int(d)) for i, d in enumerate(digits)) % 11 == 0


def _isbn13(value: str) -> bool:
    digits = re.sub("[- ]", "", value)
    return (
        re.fullmatch(r"\d{13}", digits) is not None
        and sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(digits)) % 10 == 0
    )


def _card(value: str) -> bool:
    digits = [int(d) for d in re.sub(r"\D", "", value)]
    doubled = (d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits)))
    return 12 < len(digits) < 20 and sum(doubled) % 10 == 0


def _rgb(value: str) -> bool:
    found = re.fullmatch(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)", value)
    return found is not None and all(int(part) < 256 for part in found.groups())


_FOUR: Final = f"{_HEX}{{4}}"


def _uuid(middle: str) -> Callable[[str], bool]:
    return _matches(f"{_HEX}{{8}}-?{_FOUR}-?{middle}-?{_HEX}{{12}}")


_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "bsonobjectid": _matches(f"{_HEX}{{24}}"),
    "uri": _uri,
    "email": _matches(r"""[^@\s<>()",:;\[\]\\]+@[^@\s<>()",:;\\]+"""),
    "hostname": lambda v: (
        len(v) <= 255
        and re.search(r"[A-Za-z\d]", v) is not None
        and regex.go(r"^([A-Za-z\d_]([A-Za-z\d_-]{0,61}[A-Za-z\d_])?\.?)+$").search(v) is not None
    ),
    "ipv4": lambda v: isinstance(parse_ip(v), IPv4Address) and ":" not in v and parse_ip(v) == _plain(v),
    "ipv6": lambda v: isinstance(parse_ip(v), IPv6Address),
    "cidr": lambda v: parse_cidr(v) is not None,
    "mac": _matches(rf"{_HEX}{{2}}([:-]{_HEX}{{2}}){{5}}(([:-]{_HEX}{{2}}){{2}})?|({_HEX}{{4}}\.){{2,3}}{_HEX}{{4}}"),
    "uuid": _uuid(f"{_FOUR}-?{_FOUR}"),
    "uuid3": _uuid(f"3{_HEX}{{3}}-?{_FOUR}"),
    "uuid4": _uuid(f"4{_HEX}{{3}}-?[89abAB]{_HEX}{{3}}"),
    "uuid5": _uuid(f"5{_HEX}{{3}}-?[89abAB]{_HEX}{{3}}"),
    "isbn": lambda v: _isbn10(v) or _isbn13(v),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "creditcard": _card,
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "hexcolor": _matches(f"#?({_HEX}{{3}}|{_HEX}{{6}})"),
    "rgbcolor": _rgb,
    "byte": _byte,
    "password": lambda v: True,
    "date": _date,
    "duration": _duration,
    "datetime": _datetime,
    "k8sshortname": lambda v: not dns1123_label(v),
    "k8slongname": lambda v: not dns1123_subdomain(v),
}


def _plain(value: str) -> Any:
    """The address when it has no leading zeros, which Go's parser refuses."""
    return None if any(len(p) > 1 and p[0] == "0" for p in value.split(".")) else parse_ip(value)


def recognised(schema: dict[str, Any]) -> bool:
    """Whether the format of a schema is one that its type is checked for."""
    form, kind = schema.get("format", ""), schema.get("type", "")
    if kind in ("", "string") or schema.get("x-kubernetes-int-or-string"):
        return form.replace("-", "") in _CHECKS
    return form in NUMERIC.get(kind, ())


def holds(form: str, value: str) -> bool:
    """Whether a string is of a recognised format; of numbers' formats any string is, as their types are checked."""
    check = _CHECKS.get(form.replace("-", ""))
    return check is None or check(value)
