"""The functions Kubernetes adds to CEL: lists, regular expressions, URLs, quantities, versions, addresses, sets.

Models apiserver/pkg/cel/library and cel-go's sets. What the library cannot express as a type of its own is a map with
one key that no object has. Left out (a rule that uses one is refused when its definition is written): authorizer,
formats, macros of two variables, sortBy, first and last of lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from cel_expr_python import cel

from pocketkube import quantity, regex
from pocketkube.resources.custom import cel_semver
from pocketkube.resources.custom.cel_lists import LISTS
from pocketkube.resources.custom.cel_semver import VERSIONS
from pocketkube.selectors import label_value_errors

_T: Final = cel.Type
_ANY_LIST: Final = _T.List(_T.DYN)
_OBJECT: Final = _T.Map(_T.STRING, _T.DYN)
Impl = Callable[..., Any]


def declared() -> list[Any]:
    """Every function, as the library's declarations."""
    found: dict[str, list[Any]] = {}
    for name, member, parameters, result, impl in (
        *LISTS,
        *_TEXT,
        *_URLS,
        *_QUANTITIES,
        *VERSIONS,
        *_ADDRESSES,
        *_SETS,
    ):
        identity = f"k8s_{name.replace('.', '_')}_{len(found.get(name, ()))}_{len(parameters)}"
        overload = cel.Overload(identity, result, list(parameters), member, impl)
        found.setdefault(name, []).append(overload)
    return [cel.FunctionDecl(name, overloads) for name, overloads in found.items()]


def _find(text: str, pattern: str) -> str:
    found = regex.go(pattern).search(text)
    return found.group() if found else ""


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    found = regex.go(pattern).finditer(text)
    return [match.group() for match in (found if most < 0 else islice(found, most))]


_TEXT: Final = (
    ("find", True, (_T.STRING, _T.STRING), _T.STRING, _find),
    ("findAll", True, (_T.STRING, _T.STRING), _T.List(_T.STRING), _find_all),
    ("findAll", True, (_T.STRING, _T.STRING, _T.INT), _T.List(_T.STRING), _find_all),
    ("isLabelValue", False, (_T.STRING,), _T.BOOL, lambda text: not label_value_errors(text)),
)


def _parse_url(text: str) -> dict[str, Any]:
    parts = urlsplit(text)
    if re.search(r"[\x00-\x20\x7f]", text) or not (parts.scheme or text.startswith("/")):
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return {"__url": text}


def _is_url(text: str) -> bool:
    try:
        return bool(_parse_url(text))
    except ValueError:
        return False


def _url_part(read: Callable[[Any], Any]) -> Impl:
    return lambda held: read(urlsplit(held["__url"]))


def _host(parts: Any) -> str:
    return str(parts.netloc).rpartition("@")[2]


_URLS: Final = (
    ("url", False, (_T.STRING,), _T.DYN, _parse_url),
    ("isURL", False, (_T.STRING,), _T.BOOL, _is_url),
    ("getScheme", True, (_OBJECT,), _T.STRING, _url_part(lambda parts: parts.scheme)),
    ("getHost", True, (_OBJECT,), _T.STRING, _url_part(_host)),
    ("getHostname", True, (_OBJECT,), _T.STRING, _url_part(lambda parts: parts.hostname or "")),
    ("getPort", True, (_OBJECT,), _T.STRING, _url_part(lambda parts: str(parts.port or ""))),
    ("getEscapedPath", True, (_OBJECT,), _T.STRING, _url_part(lambda parts: parts.path)),
    ("getQuery", True, (_OBJECT,), _T.DYN, _url_part(lambda parts: parse_qs(parts.query, keep_blank_values=True))),
)


def _quantity(text: str) -> dict[str, Any]:
    try:
        return {"__quantity": quantity.canonical(text)}
    except quantity.InvalidQuantity as error:
        raise ValueError(f"quantity parse error during conversion from string: {error}") from None


def _is_quantity(text: str) -> bool:
    try:
        return bool(_quantity(text))
    except ValueError:
        return False


def _number(held: dict[str, Any]) -> Decimal:
    return Decimal(quantity.parse(held["__quantity"]))


def _compared(a: dict[str, Any], b: dict[str, Any]) -> int:
    """Of two quantities, or of two versions."""
    if cel_semver.KEY in a and cel_semver.KEY in b:
        return cel_semver.compared(a, b)
    return int(_number(a).compare(_number(b)))


def _made(number: Decimal) -> dict[str, Any]:
    return {"__quantity": quantity.canonical(format(number, "f"))}


