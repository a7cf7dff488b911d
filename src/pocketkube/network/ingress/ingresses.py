"""Ingresses translated into what the reverse proxy serves, as Traefik 3.7 with its Kubernetes Ingress provider does.

With the options of our set-up: strictPrefixMatching (a prefix is matched element by element, ImplementationSpecific as
Prefix), allowEmptyServices (503 without endpoints), no ExternalName backends. Every rule is served on every entry
point, in the clear and with TLS, unless annotations say otherwise; `spec.tls` only brings certificates, which are
offered by the names they hold. A rule whose Service or port is missing is not there: 404. A default backend counts
only in an Ingress without rules, and only the first one. Precedence is that of the specification (see `routes`), not
Traefik's length of the rule's text. Left out: resource backends, as in Traefik.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from pocketkube import objects
from pocketkube.network.ingress.problems import Problem
from pocketkube.network.ingress.routes import (
    Backend,
    Certificate,
    Filter,
    Listener,
    Match,
    PathKind,
    Rule,
    Table,
)
from pocketkube.network.ingress.settings import EntryPoint, Settings
from pocketkube.network.ingress.tls_secrets import BadSecret, certificate
from pocketkube.network.ingress.traefik_annotations import (
    PATH_MATCHERS,
    BadAnnotation,
    Router,
    router_annotations,
    service_annotations,
)
from pocketkube.objects import Key, Obj

CONTROLLER: Final = "traefik.io/ingress-controller"
CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
_SCHEMES: Final = ("http", "https", "h2c")


class Reader(Protocol):
    """Where objects come from: a Client."""

    def find(self, resource: str, namespace: str, name: str) -> Obj | None: ...
    def list(self, resource: str) -> list[Obj]: ...


@dataclass(slots=True)
class Translation:
    """What Ingresses come to."""

    table: Table = field(default_factory=Table)
    served: list[Obj] = field(default_factory=list)
    """The Ingresses that are this controller's, whether or not anything is wrong with them."""
    problems: list[Problem] = field(default_factory=list)


class _Unserved(Exception):
    """Why a path is not served."""

    def __init__(self, reason: str, error: str, advice: str, log: str = "Cannot create service") -> None:
        super().__init__(error)
        self.reason, self.error, self.advice, self.log = reason, error, advice, log


def translate(reader: Reader, settings: Settings) -> Translation:
    """Everything that is to be served now. `reader` is only read."""
    found = Translation()
    rules: dict[EntryPoint, list[Rule]] = {entry: [] for entry in settings.entry_points}
    certificates: dict[Key, Certificate] = {}
    default_taken = ""
    for ingress in served(reader, settings):
        found.served.append(ingress)
        one = _Ingress(reader, settings, ingress, found.problems)
        router = one.router()
        if router is None:
            continue
        one.certificates(certificates)
        spec = objects.spec(ingress)
        if not spec.get("rules") and spec.get("defaultBackend") is not None:
            if default_taken:
                one.problem(
                    "DefaultBackendTaken",
                    f"not served: {default_taken} is the default backend already, and there is one for all. "
                    "Give this Ingress rules, or delete the other",
                    "The default backend already exists.",
                )
                continue
            made = one.default(router)
            default_taken = f"Ingress {objects.namespace(ingress)}/{objects.name(ingress)}" if made else ""
        else:
            made = list(one.rules(router))
        for entry in one.entry_points(router):
            rules[entry] += [one.at(entry, rule, filters) for rule, filters in made]
    offered = tuple(pair for _, pair in sorted(certificates.items()))
    found.table = Table(
        tuple(
            Listener(entry.port, entry.tls, tuple(held), offered if entry.tls else ()) for entry, held in rules.items()
        )
    )
    return found


def served(reader: Reader, settings: Settings) -> Iterator[Obj]:
    """The Ingresses of Traefik's classes, the oldest first: named by the field, else by the annotation of old, else
    those that name none."""
    classes = {
        objects.name(one)
        for one in reader.list("ingressclasses")
        if objects.spec(one).get("controller") == CONTROLLER and settings.ingress_class in ("", objects.name(one))
    }
    legacy = (settings.ingress_class,) if settings.ingress_class else ("", "traefik")
    ingresses = reader.list("ingresses")
    for ingress in sorted(ingresses, key=lambda one: (one["metadata"]["creationTimestamp"], objects.key(one))):
        name = objects.spec(ingress).get("ingressClassName")
        if name in classes if name is not None else objects.annotations(ingress).get(CLASS_ANNOTATION, "") in legacy:
            yield ingress


