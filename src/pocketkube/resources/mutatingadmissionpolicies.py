"""MutatingAdmissionPolicies: expressions that change what is written.

Models pkg/registry/admissionregistration/mutatingadmissionpolicy and ValidateMutatingAdmissionPolicy*. A policy does
nothing without a binding; that is admission/policies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec import policies
from pocketkube.resources.admission_spec.expressions import OBJECT, PATCHES, Compiler
from pocketkube.resources.base import Column
from pocketkube.resources.columns import AGE, NAME, described

REINVOCATION: Final = ("IfNeeded", "Never")
_FIELDS: Final = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
_RETURNS: Final = {"applyConfiguration": OBJECT, "jsonPatch": PATCHES}
_ABOUT: Final = "Mutation indicates the number of mutations rules defined in this configuration"


class RESOURCE(policies.AdmissionPolicy):
    kind = "MutatingAdmissionPolicy"
    plural = "mutatingadmissionpolicies"
    counted = "mutations"
    columns = described(
        "*",
        NAME,
        Column("Mutations", type="integer", description=_ABOUT),
        policies.param_kind_column(),
        AGE,
    )

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from self.subjects(spec)
        yield from policies.mutating_operations(spec.get("matchConstraints"), "spec.matchConstraints")
        yield from self.conditions(spec)
        compiler = Compiler(params=spec.get("paramKind") is not None, variables=True, patches=True)
        yield from policies.variables(spec, compiler)
        if not spec.get("mutations"):
            yield fields.required("spec.mutations", "mutations must contain at least one item")
        for index, mutation in enumerate(spec.get("mutations") or ()):
            yield from _mutation(mutation, compiler, f"spec.mutations[{index}]")
        again = spec.get("reinvocationPolicy") or ""
        if not again:
            yield fields.required("spec.reinvocationPolicy")
        elif again not in REINVOCATION:
            yield fields.not_supported("spec.reinvocationPolicy", again, REINVOCATION)


def _mutation(mutation: Obj, compiler: Compiler, at: str) -> Iterator[Cause]:
    type_ = mutation.get("patchType") or ""
    if not type_:
        yield fields.required(f"{at}.patchType")
        return
    if type_ not in _FIELDS:
        yield fields.not_supported(f"{at}.patchType", type_, _FIELDS)
        return
    field = _FIELDS[type_]
    given = mutation.get(field)
    if given is None:
        yield fields.required(f"{at}.{field}", f"must be specified when patchType is {type_}")
    else:
        text = (given.get("expression") or "").strip()
        if not text:
            yield fields.required(f"{at}.{field}.expression")
        else:
            yield from policies.problem(f"{at}.{field}.expression", compiler.compile(text, _RETURNS[field]))
    for other in _FIELDS.values():
        if other != field and mutation.get(other) is not None:
            yield fields.invalid(f"{at}.{other}", f"{{{other}}}", f"must not be specified when patchType is {type_}")
