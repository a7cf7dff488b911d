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
from typing import Any

import click

from kindlab import magics, shown
from kindlab.api import ApiError
from kindlab.checks.verdict import CouldNotGrade
from kindlab.errors import Problem, UsageProblem
from kindlab.kubectl import capture, for_a_while
from kindlab.rights import refused
from kindlab.session import Session, status
from kindlab.shown import Shown

log = logging.getLogger(__name__)

LONGEST_WATCH = 120
"""Seconds."""


_session: Session | None = None


def register(shell: Any) -> None:
    """Give `shell` (an IPython shell) the magics."""
    global _session
    session = _session = Session(shell)
    for command in magics.COMMANDS:
        shell.register_magic_function(_magic(session, command), "line", command.name)
    shell.register_magic_function(_kubectl(session), "line", "kubectl")
    shell.register_magic_function(_watch(session), "line", "watch")
    shell.register_magic_function(_apply(session), "line_cell", "apply")
    shell.set_custom_exc((Problem,), _instead_of_a_traceback)


def kubectl(words: str, stdin: str = "") -> str:
    """What `kubectl WORDS` prints, for use in Python: `kubectl("get pods -o name").split()`. Raises Problem when it
    ends with another exit code than 0."""
    session = _session or Session(None)
    done = capture(status(), session.lab().namespace, shlex.split(words), stdin)
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
    return shown.terminal(capture(status(), session.lab().namespace, words))


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
    return shown.terminal(for_a_while(status(), session.lab().namespace, asked, seconds))


def _before_dashes(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _apply(session: Session) -> Any:
    def magic(line: str, cell: str | None = None) -> None:
        _answer(session, lambda: magics.apply(session, shlex.split(_filled(session, line), comments=True), cell))

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
        return refused(error)
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
