"""The lab's namespaces as somebody sees them who knows nothing of its tasks: Pods by workload, commands in them, and a
stranger in each namespace from whom requests are sent. The graders' words are not used; only the way in is the same,
the API's exec stream."""

from __future__ import annotations

import contextlib
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kindlab.api import Api, Obj
from kindlab.checks.host import ExecBackend
from kindlab.checks.verdict import CouldNotGrade
from kindlab.conditions import is_ready
from kindlab.managed import MANAGED
from kindlab.mutate.cast import Cast

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
OURS = "kindlab-"
HELD = "/held"
QUIET, LONGEST, LOOK = 1.2, 20.0, 0.2
"""Seconds without a change after which nothing more is expected, after which it is taken as it is, between looks."""
START = 60.0
AT_ONCE = 24
"""Questions in one command: commands are part of a URL, whose length has a limit."""
AGAIN = 16
"""Requests of one question from which on some that meet silence may be a busy machine's, and all are sent again: where
one Pod of two answers nobody, it is met again. Fewer might miss it."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+( [+-]\d{4} UTC)?( m=\S+)?")
SILENT, REFUSED, NO_NAME = 28, 7, 6
_MARK = "@@"


@dataclass(frozen=True)
class Answer:
    """`exit`: curl's; `code`: HTTP's, 0 without one."""

    exit: int
    code: int
    body: str
    location: str = ""

    @property
    def how(self) -> str:
        """What came of the connection."""
        return {SILENT: "silence", REFUSED: "refused", NO_NAME: "no such name"}.get(self.exit, "answered")


@dataclass(frozen=True)
class Question:
    url: str
    count: int = 1
    options: str = ""
    timeout: float = 1.0


@dataclass(frozen=True)
class Guest:
    """A stranger. `node`: where, "" for wherever there is room; `inside`: in that node's own network; `claim`: what it
    has mounted at HELD."""

    space: str
    labels: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    inside: bool = False
    claim: str = ""


class Scene:
    """Looked at once, when it is made; `again` looks anew."""

    def __init__(self, api: Api, cast: Cast) -> None:
        self.api, self.cast = api, cast
        nodes = {node["metadata"]["name"]: node["spec"] for node in api.list("Node")}
        self.nodes = sorted(nodes)
        self.workers = [name for name in self.nodes if not nodes[name].get("taints")]
        """Those that any Pod may be put on."""
        self.apart = next((name for name in self.nodes if name not in self.workers), "")
        """A node that has none of the lab's Pods; "" without one."""
        self.again()

    def again(self) -> None:
        self.pods: list[Obj] = []
        self.services: list[Obj] = []
        self._owners: dict[tuple[str, str], str] = {}
        for space in self.cast.spaces.values():
            for found in self.api.list("ReplicaSet.apps", space):
                name = next((ref["name"] for ref in found["metadata"].get("ownerReferences") or ()), None)
                self._owners[space, found["metadata"]["name"]] = name or found["metadata"]["name"]
            self.pods += [pod for pod in self.api.list("Pod", space) if not _is_ours(pod)]
            self.services += self.api.list("Service", space)
        self.pods = [pod for pod in self.pods if not pod["metadata"].get("deletionTimestamp")]

    def party(self, pod: Obj) -> str:
        """The workload that a Pod belongs to; a bare Pod is its own. Kinds are not told apart: that is an author's
        choice, and what they do differently shows."""
        meta = pod["metadata"]
        owner = next((ref for ref in meta.get("ownerReferences") or () if ref.get("controller")), None)
        name = owner["name"] if owner else meta["name"]
        if owner and owner["kind"] == "ReplicaSet":
            name = self._owners.get((meta["namespace"], name), name)
        return self.cast.called(name, meta["namespace"])

    def parties(self) -> dict[str, list[Obj]]:
        found: dict[str, list[Obj]] = {}
        for pod in self.pods:
            found.setdefault(self.party(pod), []).append(pod)
        return found

    def carrying(self, short: str, key: str, value: str) -> list[Obj]:
        """The Pods of a namespace with a label."""
        space = self.cast.spaces[short]
        return [
            pod
            for pod in self.pods
            if pod["metadata"]["namespace"] == space and (pod["metadata"].get("labels") or {}).get(key) == value
        ]

    def plain(self, text: str) -> str:
        """A text with the names and addresses of Pods as their workloads', which stay the same from time to time."""
        for pod in self.pods:
            text = re.sub(rf"\b{re.escape(pod['metadata']['name'])}\b", f"<{self.party(pod)}>", text)
            for address in _addresses(pod):
                text = re.sub(rf"(?<![\d.]){re.escape(address)}(?![\d.])", f"<address of {self.party(pod)}>", text)
        for service in self.services:
            address = service["spec"].get("clusterIP") or "None"
            if address != "None":
                text = text.replace(address, f"<Service {service['metadata']['name']}>")
        text = _TIME.sub("<a time>", text)
        return re.sub(r"\b10\.244\.\d+\.\d+(:\d+)?\b", "<a Pod>", text)

    def run(self, pod: Obj, script: str, container: str = "", timeout: float = 30.0) -> tuple[int, str] | None:
        """(exit code, output) of a script; None where none can be run."""
        meta = pod["metadata"]
        backend = ExecBackend(self.api, meta["namespace"], meta["name"], container, timeout=timeout)
        try:
            code, out, _ = backend.execute(["/bin/sh", "-c", script])
        except CouldNotGrade:
            return None
        return code, out.decode(errors="replace")

    def ask(self, pod: Obj, questions: Mapping[str, Question], container: str = "") -> dict[str, list[Answer]]:
        """The answers to each question, many asked at the same time; none where the Pod cannot ask. Questions that
        meet silence beside answers are asked once more."""
        keys, found = list(questions), dict[str, list[Answer]]()
        for at in range(0, len(keys), AT_ONCE):
            found |= self._asked(pod, {key: questions[key] for key in keys[at : at + AT_ONCE]}, container)
        unsure = {key: one for key, one in questions.items() if one.count >= AGAIN and _is_now_and_then(found[key])}
        return found | (self._asked(pod, unsure, container) if unsure else {})

    def _asked(self, pod: Obj, questions: Mapping[str, Question], container: str) -> dict[str, list[Answer]]:
        keys = list(questions)
        parts = [_asking(n, one) for n, one in enumerate(questions.values())]
        files = " ".join(f"$d/{n}" for n in range(len(questions)))
        script = (
            f"command -v curl >/dev/null || exit 9; {_ASK}d=$(mktemp -d); {' '.join(parts)} wait; cat {files}; rm -r $d"
        )
        done = self.run(pod, script, container, timeout=120.0)
        if _is_ours(pod) and (done is None or done[0]):
            raise CouldNotGrade(f"the oracle's own Pod {pod['metadata']['name']} could not send requests")
        found: dict[str, list[Answer]] = {key: [] for key in questions}
        for part in (done[1] if done and done[0] == 0 else "").split(_MARK)[1:]:
            head, _, body = part.partition("\n")
            number, code, status, *where = head.split(" ")
            found[keys[int(number)]].append(
                Answer(int(code), int(status or 0), body.strip(), where[0] if where else "")
            )
        return found

    @contextlib.contextmanager
    def strangers(self, guests: Mapping[str, Guest]) -> Iterator[dict[str, Obj]]:
        """Pods, while the block lasts. They are never ready, so that no Service sends to them, and somebody's already,
        so that nobody adopts them."""
        made: dict[str, Obj] = {}
        try:
            for number, (key, guest) in enumerate(guests.items()):
                made[key] = self.api.create(self._stranger(number, guest), guest.space)
            for key, pod in made.items():
                made[key] = self._running(pod)
            yield made
        finally:
            for pod in made.values():
                self.api.delete("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"], grace=0)

    def _stranger(self, number: int, guest: Guest) -> Obj:
        parent = self.api.get("ConfigMap", "kube-root-ca.crt", guest.space)
        meta: Obj = {"name": f"{OURS}stranger-{number}", "labels": {**guest.labels, **MANAGED}}
        if parent:
            meta["ownerReferences"] = [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": parent["metadata"]["name"],
                    "uid": parent["metadata"]["uid"],
                    "controller": True,
                }
            ]
        probe = {"exec": {"command": ["false"]}, "periodSeconds": 600}
        container: Obj = {"name": "stranger", "image": IMAGE, "args": ["pause"], "readinessProbe": probe}
        spec: Obj = {"terminationGracePeriodSeconds": 0, "enableServiceLinks": False, "containers": [container]}
        if guest.claim:
            spec["volumes"] = [{"name": "held", "persistentVolumeClaim": {"claimName": guest.claim}}]
            container["volumeMounts"] = [{"name": "held", "mountPath": HELD}]
        if guest.node:
            spec["nodeName"] = guest.node
        if guest.inside:
            spec |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}

    def _running(self, pod: Obj) -> Obj:
        meta = pod["metadata"]
        for found in self.api.follow("Pod", meta["namespace"], fields=f"metadata.name={meta['name']}", timeout=START):
            for one in found.values():
                if one["status"].get("phase") == "Running":
                    return one
        raise CouldNotGrade(f"the oracle's own Pod {meta['name']} in {meta['namespace']} does not start")

    def settle(self, longest: float = LONGEST) -> None:
        """Return when nothing has changed for a while, longer where probes take their time; then look again."""
        deadline, last, since = time.monotonic() + longest, None, time.monotonic()
        quiet = QUIET
        while time.monotonic() < deadline:
            now, quiet = self._versions()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since >= quiet:
                break
            time.sleep(LOOK)
        self.again()

    def _versions(self) -> tuple[list[str], float]:
        found, quiet = [], QUIET
        for space in self.cast.spaces.values():
            for kind in ("Pod", "EndpointSlice.discovery.k8s.io", "PersistentVolumeClaim", "Deployment.apps"):
                listed = self.api.list(kind, space)
                found += [f"{obj['metadata']['uid']} {obj['metadata']['resourceVersion']}" for obj in listed]
                if kind == "Pod":
                    quiet = max([quiet, *map(_still_to_come, listed)])
                elif kind == "Deployment.apps" and not all(map(_has_its_pods, listed)):
                    quiet = LONGEST
        return found, quiet


