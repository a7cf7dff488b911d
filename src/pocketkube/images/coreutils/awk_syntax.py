"""The awk language (IEEE 1003.1) as data: a tree of tuples `(kind, ...)` that `awk` runs.

Left out: gawk's namespaces, @include, switch, BEGINFILE.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pocketkube.images.coreutils.awk_tokens import AwkSyntaxError, Token, tokens, unescape

Node = tuple[Any, ...]
_DEEPEST = 45
"""Levels of nesting: a tree is walked with the stack."""


class Program(NamedTuple):
    begin: list[Node]
    main: list[tuple[Node | None, Node | None, Node | None]]
    """(pattern, the pattern that ends its range, action)"""
    end: list[Node]
    functions: dict[str, tuple[list[str], Node]]


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.at = 0
        self.no_in = self.no_greater = False
        """Within the head of a `for`, and within the arguments of `print`."""
        self.depth = 0
        self.functions: dict[str, tuple[list[str], Node]] = {}
        self.called: list[tuple[str, int]] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def sees(self, *texts: str) -> bool:
        return self.token.kind in ("sign", "keyword") and self.token.text in texts

    def accept(self, *texts: str) -> bool:
        if self.sees(*texts):
            self.at += 1
            return True
        return False

    def fail(self) -> AwkSyntaxError:
        return AwkSyntaxError(self.token.line, "unexpected token")

    def expect(self, *texts: str) -> None:
        for text in texts:
            if not self.accept(text):
                raise self.fail()

    def newlines(self) -> None:
        while self.token.kind == "newline":
            self.at += 1

    def ends(self) -> None:
        while self.token.kind == "newline" or self.sees(";"):
            self.at += 1

    # Items

    def program(self) -> Program:
        found = Program([], [], [], self.functions)
        self.ends()
        while self.token.kind != "end":
            if self.accept("BEGIN"):
                self.newlines()
                found.begin.append(self.block())
            elif self.accept("END"):
                self.newlines()
                found.end.append(self.block())
            elif self.accept("function", "func"):
                self.function()
            else:
                pattern = end = action = None
                if not self.sees("{"):
                    pattern = self.expression()
                    if self.accept(","):
                        self.newlines()
                        end = self.expression()
                if self.sees("{"):
                    action = self.block()
                found.main.append((pattern, end, action))
            self.ends()
        for name, line in self.called:
            if name not in self.functions:
                raise AwkSyntaxError(line, f"call to undefined function {name}")
        return found

    def function(self) -> None:
        name = self.take()
        if name.kind != "name":
            raise AwkSyntaxError(name.line, "unexpected token")
        self.expect("(")
        parameters = []
        while not self.accept(")"):
            self.newlines()
            parameters.append(self.take().text)
            self.newlines()
            self.accept(",")
        self.newlines()
        self.functions[name.text] = (parameters, self.block())

    # Statements

    def block(self) -> Node:
        self.expect("{")
        self.ends()
        body = []
        while not self.accept("}"):
            if self.token.kind == "end":
                raise self.fail()
            body.append(self.statement())
            self.ends()
        return ("block", body)

    def finish(self) -> None:
        """The end of a simple statement."""
        if self.token.kind == "newline" or self.sees(";"):
            self.at += 1
            return
        if not (self.sees("}") or self.token.kind == "end"):
            raise self.fail()

    def body(self) -> Node:
        self.newlines()
        return ("block", []) if self.accept(";") else self.statement()

    def statement(self) -> Node:
        return self.deeper(self._statement)

    def deeper(self, read: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise AwkSyntaxError(self.token.line, "too deeply nested")
        node = read()
        self.depth -= 1
        return node

    def _statement(self) -> Node:
        if self.sees("{"):
            return self.block()
        if self.accept("if"):
            self.expect("(")
            condition = self.expression()
            self.expect(")")
            then = self.body()
            start = self.at
            self.ends()
            if self.accept("else"):
                return ("if", condition, then, self.body())
            self.at = start
            return ("if", condition, then, None)
        if self.accept("while"):
            self.expect("(")
            condition = self.expression()
            self.expect(")")
            return ("while", condition, self.body())
        if self.accept("do"):
            body = self.body()
            self.ends()
            self.expect("while", "(")
            condition = self.expression()
            self.expect(")")
            self.finish()
            return ("do", body, condition)
        if self.accept("for"):
            return self.loop()
        node = self.simple()
        self.finish()
        return node

    def loop(self) -> Node:
        self.expect("(")
        first, second, third = self.token, *self.tokens[self.at + 1 : self.at + 3]
        if first.kind == "name" and second.text == "in" and self.tokens[self.at + 3].text == ")":
            self.at += 4
            return ("forin", ("name", first.text), third.text, self.body())
        start = None if self.sees(";") else self.simple()
        self.expect(";")
        self.newlines()
        condition = None if self.sees(";") else self.expression()
        self.expect(";")
        self.newlines()
        step = None if self.sees(")") else self.simple()
        self.expect(")")
        return ("for", start, condition, step, self.body())

    def simple(self) -> Node:
        token = self.token
        if self.accept("print", "printf"):
            return self.output(token.text)
        if self.accept("next", "nextfile", "break", "continue"):
            return (token.text,)
        if self.accept("exit", "return"):
            empty = self.token.kind in ("newline", "end") or self.sees(";", "}")
            return (token.text, None if empty else self.expression())
        if self.accept("delete"):
            name = self.take().text
            return ("delete", name, self.expressions("]") if self.accept("[") else None)
        return ("expression", self.expression())

    def output(self, kind: str) -> Node:
        arguments: list[Node] = []
        kept, self.no_greater = self.no_greater, True
        if not (self.token.kind in ("newline", "end") or self.sees(";", "}", ">", ">>", "|")):
            arguments.append(self.expression())
            while self.accept(","):
                self.newlines()
                arguments.append(self.expression())
        if len(arguments) == 1 and arguments[0][0] == "grouping":
            arguments = arguments[0][1]
        redirection = target = None
        if self.sees(">", ">>", "|"):
            redirection = self.take().text
            target = self.concatenation()
        self.no_greater = kept
        return (kind, arguments, redirection, target)

    # Expressions, from the loosest to the tightest

    def expressions(self, closer: str) -> list[Node]:
        """A list up to its closer."""
        kept = self.no_in, self.no_greater
        self.no_in = self.no_greater = False
        out: list[Node] = []
        self.newlines()
        while not self.accept(closer):
            out.append(self.expression())
            self.newlines()
            if not self.sees(closer):
                self.expect(",")
                self.newlines()
        self.no_in, self.no_greater = kept
        return out

    def expression(self) -> Node:
        return self.deeper(self.ternary)

    def ternary(self) -> Node:
        left = self.either()
        if self.accept("?"):
            self.newlines()
            then = self.ternary()
            self.newlines()
            self.expect(":")
            self.newlines()
            return ("?", left, then, self.ternary())
        if self.sees("=", "+=", "-=", "*=", "/=", "%=", "^=", "**=") and left[0] in ("name", "field", "index"):
            operator = self.take().text
            self.newlines()
            return ("assign", operator[:-1].replace("**", "^"), left, self.ternary())
        return left

    def either(self) -> Node:
        left = self.both()
        while self.accept("||"):
            self.newlines()
            left = ("||", left, self.both())
        return left

    def both(self) -> Node:
        left = self.member()
        while self.accept("&&"):
            self.newlines()
            left = ("&&", left, self.member())
        return left

    def member(self) -> Node:
        left = self.matching()
        while not self.no_in and self.accept("in"):
            subscript = left[1] if left[0] == "grouping" else [left]
            left = ("in", subscript, self.take().text)
        return left

    def matching(self) -> Node:
        left = self.comparison()
        while self.sees("~", "!~"):
            operator = self.take().text
            left = (operator, left, self.comparison())
        return left

    def comparison(self) -> Node:
        left = self.concatenation()
        while True:
            if self.sees("<", "<=", "==", "!=", ">=") or (self.sees(">") and not self.no_greater):
                operator = self.take().text
                left = ("compare", operator, left, self.concatenation())
            elif self.sees("|") and self.tokens[self.at + 1].text == "getline":
                self.at += 2
                left = ("getline", "|", left, self.target())
            else:
                return left

    def concatenation(self) -> Node:
        left = self.additive()
        while (
            self.token.kind in ("number", "string", "name", "builtin", "regex") or self.sees("(", "$", "!", "++", "--")
        ) and not self.sees("in"):
            left = ("concat", left, self.additive())
        return left

    def additive(self) -> Node:
        left = self.multiplicative()
        while self.sees("+", "-"):
            operator = self.take().text
            left = ("arithmetic", operator, left, self.multiplicative())
        return left

    def multiplicative(self) -> Node:
        left = self.unary()
        while self.sees("*", "/", "%"):
            operator = self.take().text
            left = ("arithmetic", operator, left, self.unary())
        return left

    def unary(self) -> Node:
        if self.sees("!", "-", "+"):
            operator = self.take().text
            return ({"!": "not", "-": "minus", "+": "plus"}[operator], self.deeper(self.unary))
        return self.power()

    def power(self) -> Node:
        left = self.postfix()
        if self.accept("^", "**"):
            operand = self.unary() if self.sees("-", "+", "!") else self.power()
            return ("arithmetic", "^", left, operand)
        return left

    def postfix(self) -> Node:
        if self.sees("++", "--"):
            operator = self.take().text
            return ("before", operator, self.primary())
        node = self.primary()
        if self.sees("++", "--") and node[0] in ("name", "field", "index"):
            return ("after", self.take().text, node)
        return node

    def target(self) -> Node | None:
        """What `getline` reads into."""
        return self.primary() if self.token.kind == "name" or self.sees("$") else None

    def primary(self) -> Node:
        token = self.take()
        match token.kind:
            case "number":
                hexadecimal = token.text[:2].lower() == "0x"
                return ("constant", float(int(token.text, 16)) if hexadecimal else float(token.text))
            case "string":
                return ("constant", unescape(token.text[1:-1]))
            case "regex":
                return ("regex", token.text)
            case "builtin":
                arguments = self.expressions(")") if self.accept("(") else []
                if not arguments and token.text != "length" and not token.adjacent:
                    raise self.fail()
                return ("builtin", token.text, arguments)
            case "name" if token.adjacent:
                self.at += 1
                self.called.append((token.text, token.line))
                return ("call", token.text, self.expressions(")"))
            case "name" if self.accept("["):
                return ("index", token.text, self.expressions("]"))
            case "name":
                return ("name", token.text)
        if token.text == "$" and token.kind == "sign":
            operand = (
                self.postfix()
                if self.sees("++", "--")
                else self.unary()
                if self.sees("-", "+", "!")
                else self.primary()
            )
            return ("field", operand)
        if token.text == "(" and token.kind == "sign":
            inside = self.expressions(")")
            if not inside:
                raise self.fail()
            return ("grouping", inside) if len(inside) > 1 else ("group", inside[0])
        if token.text == "getline" and token.kind == "keyword":
            variable = self.target()
            if self.accept("<"):
                return ("getline", "<", self.primary(), variable)
            return ("getline", "", None, variable)
        self.at -= 1
        raise self.fail()


def parse(text: str) -> Program:
    """Raises AwkSyntaxError."""
    return _Parser(text).program()
