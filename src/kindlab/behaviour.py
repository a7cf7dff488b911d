"""Which checks of a grader go by what the cluster does, read from the grader's source.

Counted as reading a field, and nothing else, is a check that looks into somebody's `spec` (or `data`), while neither it
nor any function, fixture or word of kindlab.checks that it uses, as far as their source can be followed by name, does
anything that shows behaviour: send traffic, run a command, read or write bytes, make or delete an object, watch what
comes, look at a `status`. Left out: whether the behaviour that is looked at is what the field is for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kindlab.labs import Lab

FIELDS = {"spec", "data", "stringData"}
SEEN = {"status"}
DONE = {
    "addresses",
    "ask",
    "bound",
    "claim",
    "client",
    "create",
    "delete",
    "delete_pod",
    "door",
    "eventually",
    "execute",
    "expect_answers",
    "expect_exactly",
    "follow",
    "get_each",
    "get_many",
    "host",
    "load",
    "patch",
    "place",
    "pods_of",
    "probe",
    "replies",
    "run",
    "settled",
    "snapshot",
    "snapshots",
    "visitor",
    "visitors",
    "volumes",
}
"""Words of a grader (lab.probe, lab.eventually, ...) that show behaviour."""
CHECKS = Path(__file__).parent / "checks"


@dataclass(frozen=True)
class Read:
    """One check: `field_only` as said above."""

    name: str
    task: str
    field_only: bool


def checks(grader: Path) -> list[Read]:
    """Every check of a grader. Raises SyntaxError, OSError."""
    here = _functions(grader)
    tree = _tree(grader)
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and (tasks := _tasks(node)):
            used = list(_used(node, here))
            reads = any(_strings(one) & FIELDS for one in used)
            behaves = any(_attributes(one) & DONE or _strings(one) & SEEN for one in used)
            found += [Read(node.name, task, reads and not behaves) for task in sorted(tasks)]
    return found


def share(lab: Lab) -> tuple[float, list[Read]]:
    """(the part of the lab's points that checks give for behaviour, the checks that only read a field). A task's points
    are its checks', equally; none of a task that lab.toml calls `behavioural = false` are for behaviour. Raises
    SyntaxError, OSError."""
    every = checks(lab.grader)
    points = 0.0
    for task in lab.tasks:
        own = [one for one in every if one.task == task.id]
        if task.behavioural and own:
            points += task.points * sum(not one.field_only for one in own) / len(own)
    return points / lab.max_points, [one for one in every if one.field_only]


def _tasks(node: ast.FunctionDef) -> set[str]:
    """The tasks of a check, of which one with parameters may have several; none for any other function."""
    calls = [one for part in node.decorator_list for one in ast.walk(part) if isinstance(one, ast.Call)]
    named = [one.args[0] for one in calls if isinstance(one.func, ast.Name) and one.func.id == "check" and one.args]
    return {str(one.value) for one in named if isinstance(one, ast.Constant)}


def _used(node: ast.AST, here: dict[str, ast.AST]) -> Iterator[ast.AST]:
    """The check and everything that it uses by name: functions and classes of its file, of kindlab.checks where it
    imports them, and fixtures, which are its arguments."""
    seen: set[str] = set()
    pending = [node]
    while pending:
        one = pending.pop()
        yield one
        for name in _names(one):
            if name in here and name not in seen:
                seen.add(name)
                pending.append(here[name])


def _names(node: ast.AST) -> set[str]:
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return names | {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}


def _strings(node: ast.AST) -> set[str]:
    """The keys that are looked up: x["spec"], x.get("spec")."""
    found = set()
    for one in ast.walk(node):
        key: ast.expr | None = None
        if isinstance(one, ast.Subscript):
            key = one.slice
        elif isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == "get" and one.args:
            key = one.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            found.add(key.value)
    return found


def _attributes(node: ast.AST) -> set[str]:
    return {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _functions(file: Path) -> dict[str, ast.AST]:
    """What can be used by name in a file: its own functions and classes, and those of kindlab.checks."""
    found: dict[str, ast.AST] = {}
    for node in _tree(file).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kindlab.checks."):
            beside = CHECKS / f"{(node.module or '').split('.')[2]}.py"
            inside = _functions(beside) if beside.is_file() else {}
            found |= {one.asname or one.name: inside[one.name] for one in node.names if one.name in inside}
    return found
