"""The Gateway API as a provider of routes: its listeners, and the conditions that say what became of its objects.

Everything is computed anew from the stored objects whenever one of them changed; conditions are written only where
they differ, and keep their transition times while their status stays. Types, reasons and messages are Traefik's
(pkg/provider/kubernetes/gateway), except that a protocol it does not know is UnsupportedProtocol, as specified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.duration import format_time
from pocketkube.errors import StatusError
from pocketkube.network.ingress import gateways, httproutes
from pocketkube.network.ingress.gateways import CLASSES, CONTROLLER, GATEWAYS, GRANTS, ROUTES, OpenListener
from pocketkube.network.ingress.httproutes import Attached
from pocketkube.network.ingress.problems import Problem
from pocketkube.network.ingress.routes import Certificate, Listener, Rule
from pocketkube.network.ingress.server import Problem as Unserved
from pocketkube.network.ingress.tls_secrets import certificate
from pocketkube.objects import Obj

FEATURES: Final = (
    "Gateway",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
    "ReferenceGrant",
)
"""What is told to be supported (GatewayClass' status): the standard's names, in their order."""


WRITES: Final = 40
"""Statuses that are written in a turn: others are served between. Each write is a change, so another turn follows."""


class GatewayApi:
    """A provider of routes. `ports`: entry point -> with TLS?

    `addresses`: where Gateways are reached, as entries (`ip` or `hostname`) of a status.loadBalancer.ingress.
    """

    follows = (CLASSES, GATEWAYS, ROUTES, GRANTS, "services", "secrets", "namespaces")

    def __init__(self, client: Client, ports: Mapping[int, bool], addresses: Sequence[Obj] = ()) -> None:
        self._client = client
        self._ports = ports
        self._addresses = addresses
        self._open: list[OpenListener] = []
        self._routes: list[Attached] = []
        self._written = 0

    def listeners(self) -> tuple[Listener, ...]:
        self._open = gateways.listeners(self._client, self._ports, self._certificate)
        self._routes = httproutes.attach(self._client, self._open)
        return tuple(
            Listener(
                port=one.spec["port"],
                tls=one.tls,
                rules=tuple(rule for route in self._routes for rule in route.rules.get(n, ())),
                certificates=one.certificates,
            )
            for n, one in enumerate(self._open)
            if not one.wrong
        )

    def _certificate(self, namespace: str, name: str) -> Certificate:
        if self._client.find("secrets", namespace, name) is None:
            raise ValueError(f'getting secret: secret "{name}" not found')
        return certificate(self._client, namespace, name)

    def report(self, unserved: Sequence[Unserved]) -> Iterable[Problem]:
        """Say in every object's conditions what was found. There are no Events: the conditions say it all."""
        self._written = 0
        self._mark_unserved(unserved)
        for found in gateways.handled_classes(self._client).values():
            self._write(CLASSES, found, _class_status(found))
        by_gateway: dict[objects.Key, list[OpenListener]] = {}
        for one in self._open:
            by_gateway.setdefault(objects.key(one.gateway), []).append(one)
        for own in by_gateway.values():
            self._write(GATEWAYS, own[0].gateway, self._gateway_status(own))
        judged = {objects.key(route.route) for route in self._routes}
        for route in self._routes:
            self._write(ROUTES, route.route, _route_status(route))
        for left in self._client.list(ROUTES):  # its parents are ours no more
            if objects.key(left) not in judged and _ours(left):
                self._write(ROUTES, left, _route_status(Attached(left)))
        return ()

    def _mark_unserved(self, unserved: Sequence[Unserved]) -> None:
        """A route with a rule that cannot be served (a pattern that is none) is not accepted."""
        why = {one.about.owner: one.why for one in unserved if isinstance(one.about, Rule)}
        for route in self._routes:
            text = why.get(f"HTTPRoute {'/'.join(objects.key(route.route))}")
            for attachment in route.attachments if text else ():
                attachment.accepted = (False, "UnsupportedValue", text or "")

    def _gateway_status(self, own: list[OpenListener]) -> Obj:
        """One listener that is wrong makes the whole Gateway not accepted; the others are served all the same."""
        gateway = own[0].gateway
        found = {
            "Accepted": ("True", "Accepted", "Gateway successfully scheduled"),
            "Programmed": ("True", "Programmed", "Gateway successfully scheduled"),
        }
        if any(one.wrong for one in own):
            found = {"Accepted": ("False", "ListenersNotValid", "All Listeners must be valid")}
        status: Obj = {
            "conditions": _conditions(gateway, found),
            "listeners": [
                {
                    "name": one.name,
                    "attachedRoutes": one.attached,
                    "supportedKinds": one.kinds,
                    "conditions": _listener_conditions(one),
                }
                for one in own
            ],
        }
        addresses = [
            {"type": "IPAddress" if "ip" in one else "Hostname", "value": one.get("ip") or one["hostname"]}
            for one in self._addresses
        ]
        return status | ({"addresses": addresses} if addresses else {})

    def _write(self, resource: str, obj: Obj, status: Obj) -> None:
        now = format_time(self._client.clock.time())
        _keep_times(status, objects.status(obj), now)
        current = self._client.find(resource, *objects.key(obj))
        if current is None or objects.status(current) == status or self._written == WRITES:
            return
        self._written += 1

        def change(copy: Obj) -> None:
            copy["status"] = status

        with suppress(StatusError):  # gone meanwhile, or going with its namespace
            self._client.patch(resource, objects.key(obj), change, subresource="status")


def _class_status(found: Obj) -> Obj:
    accepted = _conditions(found, {"Accepted": ("True", "Handled", "Handled by Traefik controller")})
    return {"conditions": accepted, "supportedFeatures": [{"name": name} for name in FEATURES]}


def _listener_conditions(one: OpenListener) -> list[Obj]:
    """What is wrong, and nothing else then. Of several wrongs of one type the first is told."""
    found = {type_: ("False", reason, message) for type_, reason, message in reversed(one.wrong)}
    fine = {type_: ("True", type_, "No error found") for type_ in ("Accepted", "ResolvedRefs", "Programmed")}
    return _conditions(one.gateway, found or fine)


def _route_status(attached: Attached) -> Obj:
    route = attached.route
    own = [
        {
            "parentRef": {k: v for k, v in attachment.parent.items() if v not in (None, "")},
            "controllerName": CONTROLLER,
            "conditions": _conditions(
                route,
                {
                    "Accepted": _spelled(attachment.accepted),
                    "ResolvedRefs": _spelled(attachment.resolved),
                },
            ),
        }
        for attachment in attached.attachments
    ]
    foreign = [p for p in objects.status(route).get("parents") or () if p.get("controllerName") != CONTROLLER]
    return {"parents": foreign + own}


def _ours(route: Obj) -> bool:
    return any(p.get("controllerName") == CONTROLLER for p in objects.status(route).get("parents") or ())


def _spelled(reason: httproutes.Reason) -> tuple[str, str, str]:
    return ("True" if reason[0] else "False", *reason[1:])


def _conditions(obj: Obj, found: Mapping[str, tuple[str, str, str]]) -> list[Obj]:
    """metav1.Conditions without their times, which `_keep_times` gives."""
    generation = obj["metadata"].get("generation", 1)
    return [
        {"type": type_, "status": status, "reason": reason, "message": message, "observedGeneration": generation}
        for type_, (status, reason, message) in found.items()
    ]


def _keep_times(new: object, old: object, now: str) -> None:
    """Give each condition in `new` the transition time of its counterpart in `old`, or `now` where its status
    changed. Counterparts are found by place, by `name`, or by `parentRef`."""
    if not isinstance(new, dict):
        return
    before = old if isinstance(old, dict) else {}
    times = {c["type"]: c for c in before.get("conditions") or ()}
    for condition in new.get("conditions") or ():
        known = times.get(condition["type"])
        same = known is not None and known["status"] == condition["status"]
        condition["lastTransitionTime"] = known["lastTransitionTime"] if same and known else now
    for part, identity in (("listeners", "name"), ("parents", "parentRef")):
        for one in new.get(part) or ():
            match = next((o for o in before.get(part) or () if o.get(identity) == one[identity]), None)
            if one.get("controllerName", CONTROLLER) == CONTROLLER:
                _keep_times(one, match, now)
