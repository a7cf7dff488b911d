"""`%load_ext kindlab`: the course's commands as notebook magics.

They are the commands of the terminal in a notebook's dress: the same words, answers as HTML, and nothing that asks or
waits for a key. They remember the lab: the one named last, else the one whose folder the notebook lies in. What goes
wrong is shown as what happened, why and what to do next; a cell never ends in a traceback of ours. `{name}` in a line
is the value of that Python variable; braces around anything else (jsonpath, JSON) are left alone.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kindlab import labs, progress, shown, workspace
from kindlab import quiz as asking
from kindlab import topology as picture
from kindlab.api import Api, ApiError
from kindlab.checks.verdict import CouldNotGrade
from kindlab.clusters import base
from kindlab.errors import Problem, UsageProblem
from kindlab.grading.report.html import AMBER
from kindlab.kubectl import capture, for_a_while
from kindlab.labs import Lab
from kindlab.shown import Shown

log = logging.getLogger(__name__)

LONGEST_WATCH = 120
"""Seconds."""


class Session:
    """One notebook: which lab it is about, and where its answers appear."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.slug = ""
        self._handle: Any = None

    def lab(self, name: str | None = None) -> Lab:
        """The lab named, else this notebook's. Raises UsageProblem when there is none to take."""
        found = labs.find(name or self.slug or self._folder() or progress.latest())
        self.slug = found.slug
        return found

    def _folder(self) -> str:
        here = Path.cwd().name
        return here if any(lab.slug == here for lab in labs.all_labs()) else ""

    def api(self) -> Api:
        return status().api()

    def step(self, text: str) -> None:
        """Say what is being done; the answer then takes its place."""
        if hasattr(self.shell, "kernel"):
            self._display(shown.note(f"{text} ..."), more=True)

    def show(self, answer: Shown) -> None:
        self._display(answer, more=False)

    def _display(self, answer: Shown, *, more: bool) -> None:
        from IPython.display import display

        if self._handle is not None:
            self._handle.update(answer)
        elif more:
            self._handle = display(answer, display_id=True)  # type: ignore[no-untyped-call]
        else:
            display(answer)  # type: ignore[no-untyped-call]
        if not more:
            self._handle = None


_session: Session | None = None


def register(shell: Any) -> None:
    """Give `shell` (an IPython shell) the magics."""
    global _session
    session = _session = Session(shell)
    for command in (lab, up, status_, start, check, hint, quiz, why, url, solve, reset, topology):
        shell.register_magic_function(_magic(session, command), "line", command.name)
    shell.register_magic_function(_kubectl(session), "line", "kubectl")
    shell.register_magic_function(_watch(session), "line", "watch")
    shell.register_magic_function(_apply(session), "line_cell", "apply")
    shell.set_custom_exc((Problem,), _instead_of_a_traceback)


def kubectl(words: str, stdin: str = "") -> str:
    """What `kubectl WORDS` prints, for use in Python: `kubectl("get pods -o name").split()`. Raises Problem when it
    ends with another exit code than 0."""
    session = _session or Session(None)
    done = capture(status(), session.lab().slug, shlex.split(words), stdin)
    if done.exit:
        raise Problem(f"kubectl {words}: exit code {done.exit}.", done.err.strip())
    return done.out.strip()


# -- from a line to an answer


def _magic(session: Session, command: click.Command) -> Any:
    def magic(line: str) -> None:
        _answer(session, lambda: _invoke(session, command, shlex.split(_filled(session, line), comments=True)))

    return _plain(magic)


def _kubectl(session: Session) -> Any:
    def magic(line: str) -> None:
        _answer(session, lambda: _run_kubectl(session, shlex.split(_filled(session, line))))

    return _plain(magic)


def _run_kubectl(session: Session, words: Sequence[str]) -> Shown:
    if words[:1] == ["kubectl"]:  # typed out of habit
        words = words[1:]
    verb, follows = words[:1], {"-w", "--watch", "-f", "--follow"} & set(_before_dashes(words))
    if verb in (["port-forward"], ["proxy"]) or (follows and verb in (["get"], ["logs"])):
        raise UsageProblem(
            f"A notebook cell cannot {'follow changes' if follows else f'run {verb[0]}'}: it would never end.",
            "It shows an output when the command has ended, and no other cell runs until then.",
            ("%watch 10 get ... follows for ten seconds; or in" if follows else "In")
            + f" a terminal: kindlab kubectl -- {shlex.join(words)}",
        )
    return shown.terminal(capture(status(), session.lab().slug, words))


