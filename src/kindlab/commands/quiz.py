"""Questions, one by one in a terminal."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING

import click

from kindlab.commands.options import json_option
from kindlab.errors import Problem

if TYPE_CHECKING:
    from kindlab.quiz import Question

LETTERS = "abcde"
PASS_MARK = 75


@click.command()
@click.argument("lab", required=False)
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="At most so many questions.")
@click.option("--list", "listing", is_flag=True, help="List the questions with their answers; ask none.")
@json_option
def quiz(lab: str | None, count: int, listing: bool, as_json: bool) -> None:
    """Answer KCNA questions: of LAB, of all labs, or with `course` for LAB those that belong to no lab.

    Those you missed come first. Each answer is explained. What you knew comes back after a day, three days, a week,
    three weeks.
    """
    from kindlab import quiz as asking
    from kindlab import recall

    found = asking.asked_for(lab) if lab else asking.all_questions()
    if listing or as_json:
        _list(found, as_json=as_json)
        return
    chosen = recall.due(found)
    if not chosen and found and lab:
        click.echo("You know all of these; none is due yet. Asked for by name, they come anyway.")
        chosen = found
    elif not chosen:
        click.echo("Nothing is due today: you know them all." if found else "There are no questions here yet.")
        return
    right = asked = 0
    for number, question in enumerate(chosen[:count], 1):
        answer = _ask(question, f"{number} of {min(count, len(chosen))}")
        if answer is None:
            break
        known = answer == next(i for i, o in enumerate(asking.shuffled(question)) if o.right)
        recall.answered(question, known)
        asked, right = asked + 1, right + known
        _explain(question, answer)
    click.echo(f"{right} of {asked} right." if asked else "Nothing was answered.")


@click.command()
@click.option("--count", type=click.IntRange(1), default=60, show_default=True, help="At most so many questions.")
@click.option("--minutes", type=click.FloatRange(min=0), default=90, show_default=True, help="The time you have.")
@click.option("--seed", type=int, help="The same exam again.")
def exam(count: int, minutes: float, seed: int | None) -> None:
    """A mock exam at KCNA's weights: no answers until the end."""
    from kindlab import quiz as asking
    from kindlab import recall

    every = asking.all_questions()
    chosen = recall.drawn(every, count, random.Random(seed))
    if not chosen:
        raise Problem("There are no questions here yet.", "", "kindlab list shows the labs.")
    shares = Counter(question.domain for question in chosen)
    parts = ", ".join(f"{shares[domain]} {domain}" for domain in asking.DOMAINS if domain in shares)
    click.echo(f"{len(chosen)} questions, {minutes:g} minutes: {parts}")
    without = [domain for domain in asking.DOMAINS if domain not in shares]
    if without:
        click.echo(f"The course has too few questions on {' and '.join(without)}.")
    began = monotonic()
    answers: list[tuple[Question, int]] = []
    for number, question in enumerate(chosen, 1):
        if monotonic() - began > minutes * 60:
            click.echo("The time is up.")
            break
        answer = _ask(question, f"{number} of {len(chosen)}")
        if answer is None:
            break
        answers.append((question, answer))
    _result(chosen, answers)


def _ask(question: Question, where: str) -> int | None:
    """The number of the option that was chosen; None at the end of the input, or for q."""
    from kindlab.quiz import shuffled

    options = shuffled(question)
    click.secho(f"\n[{where}] {question.text}", bold=True)
    for letter, option in zip(LETTERS, options, strict=False):
        click.echo(f"  {letter}) {option.text}")
    letters = LETTERS[: len(options)]
    while True:
        click.echo(f"Your answer ({letters[0]} to {letters[-1]}, q to stop): ", nl=False)
        line = sys.stdin.readline()
        word = line.strip().lower().rstrip(").")
        if not line or word == "q":
            click.echo()
            return None
        if len(word) == 1 and word in letters:
            return letters.index(word)
        click.echo(f"{word!r} is none of them." if word else "Choose a letter.")


def _explain(question: Question, answer: int) -> None:
    from kindlab.quiz import shuffled

    options = shuffled(question)
    chosen = options[answer]
    right = next(option for option in options if option.right)
    click.secho("✔ Right." if chosen.right else "✘ Wrong.", fg="green" if chosen.right else "red", nl=False)
    click.echo(f" {chosen.why}")
    if not chosen.right:
        click.echo(f"Right is: {right.text}. {right.why}")


def _result(chosen: list[Question], answers: list[tuple[Question, int]]) -> None:
    """The score, by domain, and what was missed. What was not answered counts as wrong."""
    from kindlab import recall
    from kindlab.quiz import DOMAINS, shuffled

    known = {question.key for question, answer in answers if shuffled(question)[answer].right}
    for question, _ in answers:
        recall.answered(question, question.key in known)
    score = 100 * len(known) // len(chosen)
    click.echo(f"\n{len(known)} of {len(chosen)} right: {score}% (a pass mark of {PASS_MARK}% is commonly quoted)")
    for domain in DOMAINS:
        if total := sum(q.domain == domain for q in chosen):
            click.echo(f"  {domain}: {sum(q.key in known for q in chosen if q.domain == domain)} of {total}")
    for question, answer in answers:
        if question.key not in known:
            click.secho(f"\n{question.text}", bold=True)
            click.echo(f"You said: {shuffled(question)[answer].text}")
            _explain(question, answer)


def _list(found: list[Question], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "lab": q.lab,
                "id": q.id,
                "kcna": q.kcna,
                "text": q.text,
                "options": [{"text": o.text, "right": o.right, "why": o.why} for o in q.options],
            }
            for q in found
        ]
        click.echo(json.dumps({"questions": rows}))
        return
    for question in found:
        click.secho(f"{question.key}  ({question.kcna})", fg="cyan")
        click.echo(question.text)
        for option in question.options:
            click.echo(f"  {'✔' if option.right else '✘'} {option.text}: {option.why}")
