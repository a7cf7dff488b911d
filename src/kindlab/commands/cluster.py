"""Commands on the cluster itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import click

from kindlab import terminal
from kindlab.clusters import base, consent
from kindlab.commands.options import CLUSTERS, cluster_option, host_port_option, json_option, listed
from kindlab.errors import COULD_NOT_GRADE, PASSED

Result = TypeVar("Result")


@click.command()
@click.option("--cluster", type=CLUSTERS, default="auto", show_default=True, help="Which kind of cluster.")
@click.option("--name", default="", help="Tell several clusters of one kind apart.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the embedded API server (0: any free).")
@click.option(
    "--ip-family",
    type=click.Choice(("ipv4", "ipv6", "dual")),
    help="Addresses of a new cluster's Services, Pods and nodes (default: ipv4).",
)
@host_port_option("http", 8080)
@host_port_option("https", 8443)
@click.option(
    "--node-monitor-grace-period",
    type=click.IntRange(1, 86_400),
    metavar="SECONDS",
    help="After how long a silence the embedded cluster calls a node NotReady (default: 50, as Kubernetes).",
)
@click.option(
    "--labs",
    metavar="10,13|all",
    default="",
    help="For kind: also install what these labs need (kindlab start does it for each when its turn comes).",
)
@click.option("--offline", is_flag=True, help="For kind: download nothing; says what is missing.")
@click.option("--preload", is_flag=True, help="For kind: pull the labs' images once and load them into the nodes.")
@click.option(
    "--merge", is_flag=True, help="For kind: put its context into your own kubeconfig (kindlab down undoes it)."
)
@click.option("--keep", is_flag=True, help="For kind: when creating fails, leave the containers to be looked at.")
@click.option("--context", metavar="NAME", help="For current: a context of your kubeconfig (default: its current one).")
@click.option(
    "--prefix", metavar="NAME", help="For current: what your namespaces begin with, where many share a cluster."
)
@click.option(
    "--yes", "-y", is_flag=True, help="Do not ask whether kindlab may work on, or replace, what is not its own."
)
@json_option
def up(cluster: str, name: str, yes: bool, as_json: bool, labs: str, **options: Any) -> None:
    """Start a cluster, or find it running."""
    wishes = {wish: options.pop(wish) for wish in ("offline", "preload", "merge", "keep")}
    wishes["labs"] = tuple(listed(labs))
    if wishes["labs"]:
        from kindlab.labs import several

        several(wishes["labs"])  # a typo is one on every cluster
    provider, why = base.choose(cluster, name=name, wishes=wishes, **options)

    def work() -> base.Status:
        with terminal.steps(quiet=as_json, slow=provider.kind == "kind") as step:
            step(f"starting {provider.kind}" + (f": {why}" if cluster == "auto" else ""))
            return provider.up(step)

    try:
        status = _agreed(provider, work, yes=yes)
    except base.Incomplete as problem:
        base.remember(problem.status)
        raise
    if status.kind == "current":
        consent.ensure(status, yes=yes)
    base.remember(status)
    if as_json:
        click.echo(json.dumps({"cluster": status.to_json()}))
        return
    click.echo(f"Cluster {status.name} ({status.kind}) is ready: {status.detail}.")
    for note in status.notes:
        click.echo(note)
    for text in _without_effect(status.kind, wishes, options):
        click.echo(text)
    if cluster == "auto":
        click.echo(f"kindlab took {status.kind} because {why}.")
    if status.kubeconfig:
        click.echo(f"For kubectl: export KUBECONFIG={status.kubeconfig}")
    click.echo("Next: kindlab start 01")


def _without_effect(kind: str, wishes: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each option that was given and that this kind of cluster does not have."""
    if kind != "pocket" and options["node_monitor_grace_period"] is not None:
        yield "--node-monitor-grace-period is for the embedded cluster; this one keeps its own."
    if kind == "current" and (options["http_port"], options["https_port"]) != (None, None):
        yield "--http-port and --https-port are for clusters of kindlab's own; this one keeps its addresses."
    if kind == "current" and wishes["labs"]:
        yield "On this cluster nothing is installed unasked: kindlab addons shows what is missing."
    if kind != "kind" and (given := [f"--{wish}" for wish in wishes if wish != "labs" and wishes[wish]]):
        yield f"{' and '.join(given)} had no effect: {kind} needs nothing of the kind."


def _agreed(provider: base.Provider, work: Callable[[], Result], *, yes: bool) -> Result:
    """What `work` returns; when it needs consent, somebody is asked for it (`yes`: has said so in advance)."""
    try:
        return work()
    except base.NeedsConsent as problem:
        if not yes:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise
            click.echo(f"{problem.what} {problem.why}", err=True)
            if not click.confirm(problem.question, default=False, err=True):
                raise
        provider.consent = True
        return work()


@click.command()
@cluster_option
@click.option("--name", default="", help="Which cluster of that kind.")
@json_option
def status(cluster: str | None, name: str, as_json: bool) -> int:
    """Show the cluster in use."""
    found = base.active(cluster, name).status()
    if as_json:
        click.echo(json.dumps({"cluster": found.to_json()}))
    else:
        state = "ready" if found.ready else "not ready"
        click.echo(f"Cluster {found.name} ({found.kind}) is {state}: {found.detail.rstrip('.')}.")
        for note in found.notes:
            click.echo(note)
        if found.kubeconfig and found.ready:
            click.echo(f"Kubeconfig: {found.kubeconfig}")
        if not found.ready:
            click.echo(base.way_out(found))
    return PASSED if found.ready else COULD_NOT_GRADE


@click.command()
@cluster_option
@click.option("--name", default="", help="Which cluster of that kind.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before a cluster is removed that kindlab has not made.")
def down(cluster: str | None, name: str, yes: bool) -> None:
    """Stop the cluster and remove what it kept (your files in work/ stay)."""
    provider = base.active(cluster, name)

    def work() -> bool:
        with terminal.steps() as step:
            return provider.down(step)

    removed = _agreed(provider, work, yes=yes)
    base.forget(provider)
    if provider.kind == "current":
        click.echo("The cluster of your kubeconfig is not kindlab's: it was left as it is.")
    else:
        click.echo(
            "The cluster is gone. Your files in work/ are still there." if removed else "There was no cluster to stop."
        )
