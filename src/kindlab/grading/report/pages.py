"""The pages of batch grading: Jinja2 templates beside this file, with every text escaped and no part elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from kindlab import terminal
from kindlab.grading.outcome import Outcome
from kindlab.grading.report import html
from kindlab.grading.report.told import MARKS, NOT_SHOWN, ToldTask

if TYPE_CHECKING:
    from kindlab.batch.scoring import Scored

WORDS: dict[Outcome | None, str] = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.COULD_NOT_GRADE: "could not be graded",
    None: NOT_SHOWN,
}


def page(template: str, **values: Any) -> str:
    """The page that the template makes of these values."""
    return _environment().get_template(template).render({"script_source": "", **values})


def state(task: ToldTask) -> Markup:
    """The badge of a task."""
    return html.badge("– not here", html.GREY) if task.not_here else outcome(task.outcome)


def outcome(found: Outcome) -> Markup:
    return html.badge(html.WORDS[found], html.COLOURS[found])


def result(one: Scored) -> Markup:
    """The badge of a student. Whether they passed is a matter of the policy's pass mark: without one nobody failed."""
    if not one.has_grade:
        return outcome(Outcome.COULD_NOT_GRADE)
    if one.passed is not None:
        return outcome(Outcome.PASSED if one.passed else Outcome.FAILED)
    done = one.outcome is Outcome.PASSED
    return html.badge(f"{MARKS[Outcome.PASSED]} all done", html.GREEN) if done else html.badge("some open", html.BLUE)


def _harmless(value: Any) -> Any:
    """A text without what is not seen but moves a cursor or turns the direction of writing."""
    return type(value)(terminal.harmless(value)) if isinstance(value, str) else value


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"commands": html.terminal_commands, "state": state, "result": result}
    environment.globals |= {"words": WORDS, "marks": MARKS}
    return environment
