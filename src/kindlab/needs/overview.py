"""All capabilities of a cluster at once, and what they decide about the course: `kindlab can`, `kindlab list`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kindlab import labs
from kindlab.api import Api
from kindlab.clusters.base import Status
from kindlab.errors import UsageProblem
from kindlab.labs import Lab
from kindlab.near import nearest
from kindlab.needs import NEEDS, Found, Need, Wanting, kept, named, probed, wanting
from kindlab.rights import may

EVERY = ("images", "pods")
"""What all labs need, without a word."""


@dataclass(frozen=True)
class Row:
    """One capability. `tasks`: lab -> its tasks that need it."""

    need: Need
    found: Found
    tasks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def decides(self) -> str:
        """The labs and tasks, in words; whole labs by their number."""
        counts = {lab.slug: len(lab.tasks) for lab in labs.all_labs()}
        whole = [slug for slug, found in self.tasks.items() if len(found) == counts[slug]]
        parts = [f"lab {slug.partition('-')[0]}" for slug in whole]
        parts += [
            f"{', '.join(found)} of lab {slug.partition('-')[0]}"
            for slug, found in self.tasks.items()
            if slug not in whole
        ]
        return "all labs" if self.need.word in EVERY else "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        found, need = self.found, self.need
        return {"word": need.word, "title": need.title, **found.to_json(), "tasks": self.tasks}


def checked(words: Iterable[str]) -> list[str]:
    """The words asked for, all without any. Raises UsageProblem for one there is not."""
    for word in words:
        if word not in NEEDS:
            near = nearest(word, NEEDS)
            then = f"Did you mean {near[0]}?" if near else "kindlab can shows them all."
            raise UsageProblem(f"There is no {word} to ask for.", f"The words are: {', '.join(NEEDS)}.", then)
    return list(words) or list(NEEDS)


def of(api: Api, words: Iterable[str], prefix: str = "", *, again: bool = False) -> list[Row]:
    """What the cluster says about these words. Where no namespace may be made it is tried in one of the labs that are
    there."""
    every = [lab.under(prefix) for lab in labs.all_labs()]
    space = _space(api, every)
    found = probed(api, words, space, again=again)
    found |= _elsewhere(api, found, every, space)
    tasks = {word: {lab.slug: [t.id for t in lab.tasks if word in named(lab, [t])] for lab in every} for word in found}
    return [
        Row(NEEDS[word], one, {slug: ids for slug, ids in tasks[word].items() if ids}) for word, one in found.items()
    ]


def _space(api: Api, every: list[Lab]) -> str:
    """For who may make no namespace one of the labs' that somebody has made for them, the last; "" without any."""
    if may(api, "create", "namespaces"):
        return ""
    return next((lab.namespace for lab in reversed(every) if may(api, "create", "pods", lab.namespace)), "")


def _elsewhere(api: Api, found: dict[str, Found], every: list[Lab], space: str) -> dict[str, Found]:
    """What is lacking in that namespace and there in the one of a lab that needs it: rights differ (grants.py)."""
    there: dict[str, Found] = {}
    for word in [word for word, one in found.items() if space and not one.has and not NEEDS[word].tried]:
        lab = next((lab for lab in every if word in named(lab)), None)
        if lab and lab.namespace != space and may(api, "create", "pods", lab.namespace):
            there |= {w: one for w, one in probed(api, [word], lab.namespace, patient=False).items() if one.has}
    return there


def away(status: Status, every: Iterable[Lab]) -> dict[str, dict[str, Wanting]]:
    """Lab -> its tasks that cannot be done on that cluster, by what is seen at once or known from before; nothing is
    tried. Raises ApiError, Problem."""
    api, course = status.api(), list(every)
    words = dict.fromkeys(word for lab in course for word in named(lab))
    mine = [lab.under(status.prefix) for lab in course]
    space = _space(api, mine)
    found = probed(api, [word for word in words if not NEEDS[word].tried], space, patient=False)
    found |= _elsewhere(api, found, mine, space)
    found |= {word: one for word, one in kept.answers(api).items() if word in words}
    sure = {lab.slug: {task: one for task, one in wanting(lab, found).items() if one.sure} for lab in course}
    return {slug: tasks for slug, tasks in sure.items() if tasks}
