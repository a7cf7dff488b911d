"""Who reaches whom, where policies decide: everybody's Pods, strangers with each label that policies go by in every
namespace of the lab, and a node, ask every Service and every Pod, the cluster's DNS and a node. The strangers are on a
node without the lab's Pods: on which of the others a Pod runs is chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from kindlab.api import Obj
from kindlab.conditions import is_ready
from kindlab.mutate.fact import Fact
from kindlab.mutate.facts.services import tcp_ports
from kindlab.mutate.scene import Guest, Question, Scene

ORDER = 50
AT_ONCE = 6


def look(scene: Scene) -> Iterator[Fact]:
    if not scene.cast.policies:
        return
    spaces = scene.cast.spaces
    guests: dict[str, Guest] = {}
    for short, space in spaces.items():
        where = f" in {short}" if short else ""
        guests[f"a stranger{where}"] = Guest(space, node=scene.apart)
        for key, one in sorted(scene.cast.peers):
            guests[f"a stranger with {key}={one}{where}"] = Guest(space, {key: one}, scene.apart)
    for node in scene.nodes:
        guests[node] = Guest(next(iter(spaces.values())), node=node, inside=True)
    with scene.strangers(guests) as strangers:
        nodes = {node: strangers.pop(node) for node in scene.nodes}
        askers = {**_learners(scene), **{name: (pod, "") for name, pod in strangers.items()}}
        targets = _targets(scene)

        def ask(who: str) -> dict[str, str]:
            pod, container = askers[who]
            asked = {whom: one for whom, one in targets.items() if whom not in _own(scene, pod)}
            heard = scene.ask(pod, asked | _another_node(nodes, pod), container)
            return {whom: answers[0].how if answers else "could not ask" for whom, answers in heard.items()}

        yield from _from_nodes(scene, nodes, targets)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for who, found in zip(askers, pool.map(ask, askers), strict=True):
                for whom, words in found.items():
                    yield Fact(f"{who} asks {whom}", words)
        for who, (pod, container) in askers.items():
            for how in ("", "+tcp"):
                done = scene.run(
                    pod, f"dig {how} +time=1 +tries=1 +short kubernetes.default.svc.cluster.local", container
                )
                words = (
                    "could not ask"
                    if done is None or done[0] == 127
                    else "answered"
                    if done[1].strip()[:1].isdigit()
                    else "no answer"
                )
                yield Fact(f"{who} asks the cluster's DNS{' over TCP' if how else ''}", words)


def _learners(scene: Scene) -> dict[str, tuple[Obj, str]]:
    """One ready Pod of each workload, and its first container."""
    found = {}
    for party, pods in scene.parties().items():
        pod = next((one for one in pods if is_ready(one)), None)
        if pod:
            found[party] = (pod, pod["spec"]["containers"][0]["name"])
    return found


def _own(scene: Scene, pod: Obj) -> set[str]:
    """The targets that are a Service of the Pod itself: it always reaches itself, and whom else it meets is chance."""
    found = set()
    for service in scene.services if pod in scene.pods else ():
        meta, asked = service["metadata"], (service["spec"].get("selector") or {}).items()
        here = meta["namespace"] == pod["metadata"]["namespace"]
        if here and asked and asked <= (pod["metadata"].get("labels") or {}).items():
            name = scene.cast.called(meta["name"], meta["namespace"])
            found |= {f"Service {name} on port {port}" for port in tcp_ports(scene, service)}
    return found


def _another_node(nodes: Mapping[str, Obj], pod: Obj) -> dict[str, Question]:
    """The kubelet of a node on which the Pod does not run: what is on its own node no policy keeps from it."""
    other = next((one for name, one in nodes.items() if name != pod["spec"].get("nodeName")), None)
    return {"another node": Question(f"https://{other['status']['hostIP']}:10250/")} if other else {}


def _from_nodes(scene: Scene, nodes: Mapping[str, Obj], targets: Mapping[str, Question]) -> Iterator[Fact]:
    """Whether each Pod is reached from the nodes on which it does not run: its own always reaches it."""
    at = {f"http://{pod['status'].get('podIP')}": pod["spec"].get("nodeName") for pod in scene.pods}
    heard = {name: scene.ask(pod, targets) for name, pod in nodes.items()}
    for whom, question in targets.items():
        own = at.get(question.url.rsplit(":", 1)[0])
        if own:
            words = {answers[whom][0].how for name, answers in heard.items() if name != own and answers[whom]}
            yield Fact(f"another node asks {whom}", ", ".join(sorted(words)))


def _targets(scene: Scene) -> dict[str, Question]:
    targets = {}
    for service in scene.services:
        name = scene.cast.called(service["metadata"]["name"], service["metadata"]["namespace"])
        for port in tcp_ports(scene, service):
            targets[f"Service {name} on port {port}"] = Question(_url(scene, service, port))
    for party, pods in scene.parties().items():
        pod = next((one for one in pods if is_ready(one)), None)
        for port in scene.cast.ports.get(party, set()) if pod else ():
            assert pod is not None
            targets[f"{party}'s Pod on port {port}"] = Question(f"http://{pod['status']['podIP']}:{port}/")
    return targets


def _url(scene: Scene, service: Obj, port: int) -> str:
    """Of a Service's port. One that sends to Pods that are not ready would send to the strangers with its labels, too:
    a ready Pod stands for it."""
    meta, spec = service["metadata"], service["spec"]
    asked = (spec.get("selector") or {}).items()
    if asked and spec.get("publishNotReadyAddresses"):
        target = next((one.get("targetPort", port) for one in spec.get("ports") or () if one["port"] == port), port)
        for pod in scene.pods:
            here = pod["metadata"]["namespace"] == meta["namespace"]
            if here and is_ready(pod) and asked <= (pod["metadata"].get("labels") or {}).items():
                return f"http://{pod['status']['podIP']}:{_number(pod, target)}/"
    return f"http://{meta['name']}.{meta['namespace']}:{port}/"


def _number(pod: Obj, target: str | int) -> str | int:
    """What the name of a port stands for in a Pod."""
    every = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    return next((port["containerPort"] for port in every if port.get("name") == target), target)


LOOK = look
