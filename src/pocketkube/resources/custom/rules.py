"""`x-kubernetes-validations`: rules in CEL, compiled when a definition is written, evaluated for every object.

Models apiextensions-apiserver/pkg/apiserver/schema/cel/{compilation,validation}.go: transition rules, ratcheting,
messages from expressions, reasons and field paths. CEL itself is a library's work (`programs`), loaded with the first
rule. What would take too much is ended (`cost`; and the library's own limit of 10,000 iterations an evaluation).
Left out: costs that are estimated when a definition is written; rules inside allOf, which no structural schema has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.resources.custom import cel_types, cost, programs
from pocketkube.resources.custom.correlation import Correlated, ListMap, aligned
from pocketkube.resources.custom.paths import BadFieldPath, follow
from pocketkube.resources.custom.programs import Evaluation, Program
from pocketkube.resources.custom.schemas import (
    EMBEDDED,
    LIST_TYPE,
    RULES,
    Schema,
    additional,
    as_root,
    items,
    properties,
    walk,
)

_LONGEST_MESSAGE: Final = 5 * 1024
_NO_BUDGET: Final = "validation failed due to running out of cost budget, no further validation rules will be run"
_OPTIONAL: Final = "cel.bind(oldSelf, size(oldSelf__) == 0 ? optional.none() : optional.of(oldSelf__[0]), {})"
"""The library takes no optional values from outside: `oldSelf` is made of a list of at most one."""


@dataclass
class Compiled:
    """A rule that can be evaluated, or why it cannot."""

    program: Program | None = None
    problem: str = ""
    message: Program | None = None
    message_problem: str = ""
    uses_old_self: bool = False
    optional: bool = False


@cache
def _environment() -> Any:
    return programs.environment(("self", "oldSelf", "oldSelf__"))


def compile_all(schema: Schema, *, root: bool) -> list[Compiled]:
    """The rules of one schema, not of those inside it; `root`: of a whole object, whose metadata rules may read."""
    known = as_root(schema) if root else schema
    return [_compile(rule, known) for rule in schema.get(RULES) or ()]


def _compile(rule: dict[str, Any], schema: Schema) -> Compiled:
    found = Compiled(optional=bool(rule.get("optionalOldSelf")))
    text = rule.get("rule") or ""
    if not text.strip():
        return found
    found.program, kind, found.uses_old_self, found.problem = _expression(text, schema, found.optional)
    if found.problem:
        found.problem = f"compilation failed: {found.problem}"
    elif kind not in ("bool", ""):
        found.problem = "cel expression must evaluate to a bool"
    if (message := rule.get("messageExpression") or "") and not found.problem:
        found.message, kind, _, why = _expression(message, schema, found.optional)
        if why:
            found.message_problem = f"messageExpression compilation failed: {why}"
        elif kind not in ("string", ""):
            found.message_problem = "messageExpression must evaluate to a string"
    return found


def _expression(text: str, schema: Schema, optional: bool) -> tuple[Program | None, str, bool, str]:
    """(program, type or "", whether it uses oldSelf, what is wrong)."""
    try:
        parsed = _parsed(text)
        checker = cel_types.Checker(parsed.expression, schema)
        if optional:
            checker.scope["oldSelf"] = None
        inferred = checker.check()
        known = programs.type_of(parsed)
        kind = known if known != "dyn" else inferred
        uses_old_self = "oldSelf" in parsed.expression.names
        program = _parsed(_OPTIONAL.format(text)) if optional and uses_old_self else parsed
    except RuntimeError as error:
        return None, "", False, programs.problem(error)
    except cel_types.Undefined as error:
        return None, "", False, programs.pointed(text, error)
    return program, kind, uses_old_self, ""


@lru_cache(maxsize=256)
def _parsed(text: str) -> Program:
    """Kept: several versions have the same rules, and they are looked at when written and when used."""
    return programs.parsed(_environment(), text)


class Rules:
    """The rules of a whole schema, compiled once."""

    def __init__(self, schema: Schema, *, root: bool = True) -> None:
        self.schema = schema
        self._root = root
        self._compiled: dict[int, list[Compiled]] = {}
        self._meter = cost.Meter()
        """Of the object that is being looked at: that is done in one go."""
        self._ruled = {id(one) for one in walk(schema) if any(inside.get(RULES) for inside in walk(one))}

    def causes(self, new: Any, old: Any, at: str = "") -> Iterator[Cause]:
        """Field errors of `new`; `old` is None for a new object."""
        correlated = Correlated(new, old, self.schema) if old is not None else None
        self._meter = cost.Meter()
        yield from self._visit(self.schema, at, new, old, correlated, False, root=self._root)

    def _visit(
        self,
        schema: Schema,
        at: str,
        new: Any,
        old: Any,
        correlated: Correlated | None,
        unchanged: bool,
        *,
        root: bool = False,
    ) -> Iterator[Cause]:
        """`unchanged`: the nearest ancestor that can be told apart is as it was."""
        if new is None or id(schema) not in self._ruled or self._meter.ended:
            return
        same = correlated.unchanged if correlated is not None else unchanged
        if schema.get(RULES):
            yield from self._evaluate(schema, at, new, old, same, root or bool(schema.get(EMBEDDED)))
        if isinstance(new, list) and (inner := items(schema)) is not None:
            before = ListMap(schema, old) if schema.get(LIST_TYPE) == "map" else None
            for index, item in enumerate(new):
                held = before.get(item) if before is not None else None
                child = correlated.index(index) if correlated is not None else None
                yield from self._visit(inner, f"{at}[{index}]", item, held, child, same)
        elif isinstance(new, dict):
            yield from self._visit_fields(schema, at, new, old, correlated, same)

    def _visit_fields(
        self, schema: Schema, at: str, new: dict[str, Any], old: Any, correlated: Correlated | None, same: bool
    ) -> Iterator[Cause]:
        before = old if isinstance(old, dict) else {}
        values, known = additional(schema), properties(schema)
        for name in sorted(new):
            child = correlated.key(name) if correlated is not None else None
            if values is not None:
                yield from self._visit(values, f"{at}[{name}]", new[name], before.get(name), child, same)
            elif name in known:
                where = f"{at}.{name}" if at else name
                yield from self._visit(known[name], where, new[name], before.get(name), child, same)

    def _evaluate(self, schema: Schema, at: str, new: Any, old: Any, same: bool, root: bool) -> Iterator[Cause]:
        compiled = self._compiled.get(id(schema))
        if compiled is None:
            compiled = self._compiled[id(schema)] = compile_all(schema, root=root)
        known = as_root(schema) if root else schema
        data = {"self": cel_types.value(new, known)}
        if old is not None:
            data["oldSelf"] = cel_types.value(aligned(old, new, known), known)
        data["oldSelf__"] = [data["oldSelf"]] if old is not None else []
        sizes = {name: cost.size(held) for name, held in data.items()}
        for rule, ready in zip(schema[RULES], compiled, strict=True):
            if self._meter.ended:
                return
            if ready.program is None or (ready.uses_old_self and old is None and not ready.optional):
                if ready.problem:
                    yield fields.invalid(at or "<nil>", schema.get("type", ""), f"rule compile error: {ready.problem}")
                continue
            cause = _failure(schema, at, new, rule, ready, Evaluation(data, sizes, self._meter))
            if cause is not None and (ready.uses_old_self or not same):
                yield cause


def _failure(
    schema: Schema, at: str, new: Any, rule: dict[str, Any], ready: Compiled, given: Evaluation
) -> Cause | None:
    """What one rule has against a value."""
    assert ready.program is not None
    kind = schema.get("type", "")
    if given.meter.spent > cost.PER_OBJECT:
        given.meter.ended = True
        return fields.invalid(at or "<nil>", kind, _NO_BUDGET)
    succeeded, said = given.run(ready.program)
    if not succeeded:
        named = (rule.get("message") or rule["rule"]).strip()
        why = programs.go_error(said)
        if why == programs.TOO_EXPENSIVE:
            given.meter.ended = True
            stopped = "no further validation rules will be run due to call cost exceeds limit"
            return fields.invalid(at or "<nil>", kind, f"'{why}': {stopped} for rule: {named}")
        if why == "no such overload":
            mismatch = "call arguments did not match a supported operator, function or macro signature"
            return fields.invalid(at or "<nil>", kind, f"'{why}': {mismatch} for rule: {named}")
        return fields.invalid(at or "<nil>", kind, f"{why} evaluating rule: {named}")
    if said is True:
        return None
    where = at
    if path := rule.get("fieldPath"):
        try:
            named = follow(path, schema)[0]
            where = f"{at}.{named}" if at else named
        except BadFieldPath:
            pass
    detail = _message(ready, given) or (rule.get("message") or "").strip() or f"failed rule: {rule['rule'].strip()}"
    return _cause(where or "<nil>", new, kind, detail, rule.get("reason"))


def _cause(at: str, new: Any, kind: str, detail: str, reason: str | None) -> Cause:
    whole = kind in ("object", "array")
    match reason:
        case "FieldValueForbidden":
            return fields.forbidden(at, detail)
        case "FieldValueRequired":
            return fields.required(at, detail)
        case "FieldValueDuplicate":
            return Cause(reason, at, "Duplicate value") if whole else fields.duplicate(at, new)
    if whole:  # too large to be shown
        return Cause("FieldValueInvalid", at, f"Invalid value: {detail}")
    return fields.invalid(at, new, detail)


def _message(ready: Compiled, given: Evaluation) -> str:
    """What messageExpression says; "" when it says nothing that can be shown."""
    if ready.message is None:
        return ""
    succeeded, text = given.run(ready.message)
    text = text.strip() if succeeded and isinstance(text, str) else ""
    return "" if "\n" in text or len(text.encode()) > _LONGEST_MESSAGE else str(text)
