"""Whether kindlab may work on a cluster that it has not made: asked once for each server (its address and the authority
that vouches for it) and context, before anything is done there. Clusters of kindlab's own (`pocket`, `kind`) are not
asked about, however they are reached.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from kindlab import paths
from kindlab.api import Api, ApiError
from kindlab.clusters.base import Status
from kindlab.errors import Problem, UsageProblem

REVIEW = "authentication.k8s.io/v1"
FILE = "consent.json"
WIDTH = 100
"""Of what a person reads before saying yes."""


def ensure(status: Status, *, yes: bool = False) -> None:
    """Return when kindlab may work there: it is ours, or somebody said so before, or says so now (`yes`: in advance).
    Raises UsageProblem when nobody does, having touched nothing."""
    api = status.api()
    asked = [api.server, status.context, api.authority]
    if asked in _given() or (api.server, api.authority) in _ours():
        return
    if not yes:
        _ask(status, api)
    paths.write_atomically(paths.home() / FILE, json.dumps([*_given(), asked], indent=1) + "\n", mode=0o600)


def _ask(status: Status, api: Api) -> None:
    import click

    prefix = f" --prefix {status.prefix}" if status.prefix else ""
    way = f"kindlab up --cluster current --context {status.context}{prefix} --yes"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageProblem(
            f"The cluster of context {status.context} is not kindlab's: somebody must say that it may work there.",
            f"{api.server} was only asked for its version, and nobody can be asked here, without a terminal.",
            f"If you want the labs there: {way}",
        )
    for line in described(status, api):
        click.echo(line, err=True)
    if not click.confirm("Work on this cluster?", default=False, err=True):
        raise UsageProblem(
            "Nothing was touched.",
            f"You did not want the labs on the cluster of context {status.context}.",
            "Take another context: kindlab up --cluster current --context NAME. Or a cluster of kindlab's own: "
            "kindlab up --cluster pocket",
        )


def described(status: Status, api: Api) -> Iterator[str]:
    """What a person should know before saying yes: which cluster it is, who they are there, and what will be done."""
    from kindlab import labs

    first = labs.all_labs()[0].under(status.prefix)
    kinds = sorted({kind for lab in labs.all_labs() for kind in lab.cluster_kinds})
    yield "This cluster was not made by kindlab:"
    for label, value in (
        ("context", status.context),
        ("server", api.server),
        ("version", status.detail),
        ("you are", _user(api)),
        ("nodes", _nodes(api)),
    ):
        yield f"  {label:<9} {value}"
    yield "What kindlab will do there, with your rights:"
    yield f"  - for each lab you start, make its namespaces (as {first.namespace}); kindlab reset removes them with"
    yield "    everything in them, or empties those that you may not remove"
    yield "  - in them run small Pods (kindlab-probe and others) that send requests while a lab is checked"
    made = f"  - in some labs make what belongs to no namespace: {', '.join(kinds)};"
    yield from textwrap.wrap(made, WIDTH, subsequent_indent="    ")
    yield f"    all of it is called {first.prefix}... (with the lab's number) and goes with kindlab reset"
    yield "  Labs 06, 07 and 16 also use host names, and lab 05 node ports, which the whole cluster shares."


def _user(api: Api) -> str:
    """As `kubectl auth whoami` says; clusters older than v1.28 do not."""
    try:
        body: dict[str, Any] = {"apiVersion": REVIEW, "kind": "SelfSubjectReview"}
        user = api.request("POST", f"/apis/{REVIEW}/selfsubjectreviews", body)["status"]["userInfo"]
    except (ApiError, Problem, KeyError):
        return "not known (the cluster does not say)"
    groups = [g for g in user.get("groups") or () if g != "system:authenticated"]
    return f"{user.get('username', 'nobody')}" + (f" (groups: {', '.join(groups)})" if groups else "")


def _nodes(api: Api) -> str:
    try:
        return str(len(api.list("Node")))
    except ApiError as error:
        return "you may not see them" if error.code == 403 else "not known"


# -- what was said before


def _given() -> list[list[str | None]]:
    """[server, context, authority] of each cluster that somebody has said yes to; a damaged file says no to all."""
    try:
        read = json.loads((paths.home() / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [entry for entry in read if isinstance(entry, list) and len(entry) == 3] if isinstance(read, list) else []


def _ours() -> set[tuple[str, str]]:
    """(server, authority) of the clusters that this kindlab has made. A port may be anybody's after a cluster was
    killed; its certificates may not."""
    found = set()
    for file in (paths.home() / "clusters").glob("*/kubeconfig"):
        with suppress(Problem):
            api = Api(file)
            found.add((api.server, api.authority))
    return found
