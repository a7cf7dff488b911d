"""MutatingAdmissionPolicies, asked: what their mutations make of what is written, and who is asked again.

Models apiserver/pkg/admission/plugin/policy/mutating/{dispatcher,reinvocationcontext}.go. Left out: mutations of what
is not stored (a Scale, a Binding, an Eviction, the options of a connection); such requests pass as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

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
from pocketkube.admission.matching import Attributes, Match
from pocketkube.admission.policies.patches import Unpatched, apply_configuration, apply_json_patch
from pocketkube.admission.policies.source import Hook, Kinds, bound, shown_name
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec.authorizer import Authorize
from pocketkube.resources.admission_spec.expressions import OBJECT, PATCHES, Compiled, Compiler
from pocketkube.resources.base import Resource

Patch = Callable[[Resource, Obj, Any], Obj]


@dataclass
class Mutator:
    """A compiled policy."""

    conditions: list[Compiled]
    variables: dict[str, Compiled]
    mutations: list[tuple[Compiled, Patch]]


class Problem(NamedTuple):
    hook: Hook[Mutator]
    binding: Obj | None
    message: str
    reason: str = ""

    def __str__(self) -> str:
        if self.binding is None:
            return f'policy "{self.hook.name}" denied request: {self.message}'
        whose = f"'{self.hook.name}' with binding '{objects.name(self.binding)}'"
        return f"policy {whose} denied request: {self.message}"


Key = tuple[str, str, str, str]
"""Policy, binding, and the namespace and name of its parameters."""


@dataclass
class Reinvocation:
    """What of one request is remembered until the policies are asked about it again."""

    invoked: set[Key] = field(default_factory=set)
    """Those that want to be asked again when something changes after them."""
    due: set[Key] = field(default_factory=set)
    output: Obj | None = None

    def changed(self) -> None:
        self.due |= self.invoked
        self.invoked = set()


def compile_policy(policy: Obj) -> Mutator:
    spec = policy["spec"]
    has_params = spec.get("paramKind") is not None
    compiler = Compiler(params=has_params, variables=True, patches=True)
    variables = compiler.variables(spec.get("variables") or ())
    mutations: list[tuple[Compiled, Patch]] = []
    for one in spec.get("mutations") or ():
        if one["patchType"] == "JSONPatch":
            compiled = compiler.compile(one["jsonPatch"]["expression"].strip(), PATCHES)
            mutations.append((compiled, apply_json_patch))
        else:
            compiled = compiler.compile(one["applyConfiguration"]["expression"].strip(), OBJECT)
            mutations.append((compiled, apply_configuration))
    return Mutator(compile_conditions(spec.get("matchConditions") or (), params=has_params), variables, mutations)


def mutate(
    world: Kinds,
    hooks: tuple[Hook[Mutator], ...],
    request: Attributes,
    authorize: Authorize,
    memory: Reinvocation,
    *,
    again: bool,
) -> Obj:
    """The object of the request as the policies want it, itself where they leave it. Raises Forbidden."""
    problems: list[Problem] = []
    assert request.object is not None
    if again and memory.output != request.object:
        memory.changed()
    invocations: list[tuple[Hook[Mutator], Obj, Match, Obj | None]] = []
    for hook in hooks:
        for found in bound(world, hook, request):
            if found.binding is None or found.match is None:
                problems.append(Problem(hook, found.binding, found.problem))
            else:
                invocations += [(hook, found.binding, found.match, param) for param in found.params]
    namespace = namespace_of(world, request)
    before = request.object
    for hook, binding, match, param in invocations:
        inputs = Inputs(request, match, namespace, param, authorize, hook.evaluator.variables)
        key = (hook.name, objects.name(binding), *(objects.key(param) if param is not None else ("", "")))
        try:
            if not conditions_hold(hook.evaluator.conditions, inputs, "Fail" if hook.fails else "Ignore"):
                continue
        except Unmatched as error:
            problems.append(Problem(hook, binding, str(error), "Invalid"))
            continue
        if again and key not in memory.due:
            continue
        for compiled, patch in hook.evaluator.mutations:
            inputs = Inputs(request, match, namespace, param, authorize, hook.evaluator.variables)
            try:
                made = _patched(world, inputs, match, compiled, patch)
            except (Unpatched, OutOfBudget) as error:
                problems.append(Problem(hook, binding, str(error) or NO_BUDGET, "Invalid"))
                continue
            request = replace(request, object=made)
            memory.changed()
        if hook.policy["spec"].get("reinvocationPolicy") == "IfNeeded":
            memory.invoked.add(key)
    memory.output = request.object
    _refuse(request, [problem for problem in problems if problem.hook.fails])
    assert request.object is not None
    return before if request.object == before else request.object


def _patched(world: Kinds, inputs: Inputs, match: Match, compiled: Compiled, patch: Patch) -> Obj:
    """The object after one mutation, in the version it was sent in, with its defaults."""
    own, other = inputs.request.declared, match.declared
    obj = inputs.shown(inputs.request.object)
    assert obj is not None
    succeeded, said = inputs.evaluate(compiled)
    if not succeeded:
        raise Unpatched(said.removeprefix("compilation error: ") if compiled.problem else said)
    made = patch(other, obj, said)
    for name in ("uid", "creationTimestamp"):  # what nobody can change
        if name in obj["metadata"]:
            made["metadata"][name] = obj["metadata"][name]
    if other is not own:
        made = objects.copy(own.present(other.internal(made)))
    stored = own.internal(made)
    world.resources[own.resource_id()].of(stored).default(stored)
    return stored if stored is made else objects.copy(own.present(stored))


def _refuse(request: Attributes, problems: list[Problem]) -> None:
    if not problems:
        return
    refused = Forbidden.of(request.declared.qualified, shown_name(request), "")
    refused.message = str(problems[0])
    refused.reason = problems[0].reason or refused.reason  # the code stays 403, as upstream
    refused.details = {**(refused.details or {}), "causes": [{"message": str(problem)} for problem in problems]}
    raise refused
