"""Label and field selectors.

Models apimachinery's labels.Parse (with the error texts of its lexer), metav1.LabelSelectorAsSelector and
fields.ParseSelector. A selector is a small immutable object: call it with an object's labels (or fields) to ask whether
it matches, `str()` it for the canonical text (requirements in key order, values sorted).

Left out: which fields a kind can be selected by; that is the kind's own declaration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pocketkube import fields
from pocketkube.errors import BadRequest

Labels = Mapping[str, str]

# --- what a label may look like -------------------------------------------------------------------------------------

_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME_RE = re.compile(_NAME)
_VALUE_RE = re.compile(f"({_NAME})?")
_SUBDOMAIN_RE = re.compile(_SUBDOMAIN)
_ALPHANUMERIC: Final = "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_NAME_MESSAGE: Final = (
    f"must consist of {_ALPHANUMERIC} "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
)
_VALUE_MESSAGE: Final = (
    f"a valid label must be an empty string or consist of {_ALPHANUMERIC} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '({_NAME})?')"
)
_SUBDOMAIN_MESSAGE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character "
    f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)


def label_key_errors(key: str) -> list[str]:
    """Why `key` is no label key (a "qualified name"), in upstream's words; empty when it is one."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return [
            f"a valid label key {_NAME_MESSAGE} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {text}" for text in _subdomain_errors(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        problems.append("name part must be no more than 63 bytes")
    if not _NAME_RE.fullmatch(name):
        problems.append(f"name part {_NAME_MESSAGE}")
    return problems


def label_value_errors(value: str) -> list[str]:
    """Why `value` is no label value, in upstream's words; empty when it is one."""
    problems = []
    if len(value.encode()) > 63:
        problems.append("must be no more than 63 bytes")
    if not _VALUE_RE.fullmatch(value):
        problems.append(_VALUE_MESSAGE)
    return problems


def _subdomain_errors(text: str) -> list[str]:
    problems = []
    if len(text.encode()) > 253:
        problems.append("must be no more than 253 bytes")
    if not _SUBDOMAIN_RE.fullmatch(text):
        problems.append(_SUBDOMAIN_MESSAGE)
    return problems


# --- label selectors ------------------------------------------------------------------------------------------------

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
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING: Final = LabelSelector()
NOTHING: Final = LabelSelector(selectable=False)


def parse_labels(text: str) -> LabelSelector:
    """`a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`. Raises BadRequest with upstream's text."""
    return _sorted(_Parser(text).selector())


def from_set(labels: Labels | None) -> LabelSelector:
    """Exactly these labels (a Service's spec.selector). An absent or empty set matches everything."""
    return _sorted(Requirement(key, EQUALS, (value,)) for key, value in (labels or {}).items())


_EXPRESSION: Final = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS}


