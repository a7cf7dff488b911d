"""What labs need of a cluster beyond Pods and Services, and whether it has that: asked or tried, never assumed.

Labs and tasks name it in the words of `needs/words/` (lab.toml: `needs`). What a cluster lacks keeps nobody from the
rest: tasks that need it are said before the learner begins, and are not graded there (grading/runner.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from kindlab.api import Api, ApiError
from kindlab.checks.verdict import CouldNotGrade
from kindlab.labs import Lab, Task
from kindlab.needs import kept, words
from kindlab.needs.need import Found, Need, limited, no

__all__ = ["NEEDS", "Found", "Need", "Wanting", "forget", "grouped", "named", "probed", "wanting"]

PATIENCE, AGAIN = 5.0, 0.25
"""Seconds that a cluster which has just been started gets to have everything running, and between two looks."""
AT_ONCE = 8
forget = kept.forget


def _scan() -> Iterator[Need]:
    for module in sorted(m.name for m in iter_modules(words.__path__)):
        yield from import_module(f"{words.__name__}.{module}").WORDS


NEEDS: dict[str, Need] = {need.word: need for need in _scan()}
"""Word of lab.toml -> what it means."""


def probed(
    api: Api, asked: Iterable[str], space: str = "", *, again: bool = False, patient: bool = True
) -> dict[str, Found]:
    """What the cluster says about each of these words. `space`: a namespace of ours that is there, in which to try what
    needs one. Trials whose answer is kept are not repeated, unless `again`; what may still be starting is waited for if
    `patient`. Raises Unreachable."""
    wanted = list(dict.fromkeys(asked))

    def ask() -> dict[str, Any]:
        found = _probed(api, wanted, space, again=again, patient=patient)
        return {word: one.to_json() for word, one in found.items()}

    found = api.exchange({"needs": wanted, "namespace": space}, ask)
    return {word: Found(**one) for word, one in found.items()}


def _probed(api: Api, wanted: list[str], space: str, *, again: bool, patient: bool) -> dict[str, Found]:
    trials = [word for word in wanted if NEEDS[word].tried]
    held = kept.answers(api) if trials and not again else {}
    found = {word: held[word] for word in trials if word in held}
    fresh = _asked(api, [word for word in wanted if word not in found], space)
    deadline = time.monotonic() + PATIENCE
    while patient and (unsure := _unsure(fresh)) and time.monotonic() < deadline:
        time.sleep(AGAIN)
        fresh |= _asked(api, unsure, space)
    if tried := {word: one for word, one in fresh.items() if NEEDS[word].tried}:
        kept.keep(api, tried)
    found |= fresh
    return {word: found[word] for word in wanted}


def _unsure(found: Mapping[str, Found]) -> list[str]:
    """What may be there in a moment; trials have waited themselves."""
    return [word for word, one in found.items() if not one.sure and not NEEDS[word].tried]


def _asked(api: Api, asked: list[str], space: str) -> dict[str, Found]:
    """All at once: most of it is waiting for answers."""
    if len(asked) < 2:
        return {word: _ask(api, NEEDS[word], space) for word in asked}
    api.path("Pod")  # which kinds are served is asked once, not once by each
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(asked, pool.map(lambda word: _ask(api, NEEDS[word], space), asked), strict=True))


def _ask(api: Api, need: Need, space: str) -> Found:
    try:
        found = need.probe(api, space)
    except ApiError as error:
        if limited(error):
            look = f"kubectl get resourcequota,limitrange -n {space or 'default'} shows what is set there."
            return replace(no(f"that could not be found out: {error.message}", sure=False), how_to_get=look)
        found = no(
            f"you may not find out: {error.message}" if error.code == 403 else f"{error}", sure=error.code == 403
        )
    except CouldNotGrade as error:
        found = no(f"that could not be found out: {error}", sure=False)
    return found if found.has else replace(found, how_to_get=found.how_to_get or need.how_to_get)


# -- labs


def named(lab: Lab, tasks: Iterable[Task] | None = None) -> list[str]:
    """The words that a lab and its tasks name."""
    every = lab.tasks if tasks is None else tasks
    return list(dict.fromkeys([*lab.needs, *(word for task in every for word in task.needs)]))


class Wanting(tuple[str, ...]):
    """The words that a task needs and the cluster lacks, with what was found about them."""

    found: Mapping[str, Found]

    @property
    def sure(self) -> bool:
        """Whether one of them is lacking for certain: then it does not matter what the others are."""
        return any(self.found[word].sure for word in self)

    @property
    def why(self) -> str:
        """One sentence."""
        parts = [f"{NEEDS[word].title}, but {self.found[word].why.rstrip('.')}" for word in self._told]
        return f"It needs {'; and '.join(parts)}." if parts else ""

    @property
    def how_to_get(self) -> str:
        return " ".join(dict.fromkeys(self.found[word].how_to_get for word in self._told))

    @property
    def _told(self) -> list[str]:
        return [word for word in self if self.found[word].sure is self.sure]


def wanting(lab: Lab, found: Mapping[str, Found], tasks: Iterable[Task] | None = None) -> dict[str, Wanting]:
    """Task id -> what keeps it from being done and graded on that cluster; tasks that lack nothing are not in it."""
    lacking = {}
    for task in lab.tasks if tasks is None else tasks:
        here = Wanting(word for word in named(lab, [task]) if word in found and not found[word].has)
        here.found = found
        if here:
            lacking[task.id] = here
    return lacking


def grouped(lacking: Mapping[str, Wanting]) -> list[tuple[list[str], Wanting]]:
    """Tasks that lack the same, together."""
    groups: dict[Wanting, list[str]] = {}
    for task, one in lacking.items():
        groups.setdefault(one, []).append(task)
    return [(tasks, one) for one, tasks in groups.items()]
