"""`kubectl autoscale`: a HorizontalPodAutoscaler for what has a scale."""

from __future__ import annotations

import re

import click

from kindlab.api import ApiError, Obj, Served
from kindlab.kubectl import options, targets
from kindlab.kubectl.session import Refused, Session

_DEPRECATED = (
    "Flag --cpu-percent has been deprecated, Use --cpu with percentage or resource quantity format "
    "(e.g., '70%' for utilization or '500m' for milliCPU).\n"
)
_UNITS = {"cpu": "m", "memory": "Mi"}
"""Of numbers without one."""


@options.command()
@options.words
@options.output
@options.dry_run
@click.option("--max", "most", type=int, required=True, help="The most Pods there may be.")
@click.option("--min", "least", type=int, default=-1, help="The fewest Pods there may be.")
@click.option("--cpu", default="", callback=options.value, help="50% of what Pods ask for, or 500m a Pod.")
@click.option("--memory", default="", callback=options.value, help="50% of what Pods ask for, or 200Mi a Pod.")
@click.option("--cpu-percent", type=int, default=-1, help="Deprecated: --cpu=50%.")
@click.option("--name", default="", help="The autoscaler's name; the target's by default.")
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    output: str,
    dry_run: str,
    most: int,
    least: int,
    cpu: str,
    memory: str,
    cpu_percent: int,
    name: str,
) -> None:
    """Have as many Pods as the load calls for: autoscale deployment NAME --max=3 --cpu=50%"""
    if cpu_percent != -1:
        session.err.write(_DEPRECATED)
    if most < 1:
        raise Refused(f"error: --max=MAXPODS is required and must be at least 1, max: {most}")
    if most < least:
        raise Refused(f"error: --max=MAXPODS must be larger or equal to --min=MINPODS, max: {most}, min: {least}")
    if cpu_percent > 0 and cpu:
        raise Refused("error: --cpu-percent and --cpu are mutually exclusive")
    metrics = [_metric("cpu", f"{cpu_percent}%")] if cpu_percent > 0 else []
    metrics += [_metric(resource, text) for resource, text in (("cpu", cpu), ("memory", memory)) if text]
    found = targets.named(session, words)
    if not found:
        raise Refused("error: must specify one of -f and -k")
    for target in found:
        owner = session.get(target.served, target.name)
        _check_scale(session, target.served, target.name)
        reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": target.name}
        spec: Obj = {"scaleTargetRef": reference, "maxReplicas": most}
        if least > 0:
            spec["minReplicas"] = least
        if metrics:
            spec["metrics"] = metrics
        meta = {"name": name or target.name, **({"namespace": session.namespace} if session.named else {})}
        made = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
        # a client's dry run says what it would do in another word
        done = "created" if dry_run == "client" else "autoscaled"
        options.create(session, made, done, output=output, dry_run=dry_run)


def _check_scale(session: Session, served: Served, name: str) -> None:
    """Raises Refused for what has no scale."""
    try:
        session.request("GET", session.url(served, name, "scale"))
    except ApiError as error:
        if error.code != 404:
            raise
        at = f"{served.prefix.removeprefix('/apis/').removeprefix('/api')}, Resource={served.plural}"
        why = f"could not find scale subresource for {at} in discovery information"
        raise Refused(f"error: cannot autoscale a {served.kind}: {why}") from None


def _metric(resource: str, text: str) -> Obj:
    """A target for a resource: `50%`, `500m`, or a number of the usual unit. Raises Refused."""
    text = text.strip()
    if text.endswith("%"):
        number = text.removesuffix("%")
        if not re.fullmatch(r"\+?\d{1,9}", number):
            raise Refused(f"error: invalid percentage value: {number}")
        target: Obj = {"type": "Utilization", "averageUtilization": int(number)}
    else:
        if re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
            text = f"{float(text):g}{_UNITS[resource]}"
        if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?", text):
            raise Refused(f"error: invalid resource {resource} value: {text}")
        target = {"type": "AverageValue", "averageValue": text}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}
