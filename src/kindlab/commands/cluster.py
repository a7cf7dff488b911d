"""Commands on the cluster itself."""

from __future__ import annotations

import json
from typing import Any

import click

from kindlab import terminal
from kindlab.clusters import base, consent
from kindlab.commands.options import CLUSTERS, cluster_option, host_port_option, json_option
from kindlab.errors import COULD_NOT_GRADE, PASSED


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
@click.option("--context", metavar="NAME", help="For current: a context of your kubeconfig (default: its current one).")
@click.option("--prefix", default="", help="For current: what your namespaces begin with, where many share a cluster.")
@click.option("--yes", "-y", is_flag=True, help="For current: do not ask whether kindlab may work there.")
@json_option
def up(cluster: str, name: str, yes: bool, as_json: bool, **options: Any) -> None:
    """Start a cluster, or find it running."""
    with terminal.steps(quiet=as_json) as step:
        provider, why = base.choose(cluster, name=name, **options)
        step(f"starting {provider.kind}")
        status = provider.up(step)
    if status.kind == "current":
        consent.ensure(status, yes=yes)
    base.remember(status)
    if as_json:
        click.echo(json.dumps({"cluster": status.to_json()}))
        return
    click.echo(f"Cluster {status.name} ({status.kind}) is ready: {status.detail}.")
    for note in status.notes:
        click.echo(note)
    if status.kind != "pocket" and (options["http_port"], options["https_port"]) != (None, None):
        click.echo("--http-port and --https-port are for the embedded cluster; kind's are in cluster-config/kind.yaml.")
    if status.kind != "pocket" and options["node_monitor_grace_period"] is not None:
        click.echo("--node-monitor-grace-period is for the embedded cluster; this one keeps its own.")
    if cluster == "auto":
        click.echo(f"kindlab took {status.kind} because {why}.")
    if status.kubeconfig:
        click.echo(f"For kubectl: export KUBECONFIG={status.kubeconfig}")
    click.echo("Next: kindlab start 01")


@click.command()
@cluster_option
@json_option
def status(cluster: str | None, as_json: bool) -> int:
    """Show the cluster in use."""
    found = base.active(cluster).status()
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
def down(cluster: str | None, name: str) -> None:
    """Stop the cluster and remove what it kept (your files in work/ stay)."""
    provider = base.active(cluster, name)
    with terminal.steps() as step:
        removed = provider.down(step)
    base.forget(provider)
    if provider.kind == "current":
        click.echo("The cluster of your kubeconfig is not kindlab's: it was left as it is.")
    else:
        click.echo(
            "The cluster is gone. Your files in work/ are still there." if removed else "There was no cluster to stop."
        )
