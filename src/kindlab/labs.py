"""A lab as its author wrote it: `labs/<slug>/lab.toml`, read and checked. The slug is the only link between the
lab, its solution (`solutions/<slug>`), its grader (`graders/test_<slug>.py`) and its notebook."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kindlab import naming, paths, variants
from kindlab.errors import Problem, UsageProblem
from kindlab.kinds import SNAPSHOT_CLASS, SNAPSHOT_CONTENT
from kindlab.near import nearest
from kindlab.variants import Declared

FORMAT = 1
START_SUFFIXES = (".yaml", ".yml", ".json")
CLUSTER_KINDS = {
    "ClusterRoleBinding": "ClusterRoleBinding.rbac.authorization.k8s.io",
    "ClusterRole": "ClusterRole.rbac.authorization.k8s.io",
    "VolumeSnapshotContent": SNAPSHOT_CONTENT,
    "PersistentVolume": "PersistentVolume",
    "VolumeSnapshotClass": SNAPSHOT_CLASS,
    "VolumeAttributesClass": "VolumeAttributesClass.storage.k8s.io",
    "StorageClass": "StorageClass.storage.k8s.io",
    "PriorityClass": "PriorityClass.scheduling.k8s.io",
}
"""Kinds without a namespace that a lab may use -> how the API is asked for them, in the order of their removal."""
FREEDOMS = {
    "host-path": "folders of a node, below /var/lib/kindlab",
    "host-network": "Pods in the network of their node",
    "host-port": "ports of the node",
    "node-name": "Pods that name their node themselves, past the scheduler",
}
"""What a lab may let submissions use that others may not -> what that is."""


@dataclass(frozen=True)
class Task:
    """One thing to achieve. `behavioural`: its checks look at what the cluster does, not at a field of a spec."""

    id: str
    title: str
    points: int
    hints: tuple[str, ...]
    behavioural: bool = True
    partial: bool = False
    """Each check that passes counts its share of the points; else they are all or nothing."""
    needs: tuple[str, ...] = ()
    """What it needs of the cluster beside what the whole lab needs, in the same words."""
    files: tuple[str, ...] = ()
    """The start files that a learner completes or changes for it: what `reset --task` puts back. One file may serve
    several tasks."""
    reason: str = ""
    """Why it is not behavioural."""


@dataclass(frozen=True)
class Neighbour:
    """A second namespace of a lab: made, reset and removed with it. Its manifests name it in metadata.namespace."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Allowed:
    """What a submission may contain (batch/fence), lab.toml's `[submission]`: `kinds` as `Kind` or `Kind.group`,
    `freedoms` beyond those of every lab."""

    kinds: tuple[str, ...] = ()
    freedoms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lab:
    """A lab's facts. Everything a learner gets lies in `folder`; `slug` is also its namespace, unless the learner has a
    prefix (`under`)."""

    slug: str
    folder: Path
    title: str
    about: str
    minutes: int
    kcna: tuple[str, ...]
    tasks: tuple[Task, ...]
    needs: tuple[str, ...] = ()
    """What every task needs of the cluster, in the words of needs/words."""
    namespaces: tuple[Neighbour, ...] = ()
    debrief: str = ""
    read: tuple[str, ...] = ()
    cluster_kinds: tuple[str, ...] = ()
    """The kinds without a namespace that the lab makes objects of; their names begin with `prefix`."""
    capstone: bool = False
    """The exam of the course: longer than a lab, with more tasks."""
    apply_at_start: tuple[str, ...] = ()
    """Names of start files that are applied when the lab starts; the others are the learner's to complete."""
    given: tuple[str, ...] = ()
    """Names of start files that no task asks to change."""
    submission: Allowed = Allowed()
    variants: Mapping[str, Declared] = field(default_factory=dict)
    """What is each student's own (variants.py), by name."""
    variant: Mapping[str, str] = field(default_factory=dict)
    """Its values here: a student's, or the defaults."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    """Whose it is on a cluster that many share: the prefix of all names there (naming.py)."""

    def under(self, prefix: str) -> "Lab":
        """The lab as it is called for the learner with this prefix; "" leaves it as it is written. Its folder, its
        files' names and its slug stay. Raises UsageProblem for what cannot be a prefix."""
        if not naming.checked(prefix) or self.owner:
            return self
        mine = replace(self, owner=prefix)
        return replace(
            mine,
            namespaces=tuple(replace(n, name=naming.under(prefix, n.name)) for n in self.namespaces),
            tasks=tuple(
                replace(t, title=mine.spelled(t.title), hints=tuple(map(mine.spelled, t.hints))) for t in self.tasks
            ),
            debrief=mine.spelled(self.debrief),
        )

    def given_to(self, values: Mapping[str, str]) -> "Lab":
        """The lab as the student has it whose values these are."""
        return read(self.folder, values).under(self.owner) if values != self.variant else self

    def text(self, file: Path) -> str:
        """A file as who works on the lab has it: in the lab's own ones the variants are filled in, in any other
        nothing is. Raises Problem when it is not UTF-8."""
        from kindlab.manifests import text_of

        if file == self.notebook and any(one.default != self.variant[name] for name, one in self.variants.items()):
            from kindlab import render  # only now: it takes a while, and the one that is there has the defaults

            return render.notebook_text(self)
        own = any(file.is_relative_to(place) for place in (self.folder, self.solution_folder))
        return variants.filled(text_of(file), self.variant) if own else text_of(file)

    def spelled(self, text: str) -> str:
        """A text of the lab's with its names as they are on the cluster."""
        return naming.spelled(text, self.slug, self.owner)

    @property
    def namespace(self) -> str:
        """The lab's own namespace on the cluster."""
        return naming.under(self.owner, self.slug)

    @property
    def number(self) -> str:
        return self.slug.partition("-")[0]

    @property
    def prefix(self) -> str:
        """How the names of the lab's objects begin that lie in no namespace (clusterwide.py)."""
        return naming.under(self.owner, f"lab{self.number}-")

    @property
    def spaces(self) -> tuple[str, ...]:
        """The names of the lab's namespaces, its own first."""
        return (self.namespace, *(neighbour.name for neighbour in self.namespaces))

    @property
    def max_points(self) -> int:
        return sum(task.points for task in self.tasks)

    @property
    def start_files(self) -> list[Path]:
        return manifests(self.folder / "start")

    @property
    def solution_folder(self) -> Path:
        return self.folder.parents[1] / "solutions" / self.slug

    @property
    def grader(self) -> Path:
        return self.folder.parents[1] / "graders" / f"test_{self.slug.replace('-', '_')}.py"

    @property
    def quiz(self) -> Path:
        return self.folder / "quiz.toml"

    @property
    def notebook(self) -> Path:
        return self.folder.parents[1] / "notebooks" / f"{self.slug}.ipynb"

    def task(self, task_id: str) -> Task:
        """By id, or by its number in the lab (from 1). Raises UsageProblem."""
        for number, task in enumerate(self.tasks, 1):
            if task_id in (task.id, str(number)):
                return task
        near = nearest(task_id, [t.id for t in self.tasks])
        listed = ", ".join(f"{n} {t.id}" for n, t in enumerate(self.tasks, 1))
        raise UsageProblem(
            f"Lab {self.slug} has no task {task_id}.",
            f"Its tasks are: {listed}.",
            f"Did you mean {near[0]}?" if near else "Name one by its id or its number.",
        )


