"""The `kindlab` command. It only parses words and prints: the work is in the modules it imports when needed, so that
`kindlab --help` starts fast. Exit codes: 0 all passed, 1 some checks failed, 2 usage, 3 could not grade."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from kindlab import __version__, commands, terminal
from kindlab.errors import COULD_NOT_GRADE, PASSED, USAGE, Problem, UsageProblem
from kindlab.near import nearest

log = logging.getLogger(__name__)


class Commands(click.Group):
    """Finds the commands in kindlab.commands, lists them in the order of a learner's day, and knows the near ones."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.sections = list(commands.scan())
        for _, found in self.sections:
            for command in found:
                self.add_command(command)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = formatter.width - 6 - max(map(len, self.commands))
        for heading, found in self.sections:
            with formatter.section(heading):
                formatter.write_dl([(command.name or "", command.get_short_help_str(width)) for command in found])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = nearest(args[0], self.commands)
            hint = f" Did you mean {near[0]}?" if near else " kindlab --help lists the commands."
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx) from error


def main() -> None:
    """The entry point: runs the command, prints what went wrong as what / why / next, and exits."""
    # a polite kill is a Ctrl-C: what the command has begun, clusters of its own above all, is put away
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _begin_log(os.environ.get("KINDLAB_LOG", "critical"))
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else PASSED)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.UsageError as error:
        error.show()
        if isinstance(error, click.MissingParameter) and error.param is not None and error.param.name == "lab":
            click.echo("kindlab list shows the labs.", err=True)
        sys.exit(USAGE)
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # not somebody who stopped it: click takes every EOFError for that
            terminal.problem(explain(error.__cause__))
            sys.exit(COULD_NOT_GRADE)
        click.echo("\nStopped. Nothing was lost; run the command again to go on.", err=True)
        sys.exit(130)
    except Problem as problem:
        terminal.problem(problem)
        sys.exit(problem.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PASSED)
    except Exception as error:
        terminal.problem(explain(error))
        sys.exit(COULD_NOT_GRADE)


def _begin_log(level: str) -> None:
    """Log to standard error. The level is the handler's: libraries set levels of their own on their loggers."""
    known = logging.getLevelNamesMapping()
    if level.upper() not in known:
        raise UsageProblem(
            f"KINDLAB_LOG={level} is no level.", f"The levels are: {', '.join(known).lower()}.", "For example: debug"
        )
    logging.basicConfig(level=level.upper(), stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.setLevel(level.upper())


def explain(error: Exception) -> Problem:
    """What went wrong in words a learner can act on; the traceback goes to the log (KINDLAB_LOG=debug)."""
    import errno

    from kindlab.api import ApiError
    from kindlab.checks.verdict import CouldNotGrade
    from kindlab.rights import refused

    log.error("the command ended with an exception", exc_info=error)
    if isinstance(error, ApiError):
        return refused(error)
    if isinstance(error, CouldNotGrade):
        return Problem("That could not be found out.", f"{error}.", "Try again; kindlab status shows the cluster.")
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        then = "Free some disk space and try again." if full else "Check that the file or folder is yours to use."
        if not full and _in_work(error.filename):
            then += " KINDLAB_WORK puts your files into another folder."
        return Problem(f"{error.filename or 'A file'} cannot be used.", f"{error.strerror or error}.", then)
    return Problem(
        "This command broke: a fault of kindlab, not yours.",
        f"{type(error).__name__}: {error}",
        "KINDLAB_LOG=debug before the command shows where.",
    )


def _in_work(path: object) -> bool:
    from kindlab import paths

    return isinstance(path, str | os.PathLike) and Path(path).is_relative_to(paths.work())


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="kindlab")
def cli() -> None:
    """Learn Kubernetes networking and storage on a live cluster that grades you.

    \b
    First steps:
      kindlab up               start a cluster (embedded, or kind when Docker is there)
      kindlab start 01         begin lab 01-pod-networking
      kindlab check 01         see what works, what does not, and why
    """


if __name__ == "__main__":
    main()
