"""Who and what to ask about, from all of a lab's right answers and its start: so that each mutant is asked the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kindlab.api import Obj
from kindlab.labs import Lab
from kindlab.mutate.editing import containers, template, value, walked
from kindlab.states import right_objects

LISTENS = re.compile(r"(?:port|listen|^-p)\D{0,3}(\d{2,5})\b|^:?(\d{2,5})$")


@dataclass
class Cast:
    """Namespaces by short names ("" is the lab's own); what Pods may listen on; hosts and paths; labels."""

    spaces: dict[str, str] = field(default_factory=dict)
    ports: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Workload -> ports."""
    service_ports: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Service -> TCP ports."""
    by_label: dict[tuple[str, str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    """(short namespace, key, value) of labels that Pods carry -> ports."""
    named: set[tuple[str, str]] = field(default_factory=set)
    """The labels that a task names: those of which it may ask for Pods, whatever they are called."""
    folders: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    """(workload, container) -> where something is mounted in one of the answers."""
    urls: set[tuple[str, str]] = field(default_factory=set)
    """(host, path) outside."""
    policies: bool = False
    peers: set[tuple[str, str]] = field(default_factory=set)
    """Labels by which a policy of one of the answers lets somebody in, or out to."""

    def short(self, space: str) -> str:
        return next((short for short, name in self.spaces.items() if name == space), space)

    def asked_for(self) -> dict[tuple[str, str, str], set[int]]:
        """Those of `by_label` that a task names."""
        return {one: ports for one, ports in self.by_label.items() if one[1:] in self.named}

    def called(self, name: str, space: str) -> str:
        """How an object is called in facts: by its name in the lab's own namespace."""
        short = self.short(space)
        return f"{short}/{name}" if short else name


def of(lab: Lab) -> Cast:
    spaces = {name.removeprefix(lab.namespace).removeprefix("-"): name for name in lab.spaces}
    cast = Cast(spaces)
    for obj in right_objects(lab):
        _add(cast, obj, lab.namespace)
    titles = "\n".join(task.title for task in lab.tasks)
    pairs = {(key, value) for _, key, value in cast.by_label}
    cast.named = {(key, value) for key, value in pairs if re.search(_names(key, value), titles)}
    return cast


def _names(key: str, value: str) -> str:
    """A pattern for `app=web` and `app: web`."""
    return rf"\b{re.escape(key)}(=|: ?){re.escape(value)}\b"


def _add(cast: Cast, obj: Obj, space: str) -> None:
    space = obj["metadata"].get("namespace", space)
    called = cast.called(obj["metadata"]["name"], space)
    if obj["kind"] == "Service":
        found = obj["spec"].get("ports") or ()
        cast.service_ports[called] |= {int(one["port"]) for one in found if one.get("protocol", "TCP") == "TCP"}
    if obj["kind"] == "NetworkPolicy":
        cast.policies = True
        for path, at in walked(obj):
            if path[-2:] == ("podSelector", "matchLabels") and {"from", "to"} & set(path):
                cast.peers |= {(key, str(one)) for key, one in at.items()}
    if obj["kind"] in ("Ingress", "HTTPRoute"):
        cast.urls |= set(_urls(obj))
    pod = template(obj)
    if pod is None:
        return
    listens = {port for _, container in containers(obj) for port in _listens(container)}
    cast.ports[called] |= listens
    for key, one in (value(obj, (*pod, "metadata", "labels")) or {}).items():
        cast.by_label[cast.short(space), key, str(one)] |= listens
    for _, container in containers(obj):
        mounts = {mount["mountPath"] for mount in container.get("volumeMounts") or ()}
        cast.folders[called, container["name"]] |= mounts


def _listens(container: Obj) -> Iterator[int]:
    for port in container.get("ports") or ():
        yield int(port["containerPort"])
    for word in (*(container.get("args") or ()), *(container.get("command") or ())):
        for found in LISTENS.finditer(str(word)) if len(str(word)) < 60 else ():
            yield int(found[1] or found[2])


def _urls(obj: Obj) -> Iterator[tuple[str, str]]:
    """Each rule's host and path, one below, one beside, and what no rule is for."""
    spec = obj["spec"]
    pairs: Iterable[tuple[str, str]]
    if obj["kind"] == "Ingress":
        pairs = [
            (rule.get("host") or "any.localhost", one.get("path") or "/")
            for rule in spec.get("rules") or ()
            for one in (rule.get("http") or {}).get("paths") or ()
        ]
    else:
        matches = [
            (match.get("path") or {}).get("value", "/")
            for rule in spec.get("rules") or ()
            for match in rule.get("matches") or [{}]
        ]
        pairs = [(host, path) for host in spec.get("hostnames") or ["any.localhost"] for path in matches]
    for host, path in pairs:
        host = host.replace("*", "any")
        base = path.rstrip("/")
        yield from ((host, one) for one in (path, f"{base}/", f"{base}/below/it", f"{base}beside", "/", "/nowhere"))
    yield "nobody.localhost", "/"
    yield "nobody.localhost", "/nowhere"
