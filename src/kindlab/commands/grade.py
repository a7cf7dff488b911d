"""Grading a class."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.handout import handout as handout
from kindlab.commands.options import Sectioned, json_option, listed
from kindlab.errors import COULD_NOT_GRADE, FAILED, PASSED, Problem, UsageProblem

if TYPE_CHECKING:
    from kindlab.batch.run import Farm, Tally
    from kindlab.batch.store import Store
    from kindlab.labs import Lab

FOLDER = click.Path(path_type=Path)
JOBS = click.IntRange(1, 256)
LIMIT_SECONDS = 300.0
SECTIONS = {
    "What, and where to": ("lab", "out", "roster", "seed"),
    "How points become grades": ("policy", "init_policy", "release"),
    "A run that is there": ("resume", "only", "tasks"),
    "Where it is graded": ("cluster", "jobs", "limit_seconds"),
    "On more than one machine": ("on", "image", "parallelism", "namespace"),
}
release_option = click.option(
    "--release",
    multiple=True,
    type=click.Choice(["after_due_date", "after_published"]),
    metavar="WHEN",
    help="after_due_date or after_published: students may now see what waits for it (repeat).",
)


@click.command(cls=Sectioned, sections=SECTIONS)
@click.argument("submissions", metavar="DIR", type=FOLDER, required=False)
@click.option("--lab", required=True, metavar="LAB", help="The lab they were made for (slug or number).")
@click.option("--out", type=FOLDER, metavar="OUT", help="Where everything is written: a folder that is not there yet.")
@click.option("--jobs", type=JOBS, metavar="N", default=2, show_default=True, help="Clusters started at a time.")
@click.option("--policy", type=FOLDER, metavar="FILE", help="What makes points grades (docs/grading.md).")
@click.option("--init-policy", type=FOLDER, metavar="FILE", help="Only write a policy.toml to begin with.")
@click.option("--roster", type=FOLDER, metavar="FILE", help="CSV of the class: who is who, and who handed in nothing.")
@click.option("--seed", type=FOLDER, metavar="FILE", help="Grade each by their own variant: kindlab handout's seed.")
@click.option("--resume", is_flag=True, help="Go on: grade only what is missing, could not be graded, or has changed.")
@click.option("--only", multiple=True, metavar="STUDENT", help="Only this student, into a run that is there (repeat).")
@click.option("--tasks", default="", metavar="A,B", help="Only these tasks, into a run that is there; the rest stays.")
@click.option(
    "--limit-seconds",
    type=click.FloatRange(1, 86_400),
    metavar="N",
    default=LIMIT_SECONDS,
    show_default=True,
    help="A submission that takes longer on its embedded cluster could not be graded.",
)
@click.option(
    "--cluster",
    type=click.Choice(["pocket", "kind", "current"]),
    metavar="KIND",
    default="pocket",
    show_default=True,
    help="pocket: an embedded one each; kind, current: one that is there, one after the other in their own namespaces.",
)
@click.option(
    "--on",
    "on",
    type=click.Choice(["kubernetes"]),
    metavar="kubernetes",
    help="A Job of your kubeconfig's cluster does it.",
)
@click.option("--image", default="", metavar="IMAGE", help="With --on kubernetes: the grader's (docs/grading.md).")
@click.option(
    "--parallelism",
    type=click.IntRange(1, 10_000),
    metavar="N",
    default=10,
    show_default=True,
    help="--on kubernetes: Pods at a time.",
)
@click.option("--namespace", default="", metavar="NS", help="--on kubernetes: one that is there (default: makes one).")
@click.option("--evidence/--no-evidence", default=True, help="Keep what verdicts can be repeated from (default: do).")
@click.option("--evidence-key", type=FOLDER, metavar="FILE", help="Sign the evidence with the key in this file.")
@release_option
@json_option
def grade(
    submissions: Path | None,
    lab: str,
    out: Path | None,
    jobs: int,
    policy: Path | None,
    init_policy: Path | None,
    roster: Path | None,
    seed: Path | None,
    resume: bool,
    only: tuple[str, ...],
    tasks: str,
    limit_seconds: float,
    cluster: str,
    on: str | None,
    image: str,
    parallelism: int,
    namespace: str,
    evidence: bool,
    evidence_key: Path | None,
    release: tuple[str, ...],
    as_json: bool,
) -> int:
    """Grade the submissions in DIR, each on a fresh cluster of its own.

    DIR holds a folder or an archive for each student, a flat folder of files, or an LMS's download: docs/grading.md
    shows how, and explains everything below. kindlab grade DIR --lab 02 --out graded is enough to begin with.

    Exit codes: 0 all were graded, whatever their points; 3 some could not be graded (no zeros: they have no grade).
    """
    from kindlab import labs

    found = labs.find(lab)
    if init_policy is not None:
        return _new_policy(found, init_policy)
    if submissions is None or out is None:
        raise UsageProblem(
            "Which submissions, and where to?",
            "DIR holds what the students handed in; --out names a folder for the grades.",
            f"kindlab grade submissions --lab {found.number} --out graded",
        )
    again = [found.task(name).id for name in listed(tasks)] or None
    _refuse_half_elsewhere(on, image, namespace, cluster)
    from kindlab import variants
    from kindlab.batch import opening
    from kindlab.evidence import signing

    secret = variants.seed(seed) if seed else None
    key = signing.key_of(evidence_key) if evidence_key else None
    into = bool(again) or (bool(only) and _is_run(out))
    store = opening.opened(
        submissions, out, found, cluster=cluster, seed=secret, rules=policy, resume=resume, into=into
    )
    try:
        if on:
            farm = _elsewhere(found, store, image, parallelism, namespace, limit_seconds)
        else:
            farm = _farm(found, store.run.cluster, jobs, limit_seconds)
        done = _graded(store, found, submissions, roster, secret, farm, only, again, resume, evidence, as_json)
        if key is not None:
            signing.sign_all(store.out / "evidence", key)
        return _written(store, found, release, as_json, done)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        if _say_what_is_kept(store, found, release, stopped=stopped) and stopped:
            raise SystemExit(130) from None
        raise
    finally:
        store.close()


def _graded(
    store: Store,
    lab: Lab,
    folder: Path,
    roster: Path | None,
    seed: bytes | None,
    farm: Farm,
    only: tuple[str, ...],
    tasks: list[str] | None,
    resume: bool,
    evidence: bool,
    quiet: bool,
) -> Tally:
    import operator
    import tempfile

    from kindlab.batch import intake, run
    from kindlab.batch.intake import roster as rosters
    from kindlab.batch.watch import watching
    from kindlab.batch.writing import ROSTER

    if roster is not None:
        rosters.read(roster)
        store.write(store.out / ROSTER, roster.read_text(encoding="utf-8-sig"))
    students = rosters.read(store.out / ROSTER) if (store.out / ROSTER).is_file() else ()
    class_ = tuple(dict.fromkeys((*(student.id for student in students), *store.ids())))
    individual = run.Individual(seed, class_) if seed and lab.variants else None
    with tempfile.TemporaryDirectory(prefix="kindlab-grade-", ignore_cleanup_errors=True) as scratch:
        submissions = intake.read(folder, lab, Path(scratch), students)
        if only:
            submissions = iter(run.chosen(submissions, only))
        options: dict[str, Any] = {"resume": resume, "evidence": evidence, "individual": individual}
        with watching(operator.length_hint(submissions), quiet=quiet) as watch:
            return run.run(submissions, store, lab, farm, watch, tasks=tasks, **options)


def _say_what_is_kept(store: Store, lab: Lab, release: tuple[str, ...], *, stopped: bool) -> bool:
    """Where a run ends before its time; whether anything is kept. Of one that was `stopped` there are reports, too."""
    from kindlab.batch import writing

    if not (kept := len(store.ids())):
        return False
    if stopped:
        with contextlib.suppress(Problem, OSError, KeyboardInterrupt):  # who presses it twice does not want to wait
            writing.write(store, lab, release)
    said = f"{'Stopped. ' if stopped else ''}Kept: {kept} result{'s' * (kept > 1)}"
    reports = ", and reports of these," if stopped else ""
    out = terminal.path(store.out.resolve())
    click.echo(f"{said}{reports} in {out}. The same command with --resume goes on from there.", err=True)
    return True


def _farm(lab: Lab, cluster: str, jobs: int, limit_seconds: float) -> Farm:
    """Where they are graded. Raises Problem for a cluster that does not answer, or that is somebody else's."""
    if cluster != "pocket":
        from kindlab.batch import spaces

        return spaces.grown(base.ready(cluster).api(), lab)
    from kindlab import farm

    return partial(farm.run, jobs=jobs, limits=farm.Limits(wall=limit_seconds))


