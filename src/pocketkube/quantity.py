"""Resource quantities: `500m`, `1536Mi`, `2`, `1e3`.

Models apimachinery's resource.Quantity: which texts parse, what they are worth, and the text they are stored as.
Values are exact Decimals, rounded away from zero at the ninth decimal place as upstream does.

Left out: numbers of more than a thousand digits; arithmetic that keeps the suffix of its operands (add Decimals, then
use `text_of` with the format wanted).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal
from functools import lru_cache
from typing import Final, Literal, NamedTuple

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

_SCANNER = re.compile(r"([+-]?)(0*)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)\Z")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX: Final = {0: "", **{exponent // 10: suffix for suffix, exponent in _BINARY.items()}}
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)\Z")

_MAX_INT64: Final = 2**63 - 1
_NANO: Final = Decimal("1e-9")
# Upstream keeps numbers of up to 18 digits as int64, which is where it may also keep the text as it was written.
_INT64_DIGITS: Final = 18
# Wide enough for any number of int64 size with nano precision; longer ones are computed with their own width.
_MIN_PRECISION: Final = 64
_LONGEST: Final = 1000
"""Digits, and the largest exponent: upstream takes more, and computes with them for as long as it takes."""


class InvalidQuantity(ValueError):
    """The text is no quantity; the message is upstream's."""


FORMAT_WRONG: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMERIC_WRONG: Final = "unable to parse numeric part of quantity"
SUFFIX_WRONG: Final = "unable to parse quantity's suffix"


class _Parsed(NamedTuple):
    value: Decimal
    format: Format
    text: str  # as it is stored


def parse(text: str | int | float) -> Decimal:
    """The exact worth of a quantity, in units (cores, bytes). Raises InvalidQuantity.

    Numbers are taken as JSON would write them (`cpu: 0.5`).
    """
    return _parse(_as_text(text)).value


def canonical(text: str | int | float) -> str:
    """The text a quantity is stored and answered as: `1000m` -> `1`, `0.5` -> `500m`, `1.5Gi` -> `1536Mi`."""
    return _parse(_as_text(text)).text


def milli(text: str | int | float) -> int:
    """Thousandths, rounded up (cpu in millicores)."""
    return scaled(parse(text), 3)


def value(text: str | int | float) -> int:
    """Whole units, rounded up (memory in bytes)."""
    return scaled(parse(text), 0)


def resource_list(amounts: Mapping[str, str | int | float]) -> dict[str, str]:
    """Amounts by resource as objects hold them: counted in thousandths at the finest (SetDefaults_ResourceList)."""
    return {name: _thousandths(amount) for name, amount in amounts.items()}


def _thousandths(text: str | int | float) -> str:
    amount = parse(text) * 1000
    if amount == amount.to_integral_value():
        return canonical(text)
    return text_of(amount.to_integral_value(ROUND_CEILING) / 1000, format_of(text))


def format_of(text: str | int | float) -> Format:
    """The family of suffixes a quantity was written in; sums and differences are shown in that of the first operand."""
    return _parse(_as_text(text)).format


def scaled(amount: Decimal, decimals: int) -> int:
    """`amount` times ten to the power of `decimals`, rounded up, capped to what an int64 holds."""
    if amount.adjusted() + decimals > 19:
        return _MAX_INT64 if amount > 0 else -_MAX_INT64
    result = int(amount.scaleb(decimals, _context(amount)).to_integral_value(ROUND_CEILING))
    return max(-_MAX_INT64, min(_MAX_INT64, result))