def all_labs() -> list[Lab]:
    """Every lab of the course, in order."""
    folders = sorted(f for f in (paths.course() / "labs").iterdir() if (f / "lab.toml").is_file())
    return [read(folder) for folder in folders]


def find(name: str) -> Lab:
    """A lab by slug or number (`2`, `02`, `02-services`). Raises UsageProblem with the near ones."""
    slugs = [f.parent.name for f in sorted((paths.course() / "labs").glob("*/lab.toml"))]
    wanted = name.strip().rstrip("/")
    for slug in slugs:
        number = slug.partition("-")[0]
        if wanted == slug or (wanted.isdigit() and number.isdigit() and int(wanted) == int(number)):
            return read(paths.course() / "labs" / slug)
    by_words = {words: slug for slug in slugs for words in (slug.partition("-")[2], slug)}
    near = [by_words[words] for words in nearest(wanted, by_words)]
    why = f"Did you mean {near[0]}?" if near else f"The labs are: {', '.join(slugs) or 'none yet'}."
    raise UsageProblem(f"There is no lab {name!r}.", why, "kindlab list shows them all.")


def mine(name: str) -> Lab:
    """As `find`, with the values that the learner's own hand-out gave them (handouts.py). Raises UsageProblem, Problem
    for a file of theirs that is damaged."""
    found = find(name)
    if not found.variants:
        return found
    from kindlab import handouts

    return handouts.mine(found)


