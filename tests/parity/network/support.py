"""What the network tests are written with: objects as dicts, a namespace to put them in, commands in Pods, watches.

Everything waits on the API's watches. Only what no object shows (that a node's proxy has learnt of a change) is tried
again and again, inside the Pod that asks, so that one command does it. Works on any cluster that can pull the images.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import Any, NamedTuple, TypeVar

from kindlab import workspace
from kindlab.api import STRATEGIC_PATCH, Api, Obj
from kindlab.checks.host import ExecBackend
from kindlab.checks.live import LiveLab, is_ready, rolled_out

T = TypeVar("T")

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"
GLIBC = "registry.k8s.io/e2e-test-images/glibc-dns-testing:2.0.0"
NGINX = "registry.k8s.io/e2e-test-images/nginx:1.27-0"

SERVICE_NAME = "kubernetes.io/service-name"
START = 120.0
"""Seconds in which a Pod must start; a real cluster may have to pull its image."""
PATIENCE = 60.0
"""Seconds in which everything else must happen."""


# -- objects


def pod(name: str, *args: str, image: str = AGNHOST, labels: dict[str, str] | None = None, **spec: Any) -> Obj:
    """A Pod of one container called `main` that runs `args` (agnhost pauses without); `spec` is further PodSpec.

    `ports`, `env`, `command` and `readinessProbe` go to the container.
    """
    container: Obj = {"name": "main", "image": image}
    if args:
        container["args"] = list(args)
    for field in ("command", "ports", "env", "readinessProbe", "volumeMounts", "lifecycle"):
        if field in spec:
            container[field] = spec.pop(field)
    containers = spec.pop("containers", [container])
    whole = {"terminationGracePeriodSeconds": 1, "containers": containers, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}}, "spec": whole}


def deployment(name: str, *args: str, replicas: int = 2, labels: dict[str, str] | None = None, **spec: Any) -> Obj:
    """A Deployment of such Pods, labelled app=`name` unless told otherwise."""
    labels = labels or {"app": name}
    template = pod("", *args, labels=labels, **spec)
    template["metadata"].pop("name")
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        },
    }


def service(name: str, *ports: Obj, selector: dict[str, str] | None = None, **spec: Any) -> Obj:
    """A Service of app=`name`, port 80 to 9376 unless told otherwise; `selector={}` makes one without."""
    chosen = {"app": name} if selector is None else selector
    whole = {"ports": list(ports) or [{"port": 80, "targetPort": 9376}], **spec}
    if chosen:
        whole["selector"] = chosen
    labels = spec.pop("labels", {})
    whole.pop("labels", None)
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels}, "spec": whole}


def port(number: int, target: int | str | None = None, *, name: str = "", protocol: str = "TCP") -> Obj:
    """A Service port."""
    found: Obj = {"port": number, "protocol": protocol}
    if target is not None:
        found["targetPort"] = target
    if name:
        found["name"] = name
    return found


# -- commands


class Ran(NamedTuple):
    """What a command in a Pod printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.out.splitlines() if line.strip()]


