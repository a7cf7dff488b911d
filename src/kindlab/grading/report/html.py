"""The report a learner reads in a notebook: one HTML fragment that stands by itself.

Styles are inline and colours either come from the page (text, lines) or are solid badges with white letters, so that
it reads the same in JupyterLab's light and dark themes and in a browser. Every text of the cluster or the learner is
escaped: fragments are built with Markup only. The building blocks are used by the other notebook output too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from markupsafe import Markup, escape

from kindlab.grading.outcome import Outcome, Report, TaskResult
from kindlab.grading.report import text
from kindlab.grading.report.told import MARKS

GREEN, RED, AMBER, GREY, BLUE = "#2e7d32", "#c62828", "#8a5a00", "#5f6368", "#1565c0"
COLOURS = {Outcome.PASSED: GREEN, Outcome.FAILED: RED, Outcome.COULD_NOT_GRADE: AMBER}
_SAID = {Outcome.PASSED: "passed", Outcome.FAILED: "failed", Outcome.COULD_NOT_GRADE: "not graded"}
WORDS = {outcome: f"{MARKS[outcome]} {said}" for outcome, said in _SAID.items()}
ELSEWHERE = "The embedded cluster has everything: kindlab up --cluster pocket"
LINE = "rgba(127,127,127,.35)"
MONO = "font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);font-size:.92em"


def fragment(report: Report) -> Markup:
    """The whole report: points, one row a task, and for what did not pass the evidence. The first task that did not
    pass is unfolded, the others unfold with a click."""
    first = next((t for t in report.tasks if t.outcome is not Outcome.PASSED and not t.not_here), None)
    return panel(
        COLOURS[report.outcome],
        _head(report),
        _problem(report),
        # nothing was graded when there is a problem: no list of tasks that looks like zeros
        *(_task(task, unfolded=task is first) for task in report.tasks if not report.problem),
        _ending(report),
    )


def _head(report: Report) -> Markup:
    on = f" on {report.cluster}" if report.cluster else ""
    if report.problem:
        return Markup("<div><b>{}</b>{}: <b>could not be graded</b></div>").format(report.lab, on)
    whole = report.max_points + report.points_not_here
    share = 100 * report.points // whole if whole else 0
    bar = Markup(
        '<div style="height:6px;border-radius:3px;background:{};margin:6px 0 8px;overflow:hidden">'
        '<div style="height:6px;width:{}%;background:{}"></div></div>'
    ).format(LINE, share, GREEN)
    return Markup("<div><b>{}</b>{}: <b>{}</b></div>{}").format(report.lab, on, report.score, bar)


def _problem(report: Report) -> Markup:
    return join(Markup("<div>{}</div>").format(commands(line)) for line in report.problem.splitlines())


def _task(task: TaskResult, *, unfolded: bool) -> Markup:
    state, points = badge(WORDS[task.outcome], COLOURS[task.outcome]), f"{text.points(task)}/{task.max_points}"
    if task.not_here:
        state, points = badge("– not here", GREY), "–"
    title = Markup(
        '<span style="display:inline-flex;gap:10px;align-items:baseline;width:calc(100% - 22px);vertical-align:top">'
        '{}<b style="flex:1">{}</b>{}<span style="white-space:nowrap">{}</span></span>'
    ).format(state, task.title, code(task.id), points)
    row = Markup('<div style="padding:5px 0;border-top:1px solid {}">{}</div>')
    if task.not_here:
        said = facts([("why", task.not_here), ("to get it", commands(task.how_to_get))])
        return row.format(LINE, Markup('<div style="padding-left:15px">{}{}</div>').format(title, said))
    if task.first_failure is None:
        return row.format(LINE, Markup('<div style="padding-left:15px">{}</div>').format(title))
    folded = Markup('<details{}><summary style="cursor:pointer">{}</summary>{}</details>')
    return row.format(LINE, folded.format(Markup(" open") if unfolded else "", title, _evidence(task)))


def _evidence(task: TaskResult) -> Markup:
    failure = task.first_failure
    assert failure is not None
    passed = [c.sentence for c in task.checks if c.outcome is Outcome.PASSED]
    return facts(
        [
            ("in order", Markup("; ").join(passed)),
            ("checked", failure.sentence),
            ("expected", failure.expected),
            ("seen", failure.seen),
            ("broken hop", failure.broken_hop),
            ("next", commands(failure.next)),
            ("so far", task.shares),
        ]
    )


def _ending(report: Report) -> Markup:
    if report.problem:
        return Markup("")
    undone = next((t for t in report.tasks if t.outcome is not Outcome.PASSED and not t.not_here), None)
    failed = next((t for t in report.tasks if t.outcome is Outcome.FAILED), None)
    said = Markup("")
    if undone is None and any(t.not_here for t in report.tasks):
        said = Markup("All tasks that can be done on this cluster are done. {}").format(commands(ELSEWHERE))
    elif undone is None:
        said = Markup("All tasks are done.") if len(report.tasks) > 1 else Markup("This task is done.")
    if report.points_not_graded:
        said = Markup("Some checks could not be carried out: that costs no points. Check again. ")
    if failed is not None:
        said += Markup("Stuck? {}").format(code(f"%hint {report.lab.partition('-')[0]} {failed.id}"))
    return Markup('<div style="padding-top:6px;border-top:1px solid {}">{}</div>').format(LINE, said)


# -- building blocks


def panel(colour: str, *parts: Markup | str) -> Markup:
    """A block with a coloured edge."""
    style = f"border-left:4px solid {colour};padding:4px 12px;margin:4px 0;line-height:1.45;max-width:64em"
    return Markup('<div style="{}">{}</div>').format(style, join(parts))


def badge(text: str, colour: str) -> Markup:
    style = (
        f"background:{colour};color:#fff;border-radius:9px;padding:1px 8px;font-size:.85em;font-weight:600;"
        "white-space:nowrap;display:inline-block;min-width:5.2em;text-align:center"
    )
    return Markup('<span style="{}">{}</span>').format(style, text)


def code(text: str) -> Markup:
    style = (
        f"{MONO};background:rgba(127,127,127,.16);color:inherit;padding:1px 4px;border-radius:3px;"
        "display:inline-block;max-width:100%;white-space:pre-wrap"
    )
    return Markup('<code style="{}">{}</code>').format(style, text)


def pre(text: str, *, colour: str = "inherit", wrap: bool = False) -> Markup:
    """Text whose columns must stay columns: it scrolls and never wraps, unless it is a message that has none. What is
    too long to be seen as a whole gets a frame, so that one sees that it scrolls."""
    frame = f"border:1px solid {LINE};border-radius:3px;padding:2px 6px" if text.count("\n") > 26 else "padding:2px 0"
    lines = "pre-wrap;word-break:normal;overflow-wrap:anywhere" if wrap else "pre"  # JupyterLab breaks words otherwise
    style = (
        f"{MONO};white-space:{lines};overflow:auto;max-height:36em;margin:0;"
        f"background:transparent;color:{colour};line-height:1.35;{frame}"
    )
    return Markup('<pre style="{}">{}</pre>').format(style, text)


def facts(rows: Iterable[tuple[str, Markup | str]]) -> Markup:
    """Labels and what belongs to them, in two columns; rows without a text are left out."""
    cells = join(
        Markup('<div style="opacity:.75">{}</div><div style="overflow-wrap:anywhere">{}</div>').format(label, text)
        for label, text in rows
        if text
    )
    style = "display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;padding:4px 0 4px 18px"
    return Markup('<div style="{}">{}</div>').format(style, cells)


def join(parts: Iterable[Markup | str]) -> Markup:
    return Markup("").join(escape(part) for part in parts)


_KINDS = (
    r"(?:pods?|services?|svc|endpointslices?|deployments?|replicasets?|daemonsets?|statefulsets?|nodes?|events|"
    r"namespaces?|hpa|ingress(?:es)?|ingressclass(?:es)?|httproutes?|gateways?|configmaps?|secrets?|"
    r"networkpolic(?:y|ies)|pvc?|storageclass(?:es)?|csinodes?|volumeattachments?|volumesnapshot(?:class(?:es)?|content)?s?|"
    r"pdb|poddisruptionbudgets?|roles?|rolebindings?|jobs?|cronjobs?|quota|limitrange)"
)
_END = r"(?= +-| +\(|,(?!\w)|\.(?: |$)|[`;:)]|$)"
_KUBECTL = (
    r"kubectl (?:get|describe|apply|scale|logs|exec|expose|label|rollout(?: (?:history|undo|restart|status))?"
    r"|delete|edit|port-forward|explain)"
    rf"(?: (?:[a-z]+/)?[\w.-]+(?=[\s`,;:.()]|$){_END}"  # one bare word counts when the command ends there or
    rf"| {_KINDS}(?:,{_KINDS})*\b(?: [\w.-]+{_END})?)?"
    rf"(?: -[^\s`,;)]*(?: [^-\s`,;)(][^\s`,;)]*{_END})?)*"  # options follow, each with a value or without
)
_KINDLAB = (
    r"kindlab (?:up|status|start|check|finish|hint|why|url|solve|reset)"
    r"(?: \d\d[\w-]*(?: [a-z][\w-]*(?=[`,;.)]|$))?| \S+/\S++(?: (?:-n|--from) \S++)*+)?(?! --)"
)
_COMMAND = re.compile(rf"`?\b(?<!kindlab )({_KUBECTL}|{_KINDLAB})\b`?")
"""Commands in a sentence: prose goes on after them without a mark, so a word belongs to one only where it can.
`kindlab kubectl` and options that no magic has are for a terminal."""


def commands(text: str) -> Markup:
    """A sentence in which the kubectl and kindlab commands are set as code, as they are typed in a notebook: as
    `%kubectl ...`, `%why ...`."""
    return _with_commands(text, lambda typed: f"%{typed.removeprefix('kindlab ')}")


def terminal_commands(text: str) -> Markup:
    """The same, as they are typed in a terminal."""
    return _with_commands(text, lambda typed: typed)


def _with_commands(text: str, spelled: Callable[[str], str]) -> Markup:
    done, at = Markup(""), 0
    for found in _COMMAND.finditer(text):
        done += escape(text[at : found.start()]) + code(spelled(found[1].strip()))
        at = found.end()
    return done + escape(text[at:])