class _Ingress:
    """One Ingress being translated."""

    def __init__(self, reader: Reader, settings: Settings, ingress: Obj, problems: list[Problem]) -> None:
        self._reader, self._settings, self._ingress, self._problems = reader, settings, ingress, problems
        self._namespace, self._name = objects.key(ingress)
        self._order = ingress["metadata"]["creationTimestamp"], f"{self._namespace}/{self._name}"

    def problem(self, reason: str, message: str, log: str, level: str = "ERR", **fields: str) -> None:
        fields = {"ingress": self._name, "namespace": self._namespace, "providerName": "kubernetes", **fields}
        self._problems.append(Problem(self._ingress, reason, message, log, fields, level))

    # -- what holds for the whole Ingress

    def router(self) -> Router | None:
        try:
            router = router_annotations(objects.annotations(self._ingress))
        except BadAnnotation as error:
            text = f"nothing of this Ingress is served: its annotations cannot be understood: {error}. Correct them"
            self.problem("BadAnnotation", text, "Failed to parse annotations", error=str(error))
            return None
        for name in router.left_out:
            self._without_effect(f"annotation {name}")
        return router

    def _without_effect(self, what: str) -> None:
        self.problem("NotModelled", f"{what} is without effect in pocketkube", f"pocketkube: {what} is ignored", "WRN")

    def certificates(self, into: dict[Key, Certificate]) -> None:
        """Add the pairs of spec.tls; after the first that is missing or empty the rest is not read, as in Traefik."""
        for entry in objects.spec(self._ingress).get("tls") or ():
            name = entry.get("secretName") or ""
            if not name or (self._namespace, name) in into:
                continue
            try:
                into[self._namespace, name] = certificate(self._reader, self._namespace, name)
            except BadSecret as error:
                hosts = ", ".join(entry.get("hosts") or ()) or "its hosts"
                text = f"{hosts} is shown the default certificate: {error}. {error.advice}"
                self.problem(error.reason, text, error.log, error=str(error))
                if error.last:
                    return

    def entry_points(self, router: Router) -> list[EntryPoint]:
        known = {entry.name: entry for entry in self._settings.entry_points}
        for name in router.entry_points:
            if name not in known:
                text = f"there is no entry point {name!r}: name some of {', '.join(sorted(known))}"
                self.problem("EntryPointNotFound", text, "EntryPoint doesn't exist", entryPointName=name)
        chosen = [known[name] for name in router.entry_points or known if name in known]
        return [entry for entry in chosen if entry.tls or not router.tls]

    def at(self, entry: EntryPoint, rule: Rule, filters: tuple[Filter, ...]) -> Rule:
        """The rule as it is served there: redirects concern requests in the clear."""
        if entry.tls or not filters:
            return rule
        return Rule(
            rule.owner, rule.match, rule.backends, rule.hosts, False, filters, rule.order, fallback=rule.fallback
        )

    def _filters(self, router: Router) -> tuple[Filter, ...]:
        filters: list[Filter] = []
        for name in router.middlewares:
            made = self._settings.middlewares.get(name)
            if made is None:
                error = f'middleware "{name}" does not exist'
                known = ", ".join(sorted(self._settings.middlewares)) or "none"
                raise _Unserved("MiddlewareNotFound", error, f"There are: {known}", "Cannot create middleware")
            filters.append(made)
        return tuple(filters)

    # -- rules

    def default(self, router: Router) -> list[tuple[Rule, tuple[Filter, ...]]]:
        backend = objects.spec(self._ingress)["defaultBackend"]
        rule = self._rule("the default backend", router, backend, Match(), (), 0, fallback=True)
        return [rule] if rule else []

    def rules(self, router: Router) -> Iterator[tuple[Rule, tuple[Filter, ...]]]:
        spec = objects.spec(self._ingress)
        if spec.get("defaultBackend") is not None:
            text = (
                "spec.defaultBackend is without effect beside rules: Traefik takes it from an Ingress without rules "
                "only. Move it to an Ingress of its own, or add a rule with the path /"
            )
            self.problem("DefaultBackendIgnored", text, "pocketkube: default backend beside rules ignored", "WRN")
        index = 0
        for given in spec.get("rules") or ():
            host = given.get("host") or ""
            for path in (given.get("http") or {}).get("paths") or ():
                where = f"{host or '*'}{path.get('path') or '/'}"
                match = self._match(where, path, router)
                if match is not None:
                    rule = self._rule(where, router, path["backend"], match, (host,) if host else (), index)
                    if rule is not None:
                        yield rule
                index += 1

    def _match(self, where: str, path: Obj, router: Router) -> Match | None:
        text, matcher = path.get("path") or "", "PathPrefix"
        if path.get("pathType") == "ImplementationSpecific":
            matcher = router.path_matcher
        elif path.get("pathType") == "Exact":
            matcher = "Path"
        if not text:
            return Match()
        if matcher not in PATH_MATCHERS:
            wrong = f'invalid router path matcher "{matcher}": must be one of Path, PathPrefix, PathRegexp'
            self.problem("BadAnnotation", f"{where} is not served: {wrong}", "Skipping path.", error=wrong, path=text)
            return None
        kind = {"Path": PathKind.EXACT, "PathRegexp": PathKind.REGEX}.get(matcher, PathKind.PREFIX)
        return Match(text if kind is not PathKind.PREFIX else text.rstrip("/") or "/", kind)

    def _rule(
        self,
        where: str,
        router: Router,
        given: Obj,
        match: Match,
        hosts: tuple[str, ...],
        index: int,
        *,
        fallback: bool = False,
    ) -> tuple[Rule, tuple[Filter, ...]] | None:
        try:
            backend, filters = self._backend(given), self._filters(router)
        except _Unserved as error:
            text = f"{where} is not served (404): {error}. {error.advice}"
            service = given.get("service") or {}
            port = service.get("port") or {}
            fields = {"serviceName": service.get("name", ""), "servicePort": _go_port(port)} if service else {}
            self.problem(error.reason, text, error.log, error=error.error, **fields)
            return None
        owner = f"Ingress {self._namespace}/{self._name}"
        return Rule(owner, match, (backend,), hosts, order=(*self._order, index), fallback=fallback), filters

    def _backend(self, given: Obj) -> Backend:
        wanted = given.get("service")
        if wanted is None:
            raise _Unserved(
                "ResourceBackend",
                "resource backends are not supported",
                "Name a Service",
                "Resource backends are not supported",
            )
        name, port = wanted["name"], wanted.get("port") or {}
        service = self._reader.find("services", self._namespace, name)
        if service is None:
            advice = f"There is no Service {name!r} in namespace {self._namespace}: create it, or correct the name"
            raise _Unserved("ServiceNotFound", "service not found", advice)
        if objects.spec(service).get("type") == "ExternalName":
            error = f"externalName services not allowed: {self._namespace}/{name}"
            raise _Unserved("ExternalNameNotAllowed", error, "Name a Service with endpoints of its own")
        found = _port(objects.spec(service).get("ports") or (), port)
        if found is None:
            offered = ", ".join(_port_text(one) for one in objects.spec(service).get("ports") or ()) or "none"
            asked = port.get("name") or port.get("number")
            advice = f"Service {name!r} has no port {asked}: its ports are {offered}"
            raise _Unserved("ServicePortNotFound", "service port not found", advice)
        return Backend(self._namespace, name, found["port"], scheme=self._scheme(service, found))

    def _scheme(self, service: Obj, port: Obj) -> str:
        try:
            scheme, left_out = service_annotations(objects.annotations(service))
        except BadAnnotation as error:
            raise _Unserved(
                "BadAnnotation", str(error), f"Correct those of Service {objects.name(service)!r}"
            ) from None
        for name in left_out:
            self._without_effect(f"annotation {name} of Service {objects.name(service)!r}")
        if not scheme:
            return "https" if port["port"] == 443 or (port.get("name") or "").startswith("https") else "http"
        if scheme not in _SCHEMES:
            raise _Unserved("BadAnnotation", f"unknown servers scheme {scheme!r}", f"Say one of {', '.join(_SCHEMES)}")
        return scheme


def _port(ports: Iterable[Obj], wanted: Obj) -> Obj | None:
    number, name = wanted.get("number"), wanted.get("name")
    return next((p for p in ports if p["port"] == number or (name and p.get("name") == name)), None)


def _port_text(port: Obj) -> str:
    return f"{port['port']} ({port['name']})" if port.get("name") else str(port["port"])


def _go_port(port: Obj) -> str:
    """A ServiceBackendPort as Go prints it."""
    return f"&ServiceBackendPort{{Name:{port.get('name', '')},Number:{port.get('number', 0)},}}"
