"""A trace is a list of hops; the first broken one is the answer."""

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
