"""What admission policies and their bindings have in common: what they are about, parameters, conditions, variables.

Models pkg/apis/admissionregistration/{v1/defaults.go,validation}. Left out: expressions that were valid in an older
version stay so (no policy here is older than these rules).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.admission_spec.expressions import Compiled, Compiler
from pocketkube.resources.admission_spec.registration import FAILURE_POLICIES, MATCH_POLICIES, Registration
from pocketkube.resources.base import Column
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.webhooks import conditions, rules

MUTATING_OPERATIONS: Final = ("*", "CONNECT", "CREATE", "UPDATE")
_PARAM_KIND: Final = "ParamKind specifies the kind of resources used to parameterize this policy"
_BOUND: Final = "PolicyName indicates the policy definition which the policy binding binded to"
_PARAM_REF: Final = "ParamRef indicates the param resource which sets the configuration param"
_UNSET: Final = "<unset>"
_RESERVED: Final = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)


class AdmissionPolicy(Registration):
    counted: ClassVar[str]
    """The field whose items the second column counts."""

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        kind = spec.get("paramKind")
        shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind is not None else _UNSET
        return [objects.name(obj), len(spec.get(self.counted) or ()), shown, age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("failurePolicy") is None:
            spec["failurePolicy"] = "Fail"
        _default_match(spec.get("matchConstraints"))

    def subjects(self, spec: Obj) -> Iterator[Cause]:
        """Field errors of what a policy is about and when; its expressions come after that."""
        policy = spec.get("failurePolicy")
        if policy not in FAILURE_POLICIES:
            yield fields.not_supported("spec.failurePolicy", policy, FAILURE_POLICIES)
        if spec.get("paramKind") is not None:
            yield from _param_kind(spec["paramKind"], "spec.paramKind")
        constraints = spec.get("matchConstraints")
        if constraints is None:
            yield fields.required("spec.matchConstraints")
            return
        yield from match_resources(constraints, "spec.matchConstraints")
        if not constraints.get("resourceRules"):
            yield fields.required("spec.matchConstraints.resourceRules")

    def conditions(self, spec: Obj) -> Iterator[Cause]:
        has_params = spec.get("paramKind") is not None
        yield from conditions.validate(spec.get("matchConditions") or [], "spec.matchConditions", params=has_params)


class AdmissionPolicyBinding(Registration):
    columns = described(
        "*",
        NAME,
        Column("PolicyName", description=_BOUND),
        Column("ParamRef", description=_PARAM_REF),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        shown, ref = _UNSET, spec.get("paramRef")
        if ref is not None and ref.get("name"):
            shown = f"{ref.get('namespace') or '*'}/{ref['name']}"
        elif ref is not None and ref.get("selector") is not None:
            shown = _go_selector(ref["selector"])
        return [objects.name(obj), spec.get("policyName", ""), shown, age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        _default_match(obj.setdefault("spec", {}).get("matchResources"))

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        name = spec.get("policyName") or ""
        if not name:
            yield fields.required("spec.policyName")
        for problem in formats.dns1123_subdomain(name) if name else ():
            yield fields.invalid("spec.policyName", name, problem)
        if spec.get("paramRef") is not None:
            yield from _param_ref(spec["paramRef"], "spec.paramRef")
        if spec.get("matchResources") is not None:
            yield from match_resources(spec["matchResources"], "spec.matchResources")


def param_kind_column() -> Column:
    return Column("ParamKind", description=_PARAM_KIND)


def _default_match(match: Obj | None) -> None:
    if match is None:
        return
    for field, value in (("matchPolicy", "Equivalent"), ("namespaceSelector", {}), ("objectSelector", {})):
        if match.get(field) is None:
            match[field] = value
    for rule in [*(match.get("resourceRules") or ()), *(match.get("excludeResourceRules") or ())]:
        rules.default(rule)


def match_resources(match: Obj, at: str) -> Iterator[Cause]:
    policy = match.get("matchPolicy")
    if policy not in MATCH_POLICIES:
        yield fields.not_supported(f"{at}.matchPolicy", policy, MATCH_POLICIES)
    for field in ("namespaceSelector", "objectSelector"):
        yield from metadata.label_selector(f"{at}.{field}", match.get(field))
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(field) or ()):
            here, names = f"{at}.{field}[{index}]", rule.get("resourceNames") or []
            for position, name in enumerate(names):
                for problem in formats.path_segment(name):
                    yield fields.invalid(f"{here}.resourceNames[{position}]", name, problem)
                if name in names[:position]:
                    yield fields.duplicate(f"{here}.resourceNames[{position}]", name)
            yield from rules.validate(rule, here)


def mutating_operations(match: Obj | None, at: str) -> Iterator[Cause]:
    """Deletions cannot be mutated."""
    for rule in (match or {}).get("resourceRules") or ():
        for operation in rule.get("operations") or ():
            if operation not in MUTATING_OPERATIONS:
                yield fields.not_supported(f"{at}.resourceRules.operations", operation, MUTATING_OPERATIONS)


def variables(spec: Obj, compiler: Compiler) -> Iterator[Cause]:
    for index, variable in enumerate(spec.get("variables") or ()):
        at, name, text = f"spec.variables[{index}]", variable.get("name") or "", variable.get("expression") or ""
        if not name.strip():
            yield fields.required(f"{at}.name", "name is not specified")
        elif name in _RESERVED or not re.fullmatch(r"[_a-zA-Z][_a-zA-Z0-9]*", name):
            yield fields.invalid(f"{at}.name", name, "must be a valid CEL identifier")
        if not text.strip():
            yield fields.required(f"{at}.expression", "expression is not specified")
        else:
            yield from problem(f"{at}.expression", compiler.variable(name, text))


def problem(at: str, compiled: Compiled, shown: str | None = None) -> Iterator[Cause]:
    """What is wrong with an expression. `shown`: the field's value, where that is not what was compiled."""
    if compiled.problem:
        yield fields.invalid(at, compiled.text if shown is None else shown, compiled.problem)