def _watch(session: Session) -> Any:
    def magic(line: str) -> None:
        _answer(session, lambda: _run_watch(session, shlex.split(_filled(session, line))))

    return _plain(magic)


def _run_watch(session: Session, words: Sequence[str]) -> Shown:
    """`%watch SECONDS get pods`: what `kubectl get pods --watch` prints in that time."""
    example = "For example: %watch 10 get pods"
    try:
        seconds = float(words[0])
    except (IndexError, ValueError):
        raise UsageProblem("For how many seconds?", "%watch needs a number first.", example) from None
    rest = words[2:] if words[1:2] == ["kubectl"] else words[1:]
    if rest[:1] != ["get"]:
        raise UsageProblem("%watch follows what kubectl get shows.", "It takes get and its words.", example)
    if not 0 < seconds <= LONGEST_WATCH:
        raise UsageProblem(f"{words[0]} seconds cannot be.", f"From 1 to {LONGEST_WATCH}.", example)
    session.step(f"watching for {seconds:g} seconds")
    asked = rest if {"-w", "--watch"} & set(rest) else [*rest, "--watch"]
    return shown.terminal(for_a_while(status(), session.lab().slug, asked, seconds))


def _before_dashes(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _apply(session: Session) -> Any:
    def magic(line: str, cell: str | None = None) -> None:
        _answer(session, lambda: apply(session, shlex.split(_filled(session, line), comments=True), cell))

    return _plain(magic)


def _plain(magic: Any) -> Any:
    """Keep IPython from filling in `$x` and `{...}` by its own rules, which would eat a shell's $VARIABLE."""
    magic._ipython_magic_no_var_expand = True
    return magic


def _filled(session: Session, line: str) -> str:
    names = session.shell.user_ns
    return re.sub(r"\{([A-Za-z_]\w*)\}", lambda m: str(names[m[1]]) if m[1] in names else m[0], line)


def _invoke(session: Session, command: click.Command, words: list[str]) -> Shown | None:
    answer = command.main(args=words, prog_name=f"%{command.name}", standalone_mode=False, obj=session)
    return answer if isinstance(answer, Shown) else None


def _answer(session: Session, work: Any) -> None:
    """Show what `work` answers; turn what goes wrong into words."""
    try:
        answer = work()
    except KeyboardInterrupt:
        answer = shown.note("Stopped. Nothing was lost; run the cell again to go on.")
    except Exception as error:
        answer = shown.problem(_as_problem(error))
    if answer is not None:
        session.show(answer)


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, click.UsageError):
        usage = error.ctx.get_usage() if error.ctx else ""
        return UsageProblem(error.format_message(), usage)
    if isinstance(error, ApiError):
        return Problem("The cluster refused that.", error.message)
    if isinstance(error, CouldNotGrade):
        return Problem("That could not be found out.", str(error), "Run the cell again.")
    if isinstance(error, ValueError) and "quot" in str(error).lower():
        return UsageProblem("A quotation mark is missing in this line.", f"{error}.")
    log.error("a magic broke", exc_info=error)
    return Problem(
        "This command broke: a fault of kindlab, not yours.",
        f"{type(error).__name__}: {error}",
        "Restart the kernel and try again; the same command may work in a terminal.",
    )


def _instead_of_a_traceback(shell: Any, kind: type, error: Problem, traceback: Any, tb_offset: Any = None) -> list[str]:
    Session(shell).show(shown.problem(error))
    return [str(error)]


def status() -> base.Status:
    """The cluster in use. Raises Problem when it is not ready."""
    return base.ready()


# -- the magics


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
@click.pass_obj
def start(session: Session, lab: str | None) -> Shown:
    """Begin a lab: your files, its namespace, what it starts from."""
    found = session.lab(lab)
    session.step(f"starting {found.slug}")
    done = workspace.start(found, session.api())
    progress.started(found.slug)
    return shown.started(found, done)


