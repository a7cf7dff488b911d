"""Commands on the machines under the nodes."""

from __future__ import annotations

import json

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.options import cluster_option, json_option


@click.group()
def node() -> None:
    """Switch a node's machine off and on, as a power cut would; list them with `node list`."""


@node.command("list")
@cluster_option
@json_option
def list_nodes(cluster: str | None, as_json: bool) -> None:
    """The machines, whether they are on, and what the cluster says of their nodes."""
    from kindlab.clusters import machines

    found = machines.look(base.active(cluster), base.ready(cluster).api())
    if as_json:
        click.echo(json.dumps({"nodes": [machine.to_json() for machine in found]}))
        return
    width = max(len(machine.name) for machine in found)
    click.echo(f"{'NODE':{width}}   MACHINE   STATUS")
    for machine in found:
        click.echo(f"{machine.name:{width}}   {'on' if machine.on else 'off':7}   {machine.status}")


@node.command()
@click.argument("name")
@cluster_option
def stop(name: str, cluster: str | None) -> None:
    """Switch node NAME's machine off, without a word to the cluster.

    Its Pods end at once and its addresses answer nothing. The cluster notices when it has not heard of the node for 50
    seconds, and moves Pods that a controller made elsewhere when they have tolerated that for 300 more.
    """
    from kindlab.clusters import machines

    with terminal.steps() as step:
        step(f"switching {name} off")
        changed = machines.stop(base.active(cluster), base.ready(cluster).api(), name)
    if not changed:
        click.echo(f"The machine of {name} was off already. Switch it on: kindlab node start {name}")
        return
    click.echo(f"The machine of {name} is off. The cluster has not noticed yet; it will call the node NotReady.")
    click.echo(f"Watch it: kubectl get nodes,pods -o wide -w. Why: kindlab why node/{name}")
    click.echo(f"Switch it on again: kindlab node start {name}")


@node.command()
@click.argument("name")
@cluster_option
def start(name: str, cluster: str | None) -> None:
    """Switch node NAME's machine on: the Pods that are still bound to it start again."""
    from kindlab.clusters import machines

    with terminal.steps() as step:
        step(f"switching {name} on")
        changed = machines.start(base.active(cluster), base.ready(cluster).api(), name)
    click.echo(f"The machine of {name} is on." if changed else f"The machine of {name} was on already.")
    click.echo(f"See the node: kubectl describe node {name}")
