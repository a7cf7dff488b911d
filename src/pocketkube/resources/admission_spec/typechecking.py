"""What a ValidatingAdmissionPolicy's expressions say that is never right of the kinds that it names.

Models apiserver/pkg/admission/plugin/policy/validating/typechecking.go. Nothing is refused for it: the policy's status
tells it. What the checker does not know it lets pass (custom/cel_types.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pocketkube.objects import Obj
from pocketkube.resources.admission_spec.expressions import Compiler
from pocketkube.resources.base import Resource
from pocketkube.resources.custom.schemas import Schema
from pocketkube.schema import types

MOST: Final = 10
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
Kinds = Iterable[Resource]
"""All kinds in all their versions."""


def warnings(policy: Obj, kinds: Kinds) -> list[Obj]:
    """`status.typeChecking.expressionWarnings`."""
    spec, kinds = policy["spec"], list(kinds)
    checked = [(kind, schema) for kind in _named(spec, kinds) if (schema := schema_of(kind)) is not None]
    found = []
    for index, validation in enumerate(spec.get("validations") or ()):
        for field in ("expression", "messageExpression"):
            text = validation.get(field)
            if text and (told := _told(spec, text, checked, kinds)):
                found.append({"fieldRef": f"spec.validations[{index}].{field}", "warning": told})
    return found


def _told(spec: Obj, text: str, checked: list[tuple[Resource, Schema]], kinds: list[Resource]) -> str:
    messages = []
    named = spec.get("paramKind")
    params = next((one for one in kinds if named and _is(one, named["apiVersion"], named["kind"])), None)
    for kind, schema in checked:
        compiler = Compiler(params=named is not None, variables=True)
        compiler.typed |= {"object": schema, "oldObject": schema}
        compiler.typed["params"] = schema_of(params) if params is not None else None
        for variable in spec.get("variables") or ():
            compiler.variable(variable["name"], variable["expression"])
        if problem := compiler.compile(text).problem:
            at = f"{kind.group}/{kind.version}, Kind={kind.kind}"
            messages.append(f"{at}: {problem.removeprefix('compilation failed: ')}\n")
    return "\n".join(messages)


def _is(kind: Resource, api_version: str, name: str) -> bool:
    return kind.api_version == api_version and kind.kind == name


def _named(spec: Obj, kinds: list[Resource]) -> list[Resource]:
    """The kinds that the rules name one by one, ten of a rule at most."""
    found: dict[tuple[str, str, str], Resource] = {}
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
        if any("*" in text for text in (*groups, *versions)):
            continue
        resources = [name for name in rule.get("resources") or () if "*" not in name and "/" not in name]
        matching = [k for k in kinds if k.group in groups and k.version in versions and k.plural in resources]
        for kind in sorted(matching, key=_order)[:MOST]:
            found[_order(kind)] = kind
        if len(matching) >= MOST:
            break
    return [kind for _, kind in sorted(found.items())]


def _order(kind: Resource) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.kind


def schema_of(kind: Resource) -> Schema | None:
    """A kind's schema as the checker reads it; None where there is none."""
    if kind.custom:
        known = types.openapi("v1")
        own: Schema = getattr(kind, "schema", None) or {}
        heads: dict[str, Schema] = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
        heads["metadata"] = _Resolved(known[_META], known)
        return {**own, "properties": {**(own.get("properties") or {}), **heads}}
    known = types.openapi(kind.api_version)
    for schema in known.values():
        for named in schema.get("x-kubernetes-group-version-kind", ()):
            if (named["group"], named["version"], named["kind"]) == _order(kind):
                return _Resolved(schema, known)
    return None


class _Resolved(dict[str, Any]):
    """A schema of the API whose references are followed when they are looked at: some lead back to themselves."""

    def __init__(self, schema: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        reference = schema.get("$ref") or next((one["$ref"] for one in schema.get("allOf", ()) if "$ref" in one), "")
        target = known.get(str(reference).rpartition("/")[2], {}) if reference else schema
        super().__init__({"x-kubernetes-int-or-string": True} if "oneOf" in target else target)
        self._known = known

    def get(self, key: str, default: Any = None) -> Any:
        held = super().get(key, default)
        if key in ("items", "additionalProperties") and isinstance(held, dict):
            return _Resolved(held, self._known)
        if key == "properties" and held:
            return _Properties(held, self._known)
        return held


class _Properties(dict[str, Any]):
    """Resolved one by one."""

    def __init__(self, held: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        super().__init__(held)
        self._known = known

    def items(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]
        return ((name, _Resolved(schema, self._known)) for name, schema in super().items())

    def __getitem__(self, name: str) -> Any:
        return _Resolved(super().__getitem__(name), self._known)
