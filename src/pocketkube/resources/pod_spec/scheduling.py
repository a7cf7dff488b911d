"""Where a pod may run: affinity, tolerations, spreading.

Models validateAffinity, ValidateTolerations and validateTopologySpreadConstraints (pkg/apis/core/validation).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.selectors import label_value_errors

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_UNSATISFIABLE: Final = ("DoNotSchedule", "ScheduleAnyway")
_WEIGHT: Final = "must be in the range 1-100"


def affinity(path: str, found: Obj) -> Iterator[Cause]:
    """Field errors of spec.affinity."""
    node = found.get("nodeAffinity") or {}
    if node.get(_REQUIRED) is not None:
        yield from node_selector(f"{path}.nodeAffinity.{_REQUIRED}", node[_REQUIRED])
    for index, term in enumerate(node.get(_PREFERRED) or ()):
        at = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
        yield from _weight(f"{at}.weight", term.get("weight", 0))
        yield from _node_term(f"{at}.preference", term.get("preference") or {}, values=False)
    for name in ("podAffinity", "podAntiAffinity"):
        pods = found.get(name) or {}
        for index, term in enumerate(pods.get(_REQUIRED) or ()):
            yield from _pod_term(f"{path}.{name}.{_REQUIRED}[{index}]", term)
        for index, weighted in enumerate(pods.get(_PREFERRED) or ()):
            at = f"{path}.{name}.{_PREFERRED}[{index}]"
            yield from _weight(f"{at}.weight", weighted.get("weight", 0))
            yield from _pod_term(f"{at}.podAffinityTerm", weighted.get("podAffinityTerm") or {})


def _weight(path: str, weight: int) -> Iterator[Cause]:
    if not 0 < weight <= 100:
        yield fields.invalid(path, weight, _WEIGHT)


def node_selector(path: str, selector: Obj) -> Iterator[Cause]:
    """Field errors of a NodeSelector."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        yield fields.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from _node_term(f"{path}.nodeSelectorTerms[{index}]", term, values=True)


def _node_term(path: str, term: Obj, *, values: bool) -> Iterator[Cause]:
    for index, requirement in enumerate(term.get("matchExpressions") or ()):
        yield from _node_expression(f"{path}.matchExpressions[{index}]", requirement, values=values)
    for index, requirement in enumerate(term.get("matchFields") or ()):
        yield from _node_field(f"{path}.matchFields[{index}]", requirement)


def _node_expression(at: str, requirement: Obj, *, values: bool) -> Iterator[Cause]:
    operator, given = requirement.get("operator", ""), requirement.get("values") or ()
    if operator in ("In", "NotIn"):
        if not given:
            yield fields.required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if given:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield fields.forbidden(f"{at}.values", why)
    elif operator in ("Gt", "Lt"):
        if len(given) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            yield fields.required(f"{at}.values", why)
    else:
        yield fields.invalid(f"{at}.operator", operator, "not a valid selector operator")
    for problem in formats.qualified_name(requirement.get("key", "")):
        yield fields.invalid(f"{at}.key", requirement.get("key", ""), problem)
    for index, value in enumerate(given if values else ()):
        for problem in label_value_errors(value):
            yield fields.invalid(f"{at}.values[{index}]", value, problem)


def _node_field(at: str, requirement: Obj) -> Iterator[Cause]:
    operator, given = requirement.get("operator", ""), requirement.get("values") or ()
    if operator not in ("In", "NotIn"):
        yield fields.invalid(f"{at}.operator", operator, "not a valid selector operator")
    elif len(given) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield fields.required(f"{at}.values", why)
    if requirement.get("key") != "metadata.name":
        yield fields.invalid(f"{at}.key", requirement.get("key", ""), "not a valid field selector key")
        return
    for index, value in enumerate(given):
        for problem in formats.dns1123_subdomain(value):
            yield fields.invalid(f"{at}.values[{index}]", value, problem)


def _pod_term(at: str, term: Obj) -> Iterator[Cause]:
    yield from metadata.label_selector(f"{at}.labelSelector", term.get("labelSelector"))
    yield from metadata.label_selector(f"{at}.namespaceSelector", term.get("namespaceSelector"))
    for name in term.get("namespaces") or ():
        for problem in formats.dns1123_label(name):
            yield fields.invalid(f"{at}.namespace", name, problem)
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        yield from _label_keys(f"{at}.{name}", term.get(name) or (), term.get("labelSelector"))
    yield from _named_twice(at, term.get("matchLabelKeys") or (), term.get("labelSelector") or {})
    for index, key in enumerate(term.get("matchLabelKeys") or ()):
        if key in (term.get("mismatchLabelKeys") or ()):
            why = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield fields.invalid(f"{at}.matchLabelKeys[{index}]", key, why)
    topology = term.get("topologyKey", "")
    if not topology:
        yield fields.required(f"{at}.topologyKey", "can not be empty")
    for problem in formats.qualified_name(topology):
        yield fields.invalid(f"{at}.topologyKey", topology, problem)


