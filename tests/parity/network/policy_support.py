"""Pods in three namespaces, all of which can be told to try and reach each other: the truth tables of policy tests.

Every question of a test is asked at once: one command for each pod, all its probes in parallel, so that a refused one
costs a second in all. A cluster may take a moment to enforce what was written, so a table that is wrong is asked again.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from secrets import token_hex
from time import monotonic
from typing import Any

from tests.parity.network.support import AGNHOST, together

from kindlab import workspace
from kindlab.api import Api, Obj
from kindlab.checks.host import ExecBackend

PATIENCE = 15.0
"""Seconds a cluster may take to enforce a change."""
PORTS = (80, 81, 82)
TOPOLOGY = {"x": "abc", "y": "ab", "z": "a"}

Expected = Callable[[str, str], bool]
"""(source, target), both as `x/a`."""
Question = tuple[int, str]
"""(port, protocol)."""
TCP: Question = (80, "tcp")


class Net:
    """`x/a` to `z/a`: each a pod labelled `pod: a` that serves PORTS over TCP (named `http-80`, ...) and UDP."""

    def __init__(self, api: Api) -> None:
        self.api = api
        mark = token_hex(2)
        self.namespaces = {letter: f"netpol-{mark}-{letter}" for letter in TOPOLOGY}
        self.addresses: dict[str, str] = {}

    def start(self) -> None:
        for letter, name in self.namespaces.items():
            workspace.make_namespace(self.api, name)
            self._label_namespace(letter, {"ns": letter})
        for end in self.ends:
            self.api.create(_server(end), self.namespaces[end[0]])
        for letter, namespace in self.namespaces.items():
            for found in self.api.follow("Pod", namespace, timeout=120):
                ready = {p["metadata"]["name"]: p["status"]["podIP"] for p in found.values() if _is_ready(p)}
                if ready.keys() == set(TOPOLOGY[letter]):
                    self.addresses |= {f"{letter}/{name}": address for name, address in ready.items()}
                    break
        assert self.addresses.keys() == set(self.ends), f"only {sorted(self.addresses)} are ready"

    def stop(self) -> None:
        for name in self.namespaces.values():
            workspace.remove_namespace(self.api, name)

    def reset(self) -> None:
        """No policies, and the labels everybody began with."""
        for letter, namespace in self.namespaces.items():
            self.api.request("DELETE", self.api.path("NetworkPolicy", namespace))
            self._label_namespace(letter, {"extra": None})
        for end in self.ends:
            self.label(end, extra=None)

    @property
    def ends(self) -> list[str]:
        return [f"{letter}/{name}" for letter, names in TOPOLOGY.items() for name in names]

    # -- writing

    def policy(self, name: str, selector: Obj | None = None, *, namespace: str = "x", **spec: Any) -> None:
        """Create or replace one; `spec`: ingress, egress, policyTypes."""
        obj = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name},
            "spec": {"podSelector": selector or {}, **spec},
        }
        if self.api.get("NetworkPolicy", name, self.namespaces[namespace]) is None:
            self.api.create(obj, self.namespaces[namespace])
        else:
            self.api.replace(obj, self.namespaces[namespace])

    def delete(self, name: str, namespace: str = "x") -> None:
        self.api.delete("NetworkPolicy", name, self.namespaces[namespace])

    def label(self, end: str, **labels: str | None) -> None:
        namespace, _, name = end.partition("/")
        self.api.patch("Pod", name, self.namespaces[namespace], {"metadata": {"labels": labels}})

    def label_namespace(self, letter: str, **labels: str | None) -> None:
        self._label_namespace(letter, labels)

    def _label_namespace(self, letter: str, labels: dict[str, Any]) -> None:
        self.api.patch("Namespace", self.namespaces[letter], None, {"metadata": {"labels": labels}})

    # -- asking

    def expect(self, expected: Expected, *more: Expected, on: Iterable[Question] = (TCP,)) -> None:
        """Every pair is connected as `expected` says; one function for each question, or one for all of them.
        A pod and itself are left out: implementations differ."""
        __tracebackhide__ = True
        questions = list(on)
        tables = [expected, *more] if more else [expected] * len(questions)
        wanted = {
            (source, target, question): table(source, target)
            for question, table in zip(questions, tables, strict=True)
            for source in self.ends
            for target in self.ends
            if source != target
        }
        deadline = monotonic() + PATIENCE
        while True:
            seen = self._connected(wanted)
            wrong = [about for about in wanted if wanted[about] != (about in seen)]
            if not wrong or monotonic() > deadline:
                break
        lines = [f"{s} -> {t}:{p}/{proto}: expected {wanted[s, t, (p, proto)]}" for s, t, (p, proto) in wrong]
        assert not wrong, "\n".join(lines)

    def reaches(self, source: str, host: str, port: int, protocol: str = "tcp", *, wanted: bool = True) -> bool:
        """Whether `source` reaches an address; asked again for a while when that is not what is wanted."""
        deadline = monotonic() + PATIENCE
        while True:
            code, _, _ = self.run(source, *_connect(host, port, protocol))
            if (code == 0) == wanted or monotonic() > deadline:
                return code == 0

    def run(self, end: str, *argv: str) -> tuple[int, str, str]:
        namespace, _, name = end.partition("/")
        code, out, err = ExecBackend(self.api, self.namespaces[namespace], name).execute(list(argv))
        return code, out.decode(), err.decode()

    def _connected(self, wanted: Iterable[tuple[str, str, Question]]) -> set[tuple[str, str, Question]]:
        by_source: dict[str, list[tuple[str, Question]]] = {}
        for source, target, question in wanted:
            by_source.setdefault(source, []).append((target, question))

        def ask(source: str) -> set[tuple[str, str, Question]]:
            asked = by_source[source]
            probes = [
                f"({shlex.join(_connect(self.addresses[target], port, protocol))} >/dev/null 2>&1 && echo {number}) &"
                for number, (target, (port, protocol)) in enumerate(asked)
            ]
            _, out, err = self.run(source, "sh", "-c", "\n".join([*probes, "wait"]))
            assert not err, f"{source}: {err}"
            return {(source, *asked[int(number)]) for number in out.split()}

        return set().union(*together(*(lambda source=source: ask(source) for source in by_source)))


def _connect(host: str, port: int, protocol: str) -> list[str]:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ["/agnhost", "connect", where, "--timeout=1s", f"--protocol={protocol}"]


def _server(end: str) -> Obj:
    name = end.partition("/")[2]
    env = [{"name": f"SERVE_{protocol}PORT_{port}", "value": "here"} for protocol in ("", "UDP_") for port in PORTS]
    ports = [
        {"name": f"{word}-{port}", "containerPort": port, "protocol": protocol}
        for word, protocol in (("http", "TCP"), ("echo", "UDP"))
        for port in PORTS
    ]
    container = {"name": "server", "image": AGNHOST, "args": ["porter"], "env": env, "ports": ports}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"pod": name}}, "spec": spec}


def _is_ready(pod: Obj) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions") or ())


def running(api: Api) -> Iterator[Net]:
    net = Net(api)
    try:
        net.start()
        yield net
    finally:
        net.stop()
