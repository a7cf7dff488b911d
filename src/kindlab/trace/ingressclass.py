"""Who serves an Ingress: its class, the controller behind that, and where it listens."""

from __future__ import annotations

from kindlab.api import Api, Obj
from kindlab.checks.door import Door, door_of
from kindlab.trace.hops import Trace

LEGACY_CLASS = "kubernetes.io/ingress.class"


def named(ingress: Obj) -> str:
    """The class an Ingress names, in its field or by the annotation of old; "" for none."""
    given = ingress["spec"].get("ingressClassName") or (ingress["metadata"].get("annotations") or {}).get(LEGACY_CLASS)
    return given or ""


def controllers(api: Api) -> dict[str, str]:
    """Class -> the name of the controller that serves it."""
    return {c["metadata"]["name"]: c["spec"].get("controller", "") for c in api.list("IngressClass")}


def serving(api: Api, ingress: Obj, path: Trace) -> Door | None:
    """Add the hops IngressClass and Controller; None where the path ends."""
    meta = ingress["metadata"]
    name, namespace = meta["name"], meta["namespace"]
    classes = controllers(api)
    there = ", ".join(classes) or "none"
    wanted = named(ingress)
    if not wanted:
        path.fail(
            "IngressClass",
            "the Ingress names no class, and none was the default when it was made: no controller serves it; "
            f"the classes there are: {there}",
            f"set spec.ingressClassName, then: kubectl get ingress {name} -n {namespace}",
        )
        return None
    if wanted not in classes:
        path.fail(
            "IngressClass", f"there is no IngressClass {wanted}; there are: {there}", "kubectl get ingressclasses"
        )
        return None
    runs = classes[wanted]
    door = door_of(api, runs)
    if door is None:
        path.fail(
            "Controller",
            f"class {wanted} is served by {runs}, and no controller of that name was found running",
            "kubectl get pods -A | grep -i ingress",
        )
        return None
    if not door.ready:
        path.fail(
            "Controller",
            f"the controller of class {wanted}, {door}, has no ready Pod",
            f"kubectl get pods -n {door.namespace}",
        )
        return None
    path.ok("IngressClass", f"{wanted}, served by {door}")
    return door
