"""A class graded: submissions come in one after the other, each gets a cluster of its own, and what it comes to is
written down at once. What could not be graded is tried once more, when all others are done; not where its own Pods took
more than there is for one, which they would do again."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from kindlab import variants
from kindlab.batch import one
from kindlab.batch import store as stores
from kindlab.batch.graded import Graded
from kindlab.batch.intake import Submissions
from kindlab.batch.scoring import scored
from kindlab.batch.store import Store
from kindlab.batch.submission import SELF_TOLD, Submission
from kindlab.errors import UsageProblem
from kindlab.farm import Finished
from kindlab.labs import Lab
from kindlab.near import meant

AGAIN = "It could not be graded at the first try and was tried again."
OVERRAN = "What runs in its cluster takes more than there is for one: look at its Pods. It is not tried again."

Grading = Generator[Finished[Submission, Graded]]
Farm = Callable[[Callable[[Any, Submission], Graded], Iterable[Submission]], Grading]
"""Does the work on each submission, on a cluster of its own; each as it is done."""


@dataclass(frozen=True)
class Individual:
    """What is each student's own in a lab (variants.py): the class's seed, and the ids of who is in the class."""

    seed: bytes
    students: tuple[str, ...] = ()

    def among(self, submissions: Iterable[Submission]) -> Individual:
        """With those who hand in now: without a roster nobody else knows of them before they are graded."""
        theirs = submissions.ids if isinstance(submissions, Submissions) else ()
        return replace(self, students=tuple(dict.fromkeys((*self.students, *theirs))))

    def of(self, lab: Lab, submission: Submission) -> tuple[Lab, Submission]:
        """The lab as this student had it, and the submission, noted where it carries what is another one's."""
        files = submission.folder.iterdir() if submission.folder else ()
        text = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in sorted(files))
        notes = variants.anothers(text, lab, self.seed, submission.id, self.students)
        mine = lab.given_to(variants.of(lab, self.seed, submission.id))
        return mine, replace(submission, notes=(*submission.notes, *notes))


class Watch(Protocol):
    """Who is told how far it is."""

    def before(self) -> None:
        """One more was graded in an earlier run."""

    def done(self, graded: Graded, has_grade: bool) -> None: ...

    def again(self, count: int) -> None:
        """So many could not be graded, and are tried once more."""


@dataclass
class Tally:
    """What this run did."""

    graded: int = 0
    before: int = 0
    """Known from an earlier run, of the same files."""
    could_not: list[str] = field(default_factory=list)
    """Ids that have no grade, after the second try."""


def run(
    submissions: Iterable[Submission],
    store: Store,
    lab: Lab,
    farm: Farm,
    watch: Watch,
    *,
    tasks: Collection[str] | None = None,
    resume: bool = False,
    evidence: bool = True,
    individual: Individual | None = None,
) -> Tally:
    """Grade them. `tasks`: only these, the others stay as they were graded; `resume`: not what is known already of the
    same files and the same lab; `individual`: each by what is their own in the lab. Raises Problem where nothing can go
    on, with all that was graded so far kept."""
    tally = Tally()
    individual = individual.among(submissions) if individual else None
    known = stores.looked_at(store.out)  # without its lock: the work is done in other processes
    where = partial(_work, lab=lab, cluster=store.run.cluster, store=known)
    work = partial(where, tasks=tasks, evidence=evidence, individual=individual)
    if evidence:
        (store.out / "evidence").mkdir(mode=0o700, exist_ok=True)
    again: list[Submission] = []
    with contextlib.closing(farm(work, _todo(submissions, store, lab, watch, tally, resume))) as finished:
        for done in finished:
            has_grade = _kept(done, store, lab, watch, tally, tasks)
            if not has_grade and not done.overran:
                again.append(done.item)
                continue
            if not has_grade:
                tally.could_not.append(done.item.id)
            _forget(done.item)
    if not again:
        return tally
    watch.again(len(again))
    with contextlib.closing(farm(work, again)) as finished:
        for done in finished:
            if not _kept(done, store, lab, watch, tally, tasks, second=True):
                tally.could_not.append(done.item.id)
            _forget(done.item)
    return tally


