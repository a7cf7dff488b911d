"""`kubectl api-resources`: the kinds the cluster serves, and their short names. Left out: --cached, --sort-by."""

from __future__ import annotations

import click

from kindlab.api import ApiError, Obj
from kindlab.kubectl import options, printers
from kindlab.kubectl.session import Refused, Session


@options.command()
@options.words
@options.output
@click.option("--api-group", default=None, help="Only this group.")
@click.option("--namespaced", type=click.Choice(["true", "false"]), help="Only kinds in namespaces, or the others.")
@click.option("--categories", default="", help="Only kinds of these categories.")
@click.option("--verbs", default="", help="Only kinds that can do these.")
@click.option("--no-headers", is_flag=True, help="Without the first line.")
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    output: str,
    api_group: str | None,
    namespaced: str | None,
    categories: str,
    verbs: str,
    no_headers: bool,
) -> None:
    """List the kinds of the cluster: api-resources [--api-group=GROUP]"""
    if words:
        raise Refused(
            f"error: unexpected arguments: {list(words)}\nSee 'kubectl api-resources -h' for help and examples"
        )
    if output not in ("", "wide", "name"):
        raise Refused(f"error: --output {output} is not available")
    rows = []
    for version, resource in _resources(session):
        group = version.rpartition("/")[0]
        if (
            (api_group is not None and api_group != group)
            or (namespaced and resource["namespaced"] != (namespaced == "true"))
            or not set(filter(None, categories.split(","))) <= set(resource.get("categories") or ())
            or not set(filter(None, verbs.split(","))) <= set(resource["verbs"])
        ):
            continue
        if output == "name":
            session.say(f"{resource['name']}.{group}" if group else resource["name"])
            continue
        row = [resource["name"], ",".join(resource.get("shortNames") or ()), version]
        row += [str(resource["namespaced"]).lower(), resource["kind"]]
        if output == "wide":
            row += [",".join(resource["verbs"]), ",".join(resource.get("categories") or ())]
        rows.append(row)
    head = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"] + ["VERBS", "CATEGORIES"] * (output == "wide")
    if output != "name":
        session.say(printers.table(rows if no_headers else [head, *rows]))


def _resources(session: Session) -> list[tuple[str, Obj]]:
    """(group and version, resource), by group and name, without subresources."""
    versions = ["v1", *(g["preferredVersion"]["groupVersion"] for g in session.request("GET", "/apis")["groups"])]
    found: list[tuple[str, Obj]] = []
    for version in versions:
        try:
            served = session.request("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
        except ApiError:  # an aggregated API whose backend is down must not hide the others
            continue
        found += [(version, r) for r in served["resources"] if "/" not in r["name"] and r.get("verbs")]
    return sorted(found, key=lambda pair: (pair[0].rpartition("/")[0], pair[1]["name"]))
