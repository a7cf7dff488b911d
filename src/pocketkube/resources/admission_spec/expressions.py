"""Expressions of webhook configurations and admission policies: what they may name, and what does not compile.

Models apiserver/pkg/admission/plugin/cel/{compile,composition}.go. Types are known of `request`, `namespaceObject` and
`variables`; `object`, `oldObject` and `params` may be anything, as upstream. Evaluation is admission's
(admission/expressions.py). Left out: costs that are estimated when an expression is written, literals of lists and maps
whose elements must have one type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from pocketkube.objects import Obj
from pocketkube.resources.admission_spec import literals

Schema = dict[str, Any]
BOOL, STRING, NULL = "bool", "string", "null_type"
OBJECT, PATCHES = "Object", "list(JSONPatch)"
_STRING: Final[Schema] = {"type": "string"}
_STRINGS: Final[Schema] = {"type": "array", "items": _STRING}
_LABELS: Final[Schema] = {"type": "object", "additionalProperties": _STRING}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


_GVK: Final = _object(group=_STRING, version=_STRING, kind=_STRING)
_GVR: Final = _object(group=_STRING, version=_STRING, resource=_STRING)
REQUEST: Final = _object(
    kind=_GVK,
    resource=_GVR,
    subResource=_STRING,
    requestKind=_GVK,
    requestResource=_GVR,
    requestSubResource=_STRING,
    name=_STRING,
    namespace=_STRING,
    operation=_STRING,
    userInfo=_object(
        username=_STRING,
        uid=_STRING,
        groups=_STRINGS,
        extra={"type": "object", "additionalProperties": _STRINGS},
    ),
    dryRun={"type": "boolean"},
    options={},
)
NAMESPACE: Final = _object(
    metadata=_object(
        name=_STRING,
        generateName=_STRING,
        namespace=_STRING,
        labels=_LABELS,
        annotations=_LABELS,
        UID=_STRING,
        creationTimestamp={},
        deletionGracePeriodSeconds={"type": "integer"},
        deletionTimestamp={},
        generation={"type": "integer"},
        resourceVersion=_STRING,
        finalizers=_STRINGS,
    ),
    spec=_object(finalizers=_STRINGS),
    status=_object(
        phase=_STRING,
        conditions={
            "type": "array",
            "items": _object(status=_STRING, type=_STRING, lastTransitionTime={}, message=_STRING, reason=_STRING),
        },
    ),
)
_OF_TYPES: Final[Mapping[str, Schema]] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "double": {"type": "number"},
    "string": _STRING,
}
_NOT_KEPT: Final = ("google.protobuf.", "optional_type")
"""Types whose values the library does not take from outside."""


class Names(NamedTuple):
    """What an expression may name beyond object, oldObject, request and namespaceObject."""

    params: bool = False
    authorizer: bool = False
    variables: bool = False
    patches: bool = False
    """The types Object and JSONPatch, for mutations."""


@dataclass
class Compiled:
    """An expression that can be evaluated, or why it cannot."""

    text: str
    program: Any = None
    """custom.programs.Program"""
    type: str = "dyn"
    schema: Schema | None = None
    """What is known of its value."""
    problem: str = ""


@cache
def _environment(names: Names) -> Any:
    from cel_expr_python import cel

    from pocketkube.resources.admission_spec import authorizer
    from pocketkube.resources.custom import programs

    known = ["object", "oldObject", "request", "namespaceObject"]
    known += [name for name in ("params", "authorizer", "variables") if getattr(names, name)]
    escape = cel.Overload("k8s_jsonpatch_escape", cel.Type.STRING, [cel.Type.STRING], False, _escape)
    own = [cel.FunctionDecl("jsonpatch.escapeKey", [escape])] if names.patches else []
    return programs.environment(known, [*authorizer.functions(), *own])


def _escape(text: str) -> str:
    return str(text).replace("~", "~0").replace("/", "~1")


class Compiler:
    """Compiles the expressions of one object; `variables` come in their order, each may name those before it."""

    def __init__(self, *, params: bool, variables: bool = False, patches: bool = False) -> None:
        self._names = Names(params, True, variables, patches)
        self._variables: dict[str, Schema] = {}
        self.typed: dict[str, Schema | None] = {"request": REQUEST, "namespaceObject": NAMESPACE}
        """What is known of variables' types."""

    def compile(self, text: str, *returns: str, names: Names | None = None) -> Compiled:
        """`returns`: the types it may have, any if none is given."""
        names = names or self._names
        found = Compiled(text)
        rewritten = literals.rewrite(text) if names.patches else literals.Rewritten(text, frozenset(), ())
        self._translate(found, rewritten, names)
        if not found.problem and returns and not self._fits(found, rewritten, returns):
            shown = found.type if not rewritten.types else _made(rewritten)
            listed = returns[0] if len(returns) == 1 else f"one of [{' '.join(returns)}]"
            found.problem, found.program = f"must evaluate to {listed} but got {shown}", None
        return found

    def variable(self, name: str, text: str) -> Compiled:
        found = self.compile(text)
        if found.type.startswith(_NOT_KEPT):
            found.problem = f"compilation failed: a variable of type {found.type} is not supported by this cluster"
            found.program = None
        self._variables[name] = found.schema if found.schema is not None else {}
        return found

    def variables(self, declared: Iterable[Obj]) -> dict[str, Compiled]:
        """All of a valid policy, in their order: each may use those before it."""
        return {one["name"]: self.variable(one["name"], one["expression"]) for one in declared}

    def _translate(self, found: Compiled, rewritten: literals.Rewritten, names: Names) -> None:
        """Fill in program, type and schema, or the problem."""
        from pocketkube.resources.custom import cel_types, programs

        scope = dict(self.typed)
        if names.variables:
            scope["variables"] = {"type": "object", "properties": self._variables}
        try:
            program = programs.parsed(_environment(names), rewritten.text)
            found.schema = cel_types.Checker(program.expression, scope=scope).infer()
        except RuntimeError as error:
            text = _in_go(programs.problem(error), found.text, rewritten)
            found.problem = f"compilation failed: {text}"
            return
        except cel_types.Undefined as error:
            error.offset = rewritten.original(error.offset) if rewritten.types else error.offset
            found.problem = f"compilation failed: {programs.pointed(found.text, error)}"
            return
        found.program = program
        found.type = programs.type_of(program)
        if found.type == "dyn":
            found.type = cel_types.type_of(found.schema) or "dyn"
        elif found.type in _OF_TYPES:
            found.schema = _OF_TYPES[found.type]

    def _fits(self, found: Compiled, rewritten: literals.Rewritten, returns: tuple[str, ...]) -> bool:
        if found.type in returns:
            return True
        # a literal's type is not the library's: what it made of one says no more than that it may be
        composed, patches = "variables." in found.text, literals.JSON_PATCH in rewritten.types
        if OBJECT in returns:
            return found.type == "dyn" and (composed or bool(rewritten.types)) and not patches
        return PATCHES in returns and found.type.startswith(("list(", "dyn")) and (composed or patches)


def _made(rewritten: literals.Rewritten) -> str:
    """What an expression gives that is made of literals, as far as can be told."""
    return literals.JSON_PATCH if literals.JSON_PATCH in rewritten.types else min(rewritten.types, key=len)


_ERROR: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^'.]+)\.[^']*'")


def _in_go(text: str, original: str, rewritten: literals.Rewritten) -> str:
    """The library's messages as cel-go has them: about what was written, and of a name without its fields."""
    from pocketkube.resources.custom import cel_types, programs

    found = []
    lines = rewritten.text.split("\n")
    for error in _ERROR.finditer(text):
        line, column = int(error[1]) - 1, int(error[2]) - 1
        message = error[3]
        offset = sum(len(one) + 1 for one in lines[:line]) + column
        if undeclared := _UNDECLARED.match(message):
            offset = max(rewritten.text.rfind(undeclared[1], 0, offset + 1), 0)
            message = f"undeclared reference to '{undeclared[1]}' (in container '')"
        offset = rewritten.original(offset) if rewritten.types else offset
        found.append(programs.pointed(original, cel_types.Undefined(message, offset)))
    return "\n".join(found) or text
