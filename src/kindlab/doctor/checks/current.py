"""The cluster of the user's kubeconfig: only asked when it is in use or asked for."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, ok, problem


def look(facts: Facts) -> Iterator[Finding]:
    from kindlab.clusters import base

    used = base.active()
    found = (used if used.kind == "current" else base.provider("current")).status()
    if found.ready:
        yield ok(f"context {found.name}: {found.detail}")
        return
    yield problem(
        f"the context {found.name} cannot be used: {found.detail.rstrip('.')}",
        "every command with --cluster current",
        "kubectl config get-contexts; kubectl config use-context NAME; kubectl get nodes",
    )


CHECK = Check("current", 90, ("current",), look)