def text_of(amount: Decimal | int, format: Format = "DecimalSI") -> str:
    """The canonical text of a value: no fraction, no lost precision, the largest suffix that allows both."""
    amount = Decimal(amount)
    if not amount:
        return "0"
    if format == "BinarySI" and abs(amount) >= 1024 and amount == amount.to_integral_value():
        number, factors = int(amount), 0
        while number % 1024 == 0:
            number, factors = number // 1024, factors + 1
        return f"{number}{_BINARY_SUFFIX.get(factors, '')}"
    sign, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int)
    mantissa = "".join(map(str, digits)).lstrip("0")
    stripped = mantissa.rstrip("0")
    exponent += len(mantissa) - len(stripped)
    padding = exponent % 3
    number_text = ("-" if sign else "") + stripped + "0" * padding
    exponent -= padding
    if format == "DecimalExponent":
        return f"{number_text}e{exponent}" if exponent else number_text
    # No suffix reaches beyond E, and upstream then writes none at all ("1000E" comes back as "1").
    return number_text + _DECIMAL_SUFFIX.get(exponent, "")


def compare(left: str | int | float, right: str | int | float) -> int:
    """-1, 0 or 1, as left is less than, equal to or greater than right."""
    a, b = parse(left), parse(right)
    return (a > b) - (a < b)


def _as_text(text: str | int | float) -> str:
    return text if isinstance(text, str) else repr(text)


@lru_cache(maxsize=4096)
def _parse(text: str) -> _Parsed:
    match = _SCANNER.match(text)
    if not text or match is None:
        raise InvalidQuantity(FORMAT_WRONG)
    sign, zeros, digits, fraction, suffix = match.groups()
    if len(digits) + len(fraction or "") > _LONGEST:
        raise InvalidQuantity(NUMERIC_WRONG)
    if len(sign) + len(zeros) == len(text):
        return _Parsed(Decimal(0), "DecimalSI", "0")
    number, fraction = digits or "0", fraction or ""
    format, exponent = _suffix(suffix)

    shifted = int(number + fraction)
    amount = Decimal((sign == "-", tuple(map(int, str(shifted))), -len(fraction)))
    if format == "BinarySI":
        precision = _INT64_DIGITS - 3 - len(number) - int(exponent * 3 / 10) - 1 if not fraction else -1
        amount = _context(amount).multiply(amount, Decimal(2**exponent))
    else:
        precision = _INT64_DIGITS - len(number) - len(fraction)
        amount = _shift(amount, exponent)

    fits = precision >= 0 and (format == "BinarySI" or exponent - len(fraction) >= -9) and abs(shifted) <= _MAX_INT64
    if fits and _kept_as_written(format, shifted, number + fraction, exponent - len(fraction)):
        return _Parsed(amount, format, text)
    if not fits:
        if not (zeros + digits + fraction):
            raise InvalidQuantity(NUMERIC_WRONG)
        amount = _round_up_to_nano(amount)
        if format == "BinarySI":
            if abs(amount) > _MAX_INT64:
                amount = Decimal(_MAX_INT64).copy_sign(amount)
            if 0 < abs(amount) < 1:
                format = "DecimalSI"
    return _Parsed(amount, format, text_of(amount, format))


def _kept_as_written(format: Format, number: int, digits: str, scale: int) -> bool:
    """Upstream keeps the text of numbers it can see to be canonical at a glance; so `1.500` stays `1.500`."""
    if format == "BinarySI":
        return number & 0x07 != 0
    return scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"


def _suffix(suffix: str) -> tuple[Format, int]:
    if suffix in _DECIMAL:
        return "DecimalSI", _DECIMAL[suffix]
    if suffix in _BINARY:
        return "BinarySI", _BINARY[suffix]
    match = _EXPONENT.match(suffix)
    if match is None or len(match[1]) > 11 or abs(exponent := int(match[1])) > _LONGEST:
        raise InvalidQuantity(SUFFIX_WRONG)
    return "DecimalExponent", exponent


def _context(amount: Decimal) -> Context:
    return Context(prec=max(_MIN_PRECISION, len(amount.as_tuple().digits) + 24), Emax=10**10, Emin=-(10**10))


def _shift(amount: Decimal, exponent: int) -> Decimal:
    sign, digits, scale = amount.as_tuple()
    assert isinstance(scale, int)
    return Decimal((sign, digits, scale + exponent))


def _round_up_to_nano(amount: Decimal) -> Decimal:
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent >= -9 or not amount:
        return amount
    return amount.quantize(_NANO, ROUND_UP, _context(amount))