def several(names: Iterable[str]) -> list[Lab]:
    """Labs by slug or number, each once; all of them where one of the names is `all`. Raises UsageProblem."""
    wanted = list(dict.fromkeys(names))
    return all_labs() if "all" in wanted else [find(name) for name in wanted]


def read(folder: Path, values: Mapping[str, str] | None = None) -> Lab:
    """Read labs/<slug>/lab.toml, with a student's values of its variants (default: the defaults). Raises Problem that
    names the file and what is wrong in it."""
    file = folder / "lab.toml"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Problem(f"{file} cannot be read.", str(error), "This is a fault of the course, not yours.") from error
    try:
        return _lab(folder, data, values)
    except (KeyError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        raise Problem(f"{file} is not a lab.", why, "Compare it with another lab's, or CONTRIBUTING.md.") from error


def manifests(folder: Path) -> list[Path]:
    """The YAML and JSON files of a folder, in name order."""
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.iterdir() if f.suffix in START_SUFFIXES and f.is_file())


_KNOWN = {
    "format",
    "title",
    "about",
    "minutes",
    "kcna",
    "tasks",
    "needs",
    "namespaces",
    "cluster_kinds",
    "debrief",
    "read",
    "apply_at_start",
    "given",
    "capstone",
    "submission",
    "variants",
}


def _lab(folder: Path, data: dict[str, Any], values: Mapping[str, str] | None) -> Lab:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']} is not {FORMAT}")
    declared = variants.declared(data.get("variants") or {})
    variant = {name: (values or {}).get(name, one.default) for name, one in declared.items()}

    def filled(text: str) -> str:
        return variants.filled(text, variant)

    tasks = tuple(
        Task(
            t["id"],
            filled(t["title"]),
            int(t["points"]),
            tuple(map(filled, t["hints"])),
            bool(t.get("behavioural", True)),
            bool(t.get("partial", False)),
            tuple(t.get("needs", ())),
            tuple(t.get("files", ())),
            str(t.get("reason", "")).strip(),
        )
        for t in data["tasks"]
    )
    if len({t.id for t in tasks}) != len(tasks):
        raise ValueError("two tasks have the same id")
    unknown = sorted(set(data.get("cluster_kinds", ())) - CLUSTER_KINDS.keys())
    if unknown:
        raise ValueError(f"cluster_kinds names {', '.join(unknown)}: the kinds are {', '.join(sorted(CLUSTER_KINDS))}")
    return Lab(
        slug=folder.name,
        folder=folder,
        title=data["title"],
        about=data["about"],
        minutes=int(data["minutes"]),
        kcna=tuple(data["kcna"]),
        tasks=tasks,
        needs=tuple(data.get("needs", ())),
        namespaces=tuple(_neighbour(folder.name, n) for n in data.get("namespaces", ())),
        cluster_kinds=tuple(data.get("cluster_kinds", ())),
        debrief=filled(data.get("debrief", "")),
        read=tuple(data.get("read", ())),
        apply_at_start=tuple(data.get("apply_at_start", ())),
        given=tuple(data.get("given", ())),
        capstone=bool(data.get("capstone", False)),
        submission=_allowed(data.get("submission") or {}),
        variants=declared,
        variant=variant,
        extra={k: v for k, v in data.items() if k not in _KNOWN},
    )


def _allowed(data: dict[str, Any]) -> Allowed:
    if unknown := sorted(set(data) - {"kinds", "allow"}):
        raise ValueError(f"submission knows kinds and allow, not {', '.join(unknown)}")
    if unknown := sorted(set(data.get("allow", ())) - FREEDOMS.keys()):
        raise ValueError(f"submission allows {', '.join(unknown)}: the words are {', '.join(FREEDOMS)}")
    return Allowed(tuple(data.get("kinds", ())), tuple(data.get("allow", ())))


def _neighbour(slug: str, data: dict[str, Any]) -> Neighbour:
    if not data["name"].startswith(f"{slug}-"):
        raise ValueError(f"namespace {data['name']} must begin with {slug}-, so that it is plain whose it is")
    return Neighbour(data["name"], dict(data.get("labels") or {}))