def _param_kind(kind: Obj, at: str) -> Iterator[Cause]:
    version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    group, slash, short = version.rpartition("/")
    if not version:
        yield fields.required(f"{at}.apiVersion")
    elif version.count("/") > 1:
        yield fields.invalid(f"{at}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    else:
        if slash and group and (wrong := formats.dns1123_subdomain(group)):
            yield fields.invalid(f"{at}.apiVersion", group, ",".join(wrong))
        if not short:
            yield fields.invalid(f"{at}.apiVersion", version, "version must be specified")
        elif wrong := formats.dns1035_label(short):
            yield fields.invalid(f"{at}.apiVersion", short, ",".join(wrong))
    if not name:
        yield fields.required(f"{at}.kind")
    elif wrong := formats.dns1035_label(name.lower()):
        text = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
        yield fields.invalid(f"{at}.kind", name, text)


def _param_ref(ref: Obj, at: str) -> Iterator[Cause]:
    name, selector, action = ref.get("name") or "", ref.get("selector"), ref.get("parameterNotFoundAction")
    exclusive = "name and selector are mutually exclusive"
    if name:
        for wrong in formats.path_segment(name):
            yield fields.invalid(f"{at}.name", name, wrong)
        if selector is not None:
            yield fields.forbidden(f"{at}.name", exclusive)
    if selector is not None:
        yield from metadata.label_selector(f"{at}.selector", selector)
        if name:
            yield fields.forbidden(f"{at}.selector", exclusive)
    if not name and selector is None:
        yield fields.required(at, "one of name or selector must be specified")
    if not action:
        yield fields.required(f"{at}.parameterNotFoundAction")
    elif action not in ("Deny", "Allow"):
        yield fields.not_supported(f"{at}.parameterNotFoundAction", action, ("Deny", "Allow"), in_order=True)


def _go_selector(selector: Obj) -> str:
    """A LabelSelector as Go prints the struct."""
    labels = ",".join(f"{name}: {value}" for name, value in sorted((selector.get("matchLabels") or {}).items()))
    shown = "".join(
        f"LabelSelectorRequirement{{Key:{one.get('key', '')},Operator:{one.get('operator', '')},"
        f"Values:[{' '.join(one.get('values') or ())}],}},"
        for one in selector.get("matchExpressions") or ()
    )
    named = f"map[string]string{{{labels},}}" if labels else "map[string]string{}"
    return f"&LabelSelector{{MatchLabels:{named},MatchExpressions:[]LabelSelectorRequirement{{{shown}}},}}"