def _refuse_half_elsewhere(on: str | None, image: str, namespace: str, cluster: str) -> None:
    """Raises UsageProblem where what is said does not go together."""
    example = "kindlab grade submissions --lab 02 --out graded --on kubernetes --image registry.example.org/grader:1"
    if on and not image:
        raise UsageProblem("Which image shall the Pods run?", "--on kubernetes needs --image, the grader's.", example)
    if on and cluster != "pocket":
        raise UsageProblem(
            f"--on kubernetes and --cluster {cluster} do not go together.",
            "Each Pod grades on an embedded cluster of its own; the Job runs on the cluster of your kubeconfig.",
            "Leave --cluster away. Another context: kindlab up --cluster current --context NAME",
        )
    if not on and (image or namespace):
        raise UsageProblem("--image and --namespace are for --on kubernetes.", "Nothing runs there else.", example)


def _elsewhere(lab: Lab, store: Store, image: str, parallelism: int, namespace: str, limit_seconds: float) -> Farm:
    """A Job of the cluster of the user's kubeconfig."""
    from kindlab.batch import elsewhere, one

    where = elsewhere.Where(image, one.lab_digest(lab), store.out / "evidence", parallelism, namespace, limit_seconds)
    return elsewhere.grown(base.ready("current").api(), where)


