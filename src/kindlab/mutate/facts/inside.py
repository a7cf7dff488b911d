"""What containers see: their environment, whom the addresses in it lead to, files that they have made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

from kindlab.api import Obj
from kindlab.conditions import is_ready
from kindlab.mutate.fact import Fact
from kindlab.mutate.facts.services import answerers
from kindlab.mutate.scene import Question, Scene

ORDER = 40
ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
PLACE = re.compile(r"(?:(\w+)://)?([\w.-]+)(?::(\d+))?(?:/.*)?")


def look(scene: Scene) -> Iterator[Fact]:
    for party, pods in scene.parties().items():
        pod = next((one for one in pods if is_ready(one)), None)
        if pod is None:
            continue
        for container in pod["spec"]["containers"]:
            who = f"{party}, container {container['name']}"
            yield from _environment(scene, pod, container, who)
            yield from _files(scene, pod, container, who)


def _environment(scene: Scene, pod: Obj, container: Obj, who: str) -> Iterator[Fact]:
    for one in container.get("env") or ():
        name = one["name"]
        done = scene.run(pod, f"printenv {name}", container["name"])
        text = done[1].strip() if done else one.get("value", "")
        yield Fact(f"{who}: ${name}", scene.plain(text)[:200], strong=False)
        place = PLACE.fullmatch(text)
        if done is None or not place or not (place[1] or place[3] or "URL" in name or "HOST" in name):
            continue
        url = text if place[1] else f"http://{text}"
        how = "by address" if ADDRESS.fullmatch(place[2]) else "by name"
        heard = scene.ask(pod, {"": Question(f"{url.rstrip('/')}/hostname", 4)}, container["name"])[""]
        yield Fact(f"{who}: $" + name + " leads to", f"{how}, {answerers(scene, heard)}")


def _files(scene: Scene, pod: Obj, container: Obj, who: str) -> Iterator[Fact]:
    done = scene.run(
        pod, 'cd /tmp && for f in $(find . -type f | sort); do echo "@@$f"; head -c 2000 $f; done', container["name"]
    )
    found = dict(part.split("\n", 1) for part in (done[1] if done else "").split("@@")[1:] if "\n" in part)
    names = sorted(name for name in found if not re.search(r"tmp\.|hsperf|kindlab", name))
    yield Fact(f"{who}: files in /tmp", ", ".join(names) or "none")
    for name in names:
        text = scene.plain(found[name])
        yield Fact(
            f"{who}: what /tmp/{name} says", text.strip()[:80] or sha256(text.encode()).hexdigest()[:8], strong=False
        )


LOOK = look
