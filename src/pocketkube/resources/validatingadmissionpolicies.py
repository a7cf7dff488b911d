"""ValidatingAdmissionPolicies: expressions that must be true of what is written.

Models pkg/registry/admissionregistration/validatingadmissionpolicy and ValidateValidatingAdmissionPolicy*. A policy
does nothing without a binding; that is admission/policies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.fieldmanager.fieldsets import Set
from pocketkube.objects import Obj
from pocketkube.resources import conditions, formats, metadata
from pocketkube.resources.admission_spec import policies
from pocketkube.resources.admission_spec.expressions import BOOL, NULL, STRING, Compiler, Names
from pocketkube.resources.base import Column
from pocketkube.resources.columns import AGE, NAME, described

REASONS: Final = ("Forbidden", "Invalid", "RequestEntityTooLarge")
MOST_ANNOTATIONS: Final = 20
LONGEST_ANNOTATION: Final = 5 * 1024
_ABOUT: Final = "Validations indicates the number of validation rules defined in this configuration"
_NEITHER: Final = "validations or auditAnnotations must contain at least one item"


class RESOURCE(policies.AdmissionPolicy):
    kind = "ValidatingAdmissionPolicy"
    plural = "validatingadmissionpolicies"
    has_status = True
    counted = "validations"
    columns = described(
        "*",
        NAME,
        Column("Validations", type="integer", description=_ABOUT),
        policies.param_kind_column(),
        AGE,
    )

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from self.subjects(spec)
        yield from self.conditions(spec)
        composed = bool(spec.get("variables"))
        names = Names(spec.get("paramKind") is not None, True, composed)
        compiler = Compiler(params=names.params, variables=composed)
        yield from policies.variables(spec, compiler)
        if not spec.get("validations") and not spec.get("auditAnnotations"):
            yield fields.required("spec.validations", _NEITHER)
            yield fields.required("spec.auditAnnotations", _NEITHER)
        for index, validation in enumerate(spec.get("validations") or ()):
            yield from _validation(validation, compiler, names, f"spec.validations[{index}]")
        yield from _annotations(obj, compiler)

    def prepare_status(self, new: Obj, old: Obj) -> None:
        metadata.keep(new, old)

    def reset_fields(self, subresource: str) -> Set:
        return {"f:spec": {}, "f:metadata": {}} if subresource == "status" else super().reset_fields(subresource)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        checked = objects.status(new).get("typeChecking") or {}
        for index, warning in enumerate(checked.get("expressionWarnings") or ()):
            at = f"status.typeChecking.expressionWarnings[{index}]"
            if not warning.get("warning"):
                yield fields.required(f"{at}.warning")
            if not (warning.get("fieldRef") or "").strip():
                yield fields.required(f"{at}.fieldRef")
        yield from conditions.validate("status.conditions", objects.status(new).get("conditions") or [])


def _validation(validation: Obj, compiler: Compiler, names: Names, at: str) -> Iterator[Cause]:
    text, message = validation.get("expression") or "", validation.get("message") or ""
    if not text.strip():
        yield fields.required(f"{at}.expression", "expression is not specified")
    else:
        yield from policies.problem(f"{at}.expression", compiler.compile(text, BOOL))
    made = validation.get("messageExpression") or ""
    if made and not made.strip():
        yield fields.invalid(f"{at}.messageExpression", made, "must be non-empty if specified")
    elif made:
        compiled = compiler.compile(made, STRING, names=names._replace(authorizer=False))
        yield from policies.problem(f"{at}.messageExpression", compiled)
    if message and not message.strip():
        yield fields.invalid(f"{at}.message", message, "must be non-empty if specified")
    elif re.search(r"[\n\r]", message.strip()):
        yield fields.invalid(f"{at}.message", message, "must not contain line breaks")
    reason = validation.get("reason")
    if reason is not None and reason not in REASONS:
        yield fields.not_supported(f"{at}.reason", reason, REASONS)


def _annotations(obj: Obj, compiler: Compiler) -> Iterator[Cause]:
    annotations: list[Any] = objects.spec(obj).get("auditAnnotations") or []
    name, keys = objects.name(obj), [one.get("key") or "" for one in annotations]
    if len(annotations) > MOST_ANNOTATIONS:
        text = f"must not have more than {MOST_ANNOTATIONS} auditAnnotations"
        yield fields.invalid("spec.auditAnnotations", annotations, text)
    for index, annotation in enumerate(annotations):
        at, key, text = f"spec.auditAnnotations[{index}]", keys[index], annotation.get("valueExpression") or ""
        if name:
            for problem in formats.qualified_name(f"{name}/{key}"):
                yield fields.invalid(f"{at}.key", f"{name}/{key}", problem)
        else:
            yield fields.invalid(f"{at}.key", key, "requires metadata.name be non-empty")
        trimmed = text.strip()
        if not trimmed:
            yield fields.required(f"{at}.valueExpression", "valueExpression is not specified")
        elif len(trimmed.encode()) > LONGEST_ANNOTATION:
            yield fields.required(f"{at}.valueExpression", f"must not exceed {LONGEST_ANNOTATION} bytes in length")
        else:
            compiled = compiler.compile(trimmed, STRING, NULL)
            yield from policies.problem(f"{at}.valueExpression", compiled, text)
        if key in keys[:index]:
            yield fields.duplicate(f"{at}.key", key)
