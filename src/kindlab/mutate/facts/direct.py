"""What answers at the addresses of Pods themselves, on every port that one of the lab's programs listens on."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.mutate.fact import Fact
from kindlab.mutate.facts.services import answerers
from kindlab.mutate.scene import Guest, Question, Scene

ORDER = 30
BY_LABEL = "Pods with "
NOBODY = {"refused", "silence"}


def look(scene: Scene) -> Iterator[Fact]:
    space = next(iter(scene.cast.spaces.values()))
    with scene.strangers({"": Guest(space)}) as askers:
        yield from _asked(scene, askers[""])


def _asked(scene: Scene, asker: Obj) -> Iterator[Fact]:
    groups: dict[str, tuple[list[Obj], set[int]]] = {}
    for party, pods in scene.parties().items():
        groups[party] = (pods, scene.cast.ports.get(party, set()))
    for (short, key, one), ports in scene.cast.asked_for().items():
        where = f" in {short}" if short else ""
        groups[f"{BY_LABEL}{key}={one}{where}"] = (scene.carrying(short, key, one), ports)
    questions: dict[str, Question] = {}
    asked: dict[tuple[str, int, str], list[str]] = {}
    for group, (pods, ports) in groups.items():
        for port in ports:
            for path in ("/hostname", "/clientip", "/"):
                urls = []
                for pod in pods:
                    if address := pod["status"].get("podIP"):
                        url = f"http://[{address}]:{port}{path}" if ":" in address else f"http://{address}:{port}{path}"
                        questions[url] = Question(url)
                        urls.append(url)
                asked[group, port, path] = urls
    heard = scene.ask(asker, questions)
    for (group, port, path), urls in asked.items():
        words = sorted({_own(scene, group, answerers(scene, heard[url])) for url in urls})
        yield Fact(
            f"{group} on port {port}{path}",
            " | ".join(words) or "nobody is there",
            strong=not (group.startswith(BY_LABEL) or set(words) <= NOBODY),  # nobody may become somebody
        )


def _own(scene: Scene, group: str, words: str) -> str:
    """Whoever is asked by a label answers with a name of the author's choice."""
    if group.startswith(BY_LABEL):
        for party in scene.parties():
            words = words.replace(f"<{party}>", "<itself>")
    return words


LOOK = look
