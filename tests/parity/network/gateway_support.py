"""What tests of the Gateway API are written with: three backends that say what they were asked, a Gateway, and cases.

The backends `v1`, `v2` and `v3` are nginx with a configuration that answers with what it was sent; `net` is agnhost.
A case is one request and what must come of it; cases are sent together, again and again until all are right, since a
controller may take its time to follow a change.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import pytest
from tests.parity.network.support import NGINX, Place, deployment, port, service

from kindlab.api import Api, Obj

GROUP = "gateway.networking.k8s.io"
API = f"{GROUP}/v1"
CLASS = "traefik"
CONTROLLER = "traefik.io/gateway-controller"
TRIES = 30
VERSIONS = ("v1", "v2", "v3")
_TOLD = ("x-set", "x-add", "x-remove", "x-set-2", "x-add-2", "x-remove-2", "x-other", "backend")
_MARK = "=-=-="


@dataclass(frozen=True)
class Case:
    """A request, and what is expected. `to`: the backend; `got`: what the backend was sent; `has`: headers of the
    answer, None for one that must not be there; `location`: of a redirect."""

    host: str
    path: str = "/"
    to: str = ""
    status: int = 200
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    tls: bool = False
    got: dict[str, str] = field(default_factory=dict)
    has: dict[str, str | None] = field(default_factory=dict)
    location: str | None = None

    def command(self, address: str) -> str:
        scheme, number = ("https", 443) if self.tls else ("http", 80)
        words = ["curl", "-q", "-s", "-k", "-i", "--connect-timeout", "2", "--max-time", "10"]
        words += ["--resolve", f"{self.host}:{number}:{address}", "-I" if self.method == "HEAD" else f"-X{self.method}"]
        for name, value in self.headers.items():
            words += ["-H", f"{name}: {value}"]
        return " ".join(shlex.quote(word) for word in [*words, f"{scheme}://{self.host}{self.path}"])

    def wrong(self, answer: Answer) -> str:
        """What is not as expected, "" when all is."""
        told = answer.told
        found = [
            f"{key}: {told.get(key, '')!r}, not {value!r}"
            for key, value in self.got.items()
            if told.get(key, "") != value
        ]
        found += [
            f"header {key}: {answer.headers.get(key)!r}, not {value!r}"
            for key, value in self.has.items()
            if answer.headers.get(key) != value
        ]
        if answer.status != self.status:
            found.append(f"status {answer.status}, not {self.status}")
        if self.to and told.get("backend-name") != self.to:
            found.append(f"backend {told.get('backend-name')}, not {self.to}")
        if self.location is not None and answer.headers.get("location") != self.location:
            found.append(f"location {answer.headers.get('location')}, not {self.location}")
        return f"{self.method} {self.host}{self.path} {self.headers or ''}: {'; '.join(found)}" if found else ""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def told(self) -> dict[str, str]:
        """What a backend says it was asked: backend-name, method, uri, host and the headers of `_TOLD`."""
        return dict(line.split("=", 1) for line in self.body.splitlines() if "=" in line)

    @classmethod
    def read(cls, text: str) -> Answer:
        head, _, body = text.replace("\r\n", "\n").lstrip().partition("\n\n")
        first, *lines = head.splitlines() or [""]
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            key, value = name.strip().lower(), value.strip()
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        words = first.split()
        return cls(int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, headers, body)


class Edge:
    """The controller's Service, seen from the Pod `client`; the Gateway `gate` (port 80, routes of its namespace)."""

    def __init__(self, place: Place, address: str, features: frozenset[str]) -> None:
        self.place = place
        self.address = address
        self.features = features

    @property
    def api(self) -> Api:
        return self.place.api

    @property
    def namespace(self) -> str:
        return self.place.namespace

    def needs(self, *features: str) -> None:
        """Skip where the class does not say that it has a feature."""
        missing = [name for name in features if name not in self.features]
        if missing:
            pytest.skip(f"GatewayClass {CLASS} does not claim {', '.join(missing)}")

    # objects

    def gateway(self, *listeners: Obj, namespace: str = "", **spec: Any) -> str:
        """Make a Gateway; returns its name."""
        name = f"g-{token_hex(4)}"
        whole = {"gatewayClassName": CLASS, "listeners": list(listeners) or [listener()], **spec}
        self.api.create(obj("Gateway", name, whole), namespace or self.namespace)
        return name

    def route(
        self, *rules: Obj, hosts: list[str] | None = None, parents: list[Obj] | None = None, namespace: str = ""
    ) -> str:
        """Make an HTTPRoute, to `gate` and backend `v1` unless told otherwise; returns its name. It has a host of its
        own unless `hosts` says otherwise: [] only where listeners have names, or it would answer other tests."""
        name = f"r-{token_hex(4)}"
        spec: Obj = {"parentRefs": parents or [{"name": "gate"}], "rules": list(rules) or [rule()]}
        if hosts != []:
            spec["hostnames"] = hosts or [host()]
        self.api.create(obj("HTTPRoute", name, spec), namespace or self.namespace)
        return name

    def grant(self, namespace: str, come: Obj, go: Obj) -> str:
        """A ReferenceGrant in `namespace`."""
        name = f"grant-{token_hex(4)}"
        self.api.create(obj("ReferenceGrant", name, {"from": [come], "to": [go]}), namespace)
        return name

    # conditions

    def route_is(self, name: str, namespace: str = "", **wanted: tuple[str, str]) -> Obj:
        """Wait until the route's only parent of this controller says so: Accepted=("True", "Accepted")."""

        def holds(route: Obj) -> bool:
            parents = (route.get("status") or {}).get("parents") or ()
            own = [p for p in parents if p["controllerName"] == CONTROLLER]
            return len(own) == 1 and says(own[0]["conditions"], route["metadata"]["generation"], wanted)

        return Place(self.api, namespace or self.namespace).wait("HTTPRoute", name, holds)

    def listener_is(self, gateway: str, section: str, namespace: str = "", **wanted: Any) -> Obj:
        """Wait until a listener says so; `attached` and `kinds` besides conditions."""
        attached, kinds = wanted.pop("attached", None), wanted.pop("kinds", None)

        def holds(found: Obj) -> bool:
            every = (found.get("status") or {}).get("listeners") or ()
            one = next((each for each in every if each["name"] == section), None)
            if one is None or not says(one["conditions"], found["metadata"]["generation"], wanted):
                return False
            shown = {kind["kind"] for kind in one.get("supportedKinds") or ()}
            return attached in (None, one["attachedRoutes"]) and (kinds is None or ("HTTPRoute" in shown) == kinds)

        return Place(self.api, namespace or self.namespace).wait("Gateway", gateway, holds)

    # traffic

    def expect(self, *cases: Case, pod: str = "client") -> list[Answer]:
        """Send all cases until all come out right."""
        script = f"; echo; echo {_MARK}; ".join(case.command(self.address) for case in cases)
        wrong: list[str] = []
        for _ in range(TRIES):
            texts = self.place.sh(pod, f"{script}; sleep 0").out.split(f"{_MARK}\n")
            answers = [Answer.read(text) for text in texts]
            wrong = [why for case, answer in zip(cases, answers, strict=True) if (why := case.wrong(answer))]
            if not wrong:
                return answers
            self.place.sh(pod, "sleep 1")
        raise AssertionError("\n".join(wrong))

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Look again and again until it is so: for what no object shows."""
        for _ in range(TRIES * 2):
            if holds():
                return
            self.place.sh("client", "sleep 0.3")
        raise AssertionError(what)

    def log(self, labels: str) -> str:
        """What the only Pod with these labels has written."""
        [pod] = self.place.list("Pod", labels)
        response = self.api.request("GET", f"{self.place.path('Pod', pod['metadata']['name'])}/log", stream=True)
        return str(response.data.decode())

    def ask(self, case: Case, count: int) -> list[Answer]:
        """The same request many times, one after the other."""
        script = f"for n in $(seq {count}); do {case.command(self.address)}; echo; echo {_MARK}; done"
        return [Answer.read(text) for text in self.place.sh("client", script).out.split(f"{_MARK}\n")[:-1]]


def says(conditions: list[Obj], generation: int, wanted: dict[str, tuple[str, str]]) -> bool:
    """Whether conditions are (status, reason), "" for any reason, all as of this generation."""
    found = {c["type"]: c for c in conditions}
    fresh = all(c.get("observedGeneration") == generation for c in conditions)
    return fresh and all(
        type_ in found and found[type_]["status"] == status and reason in ("", found[type_]["reason"])
        for type_, (status, reason) in wanted.items()
    )


def obj(kind: str, name: str, spec: Obj) -> Obj:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def listener(name: str = "http", number: int = 80, *, hostname: str = "", **more: Any) -> Obj:
    """HTTP on port 80; HTTPS where `tls` is given."""
    found: Obj = {"name": name, "port": number, "protocol": "HTTPS" if "tls" in more else "HTTP", **more}
    return found | ({"hostname": hostname} if hostname else {})


def rule(*matches: Obj, to: str | list[Obj] | None = "v1", filters: list[Obj] | None = None, **more: Any) -> Obj:
    """To one backend by name, to several, or (None) to nobody."""
    found: Obj = dict(more)
    if matches:
        found["matches"] = list(matches)
    if filters:
        found["filters"] = filters
    if to is not None:
        found["backendRefs"] = [backend(to)] if isinstance(to, str) else to
    return found


def backend(name: str, **more: Any) -> Obj:
    return {"name": name, "port": 8080, **more}


def prefix(value: str, **more: Any) -> Obj:
    return {"path": {"type": "PathPrefix", "value": value}, **more}


def exact(value: str, **more: Any) -> Obj:
    return {"path": {"type": "Exact", "value": value}, **more}


def pairs(**values: str) -> list[Obj]:
    """A list of headers or query parameters; `x_set` stands for X-Set."""
    return [{"name": name.replace("_", "-"), "value": value} for name, value in values.items()]


def filtered(kind: str, content: Obj) -> Obj:
    """A filter: its type, and the field of that name."""
    key = kind[0].lower() + kind[1:] if not kind.startswith("URL") else "urlRewrite"
    return {"type": kind, key: content}


def host() -> str:
    """A name nobody else uses: the routes of all namespaces share one controller."""
    return f"h{token_hex(4)}.example.com"


def edge(place: Place) -> Edge:
    """Start the backends and the Gateway. Skips where there is no such controller."""
    if not _served(place.api):
        pytest.skip(f"this cluster does not serve {API}")
    found = place.api.get("GatewayClass", CLASS)
    if found is None or found["spec"]["controllerName"] != CONTROLLER:
        pytest.skip(f"this cluster has no GatewayClass {CLASS} of {CONTROLLER}")
    entry = place.api.get("Service", "traefik", "traefik")
    if entry is None:
        pytest.skip("this cluster has the class traefik, but no Service traefik/traefik to send requests to")
    place.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "sites"},
            "data": {v: _site(v) for v in VERSIONS},
        }
    )
    place.start(
        *(_version(version) for version in VERSIONS),
        deployment("net", "netexec", "--http-port=8080", replicas=1),
        *(service(name, port(8080, 8080, name="http")) for name in (*VERSIONS, "net")),
        obj("Gateway", "gate", {"gatewayClassName": CLASS, "listeners": [listener()]}),
    )
    for name in (*VERSIONS, "net"):
        place.endpoints(name, 1)
    features = frozenset(f["name"] for f in (found.get("status") or {}).get("supportedFeatures") or ())
    return Edge(place, entry["spec"]["clusterIP"], features)


def _served(api: Api) -> bool:
    groups = api.request("GET", "/apis")["groups"]
    return any(version["groupVersion"] == API for group in groups for version in group["versions"])


def _version(name: str) -> Obj:
    mount = {"name": "site", "mountPath": "/etc/nginx/conf.d/default.conf", "subPath": name}
    volume = {"name": "site", "configMap": {"name": "sites"}}
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    more = {"image": NGINX, "volumeMounts": [mount], "volumes": [volume], "readinessProbe": probe}
    return deployment(name, replicas=1, **more)


def _site(name: str) -> str:
    told = "".join(f"\\n{header}=$http_{header.replace('-', '_')}" for header in _TOLD)
    headers = " ".join(f'add_header X-{key} "from the backend" always;' for key in ("Set", "Add", "Remove", "Other"))
    answer = f"backend-name={name}\\nmethod=$request_method\\nuri=$request_uri\\nhost=$http_host{told}\\n"
    return f'server {{ listen 8080; location / {{ default_type text/plain; {headers} return 200 "{answer}"; }} }}\n'
