"""What a notebook cell shows: HTML where the frontend can, plain text for terminals and programs. Everything a magic
answers with is one of these."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from markupsafe import Markup, escape

from kindlab.errors import Problem
from kindlab.going import Told
from kindlab.grading.report import html
from kindlab.kubectl import Completed
from kindlab.labs import Lab, Task
from kindlab.needs import grouped
from kindlab.quiz import Question, shuffled
from kindlab.trace.hops import Trace
from kindlab.workspace import Started


class Shown:
    """The same thing twice: `html` for JupyterLab, `text` for everybody else."""

    def __init__(self, fragment: Markup, plain: str) -> None:
        self.html = fragment
        self.text = plain

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": str(self.html)}

    def __repr__(self) -> str:
        return self.text


def pictures() -> Shown:
    """How the notebook's own text pictures and manifests look: JupyterLab folds their long lines, and a folded picture
    is none. Here they are a little smaller, and what is still too wide for the window scrolls."""
    style = "white-space:pre;overflow-x:auto;line-height:1.3;font-size:calc(var(--jp-code-font-size, 13px) - 1px)"
    text = ".jp-Notebook .jp-MarkdownOutput.jp-RenderedHTMLCommon pre"
    rules = Markup("{0}, {0} code {{{1}}}").format(text, style)
    return Shown(Markup("<style>{}</style>").format(rules), "")


def told(found: Told) -> Shown:
    """A grading as far as the learner is told of it."""
    plain = "\n".join(line for line, _ in found.lines())
    if found.exam is not None:
        return note(plain, colour=html.AMBER)
    fragment = html.fragment(found.report)
    if found.note:
        fragment = note(found.note).html + fragment
    after = [Markup("<div>{}</div>").format(html.commands(line)) for line in found.after if line]
    if after:
        fragment += html.panel(html.BLUE, *after)
    parts = [Shown(fragment, plain)]
    if found.unkept is not None:
        parts.append(problem(found.unkept))
    return together(*parts)


def problem(error: Problem) -> Shown:
    """What happened, why, what to do next."""
    lines = [Markup("<div>{}</div>").format(html.commands(line)) for line in (error.why, error.then) if line]
    return Shown(html.panel(html.RED, Markup("<div><b>{}</b></div>").format(error.what), *lines), str(error))


def together(*parts: Shown) -> Shown:
    """One below the other."""
    return Shown(html.join(part.html for part in parts), "\n\n".join(part.text for part in parts))


def note(plain: str, *, colour: str = html.BLUE) -> Shown:
    lines = [Markup("<div>{}</div>").format(html.commands(line)) for line in plain.splitlines()]
    return Shown(html.panel(colour, *lines), plain)


def started(lab: Lab, done: Started, *, aside: Path | None = None) -> Shown:
    """What `%start` or `%reset` did."""
    lacking = grouped(done.lacking)
    rows = [
        ("your files", str(done.folder)),
        ("copied", ", ".join(done.copied)),
        ("kept", f"{', '.join(done.kept)} (as you left them)" if done.kept else ""),
        ("other prefix", f"{', '.join(done.misnamed)} (%reset gives you new ones)" if done.misnamed else ""),
        ("created", ", ".join(done.created)),
        ("there already", ", ".join(done.already)),
        ("old files", str(aside or "")),
        ("not put there", ", ".join(done.refused)),
        *(("cannot be done here", f"{', '.join(tasks)}. {one.why} {one.how_to_get}") for tasks, one in lacking),
    ]
    body = html.facts([(label, html.commands(value)) for label, value in rows])
    plain = "\n".join(f"  {label + ':':<15}{value}" for label, value in rows if value)
    head = f"Lab {lab.slug} is ready on the cluster, in namespace {lab.namespace}."
    return Shown(html.panel(html.GREEN, Markup("<b>{}</b>{}").format(head, body)), f"{head}\n{plain}")


def hints(task: Task, count: int) -> Shown:
    """The first `count` hints of a task."""
    left = len(task.hints) - count
    more = f"{left} more: run this cell again." if left else "That was the last one."
    items = html.join(Markup("<li>{}</li>").format(html.commands(h)) for h in task.hints[:count])
    fragment = html.panel(
        html.AMBER,
        Markup('<b>{}</b><ol style="margin:4px 0">{}</ol><div style="opacity:.75">{}</div>').format(
            task.title, items, more
        ),
    )
    plain = "\n".join([task.title, *(f"  {n}. {h}" for n, h in enumerate(task.hints[:count], 1)), more])
    return Shown(fragment, plain)


def quiz(lab: Lab, questions: list[Question]) -> Shown:
    """Questions whose options unfold, in an order that is the same each time and has nothing to do with the file's."""
    blocks, lines = [], []
    for number, question in enumerate(questions, 1):
        options = shuffled(question)
        rows = [
            Markup(
                '<details style="margin:2px 0 2px 15px"><summary style="cursor:pointer">{}</summary>'
                '<div style="padding:2px 0 6px 15px">{} {}</div></details>'
            ).format(
                html.commands(o.text),
                html.badge("✔ right", html.GREEN) if o.right else html.badge("✘ wrong", html.RED),
                html.commands(o.why),
            )
            for o in options
        ]
        blocks.append(
            Markup('<div style="padding:6px 0"><b>{}. {}</b>{}</div>').format(
                number, html.commands(question.text), html.join(rows)
            )
        )
        lines += [
            f"{number}. {question.text}",
            *(f"   {letter}) {o.text}" for letter, o in zip("abcde", options, strict=False)),
        ]
    head = Markup("<b>{} questions on lab {}.</b> Choose in your head, then unfold.").format(len(questions), lab.number)
    lines.append(f"Answer them in a terminal: kindlab quiz {lab.number}")
    return Shown(html.panel(html.BLUE, Markup("<div>{}</div>").format(head), *blocks), "\n".join(lines))


