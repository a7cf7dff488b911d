"""Label selectors: requirements on keys and values, and how they match.

Models apimachinery's labels.Requirement (with NewRequirement's complaints) and metav1.LabelSelectorAsSelector.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pocketkube import fields
from pocketkube.errors import BadRequest
from pocketkube.selectors.names import label_key_errors, label_value_errors

Labels = Mapping[str, str]

EQUALS: Final = "="
DOUBLE_EQUALS: Final = "=="
NOT_EQUALS: Final = "!="
IN: Final = "in"
NOT_IN: Final = "notin"
EXISTS: Final = "exists"
NOT_EXISTS: Final = "!"
GREATER: Final = ">"
LESS: Final = "<"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector; `values` in the order given (empty for exists and !)."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == NOT_EXISTS:
            return f"!{self.key}"
        values = ",".join(sorted(self.values))
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({values})"
        return f"{self.key}{self.operator}{values}"

    def matches(self, labels: Labels) -> bool:
        """As upstream: `!=` and `notin` also match objects without the key, `>` and `<` only integers."""
        held = labels.get(self.key)
        if self.operator in (EQUALS, DOUBLE_EQUALS, IN):
            return held in self.values if held is not None else False
        if self.operator in (NOT_EQUALS, NOT_IN):
            return held not in self.values if held is not None else True
        if self.operator == EXISTS:
            return held is not None
        if self.operator == NOT_EXISTS:
            return held is None
        number, bound = _int64(held), _int64(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator == GREATER else number < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold. `selectable` is false for the selector of an absent field, which matches nothing."""

    requirements: tuple[Requirement, ...] = ()
    selectable: bool = True
    _exact: tuple[tuple[str, str], ...] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        # Nearly every selector is a set of equalities: compare those without going through the requirements.
        if all(len(r.values) == 1 and r.operator in (EQUALS, DOUBLE_EQUALS, IN) for r in self.requirements):
            object.__setattr__(self, "_exact", tuple((r.key, r.values[0]) for r in self.requirements))

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return self.selectable and not self.requirements

    def __call__(self, labels: Labels | None) -> bool:
        if not self.selectable:
            return False
        labels = labels or {}
        if self._exact is not None:
            return all(labels.get(key) == value for key, value in self._exact)
        return all(term.matches(labels) for term in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING: Final = LabelSelector()
NOTHING: Final = LabelSelector(selectable=False)


def from_set(labels: Labels | None) -> LabelSelector:
    """Exactly these labels (a Service's spec.selector). An absent or empty set matches everything."""
    return in_key_order(Requirement(key, EQUALS, (value,)) for key, value in (labels or {}).items())


_EXPRESSION: Final = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS}


def from_label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A LabelSelector field (matchLabels, matchExpressions): absent matches nothing, empty matches everything.

    Raises BadRequest where the API's validation would not have let it pass.
    """
    if selector is None:
        return NOTHING
    found = [requirement(key, EQUALS, (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _EXPRESSION.get(expression.get("operator", ""))
        if operator is None:
            raise BadRequest(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        found.append(requirement(expression.get("key", ""), operator, tuple(expression.get("values") or ())))
    return in_key_order(found)


def in_key_order(requirements: Iterable[Requirement]) -> LabelSelector:
    """All of them, in the order of the canonical text."""
    return LabelSelector(tuple(sorted(requirements, key=lambda term: term.key)))


def _int64(text: str | None) -> int | None:
    if text is None or not re.fullmatch(r"[+-]?[0-9]+", text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def requirement(key: str, operator: str, values: tuple[str, ...]) -> Requirement:
    """A requirement, or BadRequest with all that is wrong with it as upstream's NewRequirement lists it."""
    causes = [fields.invalid("key", key, "; ".join(errors))] if (errors := label_key_errors(key)) else []
    if operator in (IN, NOT_IN) and not values:
        causes.append(fields.invalid("values", None, "for 'in', 'notin' operators, values set can't be empty"))
    elif operator in (EXISTS, NOT_EXISTS) and values:
        causes.append(fields.invalid("values", list(values), "values set must be empty for exists and does not exist"))
    elif operator in (GREATER, LESS):
        causes += [
            fields.invalid(f"values[{index}]", value, "for 'Gt', 'Lt' operators, the value must be an integer")
            for index, value in enumerate(values)
            if _int64(value) is None
        ]
    for index, value in enumerate(values):
        if errors := label_value_errors(value):
            causes.append(fields.invalid(f"values[{index}][{key}]", value, "; ".join(errors)))
    if causes:
        texts = list(dict.fromkeys(map(str, causes)))
        raise BadRequest(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
    return Requirement(key, operator, values)
