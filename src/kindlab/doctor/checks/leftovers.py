"""What an interrupted or failed kindlab up has left behind: nodes of a kind cluster of which not all run, and a
kubeconfig without its cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok

LABEL = "io.x-k8s.kind.cluster"


def look(facts: Facts) -> Iterator[Finding]:
    """Running, stopped or half-made is told from the containers alone: what a node says is for kindlab status."""
    engine = facts.engine
    kept = _kept(facts)
    if engine is None:
        return
    form = f'{{{{.Label "{LABEL}"}}}}\t{{{{.Names}}}}\t{{{{.Status}}}}'
    answer = facts.ask(engine.path, "ps", "--all", "--filter", f"label={LABEL}", "--format", form)
    if answer.code != 0:
        return
    clusters: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in answer.out.splitlines():
        if line.count("\t") == 2:
            cluster, name, status = line.split("\t")
            clusters[cluster].append((name, status))
    for cluster, nodes in sorted(clusters.items()):
        off = [name for name, status in nodes if not status.startswith("Up")]
        if cluster in kept and off:
            are = "is" if len(off) == 1 else "are"
            yield note(
                f"of the kind cluster {cluster} {', '.join(sorted(off))} {are} not running",
                "its Pods and checks: it is half-made, or was stopped",
                f"kindlab up --cluster kind{_named(cluster)} repairs it; kindlab down --cluster kind{_named(cluster)}"
                " removes it",
            )
    for cluster in sorted(kept - set(clusters)):
        yield note(
            f"kindlab has notes of a kind cluster {cluster} that {engine.name} does not have (any more)",
            "kindlab status speaks of a cluster that is gone",
            f"kindlab down --cluster kind{_named(cluster)}",
        )
    yield ok("no half-made cluster")


def _named(cluster: str) -> str:
    return "" if cluster == "kindlab" else f" --name {cluster}"


def _kept(facts: Facts) -> set[str]:
    """Names of kind clusters that kindlab has made here: only these are spoken of."""
    folder = facts.home / "clusters"
    return {path.name.removeprefix("kind-") for path in folder.glob("kind-*") if (path / "kubeconfig").is_file()}


CHECK = Check("leftovers", 70, ("kind",), look)
