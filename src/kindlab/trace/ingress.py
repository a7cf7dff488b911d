"""The path of a request through an Ingress: class -> controller -> rule -> certificate -> Service -> ... -> answer."""

from __future__ import annotations

from collections import Counter

from kindlab.api import Api, Obj
from kindlab.certificates import covers
from kindlab.checks.client import Client
from kindlab.checks.door import Door
from kindlab.checks.probe import REFUSED, Replies, Reply
from kindlab.checks.verdict import CouldNotGrade
from kindlab.ingresses import Route, described, match, routes
from kindlab.trace import annotated, answer, certificate, ingressclass, rivals, service
from kindlab.trace.answer import redirect
from kindlab.trace.hops import Trace
from kindlab.trace.policy import Policies, Refusal

REQUESTS = 8
"""A route: most of what can differ between endpoints was seen on the way to the Service."""


def trace(
    api: Api,
    namespace: str,
    name: str,
    *,
    host: str | None = None,
    where: str = "/",
    tls: bool | None = None,
) -> Trace:
    """Trace Ingress `name`: all its routes, or the one that `host` and path `where` take. `tls`: ask https only, http
    only, or (None) as the Ingress is set up. The probe of the Ingress' namespace stands for the world outside."""
    path = Trace(f"ingress/{name}", namespace)
    ingress = api.get("Ingress", name, namespace)
    if ingress is None:
        there = [i["metadata"]["name"] for i in api.list("Ingress", namespace)]
        path.missing("Ingress", name, namespace, there, "ingress")
        return path
    every = list(routes(ingress))
    path.ok("Ingress", f"{len(every)} route{'s' * (len(every) != 1)}: {'; '.join(described(r) for r in every[:6])}")
    door = ingressclass.serving(api, ingress, path)
    if door is None:
        return path
    _foreign(ingress, door, path)
    if not _entry_point(ingress, door, path, host, where, tls):
        return path
    chosen = every
    if host is not None:
        best = match(every, host, where)
        if best is None:
            path.fail(
                "Rule",
                f"no rule of Ingress {name} takes {host}{where}; its rules are for: {', '.join(map(str, every))}",
                f"kubectl describe ingress {name} -n {namespace}",
            )
            return path
        path.ok("Rule", f"{host}{where} takes {described(best)}")
        chosen = [best]
    if "https" in annotated.schemes(ingress, door.controller) and not _certificates(api, ingress, chosen, path):
        return path
    client = Client(api, namespace)
    followed: dict[tuple[str, str | int], service.Found | None] = {}
    for route in chosen:
        if not _route(api, ingress, route, door, client, path, (host, where, tls), followed):
            break
    return path


def _foreign(ingress: Obj, door: Door, path: Trace) -> None:
    """The hop Annotations, where some are for nobody here: nothing is broken by them, and nothing done."""
    found = annotated.foreign(ingress, door.controller)
    if not found:
        return
    meta = ingress["metadata"]
    told = "; ".join(
        _without_effect([n for n, of in found if of == whose], whose) for whose in dict.fromkeys(of for _, of in found)
    )
    away = " ".join(f"{name}-" for name, _ in found)
    path.ok("Annotations", f"{told}; to remove: kubectl annotate ingress {meta['name']} -n {meta['namespace']} {away}")


def _without_effect(names: list[str], whose: str) -> str:
    one = len(names) == 1
    what = f"annotation{'' if one else 's'} {', '.join(names)} {'is' if one else 'are'}"
    return f"{what} for another controller ({whose}) and {'has' if one else 'have'} no effect here"