def from_label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A LabelSelector field (matchLabels, matchExpressions): absent matches nothing, empty matches everything.

    Raises BadRequest where the API's validation would not have let it pass.
    """
    if selector is None:
        return NOTHING
    found = [_checked(key, EQUALS, (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _EXPRESSION.get(expression.get("operator", ""))
        if operator is None:
            raise BadRequest(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        found.append(_checked(expression.get("key", ""), operator, tuple(expression.get("values") or ())))
    return _sorted(found)


def _sorted(requirements: Iterator[Requirement] | list[Requirement]) -> LabelSelector:
    return LabelSelector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))


def _int64(text: str | None) -> int | None:
    if text is None or not re.fullmatch(r"[+-]?[0-9]+", text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _checked(key: str, operator: str, values: tuple[str, ...]) -> Requirement:
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


class _Token(NamedTuple):
    kind: str  # one of the operators, "(", ")", ",", "word", "end" or "error"
    text: str


_LEXER = re.compile(r"[ \t\r\n]*(?:(?P<symbols>[=!(),><]+)|(?P<word>[^=!(),><\0 \t\r\n]+)|(?P<end>\0|\Z))")
_SYMBOLS: Final = frozenset((")", ",", "!", "==", "=", ">", "<", "!=", "("))
_OPERATORS: Final = frozenset((EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS, IN, NOT_IN))
_KEYWORDS: Final = (IN, NOT_IN)


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while True:
        match = _LEXER.match(text, position)
        assert match is not None  # the three alternatives cover every character
        position = match.end()
        if (symbols := match["symbols"]) is not None:
            # Every symbol is a token of its own, except that two may form "==" or "!=".
            symbol = symbols[:2] if symbols[:2] in _SYMBOLS else symbols[:1]
            position -= len(symbols) - len(symbol)
            yield _Token(symbol, symbol)
        elif (word := match["word"]) is not None:
            yield _Token(word if word in _KEYWORDS else "word", word)
        else:
            yield _Token("end", "")
            return


class _Parser:
    """Recursive descent over the tokens; each complaint is upstream's, word for word."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._position = 0

    def _peek(self) -> _Token:
        """The next token, where `in` and `notin` are ordinary words."""
        token = self._tokens[self._position]
        return _Token("word", token.text) if token.kind in _KEYWORDS else token

    def _next(self) -> _Token:
        token = self._peek()
        self._position += 1
        return token

    def selector(self) -> list[Requirement]:
        found: list[Requirement] = []
        while (token := self._peek()).kind != "end":
            if token.kind not in ("word", NOT_EXISTS):
                raise BadRequest(f"found '{token.text}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except BadRequest as error:
                raise BadRequest(f"unable to parse requirement: {error.message}") from None
            token = self._next()
            if token.kind == "end":
                break
            if token.kind != ",":
                raise BadRequest(f"found '{token.text}', expected: ',' or 'end of string'")
            if (after := self._peek()).kind not in ("word", NOT_EXISTS):
                raise BadRequest(f"found '{after.text}', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        token = self._next()
        negated = token.kind == NOT_EXISTS
        if negated:
            token = self._next()
        if token.kind != "word":
            raise BadRequest(f"found '{token.text}', expected: identifier")
        key = token.text
        if errors := label_key_errors(key):
            # The path is a nil pointer there, and prints as one.
            raise BadRequest(str(fields.invalid("<nil>", key, "; ".join(errors))))
        if negated:
            return _checked(key, NOT_EXISTS, ())
        if self._peek().kind in ("end", ","):
            return _checked(key, EXISTS, ())
        operator = self._tokens[self._position]
        self._position += 1
        if operator.kind not in _OPERATORS:
            raise BadRequest(f"found '{operator.text}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._set() if operator.kind in _KEYWORDS else [self._exact()]
        return _checked(key, operator.kind, tuple(sorted(set(values))))

    def _exact(self) -> str:
        if self._peek().kind in ("end", ","):
            return ""
        token = self._next()
        if token.kind != "word":
            raise BadRequest(f"found '{token.text}', expected: identifier")
        return token.text

    def _set(self) -> list[str]:
        """`(x,y)`; empty entries stand for the empty value."""
        token = self._next()
        if token.kind != "(":
            raise BadRequest(f"found '{token.text}' expected: '('")
        if self._peek().kind == ")":
            self._next()
            return [""]
        if (first := self._peek()).kind not in ("word", ","):
            raise BadRequest(f"found '{first.text}', expected: ',', ')' or identifier")
        values: list[str] = []
        while True:
            token = self._next()
            if token.kind == "word":
                values.append(token.text)
                after = self._peek()
                if after.kind not in (",", ")"):
                    raise BadRequest(f"found '{after.text}', expected: ',' or ')'")
            elif token.kind == ",":
                if not values or self._peek().kind in (",", ")"):
                    values.append("")
            else:
                raise BadRequest(f"found '{token.text}', expected: ',', or identifier")
            if self._peek().kind == ")":
                self._next()
                return values


# --- field selectors ------------------------------------------------------------------------------------------------


class FieldRequirement(NamedTuple):
    """One term of a field selector; `equal` is false for `!=`."""

    field: str
    equal: bool
    value: str

    def __str__(self) -> str:
        escaped = re.sub(r"([\\,=])", r"\\\1", self.value)
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All requirements must hold; a field the object does not have counts as empty text."""

    requirements: tuple[FieldRequirement, ...] = ()

    def __call__(self, held: Mapping[str, str] | Callable[[str], str]) -> bool:
        value = held if callable(held) else lambda name: held.get(name, "")
        return all((value(r.field) == r.value) == r.equal for r in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements

    def exact(self, name: str) -> str | None:
        """The one value the field must have, where the selector says so (a watch of one object)."""
        return next((r.value for r in self.requirements if r.equal and r.field == name), None)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERY_FIELD: Final = FieldSelector()

_TERM = re.compile(r"(?P<field>.*?)(?P<operator>!=|==|=)(?P<value>.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.?)|[,=]", re.DOTALL)


def parse_fields(text: str) -> FieldSelector:
    r"""`metadata.name=x,status.phase!=Running`; `\`, `,` and `=` in a value are escaped with `\`.

    Terms come in text order, as upstream sorts them. Raises BadRequest with upstream's text.
    """
    found = []
    for term in sorted(_terms(text)):
        if not term:
            continue
        match = _TERM.fullmatch(term)
        if match is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
        found.append(FieldRequirement(match["field"], match["operator"] != "!=", _unescape(match["value"])))
    return FieldSelector(tuple(found))


def _terms(text: str) -> list[str]:
    """The text cut at each comma that is not escaped; escapes stay as they are."""
    terms, start = [], 0
    for match in re.finditer(r"\\.|,", text, re.DOTALL):
        if match[0] == ",":
            terms.append(text[start : match.start()])
            start = match.end()
    return [*terms, text[start:]]


def _unescape(value: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[0] in (",", "="):
            # Upstream prints the character's number.
            raise BadRequest(f"invalid field selector: unescaped character in value: {ord(match[0])}")
        if match[1] not in ("\\", ",", "=") or not match[1]:
            raise BadRequest(f"invalid field selector: invalid escape sequence: {match[0]}")
        return match[1]

    return _ESCAPE.sub(plain, value)
