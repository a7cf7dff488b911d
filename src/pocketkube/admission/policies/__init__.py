"""Admission policies: rules in CEL that whoever administers the cluster writes, for every write, of components too.

`source` knows which are in force, `validating` and `mutating` ask them. A write for which there is none costs one look.
Models apiserver/pkg/admission/plugin/policy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pocketkube import objects
from pocketkube.admission.asking import Write
from pocketkube.admission.matching import CREATE, DELETE, UPDATE, Attributes, Gvk, kind_of
from pocketkube.admission.policies import mutating, validating
from pocketkube.admission.policies.source import Kinds, Source
from pocketkube.asked import Asked
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec.registration import GROUP
from pocketkube.resources.base import Resource

_BINDING: Final = "binding"
_UNASKED: Final = frozenset(
    (
        *("validatingadmissionpolicies", "validatingadmissionpolicybindings"),
        *("mutatingadmissionpolicies", "mutatingadmissionpolicybindings"),
    )
)
"""Kinds no policy is asked about: a wrong one could not be mended any more."""


class Policies:
    """Those of one cluster."""

    def __init__(self, world: Kinds) -> None:
        self.world = world
        self.mutating = Source(
            world, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings", mutating.compile_policy
        )
        self.validating = Source(
            world, "validatingadmissionpolicies", "validatingadmissionpolicybindings", validating.compile_policy
        )

    @property
    def in_force(self) -> bool:
        return bool(self.validating.hooks or self.mutating.hooks)

    def review(self, asked: Asked | None, declared: Resource | None = None) -> PolicyReview | None:
        """What they say to one write; None if there is nothing to ask. `declared`: the version it is made in, where it
        is not the stored one."""
        return PolicyReview(self, asked, declared) if self.in_force and asked is not None else None

    def judge(self, request: Attributes, warn: Callable[[str], None] | None) -> None:
        """Ask about a request that is no write of a stored object. Raises Forbidden."""
        if hooks := self.validating.about(request.declared):
            validating.judge(self.world, hooks, request, self.world.authorize, warn)


class PolicyReview:
    """A `Review` (admission/asking.py) that has its answers at once."""

    def __init__(self, policies: Policies, asked: Asked, declared: Resource | None = None) -> None:
        self._policies = policies
        self._asked = asked
        self._declared = declared if declared is not None and not declared.custom else None
        """Objects of custom kinds come in the version of the request."""
        self._memory = mutating.Reinvocation()
        self._name: str | None = None
        """As the client gave it: a generated one is not in the request."""

    def mutate(self, write: Write, *, again: bool = False) -> Obj:
        if not again:
            self._name = objects.name(write.new)
            self._memory = mutating.Reinvocation()
        hooks = self._policies.mutating.about(write.kind)
        if not hooks or _is_exempt(write.kind) or write.subresource == _BINDING:
            return write.new
        request, world = self._request(write.kind, write.new, write.old, write.subresource), self._policies.world
        given = request.object
        made = mutating.mutate(world, hooks, request, world.authorize, self._memory, again=again)
        return write.new if made is given else request.declared.internal(made)

    def judge(self, write: Write) -> None:
        if self._policies.validating.about(write.kind) and not _is_exempt(write.kind):
            request = self._request(write.kind, write.new, write.old, write.subresource)
            self._policies.judge(request, self._asked.warn)

    def remove(self, kind: Resource, old: Obj) -> None:
        if self._policies.validating.about(kind) and not _is_exempt(kind):
            request = self._request(kind, None, old, "")
            self._policies.judge(request, self._asked.warn)

    def _request(self, kind: Resource, new: Obj | None, old: Obj | None, subresource: str) -> Attributes:
        if subresource == _BINDING and new is not None:
            made, old, named = _binding(new), None, Gvk("", "v1", "Binding")
            request = replace(self._request(kind, made, old, ""), kind=named, subresource=subresource)
            return replace(request, name=objects.name(new))
        shown = new or old or {}
        namespace, name = objects.key(shown)
        given = self._name if old is None and self._name is not None else name
        declared = kind
        if self._declared is not None and self._declared.resource_id() == kind.resource_id():
            declared = self._declared
            new, old = (None if one is None else declared.present(one) for one in (new, old))
        return Attributes(
            DELETE if new is None else UPDATE if old is not None else CREATE,
            declared,
            kind_of(declared),
            subresource,
            name if kind.plural == "namespaces" else namespace if kind.namespaced else "",
            given,
            new,
            old,
            self._asked.user,
            self._asked.dry_run,
            dict(self._asked.options) if self._asked.options is not None else None,
        )


def _binding(pod: Obj) -> Obj:
    """What a scheduler sends to have a pod bound, as the pod tells it."""
    meta = {name: pod["metadata"][name] for name in ("name", "namespace", "uid") if name in pod["metadata"]}
    target = {"kind": "Node", "name": objects.spec(pod).get("nodeName", "")}
    return {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}


def _is_exempt(kind: Resource) -> bool:
    return kind.group == GROUP and kind.plural in _UNASKED
