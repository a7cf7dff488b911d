"""What names stand for, and who answers behind them, from a stranger in the Service's namespace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from kindlab.api import Obj
from kindlab.conditions import is_ready
from kindlab.mutate.fact import Fact
from kindlab.mutate.scene import Answer, Question, Scene

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


def everywhere(scene: Scene) -> AbstractContextManager[dict[str, Obj]]:
    """A stranger in each namespace of the lab: namespace -> its Pod."""
    return scene.strangers({space: (space, {}, "") for space in scene.cast.spaces.values()})


def look(scene: Scene) -> Iterator[Fact]:
    with everywhere(scene) as askers:
        for space, asker in askers.items():
            here = [s for s in scene.services if s["metadata"]["namespace"] == space]
            yield from _names(scene, asker, here)
            yield from ports(scene, asker, here)
        first, *others = askers.values()
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


def ports(scene: Scene, asker: Obj, services: list[Obj]) -> Iterator[Fact]:
    """Who answers on each port that one of the lab's answers gives to Services in the asker's namespace."""
    questions = {}
    for service in services:
        meta, spec = service["metadata"], service["spec"]
        own = {port["port"] for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP"}
        called = scene.cast.called(meta["name"], meta["namespace"])
        # also those that it has elsewhere: behind a headless Service they answer whatever it says
        for port in sorted(own | scene.cast.service_ports.get(called, set())):
            at = f"{meta['name']}:{port}"
            questions[at] = Question(f"http://{at}/hostname", OFTEN)
            questions[f"{at}/"] = Question(f"http://{at}/")
    heard = scene.ask(asker, questions)
    short = scene.cast.short(asker["metadata"]["namespace"])
    where = f" in {short}" if short else ""
    for at, answers in heard.items():
        yield Fact(f"http://{at}{where} is answered by", answerers(scene, answers))
        if not at.endswith("/") and answers:
            pods = {a.body for a in answers if a.exit == 0}
            ready = [pod for pod in scene.pods if pod["metadata"]["name"] in pods and is_ready(pod)]
            if ready:
                whose = {scene.party(pod) for pod in ready}
                every = [pod for pod in scene.pods if scene.party(pod) in whose and is_ready(pod)]
                words = (
                    "one of several" if len(pods) == 1 < len(every) else "each" if len(pods) == len(every) else "some"
                )
                yield Fact(f"http://{at}{where} reaches of their Pods", words)


LOOK = look
