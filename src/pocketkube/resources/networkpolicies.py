"""NetworkPolicies.

Models pkg/registry/networking/networkpolicy, pkg/apis/networking (defaults, ValidateNetworkPolicy*) and the printer.
Who obeys them is `network.policy_engine`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described, selector_text

_DIRECTIONS: Final = (("ingress", "from"), ("egress", "to"))
_TYPES: Final = ("Ingress", "Egress")
_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")


class RESOURCE(Resource):
    group = "networking.k8s.io"
    kind = "NetworkPolicy"
    plural = "networkpolicies"
    short_names = ("netpol",)
    bumps_generation = True
    columns = described("networkpolicies", NAME, Column("Pod-Selector"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        selector = objects.spec(obj).get("podSelector")
        return [objects.name(obj), selector_text(selector), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("podSelector", {})
        for direction, _ in _DIRECTIONS:
            for rule in spec.get(direction) or ():
                for port in rule.get("ports") or ():
                    port.setdefault("protocol", "TCP")
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def validate(self, obj: Obj) -> Iterator[Cause]:
        return _spec(objects.spec(obj), known=())

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        known = [text for _, block in _blocks(objects.spec(old)) for _, text in _ranges("", block)]
        return _spec(objects.spec(new), known)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        for path, block in _blocks(objects.spec(new)):
            for at, text in _ranges(path, block):
                yield from formats.cidr_warnings(at, text)


def _spec(spec: Obj, known: Collection[str]) -> Iterator[Cause]:
    """`known`: ranges the stored object has already, which are not looked at again."""
    yield from metadata.label_selector("spec.podSelector", spec.get("podSelector"))
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate(spec.get(direction) or ()):
            at = f"spec.{direction}[{index}]"
            for position, port in enumerate(rule.get("ports") or ()):
                yield from _port(f"{at}.ports[{position}]", port)
            for position, peer in enumerate(rule.get(peers) or ()):
                yield from _peer(f"{at}.{peers}[{position}]", peer, known)
    types = spec.get("policyTypes") or ()
    if len(types) > len(_TYPES):
        yield fields.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for index, type_ in enumerate(types):
        if type_ not in _TYPES:
            yield fields.not_supported(f"spec.policyTypes[{index}]", type_, _TYPES, in_order=True)


def _port(at: str, port: Obj) -> Iterator[Cause]:
    protocol, number, end = port.get("protocol"), port.get("port"), port.get("endPort")
    if protocol not in _PROTOCOLS:
        yield fields.not_supported(f"{at}.protocol", protocol, _PROTOCOLS, in_order=True)
    if number is None:
        if end is not None:
            yield fields.invalid(f"{at}.endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(number, int):
        yield from (fields.invalid(f"{at}.port", number, problem) for problem in formats.port_number(number))
        if end is not None:
            if end < number:
                yield fields.invalid(f"{at}.endPort", number, "must be greater than or equal to `port`")
            yield from (fields.invalid(f"{at}.endPort", end, problem) for problem in formats.port_number(end))
    else:
        if end is not None:
            yield fields.invalid(f"{at}.endPort", end, "may not be specified when `port` is non-numeric")
        yield from (fields.invalid(f"{at}.port", number, problem) for problem in formats.port_name(number))


def _peer(at: str, peer: Obj, known: Collection[str]) -> Iterator[Cause]:
    selectors = [name for name in ("podSelector", "namespaceSelector") if peer.get(name) is not None]
    for name in selectors:
        yield from metadata.label_selector(f"{at}.{name}", peer[name])
    block = peer.get("ipBlock")
    if block is not None:
        yield from _ip_block(f"{at}.ipBlock", block, known)
        if selectors:
            yield fields.forbidden(at, "may not specify both ipBlock and another peer")
    elif not selectors:
        yield fields.required(at, "must specify a peer")


def _ip_block(at: str, block: Obj, known: Collection[str]) -> Iterator[Cause]:
    if not block.get("cidr"):
        yield fields.required(f"{at}.cidr")
        return
    whole = formats.parse_cidr(block["cidr"])
    for path, text in _ranges(at, block):
        if text not in known:
            yield from (fields.invalid(path, text, problem) for problem in formats.cidr_legacy(text))
        part = formats.parse_cidr(text)
        if whole is None:
            return
        if path == f"{at}.cidr" or part is None:
            continue
        inside = part.version == whole.version and part.network_address in whole
        if not inside or whole.prefixlen >= part.prefixlen:
            yield fields.invalid(path, text, "must be a strict subset of `cidr`")


def _blocks(spec: Obj) -> Iterator[tuple[str, Obj]]:
    """Every ipBlock with its path."""
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate(spec.get(direction) or ()):
            for position, peer in enumerate(rule.get(peers) or ()):
                if peer.get("ipBlock") is not None:
                    yield f"spec.{direction}[{index}].{peers}[{position}].ipBlock", peer["ipBlock"]


def _ranges(at: str, block: Obj) -> Iterator[tuple[str, str]]:
    """(path, text) of a block's range and of the exceptions from it."""
    yield f"{at}.cidr", block["cidr"]
    for index, text in enumerate(block.get("except") or ()):
        yield f"{at}.except[{index}]", text
