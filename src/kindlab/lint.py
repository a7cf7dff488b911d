"""`kindlab lint`: what an author must not get wrong, tried out on live clusters.

Static: every piece is there, hints and points and KCNA tags, enough wrong answers, a fresh notebook. Live: the start
state scores 0 on every task, the solution and every alternative 100%, every wrong answer fails exactly the checks
that its expect.toml names (and perhaps those it names under `may`, where chance decides).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kindlab import behaviour, labs, manifests, quiz, render, steps, trials
from kindlab.batch import fence
from kindlab.errors import Problem, in_a_line
from kindlab.grading.outcome import Outcome, Report
from kindlab.labs import Lab
from kindlab.needs import NEEDS
from kindlab.states import State, expectation, folders, right, states

LEAST_WRONG, LEAST_ALTERNATIVES, LEAST_BEHAVIOURAL, LEAST_QUESTIONS = 12, 3, 0.9, 5
TASKS, LONGEST = (4, 8), 35
"""How many tasks a lab may have, and minutes it may take."""
LEAST_SECRET = 4
"""Letters of a value that would give something away."""
_OWN_WORD = re.compile(r"([A-Z][a-z0-9]+){1,6}|[a-z0-9.]+/v\d\w*|v\d\w*")
CAPSTONE_TASKS, CAPSTONE_LONGEST = (10, 12), 90
"""The same for the exam at the end of the course (`capstone = true`)."""


@dataclass
class Findings:
    """`caught` of `wrong` wrong answers were caught by the checks that should; `problems` is what to mend."""

    problems: list[str] = field(default_factory=list)
    states: int = 0
    wrong: int = 0
    caught: int = 0
    behavioural: dict[str, float] = field(default_factory=dict)
    """Lab -> the share of its points that is given for behaviour (behaviour.py)."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def run(
    chosen: list[Lab], *, live: bool = True, jobs: int = 2, only: str = "", say: Callable[[str], Any] = print
) -> Findings:
    """Lint the labs; `say` is told each result as it comes. `only`: a part of the names of the states to try, whatever
    else is to be mended."""
    findings = Findings()
    for lab in chosen:
        for problem in static_problems(lab):
            findings.problems.append(f"{lab.slug}: {problem}")
            say(f"✘ {lab.slug}: {problem}")
        with contextlib.suppress(SyntaxError, OSError):
            share, fields = behaviour.share(lab)
            findings.behavioural[lab.slug] = round(share, 3)
            named = f"; only a field: {', '.join(one.name for one in fields)}" if fields else ""
            say(f"{lab.slug}: {share:.0%} of the points for behaviour{named}")
    if live and (only or not findings.problems):
        _run_live([state for lab in chosen for state in states(lab) if only in state.name], jobs, findings, say)
        say(f"{findings.caught} of {findings.wrong} wrong answers caught by the check that should catch them")
    elif live:
        say("Nothing was tried on a cluster: that comes when these are mended.")
    say(f"{len(findings.problems)} problems" if findings.problems else "no problems")
    return findings


# -- static


def static_problems(lab: Lab) -> Iterator[str]:
    """Everything wrong with a lab that needs no cluster, each as a sentence that says what to do."""
    for path, what in (
        (lab.folder / "lab.md", "the text"),
        (lab.grader, "the grader"),
        (lab.solution_folder, "the solution"),
    ):
        if not path.exists():
            yield f"{what} is missing: write {_short(lab, path)}"
    kind, (least, most) = ("the capstone", CAPSTONE_TASKS) if lab.capstone else ("a lab", TASKS)
    if not least <= len(lab.tasks) <= most:
        yield f"{kind} has {least} to {most} tasks, this one has {len(lab.tasks)}"
    longest = CAPSTONE_LONGEST if lab.capstone else LONGEST
    if lab.minutes > longest:
        yield f"it takes {lab.minutes} minutes: {longest} at most"
    for whose, words in (("needs", lab.needs), *((f"needs of task {t.id}", t.needs) for t in lab.tasks)):
        if unknown := sorted(set(words) - set(NEEDS)):
            yield f"{whose} names {', '.join(unknown)}: the words are {', '.join(NEEDS)}"
    for task in lab.tasks:
        if not 2 <= len(task.hints) <= 3:
            yield f"task {task.id} has {len(task.hints)} hints: write two or three"
        if task.points < 1:
            yield f"task {task.id} is worth {task.points} points: give it at least 1"
        if not task.behavioural and not task.reason:
            yield f"task {task.id} is not behavioural: say why, with reason in lab.toml"
    yield from _behaviour_problems(lab)
    if not lab.kcna or any(tag.partition(":")[0] not in quiz.DOMAINS for tag in lab.kcna):
        yield f"lab.toml must name the KCNA domains it trains: {', '.join(quiz.DOMAINS)}"
    if not lab.debrief.strip():
        yield "lab.toml has no debrief: say in a few sentences what the lab taught"
    yield from _quiz_problems(lab)
    yield from _text_problems(lab)
    yield from _file_problems(lab)
    yield from _kind_problems(lab)
    yield from submission_problems(lab)
    yield from _hint_problems(lab)
    yield from _mutant_problems(lab)


