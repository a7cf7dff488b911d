"""A command as `jobs` shows it: ash writes it anew from its tree, with the insides of compound commands."""

from __future__ import annotations

from pocketkube.images.shell import syntax

_LONGEST = 200


def job_text(node: syntax.Node) -> str:
    """One line."""
    return _node(node)[:_LONGEST]


def _node(node: syntax.Node) -> str:
    match node:
        case syntax.Simple():
            words = [f"{name}={_word(word)}" for name, word in node.assignments] + [_word(word) for word in node.words]
            return " ".join(words + _redirects(node.redirects))
        case syntax.Pipeline():
            return ("! " if node.negated else "") + " | ".join(_node(command) for command in node.commands)
        case syntax.AndOr():
            return f"{_node(node.first)} {node.operator} {_node(node.second)}"
        case syntax.Sequence():
            return "; ".join(_node(item) + (" &" if background else "") for item, background in node.items)
        case syntax.If():
            return f"if {_node(node.condition)}; then {_node(node.then)}; fi"
        case syntax.While():
            return f"{'until' if node.until else 'while'} {_node(node.condition)}; do {_node(node.body)}; done"
        case syntax.For():
            words = [_word(word) for word in node.words or ()]
            return f"for {node.name} in {' '.join(words)}; do {_node(node.body)}; done"
        case syntax.Case():
            return f"case {_word(node.word)} in ... esac"
        case syntax.Function():
            return f"{node.name}() {{ ... }}"
        case syntax.Subshell():
            return f"({_node(node.body)})"
        case syntax.Group():
            return _node(node.body)
        case syntax.Redirected():
            return " ".join([_node(node.body), *_redirects(node.redirects)])


def _redirects(redirects: tuple[syntax.Redirect, ...]) -> list[str]:
    out = []
    for redirect in redirects:
        number = "" if redirect.descriptor == (0 if redirect.operator[0] == "<" else 1) else str(redirect.descriptor)
        out.append(f"{number}{redirect.operator}{'...' if redirect.operator == '<<' else _word(redirect.word)}")
    return out


def _word(word: syntax.Word) -> str:
    return "".join(map(_part, word))


def _part(part: syntax.Part) -> str:
    match part:
        case syntax.Text():
            return f'"{part.text}"' if part.quoted else part.text
        case syntax.Parameter(operator=""):
            text = f"${{{part.name}}}"
        case syntax.Parameter():
            text = f"${{{part.name}{part.operator}{_word(part.word)}}}"
        case syntax.Substitution():
            text = "$(...)"
        case syntax.Arithmetic():
            text = f"$(({_word(part.expression)}))"
    return f'"{text}"' if part.quoted else text
