"""What a piece of work may use, and what is said when it used more."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """`wall`: seconds from the start of its cluster; `cpu`: seconds, `memory`: MB, each for the cluster and for the
    process that works on it; `disk`: MB that the cluster's folder may take; `files`: open at once in the cluster."""

    wall: float = 600.0
    cpu: int = 240
    memory: int = 1024
    disk: int = 1024
    files: int = 4096

    def of_cluster(self) -> dict[str, int]:
        """In the words of clusters/nursery.py."""
        return {
            "cpu": self.cpu,
            "memory": self.memory * MB,
            "disk": self.disk * MB,
            "file_size": self.disk * MB,
            "files": self.files,
        }

    def overrun(self, what: str) -> str:
        """The sentence for a cluster that went over one of them, with what does that as a rule."""
        why = {
            "cpu": "something in it computes without end, a loop perhaps, or starts ever more processes",
            "memory": "something in it takes ever more memory",
            "disk": "something in it writes without end",
        }[what]
        return f"{self.exceeded(what, 'its cluster')}: {why}"

    def exceeded(self, what: str, whose: str) -> str:
        """The sentence for going over one of them. `whose`: "it" or "its cluster"."""
        return {
            "wall": f"{whose} took longer than {self.wall:g} s",
            "cpu": f"{whose} used more than {self.cpu} s of CPU",
            "memory": f"{whose} used more than {self.memory} MB of memory",
            "disk": f"{whose} kept more than {self.disk} MB on disk",
        }[what]
