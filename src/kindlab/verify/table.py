"""docs/parity.md, and the one sentence that a run comes to."""

from __future__ import annotations

from kindlab.verify.results import LabResult, Verified

HOW = """To make it, on a machine with Docker (or podman) and some hours to spare:

```sh
make start CLUSTER=kind               # the cluster, and a tour
make verify CLUSTER=kind LABS=02      # one lab first; it brings what the lab needs
make verify CLUSTER=kind              # all of them; Ctrl-C keeps what is done
make verify CLUSTER=kind RESUME=1     # goes on from there
```

or run the workflow *kind* on GitHub, which does it lab by lab and joins the tables. [clusters.md](clusters.md) is the
guide, and the end of [fidelity.md](fidelity.md) says where a verdict may differ and why."""

NOBODY = f"""# Parity: the course on a real cluster

**No real cluster has been verified yet.** This file is a place kept free: where the course was written no kind cluster
could run, so nobody has compared the graders' verdicts on real Kubernetes with those on pocketkube. Until somebody
does, the course on a real cluster is read against sources and documentation, not measured.

{HOW}

The table that comes of it replaces this text. A run against pocketkube itself, addressed by its kubeconfig, is no
figure of a real cluster and does not belong here.
"""
"""What docs/parity.md says until somebody has run it."""

EMBEDDED = "+pocket"
"""The build metadata in the version of an embedded cluster."""


def is_embedded(found: Verified) -> bool:
    """Whether that was pocketkube too, which proves that the machinery works, and nothing about a real cluster."""
    return any(what == "Kubernetes" and EMBEDDED in which for what, which in found.facts)


def summary(found: Verified) -> str:
    """One sentence: can the course be trusted there? A second one where that was no real cluster."""
    return _summary(found) + (" It is pocketkube, too: this says nothing about a real one." * is_embedded(found))


def _summary(found: Verified) -> str:
    away = [lab.lab for lab in found.labs.values() if lab.away]
    ran = [lab for lab in found.labs.values() if lab.answers]
    tasks = sum(len(lab.away_tasks) for lab in ran)
    more = [f"{tasks} task{'s' if tasks > 1 else ''} of {'other' if away else 'its'} labs"] if tasks else []
    without = f", without {_and([*away, *more])}, which cannot run there" if away or more else ""
    verdicts, same = sum(lab.verdicts for lab in ran), sum(lab.same for lab in ran)
    bad = [lab.lab for lab in ran if lab.differences or lab.problems]
    if not ran:
        return f"Nothing was graded on {found.cluster}: nothing can be said about the course there{without}."
    if not found.whole:
        tried, of = len(found.answers), sum(lab.of for lab in found.labs.values() if not lab.away)
        return (
            f"Not finished: {tried} of {of} answers were tried on {found.cluster}, {same} of {verdicts} verdicts are "
            "those of pocketkube, and nothing can be said about the rest."
        )
    part = f"lab{'s' if len(ran) > 1 else ''} {_numbers(ran)}" if len(found.labs) < found.course else "the course"
    if bad:
        return (
            f"On {found.cluster} {part} can be trusted but for {_and(bad)}{without}: {same} of {verdicts} verdicts are "
            "those of pocketkube; what differs is below."
        )
    return (
        f"On {found.cluster} {part} can be trusted{without}: all {verdicts} verdicts on {len(found.answers)} answers "
        "are those of pocketkube."
    )


def table(found: Verified) -> str:
    """The Markdown of docs/parity.md."""
    unsteady = [d for answer in found.answers for d in answer.unsteady]
    misjudged = [
        (a, who, g) for a in found.answers for who, g in (("there", a.there), ("on pocket", a.pocket)) if g.misjudged
    ]
    lines = [
        "# Parity: the course on a real cluster",
        "",
        *([_warning()] if is_embedded(found) else []),
        f"**{_line(summary(found))}**",
        "",
        f"Every answer written down for each lab, graded there and on pocketkube (last on {_line(found.date)}),",
        "verdicts compared check by check (`make verify`). Judged right: the start scores 0, solution and alternatives",
        "100%, each wrong answer fails the checks that its expect.toml names. A verdict that differed was asked for",
        "once more (*again*).",
        "",
        "| the cluster | |",
        "| --- | --- |",
        *(f"| {_cell(what)} | {_cell(which)} |" for what, which in found.facts),
        "",
        "| lab | answers | judged right there | verdicts compared | the same | again | seconds there | on pocket |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_row(lab) for lab in found.labs.values()),
        "",
        "Seconds are those of grading; making and removing namespaces comes on top.",
        "",
        *_section("What cannot run there", _away(found)),
        *_section("What differs", [*found.problems, *map(str, found.differences)], "Nothing."),
        *_section("What differed once, and not the second time", [str(d) for d in unsteady]),
        *_section(
            "What is not judged as its author says",
            [f"{answer.lab} {answer.state}, {who}: {graded.misjudged}" for answer, who, graded in misjudged],
        ),
    ]
    return "\n".join(lines)


def _warning() -> str:
    return (
        "**This is no figure of a real cluster:** the cluster compared was pocketkube, too. It shows that the\n"
        "comparison works, and nothing else.\n"
    )


def _row(lab: LabResult) -> str:
    row = lab.row()
    answers = f"{row['answers']}" if row["answers"] == row["of"] else f"{row['answers']} of {row['of']}"
    if lab.away:
        return f"| {_cell(lab.lab)} | cannot run there | | | | | | |"
    return (
        f"| {_cell(lab.lab)} | {answers} | {row['right']} | {row['verdicts']} | {row['same']} | {row['tried_again']} "
        f"| {row['seconds']:.1f} | {row['pocket_seconds']:.1f} |"
    )


def _away(found: Verified) -> list[str]:
    whole = [f"{lab.lab}: {lab.away}" for lab in found.labs.values() if lab.away]
    return whole + [
        f"{lab.lab}, task {task}: {why}" for lab in found.labs.values() for task, why in lab.away_tasks.items()
    ]


def _section(title: str, lines: list[str], otherwise: str = "") -> list[str]:
    if not lines and not otherwise:
        return []
    return [f"## {title}", "", *([f"- {_line(one)}" for one in lines] or [otherwise]), ""]


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    """In one line, and as it is: `<none>` would not be shown, and a file from elsewhere brings no pictures or links."""
    return " ".join(text.split()).replace("<", "&lt;").replace("[", "\\[")


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _numbers(ran: list[LabResult]) -> str:
    return _and([lab.lab.partition("-")[0] for lab in ran])