class Place(LiveLab):
    """A namespace of a test's own, with the words of `LiveLab` and those that network tests need besides."""

    # objects

    def put(self, *objects: Obj) -> list[Obj]:
        """Create objects; returns them as the server made them."""
        return [self.api.create(obj, self.namespace) for obj in objects]

    def start(self, *objects: Obj) -> list[Obj]:
        """Create Pods, Deployments and whatever else, and wait until Pods are ready and rollouts complete."""
        made = self.put(*objects)
        return [self._up(obj) for obj in made]

    def _up(self, obj: Obj) -> Obj:
        kind, name = obj["kind"], obj["metadata"]["name"]
        if kind == "Pod":
            return self.wait(kind, name, is_ready, timeout=START)
        if kind == "Deployment":
            return self.wait(kind, name, rolled_out, timeout=START)
        return obj

    def wait(self, kind: str, name: str, holds: Callable[[Obj], Any], *, timeout: float = PATIENCE) -> Obj:
        """The object once `holds(it)`. Fails the test after `timeout` seconds."""
        last: Obj | None = None
        for live in self.api.follow(kind, self.namespace, fields=f"metadata.name={name}", timeout=timeout):
            last = next(iter(live.values()), None)
            if last is not None and holds(last):
                return last
        raise AssertionError(f"{kind} {name} did not come to be as expected in {timeout:.0f} s; it is {last}")

    def gone(self, kind: str, *, labels: str = "", name: str = "", timeout: float = PATIENCE) -> None:
        """Wait until no such object is left."""
        fields = f"metadata.name={name}" if name else ""
        live: dict[str, Obj] = {}
        for live in self.api.follow(kind, self.namespace, labels=labels, fields=fields, timeout=timeout):
            if not live:
                return
        raise AssertionError(f"{sorted(live)} should have gone in {timeout:.0f} s")

    def until(self, kind: str, holds: Callable[[list[Obj]], T], *, labels: str = "", timeout: float = PATIENCE) -> T:
        """Wait until `holds(objects)` is true and return its value. Fails the test after `timeout` seconds."""
        last: list[Obj] = []
        for live in self.api.follow(kind, self.namespace, labels=labels, timeout=timeout):
            last = list(live.values())
            value = holds(last)
            if value:
                return value
        raise AssertionError(f"{kind} {labels} never were as expected in {timeout:.0f} s; they are {last}")

    def update(self, kind: str, name: str, **spec: Any) -> Obj:
        """Read, change fields of the spec (None takes one away) and write back, as `kubectl edit` does."""
        obj = self.require(kind, name)
        for field, value in spec.items():
            if value is None:
                obj["spec"].pop(field, None)
            else:
                obj["spec"][field] = value
        return self.request("PUT", self.path(kind, name), obj)

    def merge(self, kind: str, name: str, change: Obj) -> Obj:
        """A strategic merge patch."""
        return self.api.patch(kind, name, self.namespace, change, how=STRATEGIC_PATCH)

    def path(self, kind: str, name: str = "") -> str:
        return self.api.path(kind, self.namespace, name)

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return self.api.request(method, path, body, **options)

    # endpoints

    def slices(self, name: str) -> list[Obj]:
        return self.list("EndpointSlice", f"{SERVICE_NAME}={name}")

    def endpoints(self, name: str, count: int | None = None, *, pods: Iterable[str] | None = None) -> set[str]:
        """Wait until a Service has exactly `count` ready endpoint addresses, or those of exactly these Pods."""
        wanted = set(pods) if pods is not None else None

        def reached(found: list[Obj]) -> bool:
            ready = list(ready_endpoints(found))
            if wanted is not None:
                return {e["targetRef"]["name"] for e in ready} == wanted
            return len({address for e in ready for address in e["addresses"]}) == count

        self.until("EndpointSlice", reached, labels=f"{SERVICE_NAME}={name}")
        return {e.get("targetRef", {}).get("name", "") for e in ready_endpoints(self.slices(name))}

    def endpoint_ports(self, name: str, expected: set[tuple[str, str, int]]) -> None:
        """Wait until the ready endpoints of a Service are these (port name, Pod, number)."""

        def reached(found: list[Obj]) -> bool:
            seen = {
                (p.get("name", ""), e["targetRef"]["name"], p["port"])
                for piece in found
                for e in ready_endpoints([piece])
                for p in piece.get("ports") or ()
            }
            return seen == expected

        self.until("EndpointSlice", reached, labels=f"{SERVICE_NAME}={name}")

    # commands

    def run(self, pod: str, *argv: str, container: str = "", stdin: bytes | None = None, timeout: float = 90) -> Ran:
        """A command in a Pod, without a shell."""
        backend = ExecBackend(self.api, self.namespace, pod, container, timeout=timeout)
        code, out, err = backend.execute(list(argv), stdin)
        return Ran(code, out.decode(errors="replace"), err.decode(errors="replace"))

    def sh(self, pod: str, script: str, *, container: str = "", timeout: float = 90) -> Ran:
        """A script in a Pod's /bin/sh."""
        return self.run(pod, "/bin/sh", "-c", script, container=container, timeout=timeout)

    def sh_until(self, pod: str, script: str, *, seconds: int = 30, container: str = "") -> Ran:
        """Run a script, once a second, until it succeeds and prints something. Fails the test after `seconds`."""
        loop = (
            f'n=0; while [ $n -lt {seconds} ]; do out=$( {script} ) && [ -n "$out" ] && echo "$out" && exit 0; '
            "n=$((n+1)); sleep 1; done; exit 99"
        )
        ran = self.sh(pod, loop, container=container, timeout=6 * seconds)
        assert ran.ok, f"in {pod}: {script} did not succeed in {seconds} tries: {ran.out} {ran.err[-500:]}"
        return ran

    def asks(self, pod: str, host: str, number: int, protocol: str = "TCP") -> str:
        """Ask a port for the host name, as upstream does with nc, until something answers; the answer."""
        return self.sh_until(pod, ask(host, number, protocol)).out.strip()

    def refuses(self, pod: str, host: str, number: int, protocol: str = "TCP", *, seconds: int = 30) -> None:
        """Wait until nothing answers at a port any more."""
        script = f'out=$( {ask(host, number, protocol)} ); [ -z "$out" ] && echo silent'
        self.sh_until(pod, script, seconds=seconds)