def _written(store: Store, lab: Lab, release: tuple[str, ...], as_json: bool, done: Tally | None = None) -> int:
    """Write all reports, say what is in them, and how the command ends."""
    from kindlab.batch import summary, writing

    with terminal.steps(quiet=as_json) as step:
        step("writing reports")
        found = writing.write(store, lab, release)
    if as_json:
        click.echo(json.dumps(found))
    else:
        if done is not None and done.before:
            click.echo(f"{done.before} {'was' if done.before == 1 else 'were'} graded before, {done.graded} now.")
        for line in summary.lines(found):
            click.echo(terminal.harmless(line))
        out = terminal.path(store.out.resolve())
        click.echo(f"The class: {out}/overview.html   The gradebook: {out}/grades.csv")
    return COULD_NOT_GRADE if found["could_not_grade"] else PASSED


def _is_run(out: Path) -> bool:
    from kindlab.batch import store

    return store.is_run(out)


def _new_policy(lab: Lab, file: Path) -> int:
    from kindlab.batch import newpolicy

    newpolicy.write(lab, file)
    click.echo(f"wrote {terminal.path(file.resolve())}: take the # away where something shall hold")
    return PASSED


@click.command()
@click.argument("out", type=FOLDER, required=False)
@click.option(
    "--evidence", type=FOLDER, metavar="FILE|DIR", help="Instead of OUT: repeat the verdicts of evidence bundles."
)
@click.option("--evidence-key", type=FOLDER, metavar="FILE", help="The key that must have signed them.")
@click.option("--policy", type=FOLDER, metavar="FILE", help="Another policy.toml from now on.")
@click.option("--adjustments", type=FOLDER, metavar="FILE", help="CSV: student,points,percent,reason; from now on.")
@click.option("--tasks", default="", metavar="A,B", help="Grade these tasks again; the submissions are needed for it.")
@click.option("--submissions", type=FOLDER, metavar="DIR", help="Where they are now (default: where they were).")
@click.option("--jobs", type=JOBS, metavar="N", default=2, show_default=True, help="With --tasks: clusters at a time.")
@release_option
@json_option
def regrade(
    out: Path | None,
    evidence: Path | None,
    evidence_key: Path | None,
    policy: Path | None,
    adjustments: Path | None,
    tasks: str,
    submissions: Path | None,
    jobs: int,
    release: tuple[str, ...],
    as_json: bool,
) -> int:
    """Make the grades of the run in OUT anew from what was found then; no cluster is needed.

    --policy and --adjustments replace those that the run has. Exit codes as of kindlab grade.

    With --evidence every verdict of a bundle, or of all in a folder, is found anew by today's grader from what the
    cluster answered then. Exit codes: 0 all the same, 1 some differ, 3 some cannot be repeated.
    """
    if evidence is not None:
        if out is not None or policy or adjustments or tasks or submissions or release:
            raise UsageProblem(
                "--evidence stands alone.",
                "It repeats verdicts and changes no grades, so neither OUT nor what changes grades goes with it.",
                f"kindlab regrade --evidence {evidence}",
            )
        from kindlab.evidence import showing

        return showing.show(evidence, evidence_key, as_json=as_json)
    if out is None or evidence_key is not None:
        raise UsageProblem(
            "Which grades shall be made anew?" if out is None else "--evidence-key is for --evidence.",
            "OUT is the folder of a run; --evidence names a bundle, or a folder of them.",
            "kindlab regrade OUT, or kindlab regrade --evidence OUT/evidence",
        )
    if submissions is not None and not tasks:
        raise UsageProblem(
            "--submissions is for --tasks.", "Without it nothing is graded again.", "Name the tasks, too."
        )
    from kindlab import labs
    from kindlab.batch import regrading
    from kindlab.batch import store as stores

    store = stores.go_on(out)
    try:
        lab = labs.find(store.run.lab)
        again = [lab.task(name).id for name in listed(tasks)]
        folder = submissions or Path(store.run.submissions)
        if again:
            _refuse_without(store, folder, lab, out, again)
        regrading.replaced(store, lab, policy, adjustments)
        if not again:
            return _written(store, lab, release, as_json)
        farm = _farm(lab, store.run.cluster, jobs, LIMIT_SECONDS)
        done = _graded(store, lab, folder, None, None, farm, (), again, False, True, as_json)
        return _written(store, lab, release, as_json, done)
    finally:
        store.close()


def _refuse_without(store: Store, folder: Path, lab: Lab, out: Path, again: list[str]) -> None:
    """Raises UsageProblem where what these tasks are graded again from is not there."""
    if not folder.exists():
        raise UsageProblem(
            f"The submissions are not in {folder} any more.",
            "To grade a task again they are needed.",
            "Say where they are: --submissions DIR",
        )
    if store.run.seed:
        raise UsageProblem(
            "This run was made with a seed.",
            "Each task is graded by what is each student's own, which is made from it.",
            f"kindlab grade {folder} --lab {lab.number} --out {out} --tasks {','.join(again)} --seed FILE",
        )


@click.command()
@click.argument("before", metavar="OUT1", type=FOLDER)
@click.argument("after", metavar="OUT2", type=FOLDER)
@json_option
def compare(before: Path, after: Path, as_json: bool) -> int:
    """Compare two runs of one lab: who got more or less, by which tasks and checks. Exit code 1 when they differ."""
    from kindlab.batch import compare as comparing

    found: Any = comparing.compared(before, after)
    if as_json:
        click.echo(json.dumps(found.to_json()))
    else:
        for line in found.lines():
            click.echo(terminal.harmless(line))
    return PASSED if found.same else FAILED
