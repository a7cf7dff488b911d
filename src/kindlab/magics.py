"""The magics of a notebook: the commands of the terminal, with answers that a notebook can show. Each is a click
command over the notebook's Session and returns what to show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kindlab import addons, certificates, clusterwide, going, labs, manifests, progress, resetting, shown, workspace
from kindlab import exam as exams
from kindlab import quiz as asking
from kindlab import topology as picture
from kindlab.api import ApiError
from kindlab.clusters import base, consent
from kindlab.errors import COULD_NOT_GRADE, Problem, UsageProblem
from kindlab.grading.outcome import Report
from kindlab.grading.report.html import AMBER, GREEN
from kindlab.labs import Lab
from kindlab.placeholders import filled
from kindlab.session import Session, status
from kindlab.shown import Shown

LONGEST = 1800
"""Seconds that a cell may follow a lab: no other cell runs meanwhile."""


def _lab_argument(command: Any) -> Any:
    return click.argument("lab", required=False)(command)


@click.command("lab")
@_lab_argument
@click.pass_obj
def lab(session: Session, lab: str | None) -> Shown:
    """Say which lab this notebook is about."""
    found = session.lab(lab)
    return shown.note(f"This notebook is about lab {found.slug}: {found.title}.")


@click.command("up")
@click.option("--cluster", type=click.Choice(base.KINDS), default="auto")
@click.pass_obj
def up(session: Session, cluster: str) -> Shown:
    """Start a cluster, or find it running."""
    provider, reason = base.choose(cluster)
    session.step(f"starting {provider.kind}")
    found = provider.up(session.step)
    if found.kind == "current":
        consent.ensure(found)
    base.remember(found)
    said = f"Cluster {found.name} is ready ({found.kind}, because {reason}): {found.detail}."
    return shown.note("\n".join([said, *found.notes]))


@click.command("status")
def status_() -> Shown:
    """Show the cluster in use."""
    found = base.active().status()
    state = "ready" if found.ready else "not ready. Start it with: kindlab up"
    return shown.note("\n".join([f"Cluster {found.name} ({found.kind}), {found.detail}, is {state}.", *found.notes]))


@click.command("start")
@_lab_argument
@click.option("--exam", is_flag=True, help="Without help: no verdict, hint or reason before %finish.")
@click.option("--minutes", type=click.IntRange(1, 24 * 60), help="How long the exam may take (default: no limit).")
@click.pass_obj
def start(session: Session, lab: str | None, exam: bool, minutes: int | None) -> Shown:
    """Begin a lab: your files, its namespace, what it starts from."""
    found = session.lab(lab)
    if exam:
        exams.refuse_another(found.slug)
    failed = addons.for_lab(status(), found, session.step)
    session.step(f"starting {found.slug}")
    done = workspace.start(found, session.api())
    progress.started(found.slug)
    said = exams.started(found.slug, (minutes or 0) if exam else None)
    rules = [shown.note("\n".join(said))] if said else []
    return shown.together(*map(shown.problem, failed), shown.started(found, done), *rules)


@click.command("check")
@_lab_argument
@click.option("--task", help="Check only this task (its id or number).")
@click.option("--watch", type=click.IntRange(1, LONGEST), metavar="SECONDS", help="Follow it for a while.")
@click.pass_obj
def check(session: Session, lab: str | None, task: str | None, watch: int | None) -> Shown:
    """Grade the lab by what the live cluster does."""
    found = session.lab(lab)
    if watch and task:
        raise UsageProblem("--watch follows the whole lab.", "It grades what changes.", f"%check --watch {watch}")
    if watch:
        from kindlab.watching import cell

        exams.refuse("Nothing can be watched")
        return cell.follow(session, found, watch)
    only = found.task(task).id if task else None
    return shown.told(going.told(found, _graded(session, found, only), whole=only is None))


@click.command("finish")
@_lab_argument
@click.pass_obj
def finish(session: Session, lab: str | None) -> Shown:
    """End the exam and show what came of it."""
    found = session.lab(exams.to_finish(labs.find(lab).slug if lab else "").slug)
    report = _graded(session, found, None)
    if report.exit_code != COULD_NOT_GRADE:
        exams.end(found.slug)
    return shown.told(going.told(found, report, whole=True))


def _graded(session: Session, lab: Lab, only: str | None) -> Report:
    from kindlab.grading import runner

    session.step(f"checking {only or lab.slug}")
    cluster = status()
    return runner.grade(lab, cluster.api(), cluster=cluster.name, only=only)


@click.command("hint")
@click.argument("words", nargs=-1, metavar="[LAB] TASK")
@click.pass_obj
def hint(session: Session, words: tuple[str, ...]) -> Shown:
    """The next hint for a task; never the answer."""
    exams.refuse("There are no hints")
    if not 1 <= len(words) <= 2:
        tasks = ", ".join(task.id for task in session.lab().tasks)
        raise UsageProblem(
            "A hint for which task?", f"The tasks are: {tasks}.", "For example: %hint " + tasks.split(",")[0]
        )
    found = session.lab(words[0] if len(words) == 2 else None)
    task = found.task(words[-1])
    count = min(progress.hints_taken(found.slug, task.id) + 1, len(task.hints))
    progress.hint_taken(found.slug, task.id)
    return shown.hints(task, count)


@click.command("quiz")
@_lab_argument
@click.pass_obj
def quiz(session: Session, lab: str | None) -> Shown:
    """The lab's questions; each answer unfolds into why it is right or wrong."""
    found = session.lab(lab)
    return shown.quiz(found, asking.questions(found))


