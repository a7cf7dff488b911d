"""A write as webhooks see it: which of them it concerns, and its objects in the version that they name.

Models apiserver/pkg/admission/plugin/webhook/generic (ShouldCallHook) and apiserver/pkg/admission/conversion.go. What
another version takes may have to be asked for, too: methods raise Unanswered then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from pocketkube import objects
from pocketkube.admission import matching
from pocketkube.admission.expressions import Inputs, Unmatched, conditions_hold, namespace_of
from pocketkube.admission.matching import Attributes, Match
from pocketkube.apiserver.webhooks.hooks import Hook
from pocketkube.asked import Asked
from pocketkube.errors import BadRequest, Forbidden
from pocketkube.fieldmanager.entries import Entries
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.base import Resource

Matched = tuple[Hook, Match]
OF_THE_SYSTEM: Final = ("uid", "creationTimestamp")
"""What a new object has only once mutating webhooks have seen it."""


class Requests:
    """`asked`: who writes, and how. `declared`: the kind in the version of the request, where that is not the
    registry's."""

    def __init__(self, registry: Registry, asked: Asked, declared: Resource | None) -> None:
        self._registry = registry
        self._asked = asked
        self._declared = declared
        self.name = ""
        """As the client gave it: a generated one is not in the request."""

    def of(
        self, kind: Resource, new: Obj | None, old: Obj | None, subresource: str, managed: Entries | None
    ) -> Attributes:
        declared, asked = self._declared or kind, self._asked
        namespace, name = objects.key(new or old or {})
        operation, options = (
            (matching.DELETE, "DeleteOptions")
            if new is None
            else (matching.UPDATE, "UpdateOptions")
            if old is not None
            else (matching.CREATE, "CreateOptions")
        )
        given = asked.options or {"apiVersion": "meta.k8s.io/v1"}
        return Attributes(
            operation,
            declared,
            matching.kind_of(declared),
            subresource,
            name if declared.plural == "namespaces" and not declared.group else namespace,
            name if old is not None else self.name,
            object=self._as_asked(declared, _told(new, managed)),
            old=self._as_asked(declared, old),
            user=asked.user,
            dry_run=asked.dry_run,
            options={**given, "kind": options},
        )

    @staticmethod
    def _as_asked(declared: Resource, obj: Obj | None) -> Obj | None:
        """An object of the registry in the version of the request; a custom one is in it."""
        same = obj is None or (declared.custom and obj.get("apiVersion") == declared.api_version)
        return obj if same or obj is None else declared.present(obj)

    def matched(self, hooks: Iterable[Hook], request: Attributes) -> list[Matched]:
        return [(hook, match) for hook in hooks if (match := self.match(hook, request)) is not None]

    def match(self, hook: Hook, request: Attributes) -> Match | None:
        """Raises StatusError."""
        match = matching.matches_webhook(self._registry, request, hook.spec)
        if match is None or not hook.conditions:
            return match
        namespace = namespace_of(self._registry, request)
        inputs = Inputs(request, match, namespace, authorize=self._registry.authorize)
        try:
            held = conditions_hold(hook.conditions, inputs, "Ignore" if hook.may_fail else "Fail")
        except Unmatched as why:
            raise Forbidden.of(request.declared.qualified, request.name, str(why)) from None
        return match if held else None

    def in_version(self, request: Attributes, match: Match) -> Attributes:
        """The request with its objects as `match` wants them."""
        if match.declared is request.declared or is_other(request):
            return request
        shown = [
            None if one is None else match.declared.present(request.declared.internal(objects.copy(one)))
            for one in (request.object, request.old)
        ]
        return replace(request, object=shown[0], old=shown[1])

    def back(self, request: Attributes, match: Match, changed: Obj) -> Obj:
        """An object in the version of `match` in that of the request."""
        if match.declared is request.declared or is_other(request):
            return changed
        made: Obj = match.declared.internal(objects.copy(changed))
        return request.declared.present(made)

    def defaulted(self, declared: Resource, changed: Obj) -> Obj:
        made = declared.internal(objects.copy(changed))
        self._registry.resources[declared.resource_id()].of(made).default(made)
        return declared.present(made)

    def stored(self, declared: Resource, changed: Obj, before: Obj) -> Obj:
        """What webhooks return as the registry takes it: what is the system's is not theirs. Raises BadRequest."""
        made = declared.internal(objects.copy(changed))
        if objects.namespace(made) != objects.namespace(before):
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
        made["metadata"].pop("managedFields", None)
        for name in OF_THE_SYSTEM:
            if name in before["metadata"]:
                made["metadata"][name] = before["metadata"][name]
        return made


def is_other(request: Attributes) -> bool:
    """Whether what is written is of a kind of its own, which has one version."""
    return request.kind != matching.kind_of(request.declared)


def _told(obj: Obj | None, managed: Entries | None) -> Obj | None:
    """An object with its managedFields, which the registry keeps apart while it writes."""
    if obj is None or not managed:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "managedFields": managed}}


def without(meta: Obj, *names: str) -> Obj:
    return {name: value for name, value in meta.items() if name not in names}


def bare(obj: Obj | None) -> Obj | None:
    """An object without its managedFields: who owns what is no change."""
    return obj if not obj or "metadata" not in obj else {**obj, "metadata": without(obj["metadata"], "managedFields")}
