"""Whether a Pod that is not ready may still get ready by itself, or whether it is plain that it will not."""

from __future__ import annotations

import math
from datetime import datetime

from kindlab import clock
from kindlab.api import Obj
from kindlab.conditions import condition, is_ready

SLACK = 2.0
"""Seconds on top of a probe's own, for the kubelet to tell what it found."""


def is_coming_up(pod: Obj, now: datetime | None = None, *, within: float = math.inf) -> bool:
    """Waiting helps: it is still being scheduled, pulled or started without an error so far, or its probes have not
    had the time for their first answer. `within`: seconds that somebody waits at most; a probe that asks later than
    that is no reason to."""
    if pod["status"].get("phase") == "Running":
        return not is_ready(pod) and _is_first_asked(pod, now or clock.now(), within)
    if pod["status"].get("phase") != "Pending" or condition(pod, "PodScheduled").get("status") == "False":
        return False
    waiting = [(c.get("state") or {}).get("waiting") or {} for c in pod["status"].get("containerStatuses") or ()]
    return all(w.get("reason") in (None, "ContainerCreating", "PodInitializing") for w in waiting)


def _is_first_asked(pod: Obj, now: datetime, within: float) -> bool:
    """Whether some container runs that has not been restarted, and whose probes may still be at their first round, and
    ask within so many seconds."""
    specs = {c["name"]: c for c in pod["spec"]["containers"]}
    for status in pod["status"].get("containerStatuses") or ():
        started = ((status.get("state") or {}).get("running") or {}).get("startedAt")
        if not started or status.get("ready") or status.get("restartCount"):
            continue
        age = (now - datetime.fromisoformat(started)).total_seconds()
        spec = specs.get(status["name"], {})
        if age < first_answer(spec) + SLACK and next_asked(spec, age) <= within:
            return True
    return False


def next_asked(container: Obj, age: float) -> float:
    """Seconds until a container that started `age` seconds ago can be asked by its probes again, at the earliest; 0
    where the last answer may not have been told yet."""
    probes = _probes(container)
    since = age - float(sum(probe.get("initialDelaySeconds", 0) for probe in probes))
    period = float(min((probe.get("periodSeconds", 10) for probe in probes), default=0))
    if since < 0 or not period:
        return max(-since, 0.0)
    return period - since % period if since % period >= SLACK else 0.0


def first_answer(container: Obj) -> float:
    """Seconds after its start in which a container's probes may make it ready; 0 without any."""
    total = 0.0
    for probe in _probes(container):
        total += probe.get("initialDelaySeconds", 0) + probe.get("periodSeconds", 10) * probe.get("successThreshold", 1)
    return total


def _probes(container: Obj) -> list[Obj]:
    """Those that make it ready."""
    return [container[kind] for kind in ("startupProbe", "readinessProbe") if container.get(kind)]
