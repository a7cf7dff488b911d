"""ValidatingAdmissionPolicies, asked: what their expressions say, and what comes of it by the bindings.

Models apiserver/pkg/admission/plugin/policy/validating/{dispatcher,validator}.go. Left out: audit annotations and the
action Audit, as there is no audit log; an annotation that cannot be evaluated refuses a request as upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pocketkube import objects
from pocketkube.admission.expressions import (
    NO_BUDGET,
    Inputs,
    OutOfBudget,
    Unmatched,
    compile_conditions,
    conditions_hold,
    namespace_of,
)
from pocketkube.admission.matching import Attributes
from pocketkube.admission.policies.source import Hook, Kinds, bound, shown_name
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec.authorizer import Authorize
from pocketkube.resources.admission_spec.expressions import BOOL, NULL, STRING, Compiled, Compiler, Names

_CODES: Final = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}
_LONGEST_MESSAGE: Final = 5 * 1024


@dataclass
class Validator:
    """A compiled policy."""

    conditions: list[Compiled]
    variables: dict[str, Compiled]
    validations: list[tuple[Obj, Compiled, Compiled | None]]
    """With what makes the message."""
    annotations: list[tuple[Obj, Compiled]]


class Denial(NamedTuple):
    hook: Hook[Validator]
    binding: Obj | None
    message: str
    reason: str = "Invalid"


def compile_policy(policy: Obj) -> Validator:
    spec = policy["spec"]
    names = Names(spec.get("paramKind") is not None, authorizer=True, variables=True)
    compiler = Compiler(params=names.params, variables=True)
    variables = compiler.variables(spec.get("variables") or ())
    validations = []
    for one in spec.get("validations") or ():
        text = one.get("messageExpression") or ""
        message = compiler.compile(text, STRING, names=names._replace(authorizer=False)) if text.strip() else None
        validations.append((one, compiler.compile(one["expression"], BOOL), message))
    return Validator(
        compile_conditions(spec.get("matchConditions") or (), params=names.params),
        variables,
        validations,
        [
            (one, compiler.compile(one["valueExpression"].strip(), STRING, NULL))
            for one in spec.get("auditAnnotations") or ()
        ],
    )


def judge(
    world: Kinds,
    hooks: tuple[Hook[Validator], ...],
    request: Attributes,
    authorize: Authorize,
    warn: Callable[[str], None] | None,
) -> None:
    """Raises Forbidden, with the reason of the first denial."""
    denied: list[Denial] = []
    namespace = namespace_of(world, request)
    for hook in hooks:
        for found in bound(world, hook, request):
            binding, match = found.binding, found.match
            if binding is None or match is None:
                denied += [Denial(hook, binding, found.problem)] if hook.fails else []
                continue
            for param in found.params:
                inputs = Inputs(request, match, namespace, param, authorize, hook.evaluator.variables)
                for denial in _decisions(hook, binding, inputs):
                    actions = binding["spec"].get("validationActions") or ()
                    if "Deny" in actions:
                        denied.append(denial)
                    if "Warn" in actions and warn is not None:
                        whose = f"'{hook.name}' with binding '{objects.name(binding)}'"
                        warn(f"Validation failed for ValidatingAdmissionPolicy {whose}: {denial.message}")
                denied += _annotated(hook, binding, inputs)
    if denied:
        raise _refusal(request, denied[0])


def _decisions(hook: Hook[Validator], binding: Obj, inputs: Inputs) -> Iterator[Denial]:
    """What a policy has against a request, in one binding and with one set of parameters."""
    policy = hook.evaluator
    try:
        if not conditions_hold(policy.conditions, inputs, "Fail" if hook.fails else "Ignore"):
            inputs.skipped = True
            return
    except Unmatched as error:
        inputs.skipped = True
        yield Denial(hook, binding, str(error))
        return
    inputs.renew()
    found = []
    try:
        for validation, compiled, message in policy.validations:
            succeeded, said = inputs.evaluate(compiled)
            if not succeeded and hook.fails:
                found.append(Denial(hook, binding, said))
            elif succeeded and said is not True:
                text = _message(inputs, validation, message)
                found.append(Denial(hook, binding, text, validation.get("reason") or "Invalid"))
    except OutOfBudget:
        inputs.skipped = True
        found = [Denial(hook, binding, NO_BUDGET)] if hook.fails else []
    yield from found


def _message(inputs: Inputs, validation: Obj, compiled: Compiled | None) -> str:
    text: Any = ""
    if compiled is not None:
        succeeded, text = inputs.evaluate(compiled)
        text = text.strip() if succeeded and isinstance(text, str) else ""
    if "\n" in text or len(text.encode()) > _LONGEST_MESSAGE:
        text = ""
    text = text or (validation.get("message") or "").strip()
    return str(text) or f"failed expression: {validation['expression'].strip()}"


def _annotated(hook: Hook[Validator], binding: Obj, inputs: Inputs) -> Iterator[Denial]:
    """Annotations are written nowhere; one that fails refuses what the policy is asked about."""
    if inputs.skipped or not hook.fails:
        return
    inputs.renew()
    try:
        for _, compiled in hook.evaluator.annotations:
            succeeded, said = inputs.evaluate(compiled)
            if not succeeded:
                yield Denial(hook, binding, said)
    except OutOfBudget:
        yield Denial(hook, binding, NO_BUDGET)


def _refusal(request: Attributes, denial: Denial) -> Forbidden:
    whose = f"'{denial.hook.name}'"
    if denial.binding is not None:
        whose += f" with binding '{objects.name(denial.binding)}'"
    text = f"ValidatingAdmissionPolicy {whose} denied request: {denial.message}"
    refused = Forbidden.of(request.declared.qualified, shown_name(request), text)
    refused.code, refused.reason = _CODES[denial.reason], denial.reason
    refused.details = {**(refused.details or {}), "causes": [{"message": text}]}
    return refused
