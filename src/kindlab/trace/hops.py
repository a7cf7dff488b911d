"""A trace is a list of hops; the first broken one is the answer."""

import difflib
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Hop:
    """One step of a path: what was looked at, whether it is in order, and the evidence in one sentence."""

    name: str
    ok: bool
    evidence: str
    next: str = ""
    """For a broken hop: the command to try."""


@dataclass
class Trace:
    target: str
    namespace: str
    hops: list[Hop] = field(default_factory=list)

    @property
    def broken(self) -> Hop | None:
        """The first broken hop."""
        return next((hop for hop in self.hops if not hop.ok), None)

    def within(self, words: str) -> "Trace":
        """The same trace, its next hops' names preceded by `words`: for one path of several."""
        return _Part(self.target, self.namespace, self.hops, words)

    def missing(self, kind: str, name: str, namespace: str, there: list[str], plural: str) -> None:
        """The broken hop of an object that is not there; of those that are, `there`, the nearest name is told.
        `namespace` is "" for kinds without."""
        near = difflib.get_close_matches(name, there, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(there) or 'none'}"
        where, flag = (f" in namespace {namespace}", f" -n {namespace}") if namespace else ("", "")
        self.fail(kind, f"there is no {kind} {name}{where}; {hint}", f"kubectl get {plural}{flag}")

    def ok(self, name: str, evidence: str) -> None:
        self.hops.append(Hop(name, True, evidence))

    def fail(self, name: str, evidence: str, then: str) -> None:
        self.hops.append(Hop(name, False, evidence, then))

    def to_json(self) -> dict[str, Any]:
        broken = self.broken
        return {**asdict(self), "broken": asdict(broken) if broken else None}


@dataclass
class _Part(Trace):
    words: str = ""

    def ok(self, name: str, evidence: str) -> None:
        super().ok(f"{self.words} {name}", evidence)

    def fail(self, name: str, evidence: str, then: str) -> None:
        super().fail(f"{self.words} {name}", evidence, then)