def chosen(submissions: Iterable[Submission], words: Collection[str]) -> list[Submission]:
    """Those of these students, by id or name. Raises UsageProblem for somebody who is not among them."""
    every = list(submissions)
    found = []
    for word in words:
        mine = [s for s in every if word.casefold() in (s.id.casefold(), s.student.casefold())]
        if not mine:
            raise UsageProblem(
                f"There is no submission of {word!r}.",
                meant(word, [name for s in every for name in (s.student, s.id)]),
                "Nothing was graded.",
            )
        found += [s for s in mine if s not in found]
    return found


def _work(
    api: Any,
    submission: Submission,
    *,
    lab: Lab,
    cluster: str,
    tasks: Collection[str] | None,
    store: Store,
    evidence: bool,
    individual: Individual | None,
    grade: Callable[..., Graded] = one.grade_one,
) -> Graded:
    """In the farm's child. Where the rest of the tasks is not known of the same files, all are graded. `grade`: what
    is asked of whom, for a farm that has it done elsewhere."""
    if individual is not None:
        lab, submission = individual.of(lab, submission)
    tasks = tasks if tasks and _rest(store, submission) else None
    name = submission.id + (f"+{'+'.join(tasks)}"[:80] if tasks else "")
    file = store.out / "evidence" / f"{name}.zip" if evidence else None
    return grade(api, submission, lab=lab, cluster=cluster, tasks=tasks, evidence=file)


def _rest(store: Store, submission: Submission) -> Graded | None:
    """What is known of the same files, to which tasks that are graded again are added."""
    old = store.get(submission.id)
    return old if old is not None and old.versions.get("submission") == one.digest(submission) else None


def _todo(
    submissions: Iterable[Submission], store: Store, lab: Lab, watch: Watch, tally: Tally, resume: bool
) -> Iterator[Submission]:
    """Those that need a cluster; what is known is left, and what cannot be read is written down."""
    course = one.lab_digest(lab)
    for submission in submissions:
        old = store.get(submission.id) if resume else None
        if old is not None and _is_known(old, submission, lab, course):
            told = replace(old, student=submission.student, submitted=submission.submitted, source=submission.source)
            told = replace(told, notes=_on_its_time(old.notes, submission))
            if told != old:
                store.keep(told)
            tally.before += 1
            watch.before()
            _forget(submission)
        elif submission.folder is None:
            graded = one.unreadable(submission, lab)
            store.keep(graded)
            tally.graded += 1
            if submission.ours:
                tally.could_not.append(submission.id)
            watch.done(graded, not submission.ours)
        else:
            yield submission


def _on_its_time(notes: tuple[str, ...], submission: Submission) -> tuple[str, ...]:
    """The notes of an earlier grading, with what is to be said now of when it was handed in."""
    others = tuple(note for note in notes if note != SELF_TOLD)
    return (*others, SELF_TOLD) if SELF_TOLD in submission.notes else others


def _is_known(old: Graded, submission: Submission, lab: Lab, course: str) -> bool:
    """Whether it was graded before: of the same files, with the same lab (`course`), and with a result."""
    same = {"lab": course, "submission": one.digest(submission)}.items() <= old.versions.items()
    return same and scored(old, lab).has_grade


def _kept(
    done: Finished[Submission, Graded],
    store: Store,
    lab: Lab,
    watch: Watch,
    tally: Tally,
    tasks: Collection[str] | None,
    *,
    second: bool = False,
) -> bool:
    """Write down what it came to; False where it could not be graded. `second`: at the second try."""
    old = _rest(store, done.item) if tasks else None
    graded = done.result or one.not_graded(done.item, lab, done.problem, done.seconds, tasks if old else None)
    has_grade = scored(graded, lab).has_grade
    overran = done.overran and not has_grade
    if overran:
        graded = one.not_graded(done.item, lab, done.problem, done.seconds, tasks if old else None)
    if overran or second:
        graded = replace(graded, notes=(*graded.notes, *([AGAIN] if second else []), *([OVERRAN] if overran else [])))
    if old is not None:
        graded = one.merged(old, graded)
    store.keep(graded)
    if has_grade or overran or second:
        tally.graded += 1
        watch.done(graded, has_grade)
    return has_grade


def _forget(submission: Submission) -> None:
    """Its copies are not needed any more: a class of a thousand shall not fill the disk."""
    if submission.folder is not None:
        shutil.rmtree(submission.folder, ignore_errors=True)