@click.command("why")
@click.argument("target")
@click.option("-n", "--namespace", help="The namespace (default: the lab's).")
@click.option("--from", "sender", default="", help="Ask as this Pod, not as kindlab's own probe.")
@click.pass_obj
def why(session: Session, target: str, namespace: str | None, sender: str) -> Shown:
    """Follow svc/NAME, deployment/NAME, pod/NAME, hpa/NAME, node/NAME, ... or a URL to the first broken hop."""
    from kindlab.trace import trace

    exams.refuse("Nobody says why")
    space = namespace or session.lab().namespace
    session.step(f"following {target}")
    return shown.trace(trace(session.api(), space, target, sender=sender))


@click.command("url")
@click.argument("target")
@click.option("-n", "--namespace", help="The namespace (default: the lab's).")
@click.pass_obj
def url(session: Session, target: str, namespace: str | None) -> Shown:
    """The address a browser on this machine can open for svc/NAME, ingress/NAME or httproute/NAME."""
    from kindlab import urls

    found = urls.for_target(base.active(), session.api(), namespace or session.lab().namespace, target)
    return shown.addresses(found.urls, found.notes)


@click.command("certificate")
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
@click.option("--days", type=click.IntRange(-9999, 9999), default=90)
def certificate(hosts: tuple[str, ...], days: int) -> Shown:
    """Make a key and a certificate for HOST, beside the notebook."""
    return shown.note(str(certificates.make(hosts, days, Path.cwd())))


@click.command("solve")
@_lab_argument
@click.pass_obj
def solve(session: Session, lab: str | None) -> Shown:
    """Apply the lab's reference solution to the cluster (your files stay as they are)."""
    exams.refuse("There is no solution")
    found = session.lab(lab)
    session.step(f"solving {found.slug}")
    applied = workspace.solve(found, session.api())
    return shown.applied(applied, f"Applied the reference solution of {found.slug}; next: %check {found.number}")


