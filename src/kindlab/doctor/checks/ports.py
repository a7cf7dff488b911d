"""The ports of this machine that lead to the Ingress: those of cluster-config/kind.yaml, and pocket's own."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok, problem

DEFAULTS = {"http": 8080, "https": 8443}


def look(facts: Facts) -> Iterator[Finding]:
    ours = _ours(facts)
    wanted = {scheme: port for scheme, default in DEFAULTS.items() if (port := _asked(facts, scheme, default))}
    taken = {scheme: port for scheme, port in wanted.items() if port not in ours and facts.taken(port)}
    if not taken:
        yield ok(
            "ports " + " and ".join(map(str, wanted.values())) if wanted else "no ports for an Ingress, as you asked"
        )
        return
    says = _said(facts, list(taken.values()))
    others = " ".join(f"--{scheme}-port {port + 1}" for scheme, port in taken.items())
    yield problem(
        says,
        "kindlab up --cluster kind (it opens all of its ports, or is not made)",
        f"kindlab up --cluster kind {others} (or end that program)",
        only=("kind",),
    )
    yield note(
        says,
        "labs 06, 07 and 16 from outside: that port does not lead to pocket's Ingress; the rest works",
        f"kindlab up --cluster pocket {others}",
        only=("pocket",),
    )


def _said(facts: Facts, ports: list[int]) -> str:
    who = [_who(facts, port) for port in ports]
    if len(set(who)) == 1:
        several = len(ports) > 1
        return f"port{'s' * several} {' and '.join(map(str, ports))} {'are' if several else 'is'} taken{who[0]}"
    return ", ".join(f"port {port} is taken{by}" for port, by in zip(ports, who, strict=True))


def _asked(facts: Facts, scheme: str, default: int) -> int:
    """The port that kindlab up would take; 0 for none."""
    named = facts.environment.get(f"KINDLAB_{scheme.upper()}_PORT", "")
    return int(named) if named.isdigit() else default


def _ours(facts: Facts) -> set[int]:
    """Ports that a cluster of ours has open."""
    import json

    found: set[int] = set()
    clusters = facts.home / "clusters"
    for folder in clusters.glob("pocket-*") if clusters.is_dir() else ():
        try:
            entries = json.loads(facts.read(str(folder / "host-ports.json")) or "{}").get("static", ())
            found |= {entry["hostPort"] for entry in entries if "problem" not in entry}
        except (ValueError, KeyError, AttributeError, TypeError):
            continue
    if facts.engine is not None:
        answer = facts.ask(
            facts.engine.path, "ps", "--filter", "label=io.x-k8s.kind.cluster", "--format", "{{.Ports}}"
        )  # fmt: skip
        import re

        found |= {int(port) for port in re.findall(r":(\d+)->", answer.out)}
    return found


def _who(facts: Facts, port: int) -> str:
    """The program that listens there, where `ss` or `lsof` tells."""
    import re

    if facts.computer.linux:
        answer = facts.ask("ss", "-Hltnp", f"sport = :{port}")
        match = re.search(r'users:\(\("([^"]+)",pid=(\d+)', answer.out)
    else:
        answer = facts.ask("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fcp")
        match = re.search(r"p(?P<pid>\d+)\nc(?P<name>.+)", answer.out)
        return f" by {match['name']} (process {match['pid']})" if match else ""
    return f" by {match[1]} (process {match[2]})" if match else ""


CHECK = Check("ports", 50, ("kind", "pocket"), look)