def _entry_point(ingress: Obj, door: Door, path: Trace, host: str | None, where: str, tls: bool | None) -> bool:
    """Add the hop Entry point where annotations close http or https; False when it is the one that is asked for."""
    opened = annotated.schemes(ingress, door.controller)
    if opened == annotated.BOTH:
        return True
    meta, only = ingress["metadata"], next(iter(opened), "")
    given = f"its annotations ({annotated.TRAEFIK}router...) open it for"
    said = f"{given} {only} only"
    look = f"kubectl describe ingress {meta['name']} -n {meta['namespace']}"
    asked = None if tls is None else "https" if tls else "http"
    if not opened:
        path.fail(
            "Entry point", f"{given} neither http nor https: an entry point without TLS takes no router with TLS", look
        )
        return False
    if asked is not None and asked not in opened:
        path.fail(
            "Entry point", f"{said}, not for {asked}", f"kindlab why {only}://{host}{where} -n {meta['namespace']}"
        )
        return False
    path.ok("Entry point", said)
    return True


def _certificates(api: Api, ingress: Obj, chosen: list[Route], path: Trace) -> bool:
    meta = ingress["metadata"]
    for entry in ingress["spec"].get("tls") or ():
        secret, hosts = entry.get("secretName"), entry.get("hosts") or []
        asked = [h for h in hosts if any(covers(h, r.host) or not r.host for r in chosen)]
        if not secret or (hosts and not asked):
            continue
        wrong = certificate.trouble(api, meta["namespace"], secret, asked)
        if wrong:
            there = api.get("Secret", secret, meta["namespace"]) is not None
            path.fail(
                "TLS",
                f"{wrong}; clients are shown the controller's own certificate, or an error",
                f"kubectl describe secret {secret} -n {meta['namespace']}"
                if there
                else f"kubectl create secret tls {secret} -n {meta['namespace']} --cert=FILE --key=FILE",
            )
            return False
        path.ok("TLS", f"Secret {secret} holds a valid certificate for {', '.join(asked) or 'every host'}")
    return True


def _route(
    api: Api,
    ingress: Obj,
    route: Route,
    door: Door,
    client: Client,
    path: Trace,
    asked: tuple[str | None, str, bool | None],
    followed: dict[tuple[str, str | int], service.Found | None],
) -> bool:
    """Add the hops of one route; False when one of them is broken. `followed`: Services seen before, by name and port:
    their hops are shown once."""
    namespace = ingress["metadata"]["namespace"]
    target = route.backend.get("service")
    part = path.within(f"{route}:")
    if target is None:
        part.ok("Backend", "a resource, not a Service: not followed")
        return True
    port = target["port"].get("number") or target["port"].get("name")
    known = (target["name"], port)
    if known not in followed:
        followed[known] = service.follow(api, namespace, target["name"], path, port=port, within=f"{route}:")
    found = followed[known]
    if path.broken is not None:
        return False
    if found is not None and found.port.get("protocol", "TCP") != "TCP":
        what = (
            f"port {port} of Service {target['name']} is {found.port['protocol']}, and an Ingress speaks HTTP over TCP"
        )
        part.fail("Service port", what, f"kubectl describe service {target['name']} -n {namespace}")
        return False
    host, where, tls = asked
    example, below = route.example
    host, where = host or example, where if host else below
    opened = annotated.schemes(ingress, door.controller)
    secured = (
        tls if tls is not None else "https" in opened and ("http" not in opened or bool(ingress["spec"].get("tls")))
    )
    url = f"http{'s' if secured else ''}://{host}{where}"
    try:
        replies = door.ask(client, host, where, secured, count=REQUESTS)
        if found is not None and not any(r.exit for r in replies):
            got = rivals.Asked(door.controller, "https" if secured else "http", host, where, replies)
            if not rivals.judge(api, ingress, route, found.service, found.port["port"], got, client, part):
                return False
        bad = next((r for r in replies if r.exit or r.code >= 500 or r.code == 404), None)
        if bad is None:
            evidence = f"{url} through the controller: {summary(replies)}"
            part.ok("Answer", evidence + redirect(replies, namespace))
            return True
        refusal = refused(api, door, found) if found else None
        held = kept_in(api, client, door) if bad.exit and not refusal else None
        direct = asked_directly(client, found, where) if found and bad.code in (404, 502) else bad
        own = found is not None and bad.code == direct.code == 404
    except CouldNotGrade as error:
        part.fail("Client", str(error), f"kubectl describe pod {client.pod} -n {client.namespace}")
        return False
    if refusal is not None:
        who = f"the controller's Pod (namespace {door.namespace}) cannot reach its backend"
        policies = f"kubectl describe networkpolicies -n {refusal.namespace}"
        part.fail("NetworkPolicy", f"{url}: {summary(replies)}; {who}: {refusal}", f"look at its rules: {policies}")
        return False
    if held is not None:
        part.ok("Answer", f"{url}: {held}; to try it: kindlab url ingress/{ingress['metadata']['name']} -n {namespace}")
        return True
    if own:
        part.ok("Answer", f"{url} through the controller: {summary(replies)}; the backend itself says 404 for {where}")
        return True
    evidence, then = meaning(bad, door, target["name"], namespace)
    if found is not None and bad.code == 502 and direct.exit == REFUSED:
        evidence = f"nothing listens on targetPort {found.port.get('targetPort')} of the Pods behind {target['name']}"
        then = f"kindlab why svc/{target['name']} -n {namespace}"
    if found is not None and bad.code == 404 and (warned := _warning(api, ingress)):
        evidence, then = warned, f"kubectl describe ingress {ingress['metadata']['name']} -n {namespace}"
    if found is None and bad.code == 404:
        evidence = f"the controller does not serve {target['name']}, for it is an ExternalName"
        then = "let the path lead to a Service with endpoints of its own: kubectl get services -n " + namespace
    part.fail("Answer", f"{url} through the controller: {summary(replies)}; {evidence}", then)
    return False


