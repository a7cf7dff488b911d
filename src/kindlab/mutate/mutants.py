"""Mutants: the solution of a lab with one change, made by every operator (operators/) wherever it finds something.

Nothing here needs a cluster, and the same files make the same mutants with the same ids, in the same order.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from pkgutil import iter_modules

import yaml

from kindlab import labs, manifests
from kindlab.api import Obj
from kindlab.labs import Lab
from kindlab.mutate import operators
from kindlab.mutate.editing import Edit, label
from kindlab.mutate.world import World

Operator = Callable[[Obj, World], Iterator[Edit]]


def _scan() -> dict[str, Operator]:
    found: dict[str, Operator] = {}
    for name in sorted(module.name for module in iter_modules(operators.__path__)):
        found |= import_module(f"{operators.__name__}.{name}").OPERATORS
    return found


OPERATORS = _scan()
"""Name -> what makes edits of an object."""


@dataclass(frozen=True)
class Mutant:
    """The solution with one change. `text` is the whole changed `file`, as YAML."""

    lab: str
    id: str
    operator: str
    file: str
    object: str
    path: str
    before: str
    after: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.object} {self.path}: {self.before} -> {self.after}"

    @property
    def digest(self) -> str:
        return sha256(f"{self.file}\n{self.text}".encode()).hexdigest()


def of(lab: Lab) -> list[Mutant]:
    """Every mutant of the lab's solution, each text once. Raises Problem for a solution that cannot be read."""
    files = {file: manifests.read([file], lab.text) for file in labs.manifests(lab.solution_folder)}
    world = World(tuple(obj for found in files.values() for obj in found), lab.spaces)
    made: list[Mutant] = []
    seen, ids = {_text(found) for found in files.values()}, set[str]()
    for file, objects in files.items():
        for number, obj in enumerate(objects):
            for name, operator in OPERATORS.items():
                for edit in operator(obj, world):
                    text = _text([*objects[:number], *edit.objects, *objects[number + 1 :]])
                    if text in seen:
                        continue
                    seen.add(text)
                    mutant = _mutant(lab, file, obj, name, edit, text, ids)
                    ids.add(mutant.id)
                    made.append(mutant)
    return made


def _mutant(lab: Lab, file: Path, obj: Obj, operator: str, edit: Edit, text: str, ids: set[str]) -> Mutant:
    plain = f"{operator}:{file.name}:{label(obj)}:{edit.path}={edit.after}".replace(" ", "_")
    name, n = plain, 1
    while name in ids:
        n += 1
        name = f"{plain}#{n}"
    return Mutant(lab.slug, name, operator, file.name, label(obj), edit.path, edit.before, edit.after, text)


def _text(objects: list[Obj]) -> str:
    return yaml.dump_all(objects, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


class _Plain(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """No anchors: what is shared in memory is written out."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def chosen(every: list[Mutant], only: str = "", sample: int = 0, seed: int = 0) -> list[Mutant]:
    """Those of an operator, a file or an object (`only`: a part of the id), or a sample of them that takes operators in
    turn, so that a small one has something of each; the same for the same seed."""
    found = [mutant for mutant in every if only in mutant.id]
    if not sample or sample >= len(found):
        return found
    pick = random.Random(seed)
    groups: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in pick.sample(found, len(found)):
        groups[mutant.operator].append(mutant)
    order = pick.sample(list(groups.values()), len(groups))
    dealt = [mutant for row in zip_longest(*order) for mutant in row if mutant is not None]
    picked = set(map(id, dealt[:sample]))
    return [mutant for mutant in found if id(mutant) in picked]
