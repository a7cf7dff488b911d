"""Expressions of admission, evaluated: what they are given of a request, and match conditions.

Models apiserver/pkg/admission/plugin/cel/{activation,condition,composition}.go and .../webhook/matchconditions. What
they may name, and what does not compile, is resources/admission_spec/expressions.py. Objects are given as they are
written, without managedFields. Costs are those of custom resources' rules (resources/custom/cost.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pocketkube import objects, rbac
from pocketkube.admission.matching import CONNECT, Attributes, Match
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec import authorizer
from pocketkube.resources.admission_spec.authorizer import Authorize
from pocketkube.resources.admission_spec.expressions import BOOL, Compiled, Compiler, Names
from pocketkube.resources.base import World

if TYPE_CHECKING:
    from pocketkube.resources.custom import cost

NO_BUDGET: Final = "validation failed due to running out of cost budget, no further validation rules will be run"
_VERBS: Final = {"CREATE": "create", "UPDATE": "update", "DELETE": "delete", CONNECT: "create"}
_NAMESPACE_META: Final = (
    *("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "finalizers"),
)


class OutOfBudget(Exception):
    """All expressions of one policy together have taken too much."""


@dataclass
class Inputs:
    """What expressions about one request are given. `variables` are compiled, and evaluated when one is needed."""

    request: Attributes
    match: Match
    namespace: Obj | None
    params: Obj | None = None
    authorize: Authorize | None = None
    variables: Mapping[str, Compiled] = field(default_factory=dict)
    meter: cost.Meter = field(default_factory=lambda: _meter())
    skipped: bool = False
    """Whether nothing more is to be evaluated."""
    _made: dict[str, Any] = field(default_factory=dict)
    _sizes: dict[str, cost.Size] = field(default_factory=dict)
    _values: dict[str, tuple[bool, Any]] = field(default_factory=dict)

    def evaluate(self, compiled: Compiled) -> tuple[bool, Any]:
        """(True, value), or (False, what went wrong). Raises OutOfBudget."""
        if compiled.problem:
            return False, f"compilation error: {compiled.problem}"
        succeeded, said = self._run(compiled)
        return (True, said) if succeeded else (False, f"expression '{compiled.text}' resulted in error: {said}")

    def _run(self, compiled: Compiled) -> tuple[bool, Any]:
        if compiled.program is None:
            return False, compiled.problem
        from pocketkube.resources.custom import cost, programs  # with the CEL library, which few clusters need

        expression = compiled.program.expression
        data = {name: self._given(name) for name in expression.names & _KNOWN}
        sizes = {name: self._sizes[name] for name in data}
        failed: dict[str, Any] = {}
        if "variables" in expression.names:
            wanted = expression.fields_of("variables")
            data["variables"], failed = self._compose(self.variables.keys() if wanted is None else wanted)
            sizes["variables"] = cost.size(data["variables"])
        with authorizer.asking(self.authorize or _nobody_decides):
            succeeded, said = programs.Evaluation(data, sizes, self.meter).run(compiled.program)
        if self.meter.spent > cost.PER_OBJECT:
            raise OutOfBudget
        if not succeeded:
            said = programs.go_error(said)
            name = said.removeprefix("no such key: ")
            if name in failed:
                said = f'composited variable "{name}" fails to evaluate: {failed[name]}'
        return succeeded, said

    def renew(self) -> None:
        """What is evaluated from now on has a budget of its own."""
        self.meter = _meter()

    def _given(self, name: str) -> Any:
        if name not in self._made:
            from pocketkube.resources.custom import cost

            self._made[name] = getattr(self, f"_{name}")()
            self._sizes[name] = cost.size(self._made[name])
        return self._made[name]

    def _compose(self, names: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The values of variables, and why others have none: that counts where they are read."""
        values: dict[str, Any] = {}
        failed: dict[str, Any] = {}
        for name in names:
            if name not in self._values:
                self._values[name] = self._run(self.variables[name]) if name in self.variables else (False, "")
            succeeded, said = self._values[name]
            (values if succeeded else failed)[name] = said
        return values, failed

    # -- variables, by their names

    def _object(self) -> Any:
        return _plain(self.shown(self.request.object))

    def _oldObject(self) -> Any:
        return _plain(self.shown(self.request.old))

    def shown(self, obj: Obj | None) -> Obj | None:
        """An object in the version that the rules name."""
        other = self.match.declared
        if obj is None or other is self.request.declared:
            return obj
        return other.present(self.request.declared.internal(objects.copy(obj)))

    def _params(self) -> Any:
        return _plain(self.params)

    def _namespaceObject(self) -> Any:
        if self.namespace is None:
            return None
        meta = objects.meta(self.namespace)
        shown = {name: meta[name] for name in _NAMESPACE_META if name in meta}
        return {"metadata": shown, **{name: self.namespace.get(name) or {} for name in ("spec", "status")}}

    def _request(self) -> Any:
        asked = self.request
        found = {
            "kind": self.match.kind._asdict(),
            "resource": self.match.resource._asdict(),
            "requestKind": asked.kind._asdict(),
            "requestResource": asked.resource._asdict(),
            "operation": asked.operation,
            "userInfo": dict(asked.user),
            "dryRun": asked.dry_run,
            "options": asked.options,
        }
        named = {
            "subResource": asked.subresource,
            "requestSubResource": asked.subresource,
            "name": asked.name,
            "namespace": asked.namespace,
        }
        return found | {name: value for name, value in named.items() if value}

    def _authorizer(self) -> Any:
        asked = self.request
        at = (asked.resource.group, asked.resource.resource, asked.subresource, asked.namespace, asked.name)
        return authorizer.of(asked.user, rbac.Attributes(_VERBS[asked.operation], *at))


_KNOWN: Final = frozenset(("object", "oldObject", "params", "namespaceObject", "request", "authorizer"))


def _meter() -> cost.Meter:
    from pocketkube.resources.custom import cost

    return cost.Meter()


def _plain(obj: Obj | None) -> Obj | None:
    """Without managedFields, whose tuples the library does not take."""
    if obj is None or "managedFields" not in (obj.get("metadata") or {}):
        return obj
    meta = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": meta}


def _nobody_decides(_: Mapping[str, Any], __: rbac.Attributes) -> tuple[bool, str]:
    return False, ""


def namespace_of(world: World, request: Attributes) -> Obj | None:
    """What `namespaceObject` is: None for what is in no namespace, and for a Namespace itself."""
    if not request.namespace or request.declared.plural == "namespaces":
        return None
    return world.find("namespaces", "", request.namespace)


# -- match conditions


class Unmatched(Exception):
    """Match conditions that could not be evaluated, with failurePolicy Fail: why."""


def compile_conditions(conditions: Iterable[Obj], *, params: bool = False) -> list[Compiled]:
    compiler = Compiler(params=params)
    names = Names(params, authorizer=True)
    return [compiler.compile((one.get("expression") or "").strip(), BOOL, names=names) for one in conditions]


def conditions_hold(conditions: Iterable[Compiled], inputs: Inputs, failure_policy: str = "Fail") -> bool:
    """Whether all are true; one that is false counts before one that fails. Raises Unmatched."""
    problems = []
    try:
        for condition in conditions:
            succeeded, said = inputs.evaluate(condition)
            if succeeded and said is False:
                return False
            if not succeeded:
                problems.append(said)
    except OutOfBudget:
        problems = [NO_BUDGET]
    if problems and failure_policy != "Ignore":
        unique = list(dict.fromkeys(problems))
        raise Unmatched(unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")
    return not problems