def _mutant_problems(lab: Lab) -> Iterator[str]:
    """Entries of mutants.toml that mean nothing any more."""
    from kindlab.mutate import accepted, mutants

    try:
        entries = accepted.of(lab)
        for problem in accepted.stale(entries, mutants.of(lab)) if entries else ():
            yield f"labs/{lab.slug}/{accepted.FILE}: {problem}"
    except Problem as problem:
        yield in_a_line(problem)


def _behaviour_problems(lab: Lab) -> Iterator[str]:
    """A check must not read a field where the cluster could show what it does."""
    if not lab.grader.is_file():
        return
    try:
        share, fields = behaviour.share(lab)
    except SyntaxError as error:
        yield f"{_short(lab, lab.grader)}, line {error.lineno}: this is not Python"
        return
    if share < LEAST_BEHAVIOURAL:
        read = f" (these only read a field: {', '.join(one.name for one in fields)})" if fields else ""
        yield f"only {share:.0%} of the points come from behaviour{read}: at least nine tenths must"
    graded = {one.task for one in behaviour.checks(lab.grader)}
    for task in lab.tasks:
        if task.id not in graded:
            yield f"task {task.id} has no check"


def _quiz_problems(lab: Lab) -> Iterator[str]:
    try:
        count = len(quiz.questions(lab))
    except Problem as problem:
        yield in_a_line(problem)
        return
    if count < LEAST_QUESTIONS:
        yield f"labs/{lab.slug}/quiz.toml has {count} questions: write at least {LEAST_QUESTIONS}"


def _text_problems(lab: Lab) -> Iterator[str]:
    """What every lab's text has: a picture, a case from production, predictions, and each task with its check."""
    file = lab.folder / "lab.md"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    for what, part in (
        ("a picture of the idea, in a ```text block", "```text"),
        ("a case from production", "**Where it bites in production.**"),
        ("a prediction before a cell is run", "**Before you run"),
        ("the whole check at the end", f"\n%check {lab.number}\n"),
        ("the quiz", f"\n%quiz {lab.number}\n"),
        *((f"the check of task {t.id}", f"%check {lab.number} --task {t.id}\n") for t in lab.tasks),
        *((f"the hints of task {t.id}", f"# %hint {lab.number} {t.id}\n") for t in lab.tasks),
    ):
        if text and part not in text:
            yield f"lab.md has not {what}: {part.strip()}"


def _file_problems(lab: Lab) -> Iterator[str]:
    start, solution = {f.name for f in lab.start_files}, {f.name for f in labs.manifests(lab.solution_folder)}
    for name in sorted(start ^ solution):
        where = "labs" if name in start else "solutions"
        yield f"{name} is only in {where}/{lab.slug}: start and solution have the same file names"
    for name in lab.apply_at_start:
        if name not in start:
            yield f"apply_at_start names {name}, which is not in labs/{lab.slug}/start"
    yield from _owner_problems(lab, start)
    alternatives, wrong = folders(lab, "alternatives"), folders(lab, "wrong")
    if len(alternatives) < LEAST_ALTERNATIVES:
        yield f"{len(alternatives)} alternatives: write at least {LEAST_ALTERNATIVES} other right answers"
    if len(wrong) < LEAST_WRONG:
        yield f"{len(wrong)} wrong answers: write at least {LEAST_WRONG}"
    for folder in wrong:
        try:
            expectation(folder)
        except Problem as problem:
            yield in_a_line(problem)
        for file in labs.manifests(folder):
            if file.name not in solution:
                yield f"{_short(lab, file)} replaces no file of the solution"
    for folder in (lab.solution_folder, *alternatives, *wrong):
        there = solution if folder in wrong else {f.name for f in labs.manifests(folder)}
        yield from _step_problems(lab, folder, there)
    if (lab.folder / "lab.md").exists() and not render.is_fresh(lab):
        yield f"notebooks/{lab.slug}.ipynb is not what lab.md says: run make notebooks"


def _owner_problems(lab: Lab, start: set[str]) -> Iterator[str]:
    """Each start file is of a task, which reset puts it back with, or of none on purpose."""
    of_tasks = {name for task in lab.tasks for name in task.files}
    for whose, names in (("given", lab.given), *((f"files of task {task.id}", task.files) for task in lab.tasks)):
        for name in sorted(set(names) - start):
            yield f"{whose} names {name}, which is not in labs/{lab.slug}/start"
    for name in sorted(of_tasks & set(lab.given)):
        yield f"{name} is given, and a task's: name it in one of the two"
    for name in sorted(start - of_tasks - set(lab.given)):
        yield f"{name} belongs to no task: name it in the files of one, or in given if nobody need change it"
    for task in lab.tasks:
        if start and not task.files:
            yield f"task {task.id} has no files: name the start files it is done in"


def _step_problems(lab: Lab, folder: Path, there: set[str]) -> Iterator[str]:
    try:
        named = set(steps.files(steps.of(folder)))
    except Problem as problem:
        yield in_a_line(problem)
        return
    for name in sorted(named - there):
        yield f"{_short(lab, folder / steps.FILE)} applies {name}, which is not there"