@click.command("reset")
@_lab_argument
@click.option("--task", help="Put back only this task (its id or number): its files, and what they are about.")
@click.option("--yes", is_flag=True, help="Also where other tasks are done in the same files.")
@click.pass_obj
def reset(session: Session, lab: str | None, task: str | None, yes: bool) -> Shown:
    """Put the lab back to its start, namespace included (your old files are kept aside)."""
    found = session.lab(lab)
    if task is not None:
        session.step(f"resetting {task}")
        planned = resetting.plan(found, session.api(), found.task(task))
        if not yes:
            resetting.refuse_shared(planned)
        return shown.note("\n".join(resetting.carry_out(planned, session.api()).lines()), colour=GREEN)
    session.step(f"resetting {found.slug}")
    done, aside = workspace.reset(found, session.api())
    return shown.started(found, done, aside=aside)


@click.command("topology")
@click.pass_obj
def topology(session: Session) -> Shown:
    """The lab's Services, and the endpoints behind each."""
    space = session.lab().namespace
    return shown.topology(space, picture.lines(session.api(), space))


COMMANDS = (lab, up, status_, start, check, finish, hint, quiz, why, url, certificate, solve, reset, topology)


def apply(session: Session, words: Sequence[str], cell: str | None) -> Shown:
    """`%apply FILE...` puts your files' objects on the cluster; `%%apply [FILE]` those of the cell's body, after
    saving it as that file."""
    from kindlab.kubectl import applying

    found = session.lab()
    folder = workspace.folder(found)
    if cell is None and not words:
        names = ", ".join(f.name for f in labs.manifests(folder)) or "none yet"
        raise UsageProblem("Apply which file?", f"Your files are: {names}.", "For example: %apply web.yaml")
    if cell is not None and len(words) > 1:
        raise UsageProblem("A cell is one file.", f"It cannot be saved as {' and '.join(words)}.", "%%apply FILE")
    if cell is None:
        sources = [_file(folder, name) for name in words]
        same = [f.name for f in sources if _unchanged(found, f, session)]
        if same:
            return shown.note(
                f"{', '.join(same)} is still as the lab gave it: nothing was applied.\n"
                "Change it, save it (Ctrl+S), and run this cell again.",
                colour=AMBER,
            )
        texts = [(f.name, found.spelled(manifests.text_of(f))) for f in sources]
    else:
        cell = filled(cell, session.api()) if "${" in cell else cell  # as the lab gives it
        texts = [(words[0] if words else "this cell", found.spelled(cell))]
    objects = [(name, obj) for name, text in texts for obj in manifests.parse(text, name)]
    if not objects:
        raise UsageProblem(
            f"There is no object in {', '.join(name for name, _ in texts)}.",
            "It is empty, or holds only comments.",
            "Write the object, save (Ctrl+S), and run this cell again.",
        )
    clusterwide.refuse_foreign(found, [obj for _, obj in objects])
    if cell is not None and words:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / Path(words[0]).name).write_text(cell, encoding="utf-8")
    api, lines = session.api(), []
    for name, obj in objects:
        try:
            lines.append(applying.apply(api, found.namespace, obj))
        except ApiError as error:
            already = f" Before it, these were applied: {', '.join(lines)}." if lines else ""
            label = f"{obj['kind']} {obj['metadata']['name']}"
            raise Problem(
                f"The cluster refused {label} of {name}.", error.message, f"Correct it and apply again.{already}"
            ) from error
    return shown.applied(lines, ", ".join(name for name, _ in texts))


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, Path(name).expanduser()):
        if path.is_file():
            return path
    names = ", ".join(f.name for f in labs.manifests(folder)) or "none yet"
    raise UsageProblem(f"There is no file {name} in {folder}.", f"Your files are: {names}.")


def _unchanged(lab: Lab, path: Path, session: Session) -> bool:
    """Whether the file is what the lab started with: then the learner has not saved anything yet."""
    source = lab.folder / "start" / path.name
    if path.parent != workspace.folder(lab) or not source.is_file():
        return False
    # the cluster is asked only where the file has been filled in, or changed
    written, here = lab.text(source), manifests.text_of(path)
    if "${" in written:
        return here in (written, workspace.given(lab, source, session.api()))
    return here in (written, lab.spelled(written))