def trace(path: Trace) -> Shown:
    """A path, hop by hop."""
    broken = path.broken
    mark = {
        True: html.badge("✔ in order", html.GREEN),
        False: html.badge("✘ broken", html.RED),
    }
    rows = html.join(
        Markup('<div style="padding:3px 0">{} <b>{}</b>: {}</div>').format(mark[hop.ok], hop.name, hop.evidence)
        for hop in path.hops
    )
    end = Markup("<b>Next:</b> {}").format(html.commands(broken.next)) if broken else Markup("Every hop is in order.")
    fragment = html.panel(
        html.RED if broken else html.GREEN,
        Markup("<b>{}</b> in namespace {}{}<div>{}</div>").format(path.target, path.namespace, rows, end),
    )
    lines = [f"{path.target} in namespace {path.namespace}"]
    lines += [f"  {'✔' if hop.ok else '✘'} {hop.name}: {hop.evidence}" for hop in path.hops]
    lines.append(f"Next: {broken.next}" if broken else "Every hop is in order.")
    return Shown(fragment, "\n".join(lines))


def addresses(urls: list[str], notes: list[str]) -> Shown:
    """Addresses to click on, and what must be known to open them."""
    lines = [Markup('<div><a href="{0}" target="_blank" rel="noopener">{0}</a></div>').format(one) for one in urls]
    below = [Markup("<div>{}</div>").format(html.commands(one)) for one in notes]
    return Shown(html.panel(html.GREEN, *lines, *below), "\n".join([*urls, *notes]))


def topology(namespace: str, lines: Iterable[str]) -> Shown:
    """The Services of a namespace with their endpoints, as a tree."""
    plain = "\n".join(lines) or f"There is no Service in namespace {namespace}."
    marked = re.sub(
        r"\b(not ready|no endpoints: nobody would answer)\b",
        lambda found: f'<b style="color:{html.RED};background:#fff;padding:0 3px">{found[0]}</b>',
        str(escape(plain)),
    )
    marked = re.sub(r"^(svc/\S+)", r"<b>\1</b>", marked, flags=re.MULTILINE)
    return Shown(html.pre(Markup(marked)), plain)


def terminal(done: Completed) -> Shown:
    """What a command printed: columns stay columns, errors are told apart, the exit code is named when it is not 0."""
    parts, plain = [], []
    if done.out:
        parts.append(html.pre(done.out.rstrip("\n")))
        plain.append(done.out.rstrip("\n"))
    if done.err:
        edge = f"border-left:4px solid {html.RED if done.exit else html.AMBER};padding-left:8px"
        parts.append(Markup('<div style="{}">{}</div>').format(edge, html.pre(done.err.rstrip("\n"), wrap=True)))
        plain.append(done.err.rstrip("\n"))
    if done.exit and "exit code" not in done.err:
        parts.append(Markup('<div style="opacity:.75;font-size:.9em">exit code {}</div>').format(done.exit))
        plain.append(f"(exit code {done.exit})")
    return Shown(html.join(parts) or Markup("<i>no output</i>"), "\n".join(plain) or "(no output)")


def applied(lines: list[str], source: str) -> Shown:
    """What `%apply` did: one line an object."""
    rows = html.join(Markup("<div>{}</div>").format(html.code(line)) for line in lines)
    return Shown(html.panel(html.GREEN, Markup("<b>{}</b>{}").format(source, rows)), "\n".join(lines))
