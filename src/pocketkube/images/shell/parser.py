"""Parses a shell text: tree-sitter's bash grammar gives the structure, this turns its tree into `syntax`.

What the grammar accepts and ash does not (arrays, `((`, process substitution, `|&`) is refused here, with ash's texts.
"""

from __future__ import annotations

import re
from functools import lru_cache

import tree_sitter
import tree_sitter_bash

from pocketkube.images.shell import syntax
from pocketkube.images.shell.scanner import EMPTY, MARK, RESERVED, HereDocument, lift, mask
from pocketkube.images.shell.syntax import ShellSyntaxError
from pocketkube.images.shell.words import parse_here_document, parse_word

_LANGUAGE = tree_sitter.Language(tree_sitter_bash.language())
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_REDIRECTS = {"<", ">", ">>", ">|", "<&", ">&", "<&-", ">&-"}
_SEPARATORS = {";", "&", "\n", ";;", "comment"}
_CLOSERS = {"if": "then", "then": "fi", "else": "fi", "elif": "then", "while": "do", "until": "do", "do": "done"}


@lru_cache(maxsize=512)
def parse(text: str) -> syntax.Sequence:
    """The program. Raises ShellSyntaxError."""
    return _Parser().program(text, True)


class _Parser:
    def __init__(self) -> None:
        self.documents: list[HereDocument] = []

    def program(self, text: str, fresh: bool) -> syntax.Sequence:
        if fresh:
            text, found = lift(text, len(self.documents))
            self.documents += found
        return _Reader(self, text).read()

    def document(self, number: int) -> syntax.Word:
        found = self.documents[number]
        if found.literal:
            return (syntax.Text(found.body, True),)
        return parse_here_document(found.body, self.program)