def _label_keys(path: str, keys: Iterable[str], selector: Obj | None) -> Iterator[Cause]:
    keys = list(keys)
    if keys and selector is None:
        yield fields.forbidden(path, "must not be specified when labelSelector is not set")
        return
    for index, key in enumerate(keys):
        for problem in formats.qualified_name(key):
            yield fields.invalid(f"{path}[{index}]", key, problem)


def _named_twice(at: str, keys: Iterable[str], selector: Obj) -> Iterator[Cause]:
    """Keys of matchLabelKeys that the selector asked for before they were written into it (`labelkeys.merge`)."""
    where = {key: index for index, key in enumerate(keys)}
    known = set(selector.get("matchLabels") or ())
    for expression in selector.get("matchExpressions") or ():
        key = expression.get("key", "")
        if key in where and key in known:
            yield fields.invalid(f"{at}[{where[key]}]", key, "exists in both matchLabelKeys and labelSelector")
        known.add(key)


def tolerations(path: str, found: Iterable[Obj]) -> Iterator[Cause]:
    """Field errors of spec.tolerations."""
    for index, toleration in enumerate(found):
        at, key = f"{path}[{index}]", toleration.get("key", "")
        operator, value, effect = (toleration.get(name, "") for name in ("operator", "value", "effect"))
        for problem in formats.qualified_name(key) if key else ():
            yield fields.invalid(f"{at}.key", key, problem)
        if not key and operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield fields.invalid(f"{at}.operator", operator, why)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            yield fields.invalid(f"{at}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        if operator in ("", "Equal"):
            if problems := label_value_errors(value):
                yield fields.invalid(f"{at}.operator", value, ";".join(problems))
        elif operator == "Exists":
            if value:
                yield fields.invalid(f"{at}.operator", value, "value must be empty when `operator` is 'Exists'")
        else:
            supported = ("Equal", "Exists", "Lt", "Gt") if operator in ("Lt", "Gt") else ("Equal", "Exists")
            yield fields.not_supported(f"{at}.operator", operator, supported, in_order=True)
        if effect and effect not in _EFFECTS:
            yield fields.not_supported(f"{at}.effect", effect, _EFFECTS, in_order=True)


def spread(path: str, constraints: list[Obj]) -> Iterator[Cause]:
    """Field errors of spec.topologySpreadConstraints."""
    for index, constraint in enumerate(constraints):
        at, skew, key = f"{path}[{index}]", constraint.get("maxSkew", 0), constraint.get("topologyKey", "")
        action, minimum = constraint.get("whenUnsatisfiable", ""), constraint.get("minDomains")
        if skew <= 0:
            yield fields.invalid(f"{at}.maxSkew", skew, formats.POSITIVE)
        if not key:
            yield fields.required(f"{at}.topologyKey", "can not be empty")
        if not action:
            yield fields.required(f"{at}.whenUnsatisfiable", "can not be empty")
        elif action not in _UNSATISFIABLE:
            yield fields.not_supported(f"{at}.whenUnsatisfiable", action, _UNSATISFIABLE)
        for later in constraints[index + 1 :]:
            if (later.get("topologyKey", ""), later.get("whenUnsatisfiable", "")) == (key, action):
                shown = f"{{{key}, {action}}}"
                yield fields.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", shown)
                break
        if minimum is not None:
            if minimum <= 0:
                yield fields.invalid(f"{at}.minDomains", minimum, formats.POSITIVE)
            if action != "DoNotSchedule":
                why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                yield fields.invalid(f"{at}.minDomains", minimum, why)
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = constraint.get(name)
            if policy is not None and policy not in ("Honor", "Ignore"):
                yield fields.not_supported(f"{at}.{name}", policy, ("Honor", "Ignore"))
        selector = constraint.get("labelSelector")
        yield from _label_keys(f"{at}.matchLabelKeys", constraint.get("matchLabelKeys") or (), selector)
        yield from _named_twice(at, constraint.get("matchLabelKeys") or (), selector or {})
        yield from metadata.label_selector(f"{at}.labelSelector", selector)


def only_added(path: str, new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of changed tolerations: those that were there must stay, except for how long they tolerate."""
    after = [_without_seconds(t) for t in objects.spec(new).get("tolerations") or ()]
    for toleration in objects.spec(old).get("tolerations") or ():
        if _without_seconds(toleration) not in after:
            yield fields.forbidden(path, "existing toleration can not be modified except its tolerationSeconds")
            return
    yield from tolerations(path, objects.spec(new).get("tolerations") or ())


def _without_seconds(toleration: Obj) -> Obj:
    return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}