def place(api: Api, name: str) -> Place:
    """A fresh namespace named after a test, in which Pods may do anything; whoever makes it deletes it."""
    text = name.removeprefix("test_").replace("_", "-").partition("[")[0][:40].strip("-")
    namespace = f"net-{text}-{token_hex(2)}"
    workspace.make_namespace(api, namespace)
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    api.patch("Namespace", namespace, None, {"metadata": {"labels": labels}})
    return Place(api, namespace)


def ask(host: str, number: int, protocol: str = "TCP") -> str:
    flag = "-u" if protocol == "UDP" else "-t"
    return f"echo hostName | nc -v {flag} -w 2 {host} {number} 2>/dev/null"


def curl(url: str, *options: str) -> str:
    """A shell command that prints the body; -g: brackets of IPv6 addresses are no patterns."""
    return " ".join(["curl -g -q -s --connect-timeout 2 --max-time 10", *options, shlex.quote(url)])


def at(host: str, number: int) -> str:
    """host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


# -- reading


def ready_endpoints(slices: Iterable[Obj]) -> Iterator[Obj]:
    """The endpoints that take traffic; as kube-proxy reads it, ready is true where it is not said."""
    for piece in slices:
        for endpoint in piece.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready", True):
                yield endpoint


def workers(api: Api) -> list[Obj]:
    """Nodes that are ready and take any Pod."""

    def usable(node: Obj) -> bool:
        taints = [t for t in node["spec"].get("taints") or () if t["effect"] != "PreferNoSchedule"]
        ready = {c["type"]: c["status"] for c in node["status"]["conditions"]}.get("Ready") == "True"
        return ready and not taints and not node["spec"].get("unschedulable")

    return [node for node in api.list("Node") if usable(node)]


def internal_ip(node: Obj, like: str = "") -> str:
    """A node's address, of the same family as `like` where that is given."""
    found = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
    return next((a for a in found if (":" in a) == (":" in like)), found[0]) if like else found[0]


def watch(api: Api, path: str, *, timeout: float = PATIENCE, **query: str) -> Iterator[Obj]:
    """The events of a watch, until `timeout` seconds are over."""
    query = {**query, "watch": "true", "timeoutSeconds": str(int(timeout))}
    response = api.request("GET", path, query=query, stream=True, timeout=timeout + 5)
    rest = b""
    try:
        for chunk in response.stream(amt=None, decode_content=False):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (json.loads(line) for line in lines if line.strip())
    finally:
        response.close()


def seen(events: Iterator[Obj], kind: str, holds: Callable[[Obj], Any] = lambda obj: True) -> Obj:
    """The object of the first event of that type for which `holds`. Fails the test when the watch ends before."""
    others = []
    for event in events:
        if event["type"] == kind and holds(event["object"]):
            return event["object"]  # type: ignore[no-any-return]
        others.append(event["type"])
    raise AssertionError(f"no {kind} event as expected; seen: {others}")


def together(*work: Callable[[], Any]) -> list[Any]:
    """Do several things at the same time; their results, in order. Raises what the first of them that failed raised."""
    with ThreadPoolExecutor(max_workers=len(work) or 1) as pool:
        return [done.result() for done in [pool.submit(one) for one in work]]


def spread(names: Sequence[str]) -> str:
    """A short text for messages: which answered how often."""
    return ", ".join(f"{names.count(name)} x {name}" for name in sorted(set(names)))