def _kind_problems(lab: Lab) -> Iterator[str]:
    """What lies in no namespace is removed only when lab.toml names its kind."""
    places = (*right(lab), *folders(lab, "wrong"))
    texts = "\n".join(file.read_text(encoding="utf-8") for place in places for file in labs.manifests(place))
    used = set(re.findall(r"""^\s*"?kind"?: *"?(\w+)""", texts, re.MULTILINE)) & labs.CLUSTER_KINDS.keys()
    for kind in sorted(used - set(lab.cluster_kinds)):
        yield f"{kind} belongs to no namespace: cluster_kinds in lab.toml must name it, so that reset removes the lab's"


def submission_problems(lab: Lab) -> Iterator[str]:
    """A right answer must not be refused when it is handed in, nor what a lab starts from."""
    for place in right(lab):
        try:
            found = {file.name: manifests.read([file], lab.text) for file in labs.manifests(place)}
        except Problem as problem:
            yield f"{_short(lab, place)}: {in_a_line(problem)}"
            continue
        for one in fence.checked(lab, found, shared=True)[1]:
            where = _short(lab, place / one.file)
            yield f"{where}: {one.what} would be refused in a submission ([submission] in lab.toml): {one.why}"


def _hint_problems(lab: Lab) -> Iterator[str]:
    """A hint must not hold a whole line of the solution that the start does not show already."""
    start = {line.strip() for f in lab.start_files for line in lab.text(f).splitlines()}
    secret = {
        line.strip()
        for f in labs.manifests(lab.solution_folder)
        for line in lab.text(f).splitlines()
        if ":" in line and len(line.strip()) > 8
    } - start
    secrets = _only_in_the_solution(lab)
    for task in lab.tasks:
        for hint in task.hints:
            for line in secret:
                if line in hint:
                    yield f"a hint of task {task.id} gives the solution away: {line!r}"
            for one in secrets:
                if re.search(rf"(?<![\w.-]){re.escape(one)}(?![\w-])", hint):
                    yield f"a hint of task {task.id} holds what only the solution says: {one!r}"


def _only_in_the_solution(lab: Lab) -> set[str]:
    """Values and keys of the solution's that neither a start file nor the lab's text and titles show; words that are
    Kubernetes' own (kinds, names of fields, TCP) are everybody's."""
    text = lab.folder / "lab.md"
    shown = [*lab.start_files, *([text] if text.is_file() else [])]
    given = "\n".join([*(file.read_text(encoding="utf-8") for file in shown), *(task.title for task in lab.tasks)])
    found: set[str] = set()
    pending: list[Any] = list(manifests.read(labs.manifests(lab.solution_folder), lab.text))
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += one.values()
        elif isinstance(one, list):
            pending += one
        elif isinstance(one, str | int) and not isinstance(one, bool):
            found.add(str(one).strip())
    return {one for one in found if len(one) >= LEAST_SECRET and one not in given and not _OWN_WORD.fullmatch(one)}


# -- live


def _run_live(chosen: list[State], jobs: int, findings: Findings, say: Callable[[str], Any]) -> None:
    for tried in trials.on_pocket(chosen, jobs):
        state, problem = tried.state, tried.problem
        if not problem and tried.report:
            problem = judge(state, tried.report)
        findings.states += 1
        if state.name.startswith("wrong/"):
            findings.wrong += 1
            findings.caught += not problem
        if problem:
            findings.problems.append(f"{state.lab} {state.name}: {problem}")
        mark, why = ("✘", f": {problem}") if problem else ("✔", "")
        say(f"{mark} {state.lab} {state.name} ({tried.seconds:.1f} s){why}")


def judge(state: State, report: Report) -> str:
    """What is wrong with how a state was graded, or ""."""
    checks = [c for t in report.tasks for c in t.checks]
    unsure = [c for c in checks if c.outcome is Outcome.COULD_NOT_GRADE]
    if unsure:
        return f"could not be graded: {'; '.join(f'{c.name}: {c.seen}' for c in unsure)}"
    if away := [t for t in report.tasks if t.not_here]:
        return f"not graded on this cluster: {'; '.join(f'{t.id}: {t.not_here}' for t in away)}"
    if state.fails is None:
        scored = [t.id for t in report.tasks if t.outcome is Outcome.PASSED or t.points]
        return f"scores on {', '.join(scored)}: a lab starts at 0" if scored else ""
    failed = {c.name for c in checks if c.outcome is Outcome.FAILED}
    missed, unjust = sorted(state.fails - failed), sorted(failed - state.fails - state.may)
    texts = [f"not caught by {', '.join(missed)}"] if missed else []
    for name in unjust:
        check = next(c for c in checks if c.name == name)
        texts.append(f"fails {name} (expected {check.expected}; seen {check.seen})")
    if unjust and state.name.startswith("alternatives/"):
        texts.append("an alternative is a whole answer: nothing is added to its files")
    return "; ".join(texts)


def _short(lab: Lab, path: Path) -> str:
    return str(path.relative_to(lab.folder.parents[1]))
