"""`kindlab verify`: does the course say the same on a real cluster as on the embedded one?

Every answer its authors wrote down (start, solution, alternatives, wrong answers) is graded on both, and the verdicts
are compared check by check. A check that expect.toml leaves to chance (`may`) is not compared. The table that comes of
it is Markdown, to be kept beside the code: it says on which Kubernetes the course's graders were seen to be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from kindlab import lint, trials, workspace
from kindlab.api import Api
from kindlab.grading.outcome import Outcome
from kindlab.labs import Lab
from kindlab.states import states
from kindlab.trials import Tried


@dataclass(frozen=True)
class Difference:
    """A check with two verdicts; `there` and `pocket` are outcomes, or "not run". `seen`: what it saw there."""

    lab: str
    state: str
    check: str
    there: str
    pocket: str
    seen: str = ""

    def __str__(self) -> str:
        why = f" ({self.seen})" if self.seen else ""
        return f"{self.lab} {self.state}: {self.check} is {self.there} there{why} and {self.pocket} on pocket"


@dataclass
class Row:
    """One lab: how many answers were tried, how many verdicts compared, and in how many the two clusters agree.
    `right`: answers judged there as their author says they must be; `seconds`: grading all of them there."""

    lab: str
    answers: int = 0
    verdicts: int = 0
    same: int = 0
    right: int = 0
    seconds: float = 0.0


@dataclass
class Verified:
    """`cluster`: which, with its version. `problems`: answers that could not be brought about or graded there."""

    cluster: str
    rows: list[Row] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return not self.differences and not self.problems and bool(self.rows)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "agrees": self.agrees}


def taken(chosen: list[Lab], api: Api) -> list[str]:
    """The labs' namespaces that are on the cluster already, perhaps with somebody's work in them."""
    names = (name for lab in chosen for name in lab.spaces)
    return [name for name in names if api.get("Namespace", name) is not None]


def run(chosen: list[Lab], api: Api, cluster: str, *, jobs: int = 2, say: Callable[[str], Any] = print) -> Verified:
    """Grade every answer of the labs on the cluster behind `api` and on embedded ones; `say` is told each as it comes.

    The labs' namespaces on that cluster are made anew for each answer, and removed at the end.
    """
    found = Verified(cluster)
    for lab in chosen:
        row = Row(lab.slug)
        answers = list(states(lab))
        for here, there in zip(trials.on_pocket(answers, jobs), trials.on_cluster(api, answers), strict=True):
            _compare(here, there, row, found, say)
        workspace.remove_namespaces(api, lab)
        row.seconds = round(row.seconds, 1)
        found.rows.append(row)
        say(f"{lab.slug}: {row.same} of {row.verdicts} verdicts are the same")
    return found


def _compare(here: Tried, there: Tried, row: Row, found: Verified, say: Callable[[str], Any]) -> None:
    state = there.state
    row.answers += 1
    row.seconds += there.seconds
    problem = there.problem or (here.problem and f"on pocket: {here.problem}")
    if problem:
        found.problems.append(f"{state.lab} {state.name}: {problem}")
    differences = list(compared(here, there))
    counted = (here.verdicts.keys() | there.verdicts.keys()) - state.may
    row.verdicts += len(counted)
    row.same += len(counted) - len(differences)
    row.right += not there.problem and there.report is not None and not lint.judge(state, there.report)
    found.differences += differences
    mark = "✘" if problem or differences else "✔"
    say(f"{mark} {state.lab} {state.name} ({there.seconds:.1f} s){f': {problem}' if problem else ''}")
    for difference in differences:
        say(f"    {difference}")


def trouble(tried: Tried) -> str:
    """Why an answer has no verdict, or not all of them; "" when it has. That both clusters could not grade is no
    agreement."""
    unsure = sorted(name for name, outcome in tried.verdicts.items() if outcome == Outcome.COULD_NOT_GRADE.value)
    return tried.problem or (f"could not be graded: {', '.join(unsure)}" if unsure else "")


def compared(here: Tried, there: Tried) -> Iterable[Difference]:
    """The checks whose verdicts differ between pocket (`here`) and the other cluster, by name."""
    state = there.state
    tasks = there.report.tasks if there.report else []
    seen = {check.name: check.seen for task in tasks for check in task.checks}
    for name in sorted((here.verdicts.keys() | there.verdicts.keys()) - state.may):
        pair = [tried.verdicts.get(name, "not run") for tried in (there, here)]
        if pair[0] != pair[1]:
            yield Difference(state.lab, state.name, name, pair[0], pair[1], seen.get(name, ""))


def table(found: Verified, date: str) -> str:
    """The Markdown of docs/parity.md."""
    lines = [
        "# Parity: the course on a real cluster",
        "",
        f"Every answer written down for each lab, graded on **{found.cluster}** and on pocketkube on {date},",
        "verdicts compared check by check (`make verify CLUSTER=current`). Answers judged right: the start scores 0,",
        "solution and alternatives 100%, each wrong answer fails the checks that its expect.toml names.",
        "",
        "| lab | answers | judged right there | verdicts compared | the same | seconds there |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {row.lab} | {row.answers} | {row.right} | {row.verdicts} | {row.same} | {row.seconds:.1f} |"
            for row in found.rows
        ),
        "",
        "## What differs",
        "",
        *([f"- {one}" for one in (*found.problems, *found.differences)] or ["Nothing."]),
        "",
    ]
    return "\n".join(lines)
