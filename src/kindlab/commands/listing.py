"""The list of labs: how far one is, and what the cluster in use cannot do."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.options import json_option
from kindlab.errors import Problem

if TYPE_CHECKING:
    from kindlab.labs import Lab
    from kindlab.needs import Wanting

SOON = 8.0
"""Seconds that a list of labs waits for its cluster."""


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show the labs and how far you are."""
    from kindlab import debrief, going, labs, progress
    from kindlab.soon import within

    done, every = progress.load(), labs.all_labs()
    away = within(SOON, partial(_not_here, base.active(), every)) or {}
    rows: list[dict[str, Any]] = [
        {
            "slug": lab.slug,
            "title": lab.title,
            "minutes": lab.minutes,
            "kcna": list(lab.kcna),
            "points": done.get(lab.slug, {}).get("points", 0),
            "max_points": lab.max_points,
            "started": bool(done.get(lab.slug)),
            "attempts": done.get(lab.slug, {}).get("attempts", 0),
            "not_here": {task: one.why for task, one in away.get(lab.slug, {}).items()},
        }
        for lab in every
    ]
    if as_json:
        click.echo(json.dumps({"labs": rows}))
        return
    if not rows:
        click.echo("There are no labs here yet. kindlab new SLUG begins one.")
    for row in rows:
        points = f"{row['points']}/{row['max_points']} points" if row["started"] else "not started"
        click.echo(f"{row['slug']:<24} {row['minutes']:>3} min  {points:<14} {row['title']}")
        tried = f"; checked {row['attempts']} times" if row["attempts"] > 1 else ""
        click.echo(f"{'':<24}          KCNA: {debrief.by_domain(row['kcna'])}{tried}")
        if lacking := away.get(row["slug"]):
            terminal.styled(f"{'':<24}          {_away(row['slug'], lacking)}", fg="yellow")
    if rows:
        click.echo(f"\nNext: {going.next_step(every, done)}")
    if away:
        click.echo("\nkindlab can shows what this cluster can do, and how to get what it lacks.")


def _not_here(cluster: base.Provider, every: list[Lab]) -> dict[str, dict[str, Wanting]]:
    """Lab -> its tasks that cannot be done on that cluster; empty when it is not up, or goes away meanwhile."""
    from kindlab.api import ApiError

    try:
        status = cluster.status()
        if not status.ready:
            return {}
        from kindlab.needs import overview  # only now: without a cluster nobody waits for these modules

        return overview.away(status, every)
    except (Problem, ApiError):
        return {}


def _away(slug: str, lacking: dict[str, Wanting]) -> str:
    """What cannot be done on the cluster in use, in a line."""
    from kindlab import labs
    from kindlab.needs import grouped

    if len(lacking) == len(labs.find(slug).tasks):
        return f"Not on this cluster: it needs {', '.join(dict.fromkeys(w for one in lacking.values() for w in one))}"
    parts = (f"{', '.join(tasks)} (needs {', '.join(one)})" for tasks, one in grouped(lacking))
    return f"Not on this cluster: {'; '.join(parts)}"