def _is_now_and_then(answers: list[Answer]) -> bool:
    return {SILENT} < {answer.exit for answer in answers}


def _has_its_pods(deployment: Obj) -> bool:
    """Whether its controller has seen what was written last, and made as many Pods, ready or not."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return bool(seen and status.get("replicas", 0) >= wanted)


def _still_to_come(pod: Obj) -> float:
    """Seconds within which something may yet change of itself."""
    if pod["metadata"].get("deletionTimestamp"):
        return LONGEST
    if _is_ours(pod) or is_ready(pod):
        return QUIET
    if pod["status"].get("phase") == "Running" or not pod["status"].get("containerStatuses"):
        probes = [
            c[kind] for c in pod["spec"]["containers"] for kind in ("readinessProbe", "startupProbe") if kind in c
        ]
        waits = [p.get("initialDelaySeconds", 0) + 1.5 * p.get("periodSeconds", 10) + QUIET for p in probes]
        return min(max(waits, default=QUIET), 8.0)
    return 3.0


_ASK = (
    "q() { n=$1; left=$2; wait=$3; most=$4; url=$5; shift 5; while [ $left -gt 0 ]; do left=$((left-1)); : > $d/$n.b; "
    's=$(curl -s -k --connect-timeout $wait -m $most "$@" -o $d/$n.b -w "%{http_code} %{redirect_url}" "$url"); c=$?; '
    f'echo "{_MARK}$n $c $s"; head -c 400 $d/$n.b; echo; [ $c = {SILENT} ] && left=0; done; true; }}; '
)
"""A function that prints of each request the number, curl's exit code, the status, where it is sent on, the body."""


def _asking(number: int, one: Question) -> str:
    words = f"{number} {one.count} {one.timeout:g} {2 * one.timeout:g} {shlex.quote(one.url)} {one.options}"
    return f"(q {words}) > $d/{number} &"


def _addresses(pod: Obj) -> Iterator[str]:
    if not pod["spec"].get("hostNetwork"):
        for one in pod["status"].get("podIPs") or ():
            yield one["ip"]


def _is_ours(pod: Obj) -> bool:
    return bool(pod["metadata"]["name"].startswith(OURS))
