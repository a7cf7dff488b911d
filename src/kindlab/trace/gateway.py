"""The path into a cluster through a Gateway: class -> controller -> listeners -> certificates -> routes.

Conditions are the controller's own words about an object; what they say is shown, with what to do about it.
"""

from __future__ import annotations

from kindlab.api import Api, Obj
from kindlab.checks.door import Door, door_of
from kindlab.trace import certificate
from kindlab.trace.hops import Trace

GROUP = "gateway.networking.k8s.io"
NEXT = {
    "PortUnavailable": "give the listener a port of the controller's (traefik: HTTP on 80, HTTPS on 443)",
    "UnsupportedProtocol": "use HTTP, or HTTPS with a certificate",
    "InvalidCertificateRef": "make the Secret: kubectl create secret tls NAME --cert=FILE --key=FILE",
    "RefNotPermitted": "a ReferenceGrant in the other namespace must allow it: kubectl get referencegrants -A",
    "InvalidRouteKinds": "name HTTPRoute in allowedRoutes.kinds, or leave the field out",
}
"""What helps, by a condition's reason."""


def trace(api: Api, namespace: str, name: str) -> Trace:
    """Trace Gateway `name`: whether it listens, and which routes it has."""
    path = Trace(f"gateway/{name}", namespace)
    found = get(api, namespace, name, path)
    if found is None or door(api, found, path) is None:
        return path
    for one in found["spec"]["listeners"]:
        if not listener(api, found, one, path):
            return path
    attached = {e["name"]: e["attachedRoutes"] for e in (found.get("status") or {}).get("listeners") or ()}
    if not sum(attached.values()):
        path.fail(
            "Routes",
            f"no HTTPRoute is attached to Gateway {name}: every request is answered with 404",
            "kubectl get httproutes -A, then for one of them: kindlab why httproute/NAME",
        )
        return path
    path.ok("Routes", "; ".join(f"listener {name}: {count}" for name, count in attached.items()))
    return path


def get(api: Api, namespace: str, name: str, path: Trace) -> Obj | None:
    """The Gateway, shown; None, and a broken hop, where there is none."""
    there = [g["metadata"]["name"] for g in api.list(f"Gateway.{GROUP}", namespace)]
    found = api.get(f"Gateway.{GROUP}", name, namespace) if name in there else None
    if found is None:
        path.missing("Gateway", name, namespace, there, "gateways")
        return None
    path.ok("Gateway", f"{name}: " + "; ".join(described(one) for one in found["spec"]["listeners"]))
    return found


def described(one: Obj) -> str:
    return f"{one['name']} ({one['protocol']} on {one['port']}, host {one.get('hostname') or '*'})"


def door(api: Api, gateway: Obj, path: Trace) -> Door | None:
    """Where the controller of the Gateway's class listens; None, and a broken hop, where there is none."""
    wanted = gateway["spec"]["gatewayClassName"]
    classes = {c["metadata"]["name"]: c for c in api.list(f"GatewayClass.{GROUP}")}
    found = classes.get(wanted)
    if found is None:
        there = ", ".join(classes) or "none"
        path.fail(
            "GatewayClass", f"there is no GatewayClass {wanted}; there are: {there}", "kubectl get gatewayclasses"
        )
        return None
    runs = found["spec"]["controllerName"]
    at = door_of(api, runs)
    if at is None or not at.ready:
        why = (
            "no controller of that name was found running" if at is None else f"that controller, {at}, has no ready Pod"
        )
        then = "kubectl get pods -A" if at is None else f"kubectl get pods -n {at.namespace}"
        path.fail("GatewayClass", f"class {wanted} is served by {runs}, and {why}", then)
        return None
    path.ok("GatewayClass", f"{wanted}, served by {at}")
    return at


def listener(api: Api, gateway: Obj, one: Obj, path: Trace) -> bool:
    """Add the hops of one listener; False when it is not served."""
    meta = gateway["metadata"]
    status = next((e for e in (gateway.get("status") or {}).get("listeners") or () if e["name"] == one["name"]), None)
    look = f"kubectl describe gateway {meta['name']} -n {meta['namespace']}"
    if status is None:
        path.fail("Listener", f"the controller has said nothing of listener {one['name']} yet", look)
        return False
    wrong = bad(status["conditions"], ("Accepted", "ResolvedRefs", "Programmed"))
    if wrong is not None:
        path.fail(
            "Listener",
            f"listener {described(one)} is not served: {wrong['reason']}: {wrong['message']}",
            NEXT.get(wrong["reason"], look),
        )
        return False
    path.ok("Listener", f"{described(one)} is served")
    for ref in (one.get("tls") or {}).get("certificateRefs") or ():
        space = ref.get("namespace") or meta["namespace"]
        trouble = certificate.trouble(api, space, ref["name"], [one["hostname"]] if one.get("hostname") else [])
        if trouble:
            path.fail("TLS", trouble, f"kubectl describe secret {ref['name']} -n {space}")
            return False
        path.ok("TLS", f"Secret {ref['name']} holds a valid certificate for {one.get('hostname') or 'its names'}")
    return True


def bad(conditions: list[Obj], types: tuple[str, ...]) -> Obj | None:
    """The first of these conditions that is False."""
    found = {c["type"]: c for c in conditions}
    return next((found[t] for t in types if t in found and found[t]["status"] == "False"), None)