class _Reader:
    """One text and its tree."""

    def __init__(self, parser: _Parser, text: str) -> None:
        self.parser = parser
        self.text = text
        self.masked, negated = mask(text)
        self.negated = set(negated)

    def read(self) -> syntax.Sequence:
        root = tree_sitter.Parser(_LANGUAGE).parse(self.masked.encode()).root_node
        if root.has_error:
            raise self.error(root)
        return self.sequence(root.children)

    # Errors

    def error(self, root: tree_sitter.Node) -> ShellSyntaxError:
        """The first thing that does not fit, in ash's words."""
        missing = _first(root, lambda node: node.is_missing)
        broken = _first(root, lambda node: node.type == "ERROR")
        end = len(self.text.rstrip())
        if missing is not None and (broken is None or missing.start_byte <= broken.start_byte):
            wanted = f' (expecting "{missing.type}")' if not missing.is_named else ""
            if missing.start_byte >= end:
                return ShellSyntaxError(f"unexpected end of file{wanted}", self.line(end))
            return self.unexpected(missing.start_byte, wanted)
        assert broken is not None
        return self.walk(broken) or self.unexpected(broken.start_byte)

    def walk(self, broken: tree_sitter.Node) -> ShellSyntaxError | None:
        """Follow the openers of an unfinished command: what was still expected when the text ended?"""
        expected: list[str] = []
        command = True
        for found in re.finditer(r"\n|;;|&&|\|\||[;&|()<>]|[^\s;&|()<>]+", self.masked):
            word = found.group()
            if word in ("\n", ";", "&", "|", "&&", "||", "(", ")", ";;"):
                if command and word not in ("\n", "(", ")") and found.start() >= broken.start_byte:
                    return self.unexpected(found.start())
                if word == "(":
                    expected.append(")")
                elif word == ")" and expected and expected[-1] == ")":
                    expected.pop()
                elif word == ")" and not (expected and expected[-1] == "esac"):
                    return self.unexpected(found.start())
                command = True
                continue
            if command and word in RESERVED:
                if word in _CLOSERS:
                    if word in ("then", "do", "else", "elif"):
                        if not expected or (expected[-1] != word and expected[-1] != "fi"):
                            return self.unexpected(found.start())
                        expected.pop()
                    expected.append(_CLOSERS[word])
                elif word == "for":
                    expected.append("do")
                    command = False
                elif word == "{":
                    expected.append("}")
                elif word == "case":
                    expected.append("esac")
                    command = False
                elif word in ("fi", "done", "esac", "}"):
                    if not expected or expected[-1] != word:
                        return self.unexpected(found.start(), f' (expecting "{expected[-1]}")' if expected else "")
                    expected.pop()
                    command = False
                continue
            command = word in ("do", "in") or (bool(expected) and expected[-1] == "esac" and word == "in")
        if expected:
            return ShellSyntaxError(f'unexpected end of file (expecting "{expected[-1]}")', self.line(len(self.text)))
        if broken.end_byte >= len(self.text.rstrip()) and self.text.rstrip().endswith(("|", "&&", "<", ">")):
            end = "newline" if self.text.endswith("\n") else "end of file"
            return ShellSyntaxError(f"unexpected {end}", self.line(len(self.text)))
        return None

    def unexpected(self, position: int, wanted: str = "") -> ShellSyntaxError:
        found = re.compile(r"\s*(&&|\|\||;;|\n|[;&|()]|[<>]+|[^\s;&|()<>]+)?").match(self.text, position)
        token = (found.group(1) if found else "") or ""
        line = self.line(position)
        if not token:
            return ShellSyntaxError(f"unexpected end of file{wanted}", line)
        if token[0] in "<>":
            return ShellSyntaxError(f"unexpected redirection{wanted}", line)
        if token in RESERVED or token[0] in ";&|()":
            return ShellSyntaxError(f'unexpected "{token}"{wanted}', line)
        return ShellSyntaxError(f"unexpected word{wanted}", line)

    def line(self, position: int) -> int:
        return self.text.count("\n", 0, position) + 1

    # Lists

    def sequence(self, children: list[tree_sitter.Node]) -> syntax.Sequence:
        items: list[tuple[syntax.Node, bool]] = []
        for child in children:
            if child.type == "&":
                if items:
                    items[-1] = (items[-1][0], True)
            elif child.type not in _SEPARATORS:
                items.append((self.node(child), False))
        return syntax.Sequence(tuple(items))

    def node(self, node: tree_sitter.Node) -> syntax.Node:
        read = getattr(self, f"_{node.type}", None)
        if read is None:
            raise self.unexpected(node.start_byte)
        body = node.child_by_field_name("body")
        whole_list = node.type == "list" or (body is not None and body.type == "list")
        negated = node.start_byte in self.negated and not whole_list
        if negated:
            self.negated.discard(node.start_byte)
        result: syntax.Node = read(node)
        if not negated:
            return result
        return syntax.Pipeline(result.commands if isinstance(result, syntax.Pipeline) else (result,), True)

    def _list(self, node: tree_sitter.Node) -> syntax.Node:
        first, operator, second = (child for child in node.children if child.type != "comment")
        return syntax.AndOr(self.node(first), operator.type, self.node(second))

    def _pipeline(self, node: tree_sitter.Node) -> syntax.Node:
        """The grammar takes `a && b < c | d` for `{ a && b < c; } | d`; a pipeline begins after the last operator."""
        commands: list[syntax.Node] = []
        before: syntax.AndOr | None = None
        negated = False
        for child in node.children:
            if child.type == "|&":
                raise self.unexpected(child.start_byte + 1)
            if child.type in ("|", "comment"):
                continue
            read = self.node(child)
            if isinstance(read, syntax.AndOr) and not commands:
                before, read = read, read.second
                negated = isinstance(read, syntax.Pipeline) and read.negated
                commands += read.commands if isinstance(read, syntax.Pipeline) else (read,)
            elif isinstance(read, syntax.Pipeline):
                if read.negated:
                    raise ShellSyntaxError('unexpected "!"', self.line(child.start_byte))
                commands += read.commands
            else:
                commands.append(read)
        pipeline = syntax.Pipeline(tuple(commands), negated)
        return pipeline if before is None else syntax.AndOr(before.first, before.operator, pipeline)

    def _redirected_statement(self, node: tree_sitter.Node) -> syntax.Node:
        body = node.child_by_field_name("body")
        if body is None or body.type == "command":
            return self.simple(
                [child for part in node.children for child in (part.children if part == body else [part])]
            )
        redirects, words = self.redirects([child for child in node.children if child != body])
        return self.attach(self.node(body), body, redirects, words)

    def attach(
        self, read: syntax.Node, node: tree_sitter.Node, redirects: tuple[syntax.Redirect, ...], words: list[str]
    ) -> syntax.Node:
        """The grammar hangs a trailing redirection on the whole list or pipeline; it belongs to the last command."""
        last = [child for child in node.children if child.type != "comment"][-1]
        if isinstance(read, syntax.AndOr) and node.type == "list":
            return syntax.AndOr(read.first, read.operator, self.attach(read.second, last, redirects, words))
        if isinstance(read, syntax.Pipeline):
            end = self.attach(read.commands[-1], last, redirects, words)
            return syntax.Pipeline((*read.commands[:-1], end), read.negated)
        if isinstance(read, syntax.Simple):
            more = tuple(parse_word(word, self.parser.program) for word in words)
            return syntax.Simple(read.assignments, read.words + more, read.redirects + redirects, read.line)
        if words:
            raise ShellSyntaxError("unexpected word", self.line(node.end_byte))
        return syntax.Redirected(read, redirects)

    # Simple commands

    def _command(self, node: tree_sitter.Node) -> syntax.Node:
        return self.simple(node.children)

    def simple(self, children: list[tree_sitter.Node]) -> syntax.Node:
        redirects, words = self.redirects(children)
        line = self.line(children[0].start_byte)
        if words and words[0] in RESERVED:
            raise ShellSyntaxError(f'unexpected "{words[0]}"', line)
        assignments: list[tuple[str, syntax.Word]] = []
        while words and (name := _ASSIGNMENT.match(words[0])):
            assignments.append((name.group(1), self.word(words.pop(0)[name.end() :])))
        return syntax.Simple(tuple(assignments), tuple(map(self.word, words)), redirects, line)

    def word(self, text: str) -> syntax.Word:
        return parse_word(text, self.parser.program)

    def redirects(self, children: list[tree_sitter.Node]) -> tuple[tuple[syntax.Redirect, ...], list[str]]:
        """The redirections and the words among a command's parts, in order; neighbours without a space are one word."""
        redirects: list[syntax.Redirect] = []
        spans: list[tuple[int, int]] = []

        def add(start: int, end: int) -> None:
            if spans and spans[-1][1] == start:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))

        for child in children:
            if child.type == "comment":
                continue
            if child.type != "file_redirect":
                if child.type in ("process_substitution", "herestring_redirect", "heredoc_redirect", "subshell", "("):
                    raise self.unexpected(child.start_byte)
                add(child.start_byte, child.end_byte)
                continue
            parts = list(child.children)
            descriptor = -1
            if parts[0].type == "file_descriptor":
                head = parts.pop(0)
                descriptor = int(self.text[head.start_byte : head.end_byte])
            elif spans and spans[-1][1] == child.start_byte and self.text[slice(*spans[-1])].isdecimal():
                descriptor = int(self.text[slice(*spans.pop())])
            operator = parts.pop(0)
            if operator.type not in _REDIRECTS:
                raise self.unexpected(operator.start_byte)
            for extra in parts[1:]:
                add(extra.start_byte, extra.end_byte)
            target = self.text[parts[0].start_byte : parts[0].end_byte] if parts else "-"
            kind = "<>" if self.text.startswith("<>", operator.start_byte) else operator.type
            redirects.append(self.redirect(descriptor, kind, target))
        return tuple(redirects), [self.text[start:end] for start, end in spans]

    def redirect(self, descriptor: int, operator: str, target: str) -> syntax.Redirect:
        if descriptor < 0:
            descriptor = 0 if operator.startswith("<") else 1
        if target.startswith(MARK):
            return syntax.Redirect(descriptor, "<<", self.parser.document(int(target.strip(MARK))))
        return syntax.Redirect(descriptor, operator.rstrip("-"), self.word(target))

    # Compound commands

    def _compound_statement(self, node: tree_sitter.Node) -> syntax.Node:
        if node.children[0].type != "{":
            raise self.unexpected(node.start_byte)
        return syntax.Group(self.sequence(node.children[1:-1]))

    def _subshell(self, node: tree_sitter.Node) -> syntax.Node:
        return syntax.Subshell(self.sequence(node.children[1:-1]))

    def _do_group(self, node: tree_sitter.Node) -> syntax.Sequence:
        body = self.sequence(node.children[1:-1])
        return self.filled(body, node.children[-1])

    def filled(self, body: syntax.Sequence, closer: tree_sitter.Node) -> syntax.Sequence:
        if not body.items:
            raise self.unexpected(closer.start_byte)
        return body

    def _if_statement(self, node: tree_sitter.Node) -> syntax.Node:
        branches: list[tuple[syntax.Sequence, syntax.Sequence]] = [self.branch(node.children)]
        otherwise: syntax.Node | None = None
        for child in node.children:
            if child.type == "elif_clause":
                branches.append(self.branch(child.children))
            elif child.type == "else_clause":
                otherwise = self.filled(self.sequence(child.children[1:]), node.children[-1])
        for condition, then in reversed(branches):
            otherwise = syntax.If(condition, then, otherwise)
        assert otherwise is not None
        return otherwise

    def branch(self, children: list[tree_sitter.Node]) -> tuple[syntax.Sequence, syntax.Sequence]:
        """`if A; then B` or `elif A; then B`."""
        middle = next(number for number, child in enumerate(children) if child.type == "then")
        stop = next(
            (number for number, child in enumerate(children) if child.type in ("elif_clause", "else_clause", "fi")),
            len(children),
        )
        condition = self.filled(self.sequence(children[1:middle]), children[middle])
        return condition, self.filled(
            self.sequence(children[middle + 1 : stop]), children[min(stop, len(children) - 1)]
        )

    def _while_statement(self, node: tree_sitter.Node) -> syntax.Node:
        body = node.children[-1]
        condition = self.filled(self.sequence(node.children[1:-1]), body)
        return syntax.While(condition, self._do_group(body), node.children[0].type == "until")

    def _for_statement(self, node: tree_sitter.Node) -> syntax.Node:
        if node.children[0].type != "for":
            raise self.unexpected(node.start_byte)
        variable = node.child_by_field_name("variable")
        assert variable is not None
        name = self.text[variable.start_byte : variable.end_byte]
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ShellSyntaxError("bad for loop variable", self.line(variable.start_byte))
        words: tuple[syntax.Word, ...] | None = None
        if any(child.type == "in" for child in node.children):
            values = node.children_by_field_name("value")
            words = tuple(self.word(word) for word in self.redirects(values)[1] if word != EMPTY)
        return syntax.For(name, words, self._do_group(node.children[-1]))

    def _case_statement(self, node: tree_sitter.Node) -> syntax.Node:
        value = node.child_by_field_name("value")
        assert value is not None
        items = [self.case_item(child) for child in node.children if child.type == "case_item"]
        return syntax.Case(self.word(self.text[value.start_byte : value.end_byte]), tuple(items))

    def case_item(self, node: tree_sitter.Node) -> tuple[tuple[syntax.Word, ...], syntax.Sequence]:
        end = next(number for number, child in enumerate(node.children) if child.type == ")")
        patterns = [child for child in node.children[:end] if child.type not in ("(", "|")]
        if any(child.type in (";&", ";;&") for child in node.children):
            raise self.unexpected(node.children[-1].start_byte)
        words = tuple(self.word(self.text[child.start_byte : child.end_byte]) for child in patterns)
        return words, self.sequence(node.children[end + 1 :])

    def _function_definition(self, node: tree_sitter.Node) -> syntax.Node:
        name = node.child_by_field_name("name")
        body = node.child_by_field_name("body")
        assert name is not None
        assert body is not None
        read = self.node(body)
        redirects, _ = self.redirects([child for child in node.children if child.type == "file_redirect"])
        return syntax.Function(
            self.text[name.start_byte : name.end_byte], syntax.Redirected(read, redirects) if redirects else read
        )


def _first(node: tree_sitter.Node, wanted: object) -> tree_sitter.Node | None:
    if not node.has_error and not node.is_missing:
        return None
    if wanted(node):  # type: ignore[operator]
        return node
    for child in node.children:
        found = _first(child, wanted)
        if found is not None:
            return found
    return None