@click.command("check")
@_lab_argument
@click.option("--task", help="Check only this task (its id or number).")
@click.pass_obj
def check(session: Session, lab: str | None, task: str | None) -> Shown:
    """Grade the lab by what the live cluster does."""
    from kindlab.grading import runner

    found = session.lab(lab)
    only = found.task(task).id if task else None
    session.step(f"checking {only or found.slug}")
    cluster = status()
    report = runner.grade(found, cluster.api(), cluster=cluster.name, only=only)
    if only is None:
        progress.checked(report)
    return shown.report(report, found, whole=only is None)


@click.command("hint")
@click.argument("words", nargs=-1, metavar="[LAB] TASK")
@click.pass_obj
def hint(session: Session, words: tuple[str, ...]) -> Shown:
    """The next hint for a task; never the answer."""
    if not 1 <= len(words) <= 2:
        tasks = ", ".join(task.id for task in session.lab().tasks)
        raise UsageProblem(
            "A hint for which task?", f"The tasks are: {tasks}.", "For example: %hint " + tasks.split(",")[0]
        )
    found = session.lab(words[0] if len(words) == 2 else None)
    task = found.task(words[-1])
    count = min(progress.hints_taken(found.slug, task.id) + 1, len(task.hints))
    progress.hint_taken(found.slug, task.id)
    return shown.hints(found, task, count)


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

    space = namespace or session.lab().slug
    session.step(f"following {target}")
    return shown.trace(trace(session.api(), space, target, sender=sender))


@click.command("url")
@click.argument("target")
@click.option("-n", "--namespace", help="The namespace (default: the lab's).")
@click.pass_obj
def url(session: Session, target: str, namespace: str | None) -> Shown:
    """The address a browser on this machine can open for svc/NAME, ingress/NAME or httproute/NAME."""
    from kindlab import urls

    found = urls.for_target(base.active(), session.api(), namespace or session.lab().slug, target)
    return shown.addresses(found.urls, found.notes)


@click.command("solve")
@_lab_argument
@click.pass_obj
def solve(session: Session, lab: str | None) -> Shown:
    """Apply the lab's reference solution to the cluster (your files stay as they are)."""
    found = session.lab(lab)
    session.step(f"solving {found.slug}")
    applied = workspace.solve(found, session.api())
    return shown.applied(applied, f"Applied the reference solution of {found.slug}; next: %check {found.number}")


@click.command("reset")
@_lab_argument
@click.pass_obj
def reset(session: Session, lab: str | None) -> Shown:
    """Put the lab back to its start, namespace included (your old files are kept aside)."""
    found = session.lab(lab)
    session.step(f"resetting {found.slug}")
    done, aside = workspace.reset(found, session.api())
    return shown.started(found, done, aside=aside)


@click.command("topology")
@click.pass_obj
def topology(session: Session) -> Shown:
    """The lab's Services, and the endpoints behind each."""
    space = session.lab().slug
    return shown.topology(space, picture.lines(session.api(), space))


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
        same = [f.name for f in sources if _unchanged(found, f)]
        if same:
            return shown.note(
                f"{', '.join(same)} is still as the lab gave it: nothing was applied.\n"
                "Change it, save it (Ctrl+S), and run this cell again.",
                colour=AMBER,
            )
        texts = [(f.name, workspace.text_of(f)) for f in sources]
    else:
        texts = [(words[0] if words else "this cell", cell)]
    objects = [(name, obj) for name, text in texts for obj in workspace.parse(text, name)]
    if not objects:
        raise UsageProblem(
            f"There is no object in {', '.join(name for name, _ in texts)}.",
            "It is empty, or holds only comments.",
            "Write the object, save (Ctrl+S), and run this cell again.",
        )
    if cell is not None and words:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / Path(words[0]).name).write_text(cell, encoding="utf-8")
    api, lines = session.api(), []
    for name, obj in objects:
        try:
            lines.append(applying.apply(api, found.slug, obj))
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


def _unchanged(lab: Lab, path: Path) -> bool:
    """Whether the file is byte for byte what the lab started with: then the learner has not saved anything yet."""
    given = lab.folder / "start" / path.name
    return path.parent == workspace.folder(lab) and given.is_file() and given.read_bytes() == path.read_bytes()
