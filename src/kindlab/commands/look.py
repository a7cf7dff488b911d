"""Commands that look at what runs, and places to work in."""

from __future__ import annotations

import json

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.options import cluster_option, json_option, namespace_option
from kindlab.errors import FAILED, PASSED, UsageProblem


@click.command()
@click.argument("target")
@click.option("--from", "sender", default="", metavar="POD", help="Ask as this Pod, not as kindlab's own probe.")
@namespace_option
@cluster_option
@json_option
def why(target: str, sender: str, namespace: str | None, cluster: str | None, as_json: bool) -> int:
    """Follow svc/NAME, deployment/NAME, pod/NAME or a URL to the first broken hop.

    It also follows ingress/NAME, httproute/NAME, gateway/NAME, pvc/NAME, vs/NAME, hpa/NAME, node/NAME, and what
    makes Pods (statefulset/NAME, job/NAME, ...). A URL may name a Service (http://web.shop:80), an address, or a host
    that an Ingress or an HTTPRoute serves.
    """
    from kindlab import exam
    from kindlab.trace import is_everywhere, trace

    exam.refuse("Nobody says why")
    space = namespace or ("" if is_everywhere(target) else _space(cluster))
    status = base.ready(cluster)
    with terminal.steps(quiet=as_json) as step:
        step(f"following {target}")
        path = trace(status.api(), space, target, sender=sender)
    if as_json:
        click.echo(json.dumps(path.to_json()))
    else:
        click.echo(f"{path.target} in namespace {path.namespace}" if path.namespace else path.target)
        for hop in path.hops:
            terminal.styled(f"  {'✔' if hop.ok else '✘'} {hop.name}: {hop.evidence}", fg=None if hop.ok else "red")
        broken = path.broken
        terminal.styled(f"Next: {broken.next}" if broken else "Every hop is in order.")
    return FAILED if path.broken else PASSED


@click.command()
@click.argument("target")
@namespace_option
@cluster_option
@json_option
def url(target: str, namespace: str | None, cluster: str | None, as_json: bool) -> None:
    """The address a browser on this machine can open for svc/NAME, ingress/NAME or httproute/NAME.

    What must be known besides, such as names this machine does not know, goes to standard error.
    """
    from kindlab import urls

    api = base.ready(cluster).api()
    found = urls.for_target(base.active(cluster), api, namespace or _space(cluster), target)
    if as_json:
        click.echo(json.dumps({"urls": found.urls, "notes": found.notes}))
        return
    click.echo("\n".join(found.urls))
    for note in found.notes:
        click.echo(note, err=True)


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def kubectl(words: tuple[str, ...]) -> int:
    """Run kubectl on the cluster in use, in the namespace of the lab you started last.

    Without a kubectl on this machine a small stand-in does what the labs need: `kindlab kubectl help` lists it.
    """
    from kindlab import naming, progress
    from kindlab.kubectl import attached

    status = base.ready()
    space = naming.under(status.prefix, progress.latest()) if progress.load() else "default"
    return attached(status, space, words)


@click.command()
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
@click.option("--days", type=click.IntRange(-9999, 9999), default=90, show_default=True, help="How long it is valid.")
def certificate(hosts: tuple[str, ...], days: int) -> None:
    """Make a key and a certificate for HOST here, for practice.

    The files are HOST.crt and HOST.key. Nobody but the certificate itself vouches for it. With --days -1 it expired
    yesterday.
    """
    from pathlib import Path

    from kindlab import certificates

    click.echo(certificates.make(hosts, days, Path.cwd()))


@click.command()
@cluster_option
def tour(cluster: str | None) -> int:
    """A minute that shows it all on lab 02: wrong, told why, right, graded."""
    from kindlab import exam
    from kindlab import tour as guide

    exam.refuse("There is no tour")  # it solves a lab
    return guide.run(base.ready(cluster))


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="JupyterLab's port (default: it chooses).")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@cluster_option
def notebook(port: int, no_browser: bool, cluster: str | None) -> int:
    """Open JupyterLab on your labs."""
    from kindlab import jupyter

    return jupyter.launch(base.ready(cluster), port=port, browser=not no_browser)


def _space(cluster: str | None) -> str:
    """The namespace of the lab started last. Raises UsageProblem when there is none."""
    from kindlab import naming, progress

    if not progress.load():
        raise UsageProblem(
            "Which namespace?",
            "You have not started a lab yet, whose namespace would be taken.",
            "Begin one (kindlab start 01), or name a namespace: -n default",
        )
    return naming.under(base.prefix(cluster), progress.latest())
