"""The values of awk's expressions, and of its functions that need or change the running program."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

from pocketkube.images.coreutils.awk_functions import FUNCTIONS, strftime, substitute
from pocketkube.images.coreutils.awk_state import State
from pocketkube.images.coreutils.awk_syntax import Node, Program
from pocketkube.images.coreutils.awk_values import (
    UNSET,
    AwkFailure,
    Input,
    Value,
    compare,
    integer,
    number,
    text,
    truth,
)
from pocketkube.regex import Pattern

_LARGEST = 8 << 20
"""Characters of a string."""


class Jump(Exception):
    """break, continue, next, nextfile, exit, return."""

    def __init__(self, kind: str, value: Value = UNSET) -> None:
        super().__init__(kind)
        self.kind = kind
        self.value = value


class Expressions(State):
    """A program, as far as its expressions go."""

    async def execute(self, node: Node) -> None:
        """Run a statement."""
        raise NotImplementedError

    async def subscript(self, nodes: list[Node]) -> str:
        form = text(self.globals["CONVFMT"])
        if len(nodes) == 1:
            return text(await self.value(nodes[0]), form)
        parts = [text(await self.value(node), form) for node in nodes]
        return text(self.globals["SUBSEP"]).join(parts)

    async def assign(self, target: Node, value: Value) -> Value:
        """Give a variable, field or element its value."""
        match target[0]:
            case "name":
                await self.set_variable(target[1], value)
            case "field":
                self.set_field(integer(number(await self.value(target[1]))), value)
            case "index":
                await self.set_element(self.array(target[1]), await self.subscript(target[2]), value)
            case "group":
                return await self.assign(target[1], value)
            case _:
                raise AwkFailure("cmd. line:1: Unexpected token")
        return value

    # Expressions

    async def value(self, node: Node) -> Value:
        result: Value = await _EXPRESSIONS[node[0]](self, node)
        return result

    async def number(self, node: Node) -> float:
        return number(await self.value(node))

    async def _constant(self, node: Node) -> Value:
        value: Value = node[1]
        return value

    async def _group(self, node: Node) -> Value:
        return await self.value(node[1])

    async def _grouping(self, node: Node) -> Value:
        return await self.subscript(node[1])

    async def _regex(self, node: Node) -> Value:
        return float(self.pattern(node[1]).search(self.whole_record()) is not None)

    async def _name(self, node: Node) -> Value:
        name = node[1]
        if name == "NF":
            return float(len(self.split_fields()))
        found = self.scope(name).get(name, UNSET)
        if isinstance(found, dict):
            raise AwkFailure("cmd. line:1: Not a scalar")
        return UNSET if found is None else found

    async def _field(self, node: Node) -> Value:
        at = integer(await self.number(node[1]))
        if at == 0:
            return Input(self.whole_record())
        if at < 0:
            raise AwkFailure(f"cmd. line:1: Access to field {at} is not possible")
        fields = self.split_fields()
        return fields[at - 1] if at <= len(fields) else UNSET

    async def _index(self, node: Node) -> Value:
        array = self.array(node[1])
        key = await self.subscript(node[2])
        if key not in array:
            await self.set_element(array, key, UNSET)
        return array[key]

    async def _assign(self, node: Node) -> Value:
        _, operator, target, expression = node
        value = await self.value(expression)
        if operator:
            value = _arithmetic(operator, await self.number(target), number(value))
        return await self.assign(target, value)

    async def _ternary(self, node: Node) -> Value:
        return await self.value(node[2] if truth(await self.value(node[1])) else node[3])

    async def _or(self, node: Node) -> Value:
        return float(truth(await self.value(node[1])) or truth(await self.value(node[2])))

    async def _and(self, node: Node) -> Value:
        return float(truth(await self.value(node[1])) and truth(await self.value(node[2])))

    async def _in(self, node: Node) -> Value:
        return float(await self.subscript(node[1]) in self.array(node[2]))

    async def as_pattern(self, node: Node) -> Pattern:
        return self.pattern(node[1] if node[0] == "regex" else text(await self.value(node)))

    async def _matches(self, node: Node) -> Value:
        subject = text(await self.value(node[1]), text(self.globals["CONVFMT"]))
        return float(((await self.as_pattern(node[2])).search(subject) is not None) == (node[0] == "~"))

    async def _compare(self, node: Node) -> Value:
        _, operator, left, right = node
        result = compare(await self.value(left), await self.value(right), text(self.globals["CONVFMT"]))
        return float(_COMPARISONS[operator](result))

    async def _concat(self, node: Node) -> Value:
        form = text(self.globals["CONVFMT"])
        made = text(await self.value(node[1]), form) + text(await self.value(node[2]), form)
        if len(made) > _LARGEST:
            raise AwkFailure("out of memory")
        return made

    async def _binary(self, node: Node) -> Value:
        return _arithmetic(node[1], await self.number(node[2]), await self.number(node[3]))

    async def _not(self, node: Node) -> Value:
        return float(not truth(await self.value(node[1])))

    async def _minus(self, node: Node) -> Value:
        return -await self.number(node[1])

    async def _plus(self, node: Node) -> Value:
        return await self.number(node[1])

    async def _step(self, node: Node) -> Value:
        old = await self.number(node[2])
        new = old + (1 if node[1] == "++" else -1)
        await self.assign(node[2], new)
        return new if node[0] == "before" else old

    async def _getline(self, node: Node) -> Value:
        _, kind, expression, variable = node
        if not kind:
            record = await self.next_record()
        else:
            source = await self.streams.source(kind, text(await self.value(expression)))
            if source is None:
                return -1.0
            await self.breathe()
            record = await source.record(text(self.globals["RS"]))
            if record is not None and kind == "|":
                self.globals["NR"] = number(self.globals["NR"]) + 1
        if record is None:
            return 0.0
        if variable is None:
            self.set_record(record)
        else:
            await self.assign(variable, Input(record))
        return 1.0

    async def _call(self, node: Node) -> Value:
        parameters, body = self.program.functions[node[1]]
        if len(node[2]) > len(parameters):
            raise AwkFailure(f"cmd. line:1: Too many arguments of function {node[1]}")
        await self.breathe()
        frame: dict[str, Any] = dict.fromkeys(parameters)
        unset: list[tuple[str, str]] = []
        for name, argument in zip(parameters, node[2], strict=False):
            if argument[0] == "name" and argument[1] != "NF":
                frame[name] = self.scope(argument[1]).get(argument[1])
                if frame[name] is None:
                    if _uses_array(self.program, node[1], name):
                        frame[name] = self.array(argument[1])
                    else:
                        unset.append((name, argument[1]))
            else:
                frame[name] = await self.value(argument)
        self.frames.append(frame)
        try:
            await self.execute(body)
        except Jump as jump:
            if jump.kind != "return":
                raise
            return jump.value
        finally:
            self.frames.pop()
        return UNSET

    async def _builtin(self, node: Node) -> Value:
        _, name, arguments = node
        special: Callable[..., Awaitable[Value]] | None = getattr(self, f"do_{name}", None)
        if special is not None:
            return await special(arguments)
        values = [await self.value(argument) for argument in arguments]
        try:
            return FUNCTIONS[name](*values)
        except TypeError:
            raise AwkFailure("cmd. line:1: Too few arguments") from None

    # Functions that change or need the program's state

    async def do_length(self, arguments: list[Node]) -> Value:
        if not arguments:
            return float(len(self.whole_record()))
        if arguments[0][0] == "name" and isinstance(self.scope(arguments[0][1]).get(arguments[0][1]), dict):
            return float(len(self.array(arguments[0][1])))
        return float(len(text(await self.value(arguments[0]), text(self.globals["CONVFMT"]))))

    async def do_split(self, arguments: list[Node]) -> Value:
        string = text(await self.value(arguments[0]))
        if len(arguments) < 3:
            separator = text(self.globals["FS"])
        else:
            node = arguments[2]
            separator = node[1] if node[0] == "regex" else text(await self.value(node))
            if node[0] == "regex" and len(separator) == 1:
                separator = f"[{separator}]" if separator not in "^ " else "[ ]" if separator == " " else "\\^"
        parts = self.split(string, separator)
        array = self.array(arguments[1][1])
        array.clear()
        for at, part in enumerate(parts, 1):
            await self.set_element(array, str(at), part)
        return float(len(parts))

    async def _substitute(self, arguments: list[Node], which: int) -> Value:
        pattern = await self.as_pattern(arguments[0])
        template = text(await self.value(arguments[1]))
        target = arguments[2] if len(arguments) > 2 else ("field", ("constant", 0.0))
        made, count = substitute(pattern, template, text(await self.value(target)), which=which)
        if count and target[0] in ("name", "field", "index", "group"):
            await self.assign(target, made)
        return float(count)

    async def do_sub(self, arguments: list[Node]) -> Value:
        return await self._substitute(arguments, 1)

    async def do_gsub(self, arguments: list[Node]) -> Value:
        return await self._substitute(arguments, 0)

    async def do_gensub(self, arguments: list[Node]) -> Value:
        pattern = await self.as_pattern(arguments[0])
        template, how = [await self.value(argument) for argument in arguments[1:3]]
        subject = text(await self.value(arguments[3])) if len(arguments) > 3 else self.whole_record()
        which = 0 if text(how)[:1] in ("g", "G") else max(integer(number(how)), 1)
        return substitute(pattern, text(template), subject, which=which, groups=True)[0]

    async def do_match(self, arguments: list[Node]) -> Value:
        subject = text(await self.value(arguments[0]))
        found = (await self.as_pattern(arguments[1])).search(subject)
        self.globals["RSTART"] = float(found.start() + 1) if found else 0.0
        self.globals["RLENGTH"] = float(found.end() - found.start()) if found else -1.0
        start: Value = self.globals["RSTART"]
        return start

    async def do_rand(self, arguments: list[Node]) -> Value:
        return self.random.random()

    async def do_srand(self, arguments: list[Node]) -> Value:
        old = self.seed
        self.seed = await self.number(arguments[0]) if arguments else math.floor(self.process.clock.time())
        self.random.seed(self.seed)
        return float(old)

    async def do_system(self, arguments: list[Node]) -> Value:
        return float(await self.streams.system(text(await self.value(arguments[0]))))

    async def do_close(self, arguments: list[Node]) -> Value:
        return float(await self.streams.close(text(await self.value(arguments[0]))))

    async def do_fflush(self, arguments: list[Node]) -> Value:
        await self.streams.flush()
        return 0.0

    async def do_systime(self, arguments: list[Node]) -> Value:
        return float(math.floor(self.process.clock.time()))

    async def do_strftime(self, arguments: list[Node]) -> Value:
        return strftime(self.process.clock.time(), [await self.value(argument) for argument in arguments])


def _uses_array(program: Program, function: str, parameter: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a function uses its parameter as an array."""
    _, body = program.functions[function]

    def looks(node: Any) -> bool:
        if isinstance(node, list):
            return any(map(looks, node))
        if not isinstance(node, tuple) or not node:
            return False
        if node[0] in ("index", "delete") and node[1] == parameter:
            return True
        if node[0] in ("in", "forin") and node[2] == parameter:
            return True
        if node[0] == "builtin" and node[1] == "split" and node[2][1:2] == [("name", parameter)]:
            return True
        if node[0] == "call" and node[1] not in seen:
            names = program.functions[node[1]][0]
            for name, argument in zip(names, node[2], strict=False):
                if argument == ("name", parameter) and _uses_array(program, node[1], name, seen | {function}):
                    return True
        return any(looks(part) for part in node[1:])

    return looks(body)


def _arithmetic(operator: str, left: float, right: float) -> float:
    try:
        match operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                return left / right
            case "%":
                return math.fmod(left, right)
        result = left**right
        return result if isinstance(result, float) else math.nan
    except ZeroDivisionError:
        raise AwkFailure("cmd. line:1: Division by zero") from None
    except ValueError:
        if operator == "%" and right == 0:
            raise AwkFailure("cmd. line:1: Division by zero") from None
        return math.nan
    except OverflowError:
        return math.inf


_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "<": lambda result: result < 0,
    "<=": lambda result: result <= 0,
    "==": lambda result: result == 0,
    "!=": lambda result: result != 0,
    ">": lambda result: result > 0,
    ">=": lambda result: result >= 0,
}
_NAMES = {
    "?": "ternary", "||": "or", "&&": "and", "~": "matches", "!~": "matches", "arithmetic": "binary", "before": "step",
    "after": "step",
}  # fmt: skip
_KINDS = "constant group grouping regex name field index assign in compare concat not minus plus getline call builtin"
_EXPRESSIONS: dict[str, Any] = {
    kind: getattr(Expressions, f"_{_NAMES.get(kind, kind)}") for kind in (*_NAMES, *_KINDS.split(" "))
}
