"""What pods and templates are warned about.

Models warningsForPodSpecAndMeta (pkg/api/pod/warnings.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import objects, quantity
from pocketkube.objects import Obj
from pocketkube.resources import formats, nodelabels
from pocketkube.resources.pod_spec import annotated_profiles, visiting, volume_warnings

_ANNOTATIONS: Final = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_NO_SELECTOR: Final = "a null labelSelector results in matching no pod"


def of_template(path: str, template: Obj) -> Iterator[str]:
    """Warnings about a pod template at `path`."""
    yield from _warnings(f"{path}.", template)


def of_pod(pod: Obj) -> Iterator[str]:
    """Warnings about a new pod."""
    name = objects.name(pod)
    if problems := formats.dns1123_label(name):
        yield (
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(problems)}]"
        )
    yield from _warnings("", pod)


def _node_affinity(path: str, affinity: Obj) -> Iterator[str]:
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    at = f"{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    yield from nodelabels.terms_warnings(at, required.get("nodeSelectorTerms") or ())
    for index, weighted in enumerate(affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference"
        yield from nodelabels.term_warnings(at, weighted.get("preference") or {}, values=True)


def _warnings(path: str, obj: Obj) -> Iterator[str]:
    spec = objects.spec(obj)
    for key in spec.get("nodeSelector") or {}:
        if key in nodelabels.DEPRECATED:
            yield f"{path}spec.nodeSelector[{key}]: {nodelabels.DEPRECATED[key]}"
    yield from _node_affinity(f"{path}spec.affinity.nodeAffinity", objects.dig(spec, "affinity", "nodeAffinity") or {})
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        at, key = f"{path}spec.topologySpreadConstraints[{index}]", constraint.get("topologyKey", "")
        if key in nodelabels.DEPRECATED:
            yield f"{at}.topologyKey: {key} is {nodelabels.DEPRECATED[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{at}.labelSelector: {_NO_SELECTOR}"
    for key, text in _ANNOTATIONS.items():
        if key in objects.annotations(obj):
            yield f"{path}metadata.annotations[{key}]: {text}"
    yield from volume_warnings.of_volumes(f"{path}spec.volumes", spec.get("volumes") or ())
    yield from _duplicates(f"{path}spec.hostAliases", spec.get("hostAliases") or (), "ip")
    yield from _duplicates(f"{path}spec.imagePullSecrets", spec.get("imagePullSecrets") or (), "name")
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield f'{path}spec.imagePullSecrets[{index}].name: invalid empty name ""'
    storage = (spec.get("overhead") or {}).get("ephemeral-storage")
    if storage is not None:
        yield from _fraction(f"{path}spec.overhead[ephemeral-storage]", storage)
    yield from annotated_profiles.warnings(path, obj)
    for at, container in visiting.containers(f"{path}spec", spec):
        yield from _fractions(at, container)
        yield from _hidden(at, container)
    yield from _ports(path, spec)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        yield (
            f"{path}spec.terminationGracePeriodSeconds: must be >= 0; "
            "negative values are invalid and will be treated as 1"
        )
    yield from _affinity(path, spec)
    for index, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        yield from formats.ip_warnings(f"{path}spec.dnsConfig.nameservers[{index}]", server)
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        yield from formats.ip_warnings(f"{path}spec.hostAliases[{index}].ip", alias.get("ip", ""))


def _duplicates(path: str, items: tuple[Obj, ...] | list[Obj], name: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = item.get(name, "")
        if value in seen:
            yield f'{path}[{index}].{name}: duplicate {name} "{value}"'
        seen.add(value)


def _fractions(at: str, container: Obj) -> Iterator[str]:
    resources = container.get("resources") or {}
    for name in ("memory", "ephemeral-storage"):
        for side in ("limits", "requests"):
            amount = (resources.get(side) or {}).get(name)
            if amount is not None:
                yield from _fraction(f"{at}.resources.{side}[{name}]", amount)


def _fraction(at: str, amount: str) -> Iterator[str]:
    if quantity.milli(amount) % 1000:
        yield f'{at}: fractional byte value "{quantity.canonical(amount)}" is invalid, must be an integer'


def _hidden(at: str, container: Obj) -> Iterator[str]:
    """Variables that replace an earlier one of the same name without building on it."""
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name", ""), variable.get("value", "")
        reference = f"$({name})"
        builds_on = variable.get("valueFrom") is None and reference in value and value != reference
        if name in seen and not builds_on:
            yield f'{at}.env[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(path: str, spec: Obj) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, Obj]]] = {}
    for at, container in visiting.containers(f"{path}spec", spec):
        for index, port in enumerate(container.get("ports") or ()):
            here = f"{at}.ports[{index}]"
            earlier = known.setdefault((port.get("containerPort", 0), port.get("protocol", "")), [])
            for where, other in earlier:
                yield from _clash(here, port, where, other)
            earlier.append((here, port))
    names: dict[str, str] = {}
    for at, container in visiting.containers(f"{path}spec", spec):
        for index, port in enumerate(container.get("ports") or ()):
            here, name = f"{at}.ports[{index}]", port.get("name", "")
            if name in names:
                first = names[name]
                yield (
                    f'{here}: duplicate port name "{name}" with {first}, '
                    f"services and probes that select ports by name will use {first}"
                )
            elif name:
                names[name] = here


def _clash(here: str, port: Obj, where: str, other: Obj) -> Iterator[str]:
    ips, ports = [[p.get(name) for p in (port, other)] for name in ("hostIP", "hostPort")]
    if (ips[0] or "") == (ips[1] or "") and (ports[0] or 0) == (ports[1] or 0):
        yield f"{here}: duplicate port definition with {where}"
    elif not ports[0] or not ports[1]:
        yield f"{here}: overlapping port definition with {where}"
    elif ports[0] == ports[1] and bool(ips[0]) != bool(ips[1]):
        yield f"{here}: dangerously ambiguous port definition with {where}"


def _affinity(path: str, spec: Obj) -> Iterator[str]:
    for name in ("podAffinity", "podAntiAffinity"):
        terms = (spec.get("affinity") or {}).get(name) or {}
        at = f"{path}spec.affinity.{name}"
        for index, term in enumerate(terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
            if term.get("labelSelector") is None:
                yield f"{at}.requiredDuringSchedulingIgnoredDuringExecution[{index}].labelSelector: {_NO_SELECTOR}"
        for index, weighted in enumerate(terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                where = f"preferredDuringSchedulingIgnoredDuringExecution[{index}].podAffinityTerm"
                yield f"{at}.{where}.labelSelector: {_NO_SELECTOR}"
