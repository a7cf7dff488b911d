"""The text of `kubectl describe networkpolicy`: who is selected and what is let through, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kindlab.api import Obj

_WORDS = {
    "ingress": ("from", "From", "traffic not restricted by source"),
    "egress": ("to", "To", "traffic not restricted by destination"),
}


def lines(policy: Obj) -> Iterator[str]:
    """What follows the labels and annotations."""
    spec = policy["spec"]
    types = spec.get("policyTypes") or []
    everybody = "<none> (Allowing the specific traffic to all pods in this namespace)"
    yield "Spec:"
    yield f"  PodSelector:     {selector(spec.get('podSelector') or {}) or everybody}"
    for direction in _WORDS:
        if direction.capitalize() in types:
            yield f"  Allowing {direction} traffic:"
            yield from (f"    {line}" for line in _rules(spec.get(direction) or [], direction))
        else:
            yield f"  Not affecting {direction} traffic"
    yield f"  Policy Types: {', '.join(types)}"


def created(policy: Obj) -> str:
    """As kubectl prints the moment here, and only here."""
    moment = datetime.fromisoformat(policy["metadata"]["creationTimestamp"])
    return f"{moment:%Y-%m-%d %H:%M:%S} +0000 UTC"


def selector(found: Obj) -> str:
    """A LabelSelector as one line; "" when it selects everything."""
    terms = [(key, f"{key}={value}") for key, value in (found.get("matchLabels") or {}).items()]
    for expression in found.get("matchExpressions") or []:
        key, values = expression["key"], ",".join(sorted(expression.get("values") or []))
        text = {"Exists": key, "DoesNotExist": f"!{key}"}.get(expression["operator"])
        terms.append((key, text or f"{key} {expression['operator'].lower()} ({values})"))
    return ",".join(text for _, text in sorted(terms, key=lambda term: term[0]))


def _rules(rules: list[Obj], direction: str) -> Iterator[str]:
    if not rules:
        yield f"<none> (Selected pods are isolated for {direction} connectivity)"
    field, word, anybody = _WORDS[direction]
    for index, rule in enumerate(rules):
        if index:
            yield "----------"
        for port in rule.get("ports") or []:
            number, protocol = port.get("port", "<nil>"), port.get("protocol", "TCP")
            if port.get("endPort"):
                yield f"To Port Range: {number}-{port['endPort']}/{protocol}"
            else:
                yield f"To Port: {number}/{protocol}"
        if not rule.get("ports"):
            yield "To Port: <any> (traffic allowed to all ports)"
        for peer in rule.get(field) or []:
            yield f"{word}:"
            yield from (f"  {line}" for line in _peer(peer))
        if not rule.get(field):
            yield f"{word}: <any> ({anybody})"


def _peer(peer: Obj) -> Iterator[str]:
    for field in ("namespaceSelector", "podSelector"):
        if peer.get(field) is not None:
            yield f"{field[0].upper()}{field[1:]}: {selector(peer[field]) or '<none>'}"
    block = peer.get("ipBlock")
    if block is not None:
        yield "IPBlock:"
        yield f"  CIDR: {block['cidr']}"
        yield f"  Except: {', '.join(block.get('except') or [])}"