def refused(api: Api, door: Door, found: service.Found) -> Refusal | None:
    """The policy that keeps the controller's Pod from a backend: what a client outside meets."""
    namespace = found.service["metadata"]["namespace"]
    return answer.refused(api, lambda: door.pod_object(api), namespace, found.endpoints)


def kept_in(api: Api, client: Client, door: Door) -> str | None:
    """Why the probe got no answer, though a client outside may: a policy on what leaves its own namespace."""
    gate = door.pod_object(api)
    closed = Policies(api, client.namespace).refuses(client.object(), gate, door.http) if gate is not None else None
    if closed is None or closed.direction != "Egress":
        return None
    return f"not tried: {closed}, the controller's. That keeps this namespace's Pods in, not clients outside"


def summary(replies: Replies) -> str:
    """`8 of 8 requests: HTTP 200`; bodies would hide what matters here."""
    counts = Counter(str(reply) if reply.exit else f"HTTP {reply.code}" for reply in replies)
    return ", ".join(f"{n} of {len(replies)} requests: {text}" for text, n in counts.most_common())


def asked_directly(client: Client, found: service.Found, where: str) -> Reply:
    """What a backend's Service answers itself."""
    meta = found.service["metadata"]
    return client.get(f"http://{meta['name']}.{meta['namespace']}:{found.port['port']}{where}")


def _warning(api: Api, ingress: Obj) -> str:
    """What the controller last warned of about this Ingress; "" when it did not."""
    uid = ingress["metadata"].get("uid")
    told = [
        (e.get("lastTimestamp") or e.get("eventTime") or "", e.get("message", ""))
        for e in api.list("Event", ingress["metadata"]["namespace"])
        if e.get("type") == "Warning" and (e.get("involvedObject") or {}).get("uid") == uid
    ]
    return max(told, default=("", ""))[1]


def meaning(bad: Reply, door: Door, name: str, namespace: str) -> tuple[str, str]:
    """(what it means, what to do next) of an answer that no backend would give."""
    logs = f"kubectl logs -n {door.namespace} {door.pod}"
    if bad.exit:
        return "the controller itself does not answer", logs
    if bad.code == 404:
        return "the controller has no route for it, though there is a rule", logs
    if bad.code == 503:
        return "the controller knows no endpoint it may use", f"kubectl get endpointslices -n {namespace}"
    if bad.code == 502:
        return "the controller got no HTTP answer from the endpoints: do they speak plain HTTP on that port?", logs
    return "the backend or the controller failed", f"{logs}; kubectl logs -n {namespace} of the Pods behind {name}"
