"""What names stand for, and who answers behind them, from strangers in the Service's namespace, on two nodes, of which
one has none of the lab's Pods: a Service may send to Pods of the client's own node only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kindlab.api import Obj
from kindlab.conditions import is_ready
from kindlab.mutate.fact import Fact
from kindlab.mutate.scene import Answer, Guest, Question, Scene

ORDER = 20
OFTEN = 32
"""Requests to each port: of four Pods one that is never met would be missed once in ten thousand times."""


def answerers(scene: Scene, answers: list[Answer]) -> str:
    """Who answered, and whether all did."""
    if not answers:
        return "nobody could ask"
    good = sorted({scene.plain(a.body.split("\n")[0])[:80] for a in answers if a.exit == 0 and a.code < 400})
    bad = sorted({a.how if a.exit else f"HTTP {a.code}" for a in answers if a.exit or a.code >= 400})
    return " and ".join([*good, *bad])


@contextmanager
def everywhere(scene: Scene) -> Iterator[dict[str, list[Obj]]]:
    """Strangers in each namespace of the lab, on a worker and on a node that is none: namespace -> the Pods."""
    nodes = [*scene.workers[:1], *filter(None, [scene.apart])]
    spaces = list(scene.cast.spaces.values())
    with scene.strangers({f"{space} {node}": Guest(space, node=node) for space in spaces for node in nodes}) as made:
        yield {space: [made[f"{space} {node}"] for node in nodes] for space in spaces}


def look(scene: Scene) -> Iterator[Fact]:
    with everywhere(scene) as askers:
        for space, here_are in askers.items():
            here = [s for s in scene.services if s["metadata"]["namespace"] == space]
            yield from _names(scene, here_are[0], here)
            yield from ports(scene, here_are, here)
        first, *others = (pods[0] for pods in askers.values())
        for space, asker in zip(list(askers)[1:], others, strict=True):
            away = [s for s in scene.services if s["metadata"]["namespace"] == space]
            yield from _names(scene, first, away, f".{space}")
            own = [s for s in scene.services if s["metadata"]["namespace"] == first["metadata"]["namespace"]]
            yield from _names(scene, asker, own, f".{first['metadata']['namespace']}")


def _names(scene: Scene, asker: Obj, services: list[Obj], suffix: str = "") -> Iterator[Fact]:
    for service in services:
        name = f"{service['metadata']['name']}{suffix}"
        done = scene.run(asker, f"getent ahosts {name} | cut -d ' ' -f 1 | sort -u")
        found = sorted(set((done[1] if done else "").split()))
        own = set(service["spec"].get("clusterIPs") or ())
        if found and set(found) <= own:
            words = "the Service's own address"
        else:
            words = ", ".join(sorted({scene.plain(one) for one in found})) or "nothing"
        yield Fact(f"the name {name} stands for", words)


def tcp_ports(scene: Scene, service: Obj) -> list[int]:
    """Those that a Service has, and that it has in one of the lab's answers: behind a headless Service they answer
    whatever it says."""
    meta = service["metadata"]
    own = {port["port"] for port in service["spec"].get("ports") or () if port.get("protocol", "TCP") == "TCP"}
    return sorted(own | scene.cast.service_ports.get(scene.cast.called(meta["name"], meta["namespace"]), set()))


def ports(scene: Scene, askers: list[Obj], services: list[Obj]) -> Iterator[Fact]:
    """Who answers on each port that one of the lab's answers gives to Services in the askers' namespace."""
    questions = {}
    for service in services:
        for port in tcp_ports(scene, service):
            at = f"{service['metadata']['name']}:{port}"
            questions[at] = Question(f"http://{at}/hostname", OFTEN)
            questions[f"{at}/"] = Question(f"http://{at}/")
    heard = [scene.ask(asker, questions) for asker in askers]
    short = scene.cast.short(askers[0]["metadata"]["namespace"])
    where = f" in {short}" if short else ""
    for at in questions:
        every = [found[at] for found in heard]
        yield Fact(f"http://{at}{where} is answered by", answerers(scene, [one for found in every for one in found]))
        if not at.endswith("/") and (words := {share for found in every if (share := _share(scene, found))}):
            yield Fact(f"http://{at}{where} reaches of their Pods", ", ".join(sorted(words)))


def _share(scene: Scene, answers: list[Answer]) -> str:
    """How many of the ready Pods that are like those who answered did; "" where none of them is."""
    pods = {one.body for one in answers if one.exit == 0}
    ready = [pod for pod in scene.pods if pod["metadata"]["name"] in pods and is_ready(pod)]
    if not ready:
        return ""
    whose = {scene.party(pod) for pod in ready}
    every = [pod for pod in scene.pods if scene.party(pod) in whose and is_ready(pod)]
    return "one of several" if len(pods) == 1 < len(every) else "each" if len(pods) == len(every) else "some"


LOOK = look