_QUANTITIES: Final = (
    ("quantity", False, (_T.STRING,), _T.DYN, _quantity),
    ("isQuantity", False, (_T.STRING,), _T.BOOL, _is_quantity),
    ("isLessThan", True, (_OBJECT, _OBJECT), _T.BOOL, lambda a, b: _compared(a, b) < 0),
    ("isGreaterThan", True, (_OBJECT, _OBJECT), _T.BOOL, lambda a, b: _compared(a, b) > 0),
    ("compareTo", True, (_OBJECT, _OBJECT), _T.INT, lambda a, b: _compared(a, b)),
    ("sign", True, (_OBJECT,), _T.INT, lambda a: int(_number(a).compare(Decimal(0)))),
    ("isInteger", True, (_OBJECT,), _T.BOOL, lambda a: _number(a) == int(_number(a))),
    ("asInteger", True, (_OBJECT,), _T.INT, lambda a: int(_number(a))),
    ("asApproximateFloat", True, (_OBJECT,), _T.DOUBLE, lambda a: float(_number(a))),
    ("add", True, (_OBJECT, _OBJECT), _T.DYN, lambda a, b: _made(_number(a) + _number(b))),
    ("add", True, (_OBJECT, _T.INT), _T.DYN, lambda a, b: _made(_number(a) + b)),
    ("sub", True, (_OBJECT, _OBJECT), _T.DYN, lambda a, b: _made(_number(a) - _number(b))),
    ("sub", True, (_OBJECT, _T.INT), _T.DYN, lambda a, b: _made(_number(a) - b)),
)


def _holds(make: Impl) -> Impl:
    def check(text: str) -> bool:
        try:
            return make(text) is not None
        except ValueError:
            return False

    return check


def _ip(text: str) -> dict[str, Any]:
    return {"__ip": str(ip_address(text))}


def _cidr(text: str) -> dict[str, Any]:
    if "/" not in text:
        raise ValueError(f"network address parse error during conversion from string: {text}")
    ip_network(text, strict=False)
    return {"__cidr": text}


def _address(held: Any) -> Any:
    return ip_address(held if isinstance(held, str) else held["__ip"])


def _network(held: Any) -> Any:
    return ip_network(held if isinstance(held, str) else held["__cidr"], strict=False)


def _contains_cidr(held: Any, other: Any) -> bool:
    wide, narrow = _network(held), _network(other)
    return bool(wide.version == narrow.version and narrow.subnet_of(wide))


def _family(held: Any) -> int:
    return int((_address(held) if "__ip" in held else _network(held)).version)


_ADDRESSES: Final = (
    ("ip", False, (_T.STRING,), _T.DYN, _ip),
    ("isIP", False, (_T.STRING,), _T.BOOL, _holds(_ip)),
    ("ip.isCanonical", False, (_T.STRING,), _T.BOOL, lambda text: str(ip_address(text)) == text),
    ("family", True, (_OBJECT,), _T.INT, _family),
    ("isUnspecified", True, (_OBJECT,), _T.BOOL, lambda held: _address(held).is_unspecified),
    ("isLoopback", True, (_OBJECT,), _T.BOOL, lambda held: _address(held).is_loopback),
    ("isLinkLocalMulticast", True, (_OBJECT,), _T.BOOL, lambda held: _address(held) in ip_network("224.0.0.0/24")),
    ("isLinkLocalUnicast", True, (_OBJECT,), _T.BOOL, lambda held: _address(held).is_link_local),
    ("isGlobalUnicast", True, (_OBJECT,), _T.BOOL, lambda held: not _is_special(_address(held))),
    ("cidr", False, (_T.STRING,), _T.DYN, _cidr),
    ("isCIDR", False, (_T.STRING,), _T.BOOL, _holds(_cidr)),
    ("containsIP", True, (_OBJECT, _OBJECT), _T.BOOL, lambda held, one: _address(one) in _network(held)),
    ("containsIP", True, (_OBJECT, _T.STRING), _T.BOOL, lambda held, one: _address(one) in _network(held)),
    ("containsCIDR", True, (_OBJECT, _OBJECT), _T.BOOL, _contains_cidr),
    ("containsCIDR", True, (_OBJECT, _T.STRING), _T.BOOL, _contains_cidr),
    ("masked", True, (_OBJECT,), _T.DYN, lambda held: {"__cidr": str(_network(held))}),
    ("prefixLength", True, (_OBJECT,), _T.INT, lambda held: _network(held).prefixlen),
)


def _is_special(address: Any) -> bool:
    return bool(address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local)


_SETS: Final = (
    ("sets.contains", False, (_ANY_LIST, _ANY_LIST), _T.BOOL, lambda a, b: all(one in a for one in b)),
    (
        "sets.equivalent",
        False,
        (_ANY_LIST, _ANY_LIST),
        _T.BOOL,
        lambda a, b: all(one in a for one in b) and all(one in b for one in a),
    ),
    ("sets.intersects", False, (_ANY_LIST, _ANY_LIST), _T.BOOL, lambda a, b: any(one in a for one in b)),
)
