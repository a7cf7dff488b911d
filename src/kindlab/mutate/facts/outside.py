"""Ways in from outside: ports of the nodes, Ingresses and routes by host and path, load balancers' addresses; and which
certificates are shown there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kindlab.api import ApiError, Obj
from kindlab.checks.door import LABELS, Door, door_of
from kindlab.mutate.fact import Fact
from kindlab.mutate.facts.services import answerers
from kindlab.mutate.scene import Answer, Guest, Question, Scene

ORDER = 60
NOBODY = "nobody.localhost"


def look(scene: Scene) -> Iterator[Fact]:
    space = next(iter(scene.cast.spaces.values()))
    with scene.strangers({"": Guest(space, node=scene.nodes[0], inside=True)}) as askers:
        yield from _nodes(scene, askers[""])
        yield from _doors(scene, askers[""])
    for party, pods in scene.parties().items():
        open_there = sorted(
            {
                str(p["hostPort"])
                for pod in pods
                for c in pod["spec"]["containers"]
                for p in c.get("ports") or ()
                if p.get("hostPort")
            }
            | {"all (of the node itself)" for pod in pods if pod["spec"].get("hostNetwork")}
        )
        yield Fact(f"ports of the nodes that {party} takes", ", ".join(open_there) or "none", strong=False)


def _nodes(scene: Scene, asker: Obj) -> Iterator[Fact]:
    nodes = [
        a["address"] for n in scene.api.list("Node") for a in n["status"]["addresses"] if a["type"] == "InternalIP"
    ]
    for service in scene.services:
        name = scene.cast.called(service["metadata"]["name"], service["metadata"]["namespace"])
        ports = [p for p in service["spec"].get("ports") or () if p.get("nodePort")]
        there: set[str] = set()
        for port in ports:
            urls = {
                node: Question(f"http://{node}:{port['nodePort']}/hostname", 4) for node in nodes if ":" not in node
            }
            heard = scene.ask(asker, urls)
            words = sorted({answerers(scene, answers) for answers in heard.values()})
            there |= {answerers(scene, [a]) for answers in heard.values() for a in answers if a.exit == 0}
            yield Fact(f"every node for port {port['port']} of {name}", " | ".join(words))
            yield Fact(
                f"number of the node port for port {port['port']} of {name}", str(port["nodePort"]), strong=False
            )
        # both numbers of a port may be an author's choice, and whose Pods answer may be called otherwise
        words = sorted(there)
        yield Fact(f"ports of the nodes for {name} are answered by", ", ".join(words) or "nobody", strong=bool(words))
        yield Fact(f"ports of the nodes for {name} are answered", "yes" if words else "no", strong=bool(words))
        yield Fact(f"{name} opens ports of the nodes", "yes" if ports else "no", strong=False)
        given = (service.get("status") or {}).get("loadBalancer", {}).get("ingress")
        yield Fact(f"{name} has an address outside", "yes" if given else "no", strong=False)


def _doors(scene: Scene, asker: Obj) -> Iterator[Fact]:
    for controller in LABELS if scene.cast.urls else ():
        try:
            door = door_of(scene.api, controller)
        except ApiError:
            door = None
        if door is None or not door.ready:
            continue
        questions = {}
        for host, path in sorted(scene.cast.urls):
            to = f"--connect-to {host}:80:{door.at}:{door.http} --connect-to {host}:443:{door.at}:{door.https}"
            for scheme in ("http", "https"):
                questions[f"{scheme}://{host}{path}"] = Question(f"{scheme}://{host}{path}", 6, to, timeout=2.0)
        for url, answers in scene.ask(asker, questions).items():
            on = {scene.plain(a.location) for a in answers if a.location}
            more = f", sent on to {', '.join(sorted(on))}" if on else ""
            kinds = sorted({f"{a.code}" if a.exit == 0 else a.how for a in answers})
            words = answerers(scene, [a for a in answers if a.code != 404])
            yield Fact(f"outside, {url} by {controller}", f"{' '.join(kinds)}: {words}{more}")
            # of several answerers chance decides, who is met and how often
            yield Fact(f"outside, the status of {url} by {controller}", " ".join(kinds))
            yield Fact(f"outside, {url} by {controller} is mostly answered by", _mostly(scene, answers))
            if said := sorted({scene.plain(a.body.split("\n")[0])[:80] for a in answers if a.code == 404}):
                yield Fact(f"outside, {url} by {controller}, when it is not found", " and ".join(said))
        yield from _certificates(scene, asker, controller, door)


def _mostly(scene: Scene, answers: list[Answer]) -> str:
    """Who answers more than half of the requests."""
    who, times = Counter(answerers(scene, [one]) for one in answers).most_common(1)[0] if answers else ("", 0)
    return who if 2 * times > len(answers) else "nobody in particular"


def _certificates(scene: Scene, asker: Obj, controller: str, door: Door) -> Iterator[Fact]:
    """Whether a host has a certificate of its own, or the one that is shown for names that nobody has. Whose it is, and
    who has signed it, is an author's choice."""
    hosts = [NOBODY, *sorted({host for host, _ in scene.cast.urls} - {NOBODY})]
    shown = {}
    for host in hosts:
        to = f"--connect-to {host}:443:{door.at}:{door.https} https://{host}/"
        done = scene.run(asker, f"curl -skv -m 4 -o /dev/null {to} 2>&1 | grep -e subject: -e issuer:")
        shown[host] = done[1] if done else ""
    for host in hosts[1:]:
        words = "nothing" if not shown[host] else "as for any name" if shown[host] == shown[NOBODY] else "its own"
        yield Fact(f"outside, the certificate for {host} by {controller}", words)


LOOK = look
