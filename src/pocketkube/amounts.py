"""Amounts by resource: `{"requests.cpu": 250m, "pods": 2}`, and how they are added up and compared.

Models apiserver/pkg/quota/v1/resources.go. An amount keeps the family of suffixes it was written in, as upstream's
quantities do: a sum is shown in that of its first part that is not zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from pocketkube import quantity

_EXACT: Final = Context(prec=4000, Emax=MAX_EMAX, Emin=MIN_EMIN)


class Amount(NamedTuple):
    value: Decimal
    format: quantity.Format

    def __str__(self) -> str:
        return quantity.text_of(self.value, self.format)


Amounts = Mapping[str, Amount]
ZERO: Final = Amount(Decimal(0), "DecimalSI")
ONE: Final = Amount(Decimal(1), "DecimalSI")


def of(texts: Mapping[str, str] | None) -> dict[str, Amount]:
    """Amounts as objects hold them."""
    return {name: amount(text) for name, text in (texts or {}).items()}


@lru_cache(maxsize=4096)
def amount(text: str) -> Amount:
    return Amount(quantity.parse(text), quantity.format_of(text))


def texts(amounts: Amounts) -> dict[str, str]:
    """Amounts as objects hold them, in the order of their names."""
    return {name: str(amounts[name]) for name in sorted(amounts)}


def add(into: dict[str, Amount], amounts: Amounts) -> None:
    """Add amounts to others in place."""
    for name, one in amounts.items():
        into[name] = plus(into.get(name, ZERO), one)


def plus(one: Amount, other: Amount) -> Amount:
    return Amount(_EXACT.add(one.value, other.value), one.format if one.value else other.format)


def growth(new: Amounts, old: Amounts) -> dict[str, Amount]:
    """What is more than before; names of which there is no more are left out."""
    grown = {}
    for name, one in new.items():
        more = _EXACT.subtract(one.value, old.get(name, ZERO).value)
        if more > 0:
            grown[name] = Amount(more, one.format)
    return grown


def raise_to(into: dict[str, Amount], amounts: Amounts) -> None:
    """The larger of each two amounts, in place."""
    for name, one in amounts.items():
        if name not in into or one.value > into[name].value:
            into[name] = one


def only(amounts: Amounts, names: Collection[str]) -> dict[str, Amount]:
    return {name: one for name, one in amounts.items() if name in names}


def equal(one: Amounts, other: Amounts) -> bool:
    """Whether both name the same and as much of it."""
    return one.keys() == other.keys() and all(one[name].value == other[name].value for name in one)


def shown(amounts: Amounts) -> str:
    """`cpu=1,pods=2`, as refusals tell."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))


def listed(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
