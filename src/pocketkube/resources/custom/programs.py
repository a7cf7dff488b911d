"""Expressions in CEL as the library takes them: environments, programs, their evaluation, and its words in cel-go's.

CEL is Google's library (cel-expr-python), loaded with the first rule. Shared by the rules of custom resources and by
admission (resources/admission_spec/expressions.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from cel_expr_python import cel

from pocketkube.resources.custom import cel_functions, cel_types, cost

TOO_EXPENSIVE: Final = "operation cancelled: actual cost limit exceeded"
_TYPES: Final = {
    "null": "null_type",
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
}


class Program(NamedTuple):
    library: Any
    """What evaluates it."""
    expression: cel_types.Expression


def environment(variables: Iterable[str], functions: Iterable[Any] = ()) -> Any:
    """What an expression may use: variables of any type, the functions that Kubernetes adds, and `functions`."""
    from cel_expr_python.ext import ext_bindings, ext_optional, ext_strings

    own = cel.CelExtension("kubernetes", [*cel_functions.declared(), *functions])
    extensions = [ext_strings.ExtStrings(), ext_optional.ExtOptional(), ext_bindings.ExtBindings(), own]
    return cel.NewEnv(variables={name: cel.Type.DYN for name in variables}, extensions=extensions)


def parsed(env: Any, text: str) -> Program:
    """Raises RuntimeError, whose words `problem` knows."""
    library = env.compile(text)
    return Program(library, cel_types.Expression(library.serialize()))


def type_of(program: Program) -> str:
    """cel-go's name of what an expression gives, as far as the library knows it: "dyn" for what it does not."""
    name = str(program.library.return_type().name()).lower().replace("<", "(").replace(">", ")")
    return re.sub(r"[a-z_]+", lambda found: _TYPES.get(found[0], found[0]), name)


def problem(error: RuntimeError) -> str:
    """What the library has against an expression, without the words for its own kind of error."""
    return str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")


def pointed(text: str, error: cel_types.Undefined) -> str:
    """A compiler's message: the line, and a mark below where it went wrong."""
    before = text[: error.offset]
    line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    shown = text.split("\n")[line]
    return f"ERROR: <input>:{line + 1}:{column + 1}: {error.text}\n | {shown}\n | {'.' * column}^"


class Evaluation(NamedTuple):
    """What expressions that belong together are given."""

    data: dict[str, Any]
    sizes: dict[str, cost.Size]
    meter: cost.Meter

    def run(self, program: Program) -> tuple[bool, Any]:
        """(whether the expression could be evaluated, its value or what went wrong)."""
        try:
            self.meter.charge(program.expression, self.sizes)
            result = program.library.eval(data=self.data)
        except cost.TooExpensive:
            return False, TOO_EXPENSIVE
        except RuntimeError as error:  # what ends an evaluation from outside, its budget for one
            return False, str(error)
        if result.type() == cel.Type.ERROR:
            return False, str(result.value())
        try:
            return True, result.plain_value()
        except TypeError:  # an optional value, which the library does not hand out
            return False, "the value is of a type that this cluster cannot use"


def go_error(text: str) -> str:
    """The library's words for an evaluation that failed, in cel-go's."""
    text = re.sub(r"^[A-Z_]+: ", "", text)
    if text.startswith("Iteration budget exceeded"):
        return TOO_EXPENSIVE
    if found := re.match(r'Key not found in map : "?(.*?)"?$', text):
        return f"no such key: {found[1]}"
    if found := re.match(r"Index error: index=(-?\d+)", text):
        return f"index out of bounds: {found[1]}"
    if text.startswith(("No matching overloads found", "Applying SELECT to non-message type")):
        return "no such overload"
    known = {"divide by zero": "division by zero", "modulus by zero": "modulus by zero"}
    return known.get(text, text)
