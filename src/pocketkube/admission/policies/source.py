"""The policies that are in force: those with bindings, compiled when they are first asked, and their parameters.

Models apiserver/pkg/admission/plugin/policy/generic/{policy_source,policy_dispatcher}.go. Both are known as soon as
they are written, where upstream looks once a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from pocketkube import objects, selectors
from pocketkube.admission.base import Access
from pocketkube.admission.matching import Attributes, Match, matches_policy, versions
from pocketkube.errors import StatusError
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec.authorizer import Authorize
from pocketkube.resources.base import Resource
from pocketkube.store import DELETED, Event

E = TypeVar("E")


class Kinds(Access, Protocol):
    @property
    def resources(self) -> Mapping[str, Resource]:
        """Every kind served, by resource id; of several versions, the stored one."""
        ...

    @property
    def authorize(self) -> Authorize: ...


class ConfigurationError(Exception):
    """A policy or a binding that cannot be asked, whatever it says."""


class Hook(Generic[E]):
    """A policy with its bindings; `evaluator` is what it compiles to."""

    def __init__(self, policy: Obj, bindings: list[Obj], compile_: Callable[[Obj], E]) -> None:
        self.policy, self.bindings = policy, bindings
        self._compile = compile_
        self._compiled: E | None = None

    @property
    def name(self) -> str:
        return objects.name(self.policy)

    @property
    def fails(self) -> bool:
        """Whether what cannot be evaluated refuses the request."""
        return bool(self.policy["spec"].get("failurePolicy") != "Ignore")

    @property
    def evaluator(self) -> E:
        if self._compiled is None:
            self._compiled = self._compile(self.policy)
        return self._compiled

    def may_concern(self, plural: str) -> bool:
        """Whether the rules name this resource; all versions of one have the same plural."""
        named = {
            name.partition("/")[0]
            for rule in self.policy["spec"]["matchConstraints"].get("resourceRules") or ()
            for name in rule.get("resources") or ()
        }
        return plural in named or "*" in named

    def with_bindings(self, bindings: list[Obj]) -> Hook[E]:
        made = Hook(self.policy, bindings, self._compile)
        made._compiled = self._compiled
        return made


class Source(Generic[E]):
    """Follows the policies of one kind and their bindings. `hooks` are those in force, in the order of their names."""

    def __init__(self, world: Kinds, policies: str, bindings: str, compile_: Callable[[Obj], E]) -> None:
        self.hooks: tuple[Hook[E], ...] = ()
        self._about: dict[str, tuple[Hook[E], ...]] = {}
        self._compile = compile_
        self._known: dict[str, Hook[E]] = {}
        self._bindings: dict[str, Obj] = {objects.name(one): one for one in world.objects(bindings)}
        for policy in world.objects(policies):
            self._known[objects.name(policy)] = Hook(policy, [], compile_)
        self._refresh()
        world.subscribe(policies, self._policy_changed)
        world.subscribe(bindings, self._binding_changed)

    def about(self, kind: Resource) -> tuple[Hook[E], ...]:
        """Those that may be about a kind: most writes are no policy's business."""
        found = self._about.get(kind.plural)
        if found is None:
            found = self._about[kind.plural] = tuple(hook for hook in self.hooks if hook.may_concern(kind.plural))
        return found

    def _policy_changed(self, event: Event) -> None:
        name = objects.name(event.object)
        held = self._known.get(name)
        if event.type == DELETED:
            self._known.pop(name, None)
        elif held is None or held.policy["spec"] != event.object["spec"]:
            self._known[name] = Hook(event.object, [], self._compile)
        self._refresh()

    def _binding_changed(self, event: Event) -> None:
        if event.type == DELETED:
            self._bindings.pop(objects.name(event.object), None)
        else:
            self._bindings[objects.name(event.object)] = event.object
        self._refresh()

    def _refresh(self) -> None:
        bound: dict[str, list[Obj]] = {}
        for _, binding in sorted(self._bindings.items()):
            bound.setdefault(binding["spec"]["policyName"], []).append(binding)
        self.hooks = tuple(
            hook.with_bindings(bound[name]) for name, hook in sorted(self._known.items()) if name in bound
        )
        self._about = {}
        for hook in self.hooks:
            self._known[hook.name] = hook


class Bound(NamedTuple):
    """A binding by which a policy is about a request, with its parameters (None: it takes none); or the `problem` that
    keeps a policy, or one of its bindings, from being asked."""

    binding: Obj | None
    match: Match | None = None
    params: Sequence[Obj | None] = ()
    problem: str = ""


def bound(world: Kinds, hook: Hook[E], request: Attributes) -> Iterator[Bound]:
    spec = hook.policy["spec"]
    try:
        match = matches_policy(world, request, spec.get("matchConstraints"))
        if match is None:
            return
        kind = _param_kind(world, spec.get("paramKind"))
    except (StatusError, ConfigurationError) as error:
        yield Bound(None, problem=f"failed to configure policy: {error}")
        return
    for binding in hook.bindings:
        try:
            if matches_policy(world, request, binding["spec"].get("matchResources")) is None:
                continue
            params = _params(world, kind, binding["spec"].get("paramRef"), request.namespace)
        except (StatusError, ConfigurationError) as error:
            yield Bound(binding, problem=f"failed to configure binding: {error}")
            continue
        if params:
            yield Bound(binding, match, params)


def _param_kind(world: Kinds, named: Obj | None) -> Resource | None:
    if named is None:
        return None
    version, kind = named["apiVersion"], named["kind"]
    for stored in world.resources.values():
        if stored.kind == kind:
            for one in versions(stored):
                if one.api_version == version:
                    return one
    group, _, short = version.rpartition("/")
    raise ConfigurationError(f"failed to find resource referenced by paramKind: '{group}/{short}, Kind={kind}'")


def _params(world: Kinds, kind: Resource | None, ref: Obj | None, namespace: str) -> list[Obj | None]:
    """The parameters that a binding refers to; none: nothing is asked."""
    if kind is None or ref is None:
        return [None]
    at = ""
    if kind.namespaced:
        at = ref.get("namespace") or namespace
        if not at:
            raise ConfigurationError(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            )
    elif ref.get("namespace"):
        raise ConfigurationError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    found: list[Obj | None] = [kind.present(one) for one in _referred(world, kind, ref, at)]
    if not found and ref.get("parameterNotFoundAction") == "Deny":
        raise ConfigurationError("no params found for policy binding with `Deny` parameterNotFoundAction")
    return found


def _referred(world: Kinds, kind: Resource, ref: Obj, namespace: str) -> Iterable[Obj]:
    if name := ref.get("name"):
        found = world.find(kind.resource_id(), namespace, name)
        return [] if found is None else [found]
    wanted = selectors.from_label_selector(ref.get("selector") or {})
    held = world.objects(kind.resource_id(), namespace if kind.namespaced else None)
    return [one for one in held if wanted(objects.labels(one))]


def shown_name(request: Attributes) -> str:
    """The object's name, as refusals tell it."""
    meta = (request.object or {}).get("metadata") or {}
    return str(request.name or meta.get("name") or meta.get("generateName") or "Unknown")
