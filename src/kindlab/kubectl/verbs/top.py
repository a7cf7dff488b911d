"""`kubectl top`: what nodes and Pods use of processors and memory, as the metrics API has it. Left out: swap."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click

from kindlab.api import Obj, Served
from kindlab.discovery import AT_ONCE
from kindlab.kubectl import options, printers
from kindlab.kubectl.session import Refused, Session
from kindlab.quantities import number

NODES, PODS = ("node", "nodes", "no"), ("pod", "pods", "po")
METRICS = "/apis/metrics.k8s.io/v1beta1"
YOUNG = 120.0
"""Seconds within which it is no wonder that there are no metrics of a Pod."""
COLUMNS = {
    "nodes": ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"],
    "pods": ["NAME", "CPU(cores)", "MEMORY(bytes)"],
}
Amounts = tuple[Decimal, Decimal]
"""(cores, bytes)"""


@options.command()
@options.words
@options.labels
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Pods of all namespaces.")
@click.option("--containers", is_flag=True, help="A line for each container of a Pod.")
@click.option("--field-selector", "fields", default="", callback=options.value, help="Pods: metadata.name=web.")
@click.option("--sort-by", default="", callback=options.value, help="cpu or memory.")
@click.option("--no-headers", is_flag=True, help="Without the first line.")
@click.option("--sum", "total", is_flag=True, help="Pods: the sum as the last line.")
@click.option("--show-capacity", "capacity", is_flag=True, help="Nodes: of their capacity, not of what is allocatable.")
def COMMAND(session: Session, words: tuple[str, ...], **look: Any) -> int:
    """Show what nodes or Pods use: top node [NAME], top pod [NAME]"""
    if not words:
        command = click.get_current_context().command
        raise Refused(command.get_help(click.Context(command, info_name="kubectl top")))
    if words[0] not in (*NODES, *PODS):
        raise Refused(f"error: unknown command \"{words[0]}\"\nSee 'kubectl top -h' for help and examples")
    nodes = words[0] in NODES
    name = words[1] if len(words) > 1 else ""
    if look["sort_by"] not in ("", "cpu", "memory"):
        raise Refused("error: --sort-by accepts only cpu or memory")
    if name and (look["labels"] or look["fields"]):
        raise Refused(f"error: only one of NAME or {'--selector' if nodes else 'selector'} can be provided")
    if len(words) > 2:
        one = "node" if nodes else "pod"
        raise Refused(f"error: {one} [NAME | -l label]\nSee 'kubectl top {one} -h' for help and examples")
    if not _served(session):
        raise Refused("error: Metrics API not available")
    session.everywhere = look["everywhere"] and not nodes
    _nodes(session, name, look) if nodes else _pods(session, name, look)
    return 0


def _served(session: Session) -> bool:
    """Whether the metrics API is there and answers, by what discovery says."""
    found = session.request("GET", "/apis", accept=AT_ONCE)
    for group in found.get("items") or ():
        if group["metadata"]["name"] == "metrics.k8s.io":
            versions = group["versions"]
            return any(one["version"] == "v1beta1" and one.get("freshness") != "Stale" for one in versions)
    return any(group["name"] == "metrics.k8s.io" for group in found.get("groups") or ())


def _nodes(session: Session, name: str, look: dict[str, Any]) -> None:
    found = _metrics(session, Served(METRICS, "nodes", False, "NodeMetrics", "metrics.k8s.io", ()), name, look)
    if not found:
        raise Refused("error: metrics not available yet")
    kind = session.served("nodes")
    nodes = [session.get(kind, name)] if name else session.list(kind, look["labels"])
    field = "capacity" if look["capacity"] else "allocatable"
    sizes = {node["metadata"]["name"]: _amounts(node["status"].get(field) or {}) for node in nodes}
    rows = []
    for one in sorted(found, key=_order(look["sort_by"], lambda one: _amounts(one["usage"]), everywhere=False)):
        used, size = _amounts(one["usage"]), sizes.pop(one["metadata"]["name"], None)
        shown = _shown(used)
        if size is not None:
            parts = [f"{math.floor(u / s * 100) if s else 0}%" for u, s in zip(used, size, strict=True)]
            shown = [shown[0], parts[0], shown[1], parts[1]]
        rows.append([one["metadata"]["name"], *shown])
    rows += [[left, *["<unknown>"] * 4] for left in sizes]
    _print(session, ([] if look["no_headers"] else [COLUMNS["nodes"]]) + rows)


def _pods(session: Session, name: str, look: dict[str, Any]) -> None:
    found = _metrics(session, Served(METRICS, "pods", True, "PodMetrics", "metrics.k8s.io", ()), name, look)
    if not found:
        _explain_none(session, look)
        session.err.write(
            "No resources found\n" if session.everywhere else f"No resources found in {session.namespace} namespace.\n"
        )
        return
    head = ["NAMESPACE"] * session.everywhere + ["POD"] * look["containers"] + COLUMNS["pods"]
    rows = [] if look["no_headers"] else [head]
    for one in sorted(found, key=_order(look["sort_by"], _used, everywhere=session.everywhere)):
        meta = one["metadata"]
        start = [meta["namespace"]] * session.everywhere + [meta["name"]]
        if not look["containers"]:
            rows.append([*start, *_shown(_used(one))])
            continue
        by = _order(look["sort_by"], lambda one: _amounts(one["usage"]), everywhere=False)
        for container in sorted(one["containers"], key=by):
            rows.append([*start, container["name"], *_shown(_amounts(container["usage"]))])
    if look["total"]:
        width = 3 if look["no_headers"] else len(head)
        sums = _total([_used(one) for one in found])
        rows += [[*[""] * (width - 2), "________", "________"], [*[""] * (width - 2), *_shown(sums)]]
    _print(session, rows)


def _metrics(session: Session, kind: Served, name: str, look: dict[str, Any]) -> list[Obj]:
    if name:
        return [session.get(kind, name)]
    return session.list(kind, look["labels"], "" if kind.plural == "nodes" else look["fields"])


def _explain_none(session: Session, look: dict[str, Any]) -> None:
    """No metrics is fine when there are no Pods. Raises Refused."""
    pods = session.list(session.served("pods"), look["labels"], look["fields"])
    for pod in pods:
        made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"].replace("Z", "+00:00"))
        age = (datetime.now(UTC) - made).total_seconds()
        if age > YOUNG:
            where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            raise Refused(f"error: Metrics not available for pod {where}, age: {_duration(age)}")
    if pods:
        raise Refused("error: metrics not available yet")


def _duration(seconds: float) -> str:
    """As Go shows one, here from two minutes on."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + f"{minutes}m{rest:.9f}".rstrip("0").rstrip(".") + "s"


def _order(sort_by: str, amounts: Callable[[Obj], Amounts], *, everywhere: bool) -> Callable[[Obj], Any]:
    """The key to sort by: the most first, or names."""

    def key(one: Obj) -> Any:
        if sort_by:
            cores, size = amounts(one)
            return -math.ceil(cores * 1000) if sort_by == "cpu" else -math.ceil(size)
        meta = one.get("metadata") or one
        return (meta.get("namespace", "") if everywhere else "", meta["name"])

    return key


def _used(pod: Obj) -> Amounts:
    return _total([_amounts(container["usage"]) for container in pod["containers"]])


def _total(amounts: list[Amounts]) -> Amounts:
    return sum((cores for cores, _ in amounts), Decimal(0)), sum((size for _, size in amounts), Decimal(0))


def _amounts(quantities: Obj) -> Amounts:
    return number(quantities.get("cpu", "0")), number(quantities.get("memory", "0"))


def _shown(amounts: Amounts) -> list[str]:
    return [f"{math.ceil(amounts[0] * 1000)}m", f"{math.ceil(amounts[1]) // 2**20}Mi"]


def _print(session: Session, rows: list[list[str]]) -> None:
    """Every cell ends in a tab: the last column is padded, too."""
    session.say(printers.table([[*row, ""] for row in rows]))
